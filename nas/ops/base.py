"""What a leaf operation is, and the frozen value that every part of the language is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar, dataclass_transform

from nas.errors import ArchitectureError
from nas.ops.code import Call, Expression
from nas.ops.shapes import POINT, Reach, Shape, Vector
from nas.registry import Registry

if TYPE_CHECKING:
    from torch import nn

C = TypeVar("C", bound=type)


def _hash(self: Any) -> int:
    """Computed once an object: the caches of lowering look the same few hundred objects up all the time."""
    cached = self.__dict__.get("_hash")
    if cached is None:
        cached = self.__dict__["_hash"] = hash((type(self), *(self.__dict__[name] for name in self.__match_args__)))
    return int(cached)


def _state(self: Any) -> dict[str, Any]:
    """Without the cached hash and anything derived: string hashes differ from process to process."""
    return {name: self.__dict__[name] for name in self.__match_args__}


@dataclass_transform(frozen_default=True)
def frozen(cls: C) -> C:
    """A frozen dataclass whose hash is computed once. The digest of an architecture never derives from it."""
    made: Any = dataclass(frozen=True)(cls)
    made.__hash__ = _hash
    made.__getstate__ = _state
    return made  # type: ignore[no-any-return]


class Frozen:
    """Base of all values of the language. `check` states what is allowed; it runs when a value is made."""

    yaml_names: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises `ArchitectureError` with the field, its value and what is allowed."""


def require(condition: bool, what: str, allowed: str) -> None:
    """Raise `ArchitectureError` as `WHAT; allowed: ALLOWED` unless the condition holds."""
    if not condition:
        raise ArchitectureError(f"{what}; allowed: {allowed}")


def require_range(value: Any, field: str, low: float, high: float) -> None:
    """Raise `ArchitectureError` unless `low <= value <= high`; between whole numbers only a whole number will do."""
    kinds = int if isinstance(low, int) else (int, float)
    if isinstance(value, (tuple, list)):
        for item in value:
            require_range(item, field, low, high)
    elif isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise ArchitectureError(f"{field}={value!r}; allowed: {low:g} to {high:g}")


class Saved(NamedTuple):
    """What autograd keeps for the backward pass of a leaf: which inputs, the output, and how many numbers besides."""

    inputs: tuple[int, ...] = (0,)
    output: bool = False
    extra: int = 0


NOTHING = Saved(())


class Leaf(Frozen):
    """An operation that is not made of others: its shape, parameters, multiply-adds and code in one place.

    Every method takes the shapes of the inputs. A leaf that `overwrites` is elementwise and may run in place, so it
    needs no memory of its own; whether it does is the builder's decision.
    """

    name: ClassVar[str]
    arity: ClassVar[int | None] = 1
    overwrites: ClassVar[bool] = False
    reshapes: ClassVar[bool] = False
    # Fields that say where and how parameters are used but change neither their shapes nor what they mean.
    unsigned: ClassVar[tuple[str, ...]] = ("stride", "padding")

    def shape(self, *inputs: Any) -> Shape:
        """Output shape. Raises `ArchitectureError` when the inputs do not fit."""
        return inputs[0]  # type: ignore[no-any-return]

    def params(self, *inputs: Any) -> int:
        """Number of trainable parameters."""
        return 0

    def macs(self, *inputs: Any) -> int:
        """Multiply-adds of convolutions, matrix products and attention; everything else counts none."""
        return 0

    def biases(self, *inputs: Any) -> int:
        """How many of the parameters a convolution or linear map only adds to its outputs."""
        return 0

    def reach(self, *inputs: Any) -> tuple[Reach, Reach] | None:
        """What a pixel, or a token for its pixels, reads along rows and columns; None where it is the whole input.

        Unless stated otherwise only what lies at the same place, and for a vector everything.
        """
        gathers = isinstance(self.shape(*inputs), Vector) and not isinstance(inputs[0], Vector)
        return None if gathers else (POINT, POINT)

    def saved(self, *inputs: Any) -> Saved:
        """What training keeps of one example, in numbers of 4 bytes; parameters are not among it.

        Unless stated otherwise the first input, and nothing for what only looks at its input in another shape.
        """
        return NOTHING if self.reshapes else Saved()

    def code(self, *inputs: Any) -> Call:
        """The call that makes the torch module, which maps the inputs, batch first, to the output."""
        raise ArchitectureError(f"leaf {self.name!r} does not say how it is written as code; allowed: leaves with a method `code`")

    def expression(self, *inputs: Any) -> Expression | None:
        """What a person writes in a `forward` in place of the module; None where that is the module's call."""
        return None

    def signature(self, *inputs: Any) -> str | None:
        """What its parameters are: two leaves of one signature can use each other's. None where it has none.

        Unless stated otherwise its name, its fields but for the `unsigned`, kind and width of every input, and how many
        parameters that makes, which tells inputs of different lengths apart where it matters.
        """
        count = self.params(*inputs)
        if not count:
            return None
        values = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if f.name not in self.unsigned]  # type: ignore[arg-type]
        reads = [f"{type(x).__name__.lower()} {x.width}" for x in inputs]
        return f"{' '.join([self.name, *values])} of {', '.join(reads)}: {count}"

    def module(self, *inputs: Any) -> nn.Module:
        """A new torch module, as `code` says."""
        return self.code(*inputs).make()

    def describe(self) -> str:
        """A short text for tables, such as `conv 3x3/2`."""
        values = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default]  # type: ignore[arg-type]
        return " ".join([self.name, *values])


L = TypeVar("L", bound=Leaf)
LEAVES: Registry[type[Leaf]] = Registry("leaf operation")


@dataclass_transform(frozen_default=True)
def leaf(name: str) -> Callable[[type[L]], type[L]]:
    """Class decorator: a frozen, registered leaf operation."""

    def decorate(cls: type[L]) -> type[L]:
        cls.name = name
        made = frozen(cls)
        LEAVES.add(name, made)
        return made

    return decorate


def expect(shape: Shape, kinds: type | tuple[type, ...], who: str) -> None:
    """Raise `ArchitectureError` unless the shape is of one of the kinds."""
    if not isinstance(shape, kinds):
        names = kinds if isinstance(kinds, tuple) else (kinds,)
        allowed = " or ".join(kind.__name__.lower() for kind in names)
        raise ArchitectureError(f"{who} got {shape}; allowed: a {allowed}")
