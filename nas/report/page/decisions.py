"""What the page has to know of a space: its form, its decisions, and how its operations are called and coloured."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nas.arch.codec import Decoder
from nas.arch.primitive import Primitive, Use
from nas.draw.names import family, short_name
from nas.draw.style import DARK, FAMILIES, LIGHT, Paint
from nas.errors import NasError
from nas.report.page.columns import digits
from nas.spaces.form import CHOICE, SUBSET, form, resolve

if TYPE_CHECKING:
    from nas.spaces import Option, Space

MOST = 512  # ways of one operation that are looked up; what has more is called by its name
KINDS = {"op": "operation", "block": "operation", "from": "input", "reads": "input", "width": "width"}  # by the field that is open


def space_data(space: Space) -> dict[str, Any]:
    """The space as the page takes it."""
    made = form(space)
    return {
        "name": space.name,
        "about": space.about,
        "input": space.to_data().get("input"),
        "classes": space.to_data().get("classes"),
        "count": count_text(space.count()),
        "form": made,
        "digits": digits(space.choices),
        "decisions": decisions(space, made),
    }


def count_text(count: int) -> str:
    """`15,625`, or `1.2e+21`."""
    return f"{count:,}" if count < 10**7 else f"{float(f'{count:.2e}'):.2g}" if count < 10**300 else f"10^{len(str(count)) - 1}"


def decisions(space: Space, made: Any) -> list[dict[str, Any]]:
    """Each decision with its options and kind; one on operations also with what they are called and their families."""
    found: dict[str, dict[str, Any]] = {}
    _kinds(made, "", found)
    rows = []
    for name, options in space.choices.items():
        known = found.get(name, {})
        numeric = all(isinstance(option, int | float) and not isinstance(option, bool) for option in options)
        kind = known.get("kind") or ("number" if numeric else "other")
        row: dict[str, Any] = {"name": name, "options": list(options), "kind": kind}
        if kind == "operation":
            named = [_called(option, known["forms"].get(_key(option))) for option in options]
            row |= {"short": [short for short, _ in named], "families": [each for _, each in named]}
        rows.append(row)
    return rows


def _called(option: Option, made: Any) -> tuple[str, str]:
    """Short name and family of an option; where a person gave it a label of its own, that is its name."""
    known = _named(made) or (str(option), "block")
    begins = made if isinstance(made, str) else next(iter(made), "") if isinstance(made, dict) else ""
    own = isinstance(option, str) and not option.startswith(begins)
    return (str(option).replace("_", " "), known[1]) if own else known


def _kinds(made: Any, field: str, found: dict[str, dict[str, Any]]) -> None:
    """Note what each choice of a form stands for."""
    if isinstance(made, list):
        for item in made:
            _kinds(item, field, found)
    elif isinstance(made, dict) and SUBSET in made:
        _kinds(made[SUBSET], field, found)
    elif isinstance(made, dict) and CHOICE in made:
        row = found.setdefault(made[CHOICE], {"kind": KINDS.get(field), "forms": {}})
        for label, item in made["of"]:
            row["forms"].setdefault(_key(label), item)
            _kinds(item, field, found)
    elif isinstance(made, dict):
        for key, item in made.items():
            _kinds(item, key, found)


def _key(label: Option) -> tuple[type, Option]:
    return type(label), label


def operations(space: Space) -> dict[str, list[str]]:
    """Short name and family of every operation that may stand in a candidate, by its JSON as JavaScript writes it."""
    named = frozenset(space.to_data().get("cells") or ()) if isinstance(space.to_data().get("cells"), dict) else frozenset()
    found: dict[str, list[str]] = {}
    for made in _places(form(space)):
        for data in _ways(made):
            key = script_json(data)
            if key not in found and (known := _named(data, named)):
                found[key] = list(known)
    return found


def _places(made: Any) -> Iterator[Any]:
    """The forms of everything that stands where an operation does."""
    if isinstance(made, dict):
        for key, item in made.items():
            if key in ("op", "block"):
                yield item
            yield from _places(item)
    elif isinstance(made, list):
        for item in made:
            if isinstance(item, str):  # a block at the width of its input may be written as a name
                yield item
            yield from _places(item)


def _ways(made: Any) -> Iterator[Any]:
    """Everything that a form can resolve to; of one with more than `MOST` ways the first."""
    names = dict(_choices(made))
    if math.prod(map(len, names.values())) > MOST:
        names = {name: labels[:1] for name, labels in names.items()}
    for labels in itertools.product(*names.values()):
        yield resolve(made, dict(zip(names, labels, strict=True)))


def _choices(made: Any) -> Iterator[tuple[str, list[Option]]]:
    for item in made.values() if isinstance(made, dict) else made if isinstance(made, list) else ():
        yield from _choices(item)
    if isinstance(made, dict) and CHOICE in made:
        yield made[CHOICE], [label for label, _ in made["of"]]


def _named(data: Any, cells: frozenset[str] = frozenset()) -> tuple[str, str] | None:
    """Short name and family of an operation as plain data; of one with open fields, of its first way."""
    if data is None:
        return None
    decoder = Decoder()
    decoder.cells = cells
    try:
        made = next(_ways(data))
        op = Use(made) if isinstance(made, str) and made in cells else decoder.decode(made, Primitive, "operation")
    except (NasError, StopIteration):
        return None
    return short_name(op), family(op)


def script_json(data: Any) -> str:
    """As `JSON.stringify` writes it: without spaces, and a whole number without a point."""
    return json.dumps(_whole(data), separators=(",", ":"), ensure_ascii=False)


def _whole(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _whole(item) for key, item in data.items()}
    if isinstance(data, list):
        return [_whole(item) for item in data]
    return int(data) if isinstance(data, float) and data.is_integer() else data


def families() -> list[dict[str, Any]]:
    """Families of operations with their colours, as pictures have them, and the box of a state."""
    names = {**FAMILIES, "state": "state"}
    return [{"key": key, "name": name, "light": _paint(LIGHT.paints[key]), "dark": _paint(DARK.paints[key])} for key, name in names.items()]


def _paint(paint: Paint) -> dict[str, str | None]:
    return {"fill": paint.fill, "stroke": paint.border, "text": paint.text}
