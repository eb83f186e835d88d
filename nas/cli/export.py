"""`nas export`: a network as a file that other programs run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.cli.app import Examples
from nas.cli.quiet import quiet_option, say
from nas.errors import NasError
from nas.export import FORMATS

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.ensembles import Ensemble
    from nas.export import Exported


@click.command(
    cls=Examples,
    examples=(
        "nas export resnet18 --out resnet18.onnx",
        "nas export runs/NAME --out network.py",
        "nas export runs/NAME/best.yaml --weights weights.pt --format torch --out network.pt2",
        "nas export mobilenet_v2 --input 3x96x96 --classes 10 --batch 1 --out small.onnx",
        "nas export resnet50 --from-torchvision resnet50.pth --out resnet50.onnx --json",
    ),
)
@click.argument("network")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The file to write.")
@click.option("--format", "format", type=click.Choice(list(FORMATS)), help="Default: what FILE's suffix says, .onnx, .pt2 or .py.")
@click.option("--weights", metavar="W", help="A state dict's file, or a folder of `nas train` (default: NETWORK's own, if it is one).")
@click.option("--from-torchvision", "reference", metavar="FILE.pth", help="Weights of torchvision's or timm's network of that name.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of parameters without weights.")
@click.option("--input", "shape", metavar="CxHxW", help="Input shape, such as 3x224x224.")
@click.option("--classes", type=int, metavar="N", help="Number of classes.")
@click.option("--batch", default="dynamic", show_default=True, metavar="N|dynamic", help="The batch size that FILE takes.")
@click.option("--check/--no-check", default=True, help="Run FILE against the network before it gets its name (default: yes).")
@quiet_option
@click.option("--json", "as_json", is_flag=True, help="What was written, as JSON.")
def command(
    network: str, out: Path, format: str | None, weights: str | None, reference: str | None, seed: int, shape: str | None,
    classes: int | None, batch: str, check: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write NETWORK, a baseline's name, a YAML file or a run folder, into FILE, for other programs.

    onnx is a model of ONNX from `images` to `logits`, torch a program of torch.export, python one readable file of PyTorch, with
    weights beside it as NAME.pt if any are given. None of them needs this package. Auxiliary heads are left out of onnx and torch.
    """
    from nas.export import export

    size, loaded = parse_batch(batch), _network(network, shape, classes)
    if weights is None and reference is None and os.path.isfile(os.path.join(network, "weights.pt")):
        weights = network
    made = export(loaded, out, format, weights=weights, reference=reference, seed=seed, batch=size, check=check)
    if as_json:
        click.echo(json.dumps(to_dict(loaded, made, seed), indent=2))
    elif quiet:
        say(made.files)
    else:
        _print(loaded, made, seed)


def _network(network: str, shape: str | None, classes: int | None) -> Architecture | Ensemble:
    import nas
    from nas.cli.show import parse_shape

    loaded = nas.load(network)
    if shape is None and classes is None:
        return loaded
    return loaded.with_input(loaded.input if shape is None else parse_shape(shape), loaded.classes if classes is None else classes)


def parse_batch(text: str) -> int | None:
    """`8` as 8, `dynamic` as None. Raises `NasError`."""
    if text == "dynamic":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise NasError(f"--batch={text!r}; allowed: dynamic, or 1 to 99999")
    return int(text)


def to_dict(network: Architecture | Ensemble, made: Exported, seed: int) -> dict[str, Any]:
    """Everything that there is to say, plainly; `weights` is null where they were drawn from `seed`.

    `rounding` is null unless the difference is more than usual and explained by it (see `nas.export.check`).
    """
    return {
        "name": network.name,
        "format": made.format,
        "files": [str(file) for file in made.files],
        "bytes": made.bytes,
        "params": made.params,
        "input": list(network.input),
        "classes": network.classes,
        "batch": made.batch,
        "weights": made.weights,
        "seed": seed if made.weights is None else None,
        "difference": made.difference,
        "rounding": made.checked.rounding._asdict() if made.checked and made.checked.rounding else None,
        "seconds": round(made.seconds, 3),
        **made.details,
    }


def _print(network: Architecture | Ensemble, made: Exported, seed: int) -> None:
    from nas.units import format_count, format_seconds

    opset = f", opset {made.details['opset']}" if "opset" in made.details else ""
    images = f"{made.batch or 'any number of'} images of {'x'.join(map(str, network.input))}"
    rows = {
        "wrote": ", ".join(map(str, made.files)),
        "size": f"{made.bytes / 1e6:,.1f} MB, {format_count(made.params)} parameters",
        "format": f"{made.format}{opset}, {images} to {network.classes} logits",
        "weights": made.weights if made.weights is not None else f"untrained weights, drawn from seed {seed}",
        "check": _check(made),
        "took": format_seconds(made.seconds),
    }
    for name, text in rows.items():
        click.echo(f"{name:8} {text}")


def _check(made: Exported) -> str:
    from nas.export.check import TOLERANCE

    if made.checked is None:
        return "not checked"
    difference, rounding = made.checked
    told = f"differs from the network by {difference:.1e}"
    if rounding is None:
        return f"{told} (allowed {TOLERANCE:g})"
    return f"{told}, by rounding: {rounding.file:.1e} from 64-bit logits, the network {rounding.network:.1e}"
