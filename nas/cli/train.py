"""`nas train`: train one network for real."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.cli import status_of
from nas.cli.app import Examples
from nas.cli.quiet import quiet_option, say
from nas.errors import NasError

if TYPE_CHECKING:
    from nas.report.training import TrainingScreen
    from nas.trainer.result import TrainResult


@click.command(
    cls=Examples,
    examples=(
        "nas train resnet20 --dataset digits --epochs 5",
        "nas train resnet20 --dataset cifar10 --recipe lecture-resnet",
        "nas train runs/NAME --dataset cifar10 --recipe nasnet --out runs/final",
        "nas train resnet50 --dataset folder:photos --input 3x224x224 --from-torchvision resnet50.pth --lr 0.01",
        "nas train my-network.yaml --dataset npz:mine.npz --set mixup=0.2 --set ema=0.999 --early-stop 10",
        "nas train resnet18 --dataset cifar10 --workers 4",
    ),
)
@click.argument("network")
@click.option("--dataset", default="digits", show_default=True, metavar="D", help="Name (`nas list datasets`), npz:FILE, folder:DIR.")
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where data sets lie, or are downloaded to.")
@click.option("--recipe", metavar="NAME|FILE", help="How to train: modern, nasnet, ..., or a YAML file (default: plain SGD, 30 epochs).")
@click.option("--epochs", type=int, metavar="N", help="Epochs (default: the recipe's).")
@click.option("--batch", type=int, metavar="N", help="Images a step, over all workers (default: the recipe's).")
@click.option("--lr", type=float, metavar="X", help="Peak learning rate (default: the recipe's).")
@click.option("--precision", metavar="P", help="auto, float32, bfloat16 or float16 (default: the recipe's).")
@click.option("--early-stop", type=int, metavar="N", help="End after N epochs without a better validation (default: the recipe's).")
@click.option("--set", "fields", multiple=True, metavar="FIELD=X", help="Any other field of the recipe; may be repeated.")
@click.option("--input", "shape", metavar="CxHxW", help="Resample images: 3x224x224 (default: as they are).")
@click.option("--validation", type=float, default=0.1, show_default=True, metavar="X", help="Part of the images held out; 0: none.")
@click.option("--weights", type=click.Path(path_type=Path), metavar="W", help="Start from a file or a training's folder.")
@click.option("--from-torchvision", type=click.Path(path_type=Path), metavar="FILE", help="Start from torchvision's or timm's weights.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of parameters and order.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder, new (default: runs/train-NETWORK-TIME).")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to train.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads on a CPU (default: all cores).")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Processes that share each batch (Ray).")
@click.option(
    "--compile", "compiling", type=click.Choice(["auto", "on", "off"]), default="auto", show_default=True,
    help="torch.compile: minutes at the start for faster steps; auto: for long trainings on a CPU, where it was measured to pay.",
)  # fmt: skip
@click.option(
    "--checkpoint-seconds", type=click.FloatRange(0), default=300.0, show_default=True, metavar="S",
    help="Checkpoint this often, besides at the end of every epoch.",
)  # fmt: skip
@quiet_option
@click.option("--json", "as_json", is_flag=True, help="The result as JSON, and nothing else.")
def command(
    network: str, dataset: str, data_dir: Path | None, recipe: str | None, epochs: int | None, batch: int | None, lr: float | None,
    precision: str | None, early_stop: int | None, fields: tuple[str, ...], shape: str | None, validation: float,
    weights: Path | None, from_torchvision: Path | None, seed: int, out: Path | None, device: str, threads: int | None,
    workers: int, compiling: str, checkpoint_seconds: float, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train NETWORK, a baseline, a YAML file or a run folder, on a data set by a recipe.

    The folder holds the settings, the network, a checkpoint, the weights that validated best, a line an epoch
    (history.csv), TensorBoard events and, at the end, result.json with the accuracy on the test images, which nothing is
    chosen by. After Ctrl-C, a kill or a crash `nas resume FOLDER` goes on, on a CPU to the same weights to the bit.
    """
    import nas

    changes = {"batch": batch, "lr": lr, "precision": precision, "early_stop": early_stop}
    with screen(quiet, as_json) as watcher:
        result = nas.train(
            network, dataset=dataset, data_dir=data_dir, recipe=recipe, epochs=epochs,
            changes={**{name: value for name, value in changes.items() if value is not None}, **_fields(fields)},
            input=_shape(shape), validation=validation, weights=weights, from_torchvision=from_torchvision, seed=seed, out=out,
            device=device, threads=threads, workers=workers, compile=compiling, checkpoint_seconds=checkpoint_seconds, watcher=watcher,
        )  # fmt: skip
    show(result, as_json, quiet)


@contextlib.contextmanager
def screen(quiet: bool, as_json: bool) -> Iterator[TrainingScreen]:
    """The screen of a training; Ctrl-C ends it with a line that says how to go on, and the exit status."""
    from nas.report.tables import console, short_path
    from nas.report.training import TrainingScreen

    made = TrainingScreen(quiet or as_json, console(stderr=quiet or as_json))
    try:
        yield made
    except KeyboardInterrupt as error:
        made.close()
        at = made.directory
        text = "nothing to resume" if at is None else f"`nas resume {short_path(at)}` goes on"
        click.echo(f"interrupted; {text}", err=True)
        raise SystemExit(status_of(error)) from None
    finally:
        made.close()


def show(result: TrainResult, as_json: bool, quiet: bool = False) -> None:
    """The result; quiet: where its weights are."""
    if quiet and not as_json:
        say([result.directory / "weights.pt"])
        return
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
        return
    from nas.report.training import summary

    for line in summary(result):
        click.echo(line)


def _fields(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`lr=0.1` as a field and a value. Raises `NasError`."""
    from nas.arch.text import parse

    made = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise NasError(f"--set {pair!r}; allowed: FIELD=VALUE, such as mixup=0.2")
        made[name.strip()] = parse(text, f"--set {name.strip()}")
    return made


def _shape(text: str | None) -> tuple[int, int, int] | None:
    """`3x32x32` as numbers. Raises `NasError`."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise NasError(f"--input {text!r}; allowed: CxHxW, such as 3x224x224")
    return int(parts[0]), int(parts[1]), int(parts[2])
