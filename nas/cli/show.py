"""`nas show`: table and picture of a network."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nas.cli.app import Examples
from nas.errors import NasError

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.ensembles import Ensemble
    from nas.study import Study


@click.command(
    cls=Examples,
    examples=(
        "nas show resnet50",
        "nas show nasnet_a_cifar --svg cell.svg",
        "nas show runs/NAME/best.yaml --input 3x64x64 --classes 100",
        "nas show vgg16 --no-biases",
        "nas show googlenet --json | jq .inference.params",
        "nas show runs/NAME --trial 3",
        "nas show runs/NAME --lineage",
    ),
)
@click.argument("network")
@click.option("--input", "shape", metavar="CxHxW", help="Input shape, such as 3x224x224.")
@click.option("--classes", type=int, metavar="N", help="Number of classes.")
@click.option("--by", type=click.Choice(["layer", "block", "stage", "member"]), help="One row each (default: what fits).")
@click.option("--biases/--no-biases", default=True, help="Whether biases of convolutions and linear maps count (default: yes).")
@click.option("--json", "as_json", is_flag=True, help="The numbers as JSON, one entry a layer unless --by says otherwise.")
@click.option("--yaml", "as_yaml", is_flag=True, help="The network in the language, as a file that every verb reads.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Draw the cell and the stages into FILE.")
@click.option("--dark", is_flag=True, help="Draw light on dark.")
@click.option("--trial", type=click.IntRange(0), metavar="N", help="Of a run folder this trial, not the best.")
@click.option("--lineage", is_flag=True, help="Of a run folder: where the trial came from, its ancestors and what each changed.")
def command(
    network: str, shape: str | None, classes: int | None, by: str | None, biases: bool, as_json: bool, as_yaml: bool,
    svg: Path | None, dark: bool, trial: int | None, lineage: bool,
) -> None:  # fmt: skip
    """Show NETWORK, a baseline's name (`nas list baselines`), a YAML file, or a run folder: the best of it.

    The table has a row a layer with its output shape, its receptive field in pixels of the image (`all` where a number
    depends on the whole image), parameters, multiply-adds (MACs; FLOPs are twice that) and activations, the numbers
    that it writes into memory of its own, for one image. An ensemble has a row a member.
    """
    from nas.report.network import to_dict

    if lineage:
        given = {"--input": shape, "--classes": classes, "--by": by, "--yaml": as_yaml, "--svg": svg, "--no-biases": not biases}
        _show_lineage(network, trial, as_json, [name for name, value in given.items() if value not in (None, False)])
        return
    architecture = network_of(network, trial, shape, classes)
    cost = architecture.cost() if biases else architecture.cost().without_biases()
    if svg is not None:
        from nas.draw import save
        from nas.draw.page import single

        save(single(architecture), svg, "svg", dark=dark)
    if as_yaml:
        click.echo(architecture.to_yaml(), nl=False)
    elif as_json:
        click.echo(json.dumps(to_dict(architecture, cost, by), indent=2))  # type: ignore[arg-type]
    else:
        from nas.report.tables import console, network_table

        console().print(network_table(architecture, cost, by))  # type: ignore[arg-type]
        if svg is not None:
            click.echo(f"drew {svg}")


def _show_lineage(network: str, trial: int | None, as_json: bool, others: list[str]) -> None:
    if others:
        raise NasError(f"{others[0]} is about one network, --lineage about trials; allowed with it: --trial, --json")
    from nas.report.lineage import lineage_table, to_dict
    from nas.report.tables import console

    study = _study(network, "--lineage")
    steps = study.lineage(trial)
    if as_json:
        click.echo(json.dumps(to_dict(steps), indent=2))
    else:
        console().print(lineage_table(study, steps))


def network_of(network: str, trial: int | None, shape: str | None, classes: int | None) -> Architecture | Ensemble:
    """The network that NETWORK, `--trial`, `--input` and `--classes` mean. Raises `NasError`."""
    made = _network(network) if trial is None else _trial(network, trial)
    if shape is None and classes is None:
        return made
    return made.with_input(made.input if shape is None else parse_shape(shape), made.classes if classes is None else classes)


def _network(network: str) -> Architecture | Ensemble:
    """By name, from a file, or the best of a run folder; of a run without one the error is that."""
    import nas

    if os.path.isfile(os.path.join(network, "run.yaml")) and not os.path.isfile(os.path.join(network, "best.yaml")):
        return _trial(network, None)
    return nas.load(network)


def _trial(network: str, number: int | None) -> Architecture:
    """The network of a trial, None for the best. Raises `NasError` when there is no such run or trial."""
    made: Architecture = _study(network, "--trial").lineage(number)[-1].trial.architecture
    return made


def _study(network: str, option: str) -> Study:
    """The run in a folder; anything else has no trials."""
    import nas

    if not os.path.isdir(network):
        nas.load(network)  # where there is no such network either, that is the error
        raise NasError(f"{option} of {network!r}, which is no run folder; allowed: a folder that `nas search` made, such as runs/NAME")
    return nas.open_study(network)


def parse_shape(text: str) -> tuple[int, int, int]:
    """`3x224x224` as (3, 224, 224). Raises `NasError`."""
    parts = text.lower().replace("\u00d7", "x").split("x")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 9 and int(part) > 0 for part in parts):
        raise NasError(f"--input={text!r}; allowed: channels x rows x columns, such as 3x224x224")
    return int(parts[0]), int(parts[1]), int(parts[2])
