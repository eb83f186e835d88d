"""A space as plain data that another language can make architectures of, such as a web page that has candidates by their decisions.

A form is a plain value, a list or a mapping of forms, or one of

    {"?": NAME, "of": [[LABEL, FORM], ...]}    a choice: the form of the label that decision NAME has
    {"??": [CHOICE, ...]}                      where a list stands: the values of those choices that are not out, in order
    {"!": 1}                                   out

Resolved it is plain data from which `Architecture.from_dict` makes the candidate. Fields at their defaults may be spelt out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.arch import Architecture, Primitive
from nas.arch.codec import encode, field_types
from nas.spaces.choosers import Option
from nas.spaces.space import Space
from nas.spaces.template import OUT, Choice, Open, OpenSubset, OpenTuple, OpenValue

CHOICE, SUBSET, GONE = "?", "??", "!"


def form(space: Space) -> Any:
    """The form of a space; None where what its decisions lead to is worked out further, as by `scale`."""
    return None if space.scales else _form(space.template)


def resolve(made: Any, decisions: Mapping[str, Option]) -> Any:
    """The plain data that decisions lead to: what the page does, said in Python. Raises `KeyError` for a decision that is missing."""
    if isinstance(made, dict):
        if CHOICE in made:
            option = decisions[made[CHOICE]]
            return resolve(next(value for label, value in made["of"] if label == option and type(label) is type(option)), decisions)
        if SUBSET in made:
            return [value for value in (resolve(item, decisions) for item in made[SUBSET]) if value != {GONE: 1}]
        return {key: resolve(value, decisions) for key, value in made.items()}
    return [resolve(item, decisions) for item in made] if isinstance(made, list) else made


def operations(made: Any) -> dict[str, set[Option]]:
    """Decisions on operations: the name of each to its labels. A choice where an operation stands is one.

    made: a form.
    """
    found: dict[str, set[Option]] = {}
    _note_operations(made, found)
    return found


def _note_operations(made: Any, found: dict[str, set[Option]]) -> None:
    for key, value in made.items() if isinstance(made, dict) else ():
        if key in ("op", "block") and isinstance(value, dict) and CHOICE in value:
            found.setdefault(value[CHOICE], set()).update(label for label, _ in value["of"])
    for value in made.values() if isinstance(made, dict) else made if isinstance(made, list) else ():
        _note_operations(value, found)


def _form(value: Any) -> Any:
    if value is OUT:
        return {GONE: 1}
    if isinstance(value, Choice):
        return {CHOICE: value.name, "of": [[label, _form(item)] for label, item in zip(value.labels, value.values, strict=True)]}
    if isinstance(value, OpenSubset):
        return {SUBSET: [_form(member) for member in value.members]}
    if isinstance(value, OpenTuple):
        return [_form(item) for item in value.items]
    if isinstance(value, OpenValue):
        return _open_value(value)
    if isinstance(value, Open):
        raise TypeError(f"{type(value).__name__} has no form")
    return encode(value)


def _open_value(value: OpenValue) -> Any:
    """Its open fields, and those that are given; what is left out has its default."""
    cls: Any = value.cls
    names = cls.yaml_names
    fields = {names.get(name, name): _form(value.fixed[name]) for name in field_types(cls) if name in value.fixed}
    if issubclass(cls, Architecture) and isinstance(fields.get("cells"), list):
        fields["cells"] = _cells(value.fixed["cells"])
    return {cls.name: fields} if issubclass(cls, Primitive) else fields


def _cells(cells: Any) -> dict[str, Any]:
    """Named cells, open or not, as the mapping that a document holds."""
    items = cells.items if isinstance(cells, OpenTuple) else cells
    made: dict[str, Any] = {}
    for cell in items:
        fields = cell.fixed if isinstance(cell, OpenValue) else {name: getattr(cell, name) for name in ("name", "op")}
        made[fields["name"]] = _form(fields["op"])
    return made


