"""Between plain data (what YAML holds) and the frozen values of the language. Strict: unknown keys are errors."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from nas.arch.graph import cache_of
from nas.arch.primitive import PRESETS, PRIMITIVES, Primitive, Use
from nas.errors import ArchitectureError, NasError, unknown
from nas.ops import Frozen

# No sane architecture comes near these; a document made to exhaust memory does.
MAX_DEPTH = 60
MAX_VALUES = 200_000
OF_YOURS = "one of yours: --plugin FILE.py"


@cache
def field_types(cls: Any) -> dict[str, Any]:
    """Field names of a frozen class to their resolved types."""
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


class Decoder:
    """Turns plain data into values of the language. A search space derives from it to leave fields open."""

    def __init__(self) -> None:
        self.cells: frozenset[str] = frozenset()
        # Fields of the document itself that are decoded already; it takes them.
        self.given: dict[str, Any] = {}
        self._left = MAX_VALUES
        self._depth = 0

    def decode(self, data: Any, kind: Any, where: str) -> Any:
        """`data` as a value of type `kind`. Raises `ArchitectureError` that names `where` it stands."""
        self._left -= 1
        self._depth += 1
        if self._left < 0 or self._depth > MAX_DEPTH:
            limit = f"{MAX_VALUES} values, {MAX_DEPTH} levels"
            raise ArchitectureError(f"{where[:80] or 'the document'} is too large or contains itself; allowed: at most {limit}")
        try:
            return self._decode(data, kind, where)
        finally:
            self._depth -= 1

    def _decode(self, data: Any, kind: Any, where: str) -> Any:
        origin = typing.get_origin(kind)
        if origin in (typing.Union, types.UnionType):
            return self._union(data, typing.get_args(kind), where)
        if origin is typing.Literal:
            return self._literal(data, typing.get_args(kind), where)
        if origin is tuple:
            return self._tuple(data, typing.get_args(kind), where)
        if isinstance(kind, type) and issubclass(kind, Primitive):
            return self._primitive(data, where)
        if isinstance(kind, type) and issubclass(kind, Frozen):
            return self._frozen(data, kind, where)
        return _scalar(data, kind, where)

    def _union(self, data: Any, kinds: tuple[Any, ...], where: str) -> Any:
        if data is None and type(None) in kinds:
            return None
        rest = [kind for kind in kinds if kind is not type(None)]
        for kind in rest:
            is_list = typing.get_origin(kind) is tuple
            if len(rest) == 1 or (isinstance(data, (list, tuple)) == is_list and _fits(data, kind)):
                return self.decode(data, kind, where)
        raise _wrong(data, " or ".join(map(_type_name, rest)), where)

    def _literal(self, data: Any, options: tuple[Any, ...], where: str) -> Any:
        if any(data == option and type(data) is type(option) for option in options):
            return data
        raise _wrong(data, ", ".join(map(str, options)), where)

    def _tuple(self, data: Any, kinds: tuple[Any, ...], where: str) -> Any:
        if not isinstance(data, (list, tuple)):
            raise _wrong(data, "a list", where)
        if kinds[-1] is not Ellipsis and len(data) != len(kinds):
            raise ArchitectureError(f"{where} has {len(data)} items; allowed: {len(kinds)}")
        each = [kinds[0]] * len(data) if kinds[-1] is Ellipsis else kinds
        single = type(data) not in (list, tuple)
        places = [where if single else f"{where}[{i}]" for i in range(len(data))]
        return self.make_tuple([self.decode(*item) for item in zip(data, each, places, strict=True)])

    def _primitive(self, data: Any, where: str) -> Any:
        if isinstance(data, str):
            return Use(data) if data in self.cells else operation(data, where)
        if not isinstance(data, dict) or len(data) != 1:
            raise _wrong(data, "the name of an operation, or one name with its fields", where)
        ((name, values),) = data.items()
        cls = PRIMITIVES.get(name, where=where) if name in PRIMITIVES else None
        if cls is None:
            operation(name, where)
            raise ArchitectureError(f"{where}: {name!r} is an operation with its fields set; allowed: the name alone")
        return self._fields({} if values is None else values, cls, f"{where}.{name}")

    def _frozen(self, data: Any, cls: type[Frozen], where: str) -> Any:
        shorthand = getattr(cls, "from_short", None)
        if shorthand is not None:
            data = shorthand(data)
        return self._fields(data, cls, where)

    def _fields(self, data: Any, cls: Any, where: str) -> Any:
        if not isinstance(data, dict):
            raise _wrong(data, "a mapping of fields", where)
        kinds = field_types(cls)
        keys = {cls.yaml_names.get(name, name): name for name in kinds}
        values, self.given = self.given, {}
        for key, item in data.items():
            if key not in keys:
                raise unknown("field", key, keys, where=where or "the top level")
            values[keys[key]] = self.decode(item, kinds[keys[key]], f"{where}.{key}" if where else str(key))
        for f in dataclasses.fields(cls):
            if f.name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                raise ArchitectureError(f"{where or 'the top level'} lacks {cls.yaml_names.get(f.name, f.name)!r}")
        return self.make(cls, values, where)

    def make(self, cls: type[Frozen], values: dict[str, Any], where: str) -> Any:
        """An instance of `cls`; what its own check says is told together with the place."""
        try:
            return cls(**values)
        except NasError as error:
            raise ArchitectureError(f"{where}: {error}" if where else str(error)) from None

    def make_tuple(self, items: list[Any]) -> Any:
        """A list of decoded items as a value."""
        return tuple(items)


def operation(name: str, where: str = "") -> Primitive:
    """The primitive that a bare name stands for: a preset, or a primitive with all defaults."""
    if name in PRESETS:
        return PRESETS.get(name)
    if name not in PRIMITIVES:
        raise unknown("operation", name, [*PRESETS.names(), *PRIMITIVES.names()], where=where, hint=OF_YOURS)
    return _default(name, where)


def _default(name: str, where: str) -> Primitive:
    kind: Any = PRIMITIVES.get(name)
    try:
        return _defaults(kind)
    except TypeError:
        fields = [f.name for f in dataclasses.fields(PRIMITIVES.get(name)) if f.default is dataclasses.MISSING]  # type: ignore[arg-type]
        raise ArchitectureError(f"{where or name}: {name!r} needs the fields {', '.join(fields)}") from None


@cache
def _defaults(kind: Any) -> Primitive:
    made: Primitive = kind()
    return made


def encode(value: Any, presets: bool = True) -> Any:
    """A value of the language as plain data; fields at their defaults are left out.

    Without `presets` operations are spelt out: a digest must not depend on which names happen to be registered.
    """
    if isinstance(value, Use):
        return value.cell
    if isinstance(value, Primitive):
        # Operations of a space live as long as the space, and every candidate holds some dozens of them.
        kept = cache_of(value)
        made = kept.get(presets)
        if made is None:
            name = preset_names().get(value) if presets else None
            fields = None if name else encode_fields(value, presets)
            made = name or ({value.name: fields} if fields else value.name)
            # A mapping is handed out once: who gets it may change it. Without presets it stays inside, for the digest.
            if isinstance(made, str) or not presets:
                kept[presets] = made
        return made
    if isinstance(value, Frozen):
        shorten = getattr(value, "to_short", None)
        fields = encode_fields(value, presets)
        return shorten(fields) if shorten else fields
    if isinstance(value, (tuple, list)):
        return [encode(item, presets) for item in value]
    if isinstance(value, Mapping):
        return {key: encode(item, presets) for key, item in value.items()}
    # 1 and 1.0 are equal, so that their digests must be.
    return int(value) if not presets and isinstance(value, float) and value.is_integer() else value


def encode_fields(value: Frozen, presets: bool = True) -> dict[str, Any]:
    """The fields of a value that are not at their defaults, as plain data."""
    names = value.yaml_names
    changed = [(name, item) for name, item, default in _items(value) if not _equal(item, default)]
    return {names.get(name, name): encode(item, presets) for name, item in changed}


def _equal(item: Any, default: Any) -> bool:
    """Whether a field is at its default; 0 and 0.0 are one value, 0 and False are not."""
    return bool(item == default) and isinstance(item, bool) == isinstance(default, bool)


def _items(value: Frozen) -> list[tuple[str, Any, Any]]:
    cls: Any = type(value)
    return [(name, value.__dict__[name], default) for name, default in _field_defaults(cls)]


@cache
def _field_defaults(cls: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, f.default) for f in dataclasses.fields(cls))


def preset_names() -> dict[Primitive, str]:
    """Primitives to the names of their presets."""
    return _preset_names(len(PRESETS))


@lru_cache(maxsize=4)
def _preset_names(_count: int) -> dict[Primitive, str]:
    return {op: name for name, op in reversed(list(PRESETS.items()))}


def _fits(data: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return data in typing.get_args(kind)
    if kind is float:
        return isinstance(data, (int, float)) and not isinstance(data, bool)
    if kind is int:
        return isinstance(data, int) and not isinstance(data, bool)
    if isinstance(kind, type) and issubclass(kind, Primitive):
        return isinstance(data, (str, dict))
    return not isinstance(kind, type) or isinstance(data, kind)


def _scalar(data: Any, kind: Any, where: str) -> Any:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is Any or type(data) is kind:
        return data
    raise _wrong(data, _type_name(kind), where)


def _type_name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return "a list"
    return names.get(kind) or getattr(kind, "__name__", str(kind)).lower()


def _wrong(data: Any, allowed: str, where: str) -> ArchitectureError:
    text = repr(data)
    return ArchitectureError(f"{where or 'the document'}={text if len(text) < 60 else text[:57] + '...'}; allowed: {allowed}")
