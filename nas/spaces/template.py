"""An architecture in which some fields are open: what a space's YAML file is read into."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from nas.arch import Primitive
from nas.arch.codec import Decoder
from nas.errors import ArchitectureError, NasError, SpaceError
from nas.ops import Frozen
from nas.spaces.choosers import Chooser, Option

MAX_OPTIONS = 1000
MAX_MADE = 512  # ways up to which an operation is made once a way


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

    def ways(self) -> int:
        """Into how many values it can resolve, equal ones counted apart."""
        return math.prod(child.ways() for child in self.children())


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

    def ways(self) -> int:
        return sum(value.ways() if isinstance(value, Open) else 1 for value in self.values)


class OpenValue(Open):
    """A value of the language some of whose fields are open.

    An operation of few ways is made once a way: it is frozen, and keeps what was worked out of it.
    """

    def __init__(self, cls: type[Frozen], values: dict[str, Any], where: str) -> None:
        self.cls = cls
        self.where = where
        self.fixed = values
        self.open = tuple((name, value) for name, value in values.items() if isinstance(value, Open))
        self._made: dict[tuple[Any, ...], Any] | None = {} if issubclass(cls, Primitive) and self.ways() <= MAX_MADE else None

    def resolve(self, chooser: Chooser) -> Any:
        values = self.fixed.copy()
        for name, value in self.open:
            values[name] = value.resolve(chooser)
        if self._made is None:
            return self.make(values)
        # 1, 1.0 and True are equal, and make different operations.
        key = tuple([(type(values[name]), values[name]) for name, _ in self.open])
        if key not in self._made:
            self._made[key] = self.make(values)
        return self._made[key]

    def make(self, values: dict[str, Any]) -> Any:
        """The value of these fields."""
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


class OpenSubset(Open):
    """A list of those members whose decision says so, in their order. A member that is left out has the value `OUT`."""

    def __init__(self, members: tuple[Choice, ...]) -> None:
        self.members = members

    def resolve(self, chooser: Chooser) -> Any:
        values = [member.resolve(chooser) for member in self.members]
        return tuple([value for value in values if value is not OUT])

    def children(self) -> Iterator[Open]:
        return iter(self.members)


OUT: Any = object()


class SpaceDecoder(Decoder):
    """Reads `{choose: [options], name: NAME}` wherever a value may stand. Without a name the place is the name.

    Where a list may stand it reads `{subset: [members], name: NAME}` too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.choices: dict[str, tuple[Option, ...]] = {}
        # Subsets to the decisions on their members; growing decisions to the trials after which another option opens.
        self.subsets: dict[str, tuple[str, ...]] = {}
        self.growing: dict[str, int] = {}
        self.scope = ""  # what names begin with that are given, within one of several documents

    def decode(self, data: Any, kind: Any, where: str) -> Any:
        if isinstance(data, dict) and "choose" in data:
            return self.choice(data, where, lambda option, place: self.decode(option, kind, place))
        if isinstance(data, dict) and "subset" in data:
            return self._subset(data, kind, where)
        return super().decode(data, kind, where)

    def choice(self, data: dict[str, Any], where: str, read: Callable[[Any, str], Any]) -> Choice:
        """One of the options of `data`; `read` decodes each, at its place. Raises `ArchitectureError`."""
        options, name = _options(data, "choose", ("name", "labels", "grow"), where, self.scope)
        labels = _labels(data.get("labels", options), "labels" if "labels" in data else "choose", where)
        if len(labels) != len(options):
            raise ArchitectureError(f"{where}.labels has {len(labels)} items; allowed: {len(options)}, one an option")
        # Noted before the options are read, so that the names stand in the order in which decisions are met.
        self._note(name, labels, where)
        self._grow(name, data.get("grow"), where)
        heads = [next(iter(option)) if isinstance(option, dict) and option else None for option in options]
        # Options of one kind are told apart in the names of the decisions inside them.
        alike = [isinstance(option, (dict, list)) and heads.count(head) > 1 for option, head in zip(options, heads, strict=True)]
        places = [f"{where}={item}" if several else where for several, item in zip(alike, labels, strict=True)]
        values = tuple(read(option, place) for option, place in zip(options, places, strict=True))
        return Choice(name, labels, values)

    def _subset(self, data: dict[str, Any], kind: Any, where: str) -> OpenSubset:
        """Whether each member is in is a decision of its own, `NAME=MEMBER`, with the options False and True."""
        item = _item_kind(kind)
        if item is None:
            raise ArchitectureError(f"{where} is a subset; allowed: where a list of any length stands")
        members, name = _options(data, "subset", ("name",), where, self.scope)
        names = tuple(f"{name}={text}" for text in _labels(members, "subset", where))
        if self.subsets.setdefault(name, names) != names:
            raise ArchitectureError(f"{where}: subset {name!r} has other members elsewhere; allowed: one name, the same members")
        made = []
        for member, value in zip(names, members, strict=True):
            self._note(member, (False, True), where)
            made.append(Choice(member, (False, True), (OUT, self.decode(value, item, f"{where}={value}"))))
        return OpenSubset(tuple(made))

    def _note(self, name: str, labels: tuple[Option, ...], where: str) -> None:
        known = self.choices.setdefault(name, labels)
        if known != labels or list(map(type, known)) != list(map(type, labels)):
            raise ArchitectureError(f"{where}: decision {name!r} has other options elsewhere; allowed: one name, the same options")

    def _grow(self, name: str, trials: Any, where: str) -> None:
        if trials is not None and (isinstance(trials, bool) or not isinstance(trials, int) or trials < 1):
            raise ArchitectureError(f"{where}.grow={trials!r}; allowed: the number of trials after which the next option opens")
        if trials is not None and self.growing.setdefault(name, trials) != trials:
            raise ArchitectureError(f"{where}: decision {name!r} grows otherwise elsewhere; allowed: one name, the same number")

    def make(self, cls: type[Frozen], values: dict[str, Any], where: str) -> Any:
        if any(isinstance(value, Open) for value in values.values()):
            return OpenValue(cls, values, where)
        return super().make(cls, values, where)

    def make_tuple(self, items: list[Any]) -> Any:
        return OpenTuple(items) if any(isinstance(item, Open) for item in items) else super().make_tuple(items)


def _options(data: dict[str, Any], word: str, others: tuple[str, ...], where: str, scope: str) -> tuple[list[Any], str]:
    """The options of a choice, or the members of a subset, and its name."""
    extra = sorted(set(map(str, data)) - {word, *others})
    if extra:
        raise ArchitectureError(f"{where} has {', '.join(extra)} beside {word}; allowed: {', '.join(others)}")
    options = data[word]
    if not isinstance(options, list) or not 0 < len(options) <= MAX_OPTIONS:
        raise ArchitectureError(f"{where}.{word}={options!r}; allowed: a list of 1 to {MAX_OPTIONS} options")
    name = data.get("name", short(where))
    if not isinstance(name, str) or not name:
        raise ArchitectureError(f"{where}.name={name!r}; allowed: a text")
    return options, scope + name if "name" in data else name


def _labels(options: Any, word: str, where: str) -> tuple[Option, ...]:
    """What the options are called, each once."""
    if not isinstance(options, list):
        raise ArchitectureError(f"{where}.{word}={options!r}; allowed: a list")
    labels = tuple(label(option) for option in options)
    for i, item in enumerate(labels):
        if item in labels[:i]:
            raise ArchitectureError(f"{where}.{word} has {item!r} twice; allowed: different options")
        if isinstance(item, float) and not math.isfinite(item):
            raise ArchitectureError(f"{where}.{word} has {item!r}; allowed: finite numbers")
    return labels


def _item_kind(kind: Any) -> Any:
    """The type of the items where `kind` allows a list of any length, else None."""
    for each in (kind, *typing.get_args(kind)):
        if typing.get_origin(each) is tuple and typing.get_args(each)[-1] is Ellipsis:
            return typing.get_args(each)[0]
    return None


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
        return {key: _closed(item) for key, item in data.items() if not (isinstance(item, dict) and ("choose" in item or "subset" in item))}
    return [_closed(item) for item in data] if isinstance(data, list) else data
