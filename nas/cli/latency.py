"""`nas latency`: how long networks take on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nas.cli.app import Examples

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.ensembles import Ensemble
    from nas.latency import Latency, Setting

DISTURBED = 0.95  # of the time


@click.command(
    cls=Examples,
    examples=(
        "nas latency resnet18 mobilenet_v2",
        "nas latency resnet18 runs/NAME/best.yaml --batch 8 --threads 2 --input 3x128x128",
        "nas latency efficientnet_b0 --device cuda --batch 64",
        "nas latency resnet18 --backend onnx --json | jq .[0].median_ms",
    ),
)
@click.argument("networks", nargs=-1, required=True)
@click.option("--batch", type=click.IntRange(1, 1_000_000), default=1, show_default=True, metavar="N", help="Images a pass.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="CPU threads.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where.")
@click.option(
    "--backend", type=click.Choice(["torch", "onnx"]), default="torch", show_default=True, help="torch as it is, or onnxruntime."
)
@click.option("--input", "shape", metavar="CxHxW", help="Input shape of all networks, such as 3x224x224 (default: each its own).")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of parameters and images.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(
    networks: tuple[str, ...], batch: int, threads: int, device: str, backend: str, shape: str | None, seed: int, as_json: bool
) -> None:
    """Measure the latency of NETWORKS: baselines, YAML files, run folders.

    The median of many passes in evaluation after a warm-up, and what 5% and 95% of them stay below; with one CPU
    thread the time for which other work took the core does not count. Networks take turns, so
    that what else the machine does hits all alike; one process measures on a device at a time. Parameters are drawn,
    auxiliary heads are left out.
    """
    import nas
    from nas.cli.show import parse_shape
    from nas.latency import Setting, measure, turn

    loaded = [nas.load(name) for name in networks]
    if shape is not None:
        size = parse_shape(shape)
        loaded = [network.with_input(size, network.classes) for network in loaded]
    setting = Setting(batch, threads, device, backend).here()
    with turn(setting.device):
        found = measure(loaded, setting, seed=seed)
    rows = list(zip(loaded, found, strict=True))
    if as_json:
        click.echo(json.dumps([_plain(network, latency, setting) for network, latency in rows], indent=2))
    else:
        _print(rows, setting)


def _plain(network: Architecture | Ensemble, latency: Latency, setting: Setting) -> dict[str, Any]:
    cost = network.cost(aux=False)
    return {
        "name": network.name, "input": list(network.input), "params": cost.params, "macs": cost.macs,
        "median_ms": latency.median_ms, "low_ms": latency.low_ms, "high_ms": latency.high_ms, "runs": latency.runs,
        "images_per_second": latency.images_per_second, "core": latency.core, **setting.facts(),
    }  # fmt: skip


def _print(rows: list[tuple[Architecture | Ensemble, Latency]], setting: Setting) -> None:
    from rich.table import Table
    from rich.text import Text

    from nas.report.tables import console
    from nas.units import format_count

    table = Table(box=None)
    for index, name in enumerate(("network", "input", "parameters", "MACs", "median ms", "5% to 95%", "images/s", "passes")):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for network, found in rows:
        cost = network.cost(aux=False)
        table.add_row(
            Text(network.name), "x".join(map(str, network.input)), format_count(cost.params), format_count(cost.macs),
            f"{found.median_ms:.4g}", f"{found.low_ms:.4g} to {found.high_ms:.4g}", f"{found.images_per_second:.4g}", str(found.runs),
        )  # fmt: skip
    console().print(table)
    threads = f"{setting.threads} thread{'s' if setting.threads > 1 else ''}"
    least = min(found.core for _, found in rows)
    click.echo(f"batch {setting.batch}, {threads}, {setting.device}, {setting.backend}; MACs are of one image, ms of a whole batch")
    if setting.device == "cpu" and least < DISTURBED:
        click.echo(f"other work disturbs this: the process had its core for {least:.0%} of the time; measure again when it is quiet")
