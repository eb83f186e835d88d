"""`nas list`: what there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from nas.cli.app import Examples

Rows = list[dict[str, Any]]


def _baselines() -> Rows:
    from nas import baselines

    found = []
    for name in baselines.names():
        made = baselines.get(name)
        network = made.make()
        cost = network.cost(aux=False)
        found.append({"name": name, "params": cost.params, "macs": cost.macs, "input": list(network.input), "paper": made.paper})
    return found


def _spaces() -> Rows:
    from nas import spaces

    loaded = [spaces.load(name) for name in spaces.names()]
    return [
        {"name": space.name, "decisions": len(space.choices), "architectures": space.count(), "about": space.about} for space in loaded
    ]


def _strategies() -> Rows:
    from nas import strategies

    plain = [(name, "several" if entry.several else "one", entry.about) for name, entry in strategies.STRATEGIES.items()]
    around = [(f"{name}:NAME", "one", wrapper.about) for name, wrapper in strategies.WRAPPERS.items()]
    return [{"name": name, "objectives": objectives, "about": about} for name, objectives, about in plain + around]


def _evaluators() -> Rows:
    from nas import evaluators

    return [{"name": name, "argument": evaluators.ARGUMENTS.get(name, "")} for name in evaluators.EVALUATORS.names()]


def _measures() -> Rows:
    from nas import measures

    return [{"name": name, "proxy": each.proxy, "about": each.about} for name, each in measures.MEASURES.items()]


def _datasets() -> Rows:
    from nas import data

    return [{"name": name, "present": data.available(name)} for name in data.names()]


def _recipes() -> Rows:
    from nas.training import recipes

    loaded = [(name, recipes.load(name)) for name in recipes.names()]
    return [
        {
            "name": name, "optimizer": recipe.optimizer, "schedule": recipe.schedule, "epochs": recipe.epochs, "batch": recipe.batch,
            "about": recipes.about(name),
        }
        for name, recipe in loaded
    ]  # fmt: skip


def _operations() -> Rows:
    import nas.primitives  # noqa: F401
    from nas.arch import PRESETS, PRIMITIVES
    from nas.arch.codec import encode_fields

    fixed = [{"name": name, "is": {op.name: encode_fields(op)}, "about": ""} for name, op in PRESETS.items()]
    return [{"name": name, "is": "primitive", "about": (cls.__doc__ or "").split("\n")[0]} for name, cls in PRIMITIVES.items()] + fixed


KINDS: dict[str, Callable[[], Rows]] = {
    "baselines": _baselines,
    "spaces": _spaces,
    "strategies": _strategies,
    "evaluators": _evaluators,
    "measures": _measures,
    "datasets": _datasets,
    "recipes": _recipes,
    "operations": _operations,
}


@click.command(cls=Examples, examples=("nas list baselines", "nas list spaces --json"))
@click.argument("kind", type=click.Choice(list(KINDS)), default="baselines")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(kind: str, as_json: bool) -> None:
    """List the KIND of things there are: networks with their sizes, spaces, strategies, evaluators, measures,
    data sets, training recipes, operations."""
    rows = KINDS[kind]()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    from nas.report.tables import console

    table = Table(box=None)
    for name in rows[0]:
        table.add_column(name, justify="right" if isinstance(rows[0][name], int) and not isinstance(rows[0][name], bool) else "left")
    for row in rows:
        table.add_row(*(Text(_text(key, value)) for key, value in row.items()))
    console().print(table)


def _text(key: str, value: Any) -> str:
    from nas.units import format_count

    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:.3g}" if value > 10**15 else f"{value:,}" if key == "params" else format_count(value)
    if isinstance(value, list):
        return "x".join(map(str, value))
    if isinstance(value, dict):
        ((name, fields),) = value.items()
        return f"{name}({', '.join(f'{key}={item}' for key, item in fields.items())})"
    return str(value)
