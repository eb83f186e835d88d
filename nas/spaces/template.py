"""An architecture in which some fields are open: what a space's YAML file is read into."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import yaml

from nas.arch.codec import Decoder
from nas.errors import ArchitectureError, NasError, SpaceError
from nas.ops import Frozen
from nas.spaces.choosers import Chooser, Option

MAX_OPTIONS = 1000


class Open:
    """A part of the template that depends on decisions."""

    def resolve(self, chooser: Chooser) -> Any:
        """The value after the decisions."""
        raise NotImplementedError

    def visit(self, chooser: Chooser) -> None:
        """Make the decisions of `resolve`, in its order, without making the value: many times as fast."""
        for child in self.children():
            child.visit(chooser)

    def children(self) -> Iterator[Open]:
        """Open parts directly inside."""
        return iter(())


class Choice(Open):
    """A decision: `labels` name the options, each a value or open again."""

    def __init__(self, name: str, labels: tuple[Option, ...], values: tuple[Any, ...]) -> None:
        self.name = name
        self.labels = labels
        self.values = values
        self._by_label = {(type(label), label): value for label, value in zip(labels, values, strict=True)}

    def resolve(self, chooser: Chooser) -> Any:
        label = chooser.choose(self.name, self.labels)
        value = self._by_label[type(label), label]
        return value.resolve(chooser) if isinstance(value, Open) else value

    def visit(self, chooser: Chooser) -> None:
        label = chooser.choose(self.name, self.labels)
        value = self._by_label[type(label), label]
        if isinstance(value, Open):
            value.visit(chooser)

    def children(self) -> Iterator[Open]:
        return (value for value in self.values if isinstance(value, Open))


class OpenValue(Open):
    """A value of the language some of whose fields are open."""

    def __init__(self, cls: type[Frozen], values: dict[str, Any], where: str) -> None:
        self.cls = cls
        self.where = where
        self.fixed = values
        self.open = tuple((name, value) for name, value in values.items() if isinstance(value, Open))

    def resolve(self, chooser: Chooser) -> Any:
        values = self.fixed.copy()
        for name, value in self.open:
            values[name] = value.resolve(chooser)
        try:
            return self.cls(**values)
        except NasError as error:
            raise SpaceError(f"{self.where or 'the space'}: {error}") from None

    def children(self) -> Iterator[Open]:
        return (value for _, value in self.open)


class OpenTuple(Open):
    """A list some of whose items are open."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def resolve(self, chooser: Chooser) -> Any:
        return tuple([item.resolve(chooser) if isinstance(item, Open) else item for item in self.items])

    def children(self) -> Iterator[Open]:
        return (item for item in self.items if isinstance(item, Open))


class SpaceDecoder(Decoder):
    """Reads `{choose: [options], name: NAME}` wherever a value may stand. Without a name the place is the name."""

    def __init__(self) -> None:
        super().__init__()
        self.choices: dict[str, tuple[Option, ...]] = {}

    def decode(self, data: Any, kind: Any, where: str) -> Any:
        if isinstance(data, dict) and "choose" in data:
            return self._choice(data, kind, where)
        return super().decode(data, kind, where)

    def _choice(self, data: dict[str, Any], kind: Any, where: str) -> Choice:
        extra = sorted(set(map(str, data)) - {"choose", "name"})
        if extra:
            raise ArchitectureError(f"{where} has {', '.join(extra)} beside choose; allowed: name")
        options = data["choose"]
        if not isinstance(options, list) or not 0 < len(options) <= MAX_OPTIONS:
            raise ArchitectureError(f"{where}.choose={options!r}; allowed: a list of 1 to {MAX_OPTIONS} options")
        name = data.get("name", short(where))
        if not isinstance(name, str) or not name:
            raise ArchitectureError(f"{where}.name={name!r}; allowed: a text")
        labels = tuple(label(option) for option in options)
        for i, item in enumerate(labels):
            if item in labels[:i]:
                raise ArchitectureError(f"{where}.choose has {item!r} twice; allowed: different options")
            if isinstance(item, float) and not math.isfinite(item):
                raise ArchitectureError(f"{where}.choose has {item!r}; allowed: finite numbers")
        # Noted before the options are read, so that the names stand in the order in which decisions are met.
        if self.choices.setdefault(name, labels) != labels:
            raise ArchitectureError(f"{where}: decision {name!r} has other options elsewhere; allowed: one name, the same options")
        heads = [next(iter(option)) if isinstance(option, dict) and option else None for option in options]
        # Options of one kind are told apart in the names of the decisions inside them.
        alike = [isinstance(option, (dict, list)) and heads.count(head) > 1 for option, head in zip(options, heads, strict=True)]
        places = [f"{where}={item}" if several else where for several, item in zip(alike, labels, strict=True)]
        values = tuple(self.decode(option, kind, place) for option, place in zip(options, places, strict=True))
        return Choice(name, labels, values)

    def make(self, cls: type[Frozen], values: dict[str, Any], where: str) -> Any:
        if any(isinstance(value, Open) for value in values.values()):
            return OpenValue(cls, values, where)
        return super().make(cls, values, where)

    def make_tuple(self, items: list[Any]) -> Any:
        return OpenTuple(items) if any(isinstance(item, Open) for item in items) else super().make_tuple(items)


def short(where: str) -> str:
    """A place in the document as the name of a decision: `cells.normal.cell.nodes[0].edges[1].op` as `normal.nodes[0][1].op`."""
    return where.removeprefix("cells.").replace(".cell.", ".").replace(".edges[", "[")


def label(option: Any) -> Option:
    """What Optuna stores for an option: a plain value as it is, an operation with fields as one line of YAML.

    Fields that are open themselves are decisions of their own and stand in no label.
    """
    if option is None or isinstance(option, (str, int, float, bool)):
        return option
    text = yaml.safe_dump(_closed(option), default_flow_style=True, sort_keys=False, width=10_000)
    return str(text).strip().removeprefix("{").removesuffix("}").removesuffix(": {}")


def _closed(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _closed(item) for key, item in data.items() if not (isinstance(item, dict) and "choose" in item)}
    return [_closed(item) for item in data] if isinstance(data, list) else data
