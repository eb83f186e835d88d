"""Scaled networks beside their base, as a table and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from nas.units import format_bytes, format_count

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.scale import Aim, Choice, Coefficients, Solution

Row = dict[str, Any]


def row(choice: Choice, batch: int) -> Row:
    """One network. `resolution` is the side in pixels (rows), `memory_bytes` that of training on `batch` images."""
    cost = choice.architecture.cost(aux=False)
    return {
        "name": choice.architecture.name,
        "rule": choice.rule,
        "phi": choice.phi,
        "depth": choice.factors.depth,
        "width": choice.factors.width,
        "resolution": choice.architecture.input[1],
        "input": list(choice.architecture.input),
        "coefficients": choice.factors._asdict(),
        "params": cost.params,
        "macs": cost.macs,
        "memory_bytes": choice.architecture.cost().training_bytes(batch),
        "digest": choice.architecture.digest,
    }


def to_dict(base: Choice, made: tuple[Choice, ...], law: Coefficients, batch: int, solved: tuple[Aim, Solution] | None) -> Row:
    """The answer, which is the first of `made`, with all rows; counts are without auxiliary heads, memory with them."""
    target, solution = solved if solved is not None else (None, None)
    return {
        **row(made[0], batch),
        "exact": solution is None or solution.exact,
        "moved": solution.moved if solution is not None else None,
        "target": None if target is None or solution is None else {
            "name": target.name, "wanted": target.value, "reached": solution.best.value,
        },
        "batch": batch,
        "law": {"alpha": law.depth, "beta": law.width, "gamma": law.resolution},
        "base": row(base, batch),
        "rows": [row(choice, batch) for choice in made],
    }  # fmt: skip


def scale_table(base: Choice, made: tuple[Choice, ...], batch: int, solved: tuple[Aim, Solution] | None) -> Group:
    """A row each, the base first, the answer marked by a star; below it what there is to say of the answer."""
    table = Table(box=None)
    table.add_column("", no_wrap=True)
    for name, side in (("network", "left"), ("rule", "left"), ("phi", "right"), ("depth", "right"), ("width", "right")):
        table.add_column(name, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for name in ("resolution", "pixels", "parameters", "MACs", f"memory at {batch}"):
        table.add_column(name, justify="right", no_wrap=True)
    for choice in (base, *made):
        each, (_, rows, columns) = row(choice, batch), choice.architecture.input
        table.add_row(
            "*" if choice is made[0] else "", Text(each["name"]), choice.rule, f"{choice.phi:.4g}",
            *(f"{factor:.3f}" for factor in choice.factors), f"{rows}" if rows == columns else f"{rows}x{columns}",
            f"{each['params']:,}", format_count(each["macs"]), format_bytes(each["memory_bytes"]),
        )  # fmt: skip
    remark = _remark(made, solved)
    return Group(table, Text(remark)) if remark else Group(table)


def _remark(made: tuple[Choice, ...], solved: tuple[Aim, Solution] | None) -> str:
    if solved is not None:
        return _of_target(*solved)
    if len(made) == 1:
        return ""
    first, second = made
    return f"* the answer, by the rule {first.rule}; --rule {second.rule} takes the other"


def _of_target(target: Aim, solution: Solution) -> str:
    value, wanted = solution.best.value, target.value
    digits = 2 if solution.best.choice.rule == "width" else 1
    text = f"{target.name}: {target.text(value)} of {target.text(wanted)}, {100 * (value / wanted - 1):+.{digits}f}%"
    if solution.moved is not None:
        text += f"; {solution.moved} moved on from the law"
    if solution.best.choice.rule == "width":
        return text if solution.exact else f"{text}; no width comes nearer"
    return text if solution.exact else f"{text}; no step lies within 3%: the nearest on either side are shown, the nearer is taken"


def header(command: str, base: Architecture, choice: Choice) -> str:
    """The comment that a written network begins with."""
    depth, width, resolution = choice.factors
    if choice.rule == "width":
        return _comment(command, f"{base.name} by width alone, {width:.4g} times its own.")
    by = f"depth {depth:.4g}, width {width:.4g}, resolution {resolution:.4g}"
    return _comment(command, f"{base.name} by the rule {choice.rule} at phi {choice.phi:.4g}: {by}.")


def _comment(*lines: str) -> str:
    return "".join(f"# {' '.join(line.split())}\n" for line in lines)  # a name may hold line breaks
