"""`nas score`: what can be known of networks without training them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nas.cli.app import Examples


@click.command(
    cls=Examples,
    examples=(
        "nas score resnet20 plain20",
        "nas score resnet18 runs/NAME/best.yaml --dataset cifar10 --proxies naswot,synflow",
        "nas score mobilenet_v2 --proxies params,macs,latency-ms --json",
    ),
)
@click.argument("networks", nargs=-1, required=True)
@click.option("--proxies", default="", metavar="NAMES", help="Which, joined by commas (default: all of `nas list measures`).")
@click.option("--dataset", metavar="D", help="Score at this data set's input and classes, on its images (default: noise).")
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where data sets lie, or are downloaded to.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of parameters and images.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(networks: tuple[str, ...], proxies: str, dataset: str | None, data_dir: Path | None, seed: int, as_json: bool) -> None:
    """Score NETWORKS: baselines, YAML files, run folders. Larger is better, but for params, macs and latency_ms.

    Nothing is trained: parameters are drawn, and a batch is passed forwards and backwards. Scores compare networks of one input
    shape, shown the same images. latency_ms is measured on this machine, one image on one CPU
    thread; `nas latency` does so at length.
    """
    from nas import measures
    from nas.loading import load_one

    names = [measures.find(name, "--proxies") for name in proxies.split(",")] if proxies else list(measures.names())
    loaded = [load_one(name) for name in networks]
    probe = measures.Probe(seed)
    if dataset is not None:
        from nas import data
        from nas.evaluators.zerocost import probe as images_of

        found = data.load(dataset, data_dir=data_dir)
        probe = images_of(found, seed)
        loaded = [network.with_input(found.input, found.classes) for network in loaded]
    rows = [(network.name, {name: measures.measure(network, name, probe) for name in names}) for network in loaded]
    if as_json:
        click.echo(json.dumps([{"name": name, **scores} for name, scores in rows], indent=2))
    else:
        _print(rows)


def _print(rows: list[tuple[str, dict[str, float]]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from nas.report.tables import console

    table = Table(box=None)
    table.add_column("network", no_wrap=True)
    for name in rows[0][1]:
        table.add_column(name, justify="right", no_wrap=True)
    for network, scores in rows:
        table.add_row(Text(network), *(_text(name, value) for name, value in scores.items()))
    console().print(table)


def _text(name: str, value: Any) -> str:
    from nas.units import format_count

    return format_count(value) if name in ("params", "macs") else f"{value:.4g}"
