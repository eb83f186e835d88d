"""What a primitive is: a pure function from its fields to a graph of leaves, at any input shape, width and stride."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, TypeVar, dataclass_transform

from nas.arch.graph import Graph, GraphBuilder, cache_of
from nas.errors import ArchitectureError
from nas.ops import Frozen, Map, Shape, frozen
from nas.registry import Registry


class Primitive(Frozen):
    """A block or an operation of a cell.

    It declares the kinds of shape that it `accepts`, how many inputs it reads, and whether it can be `strided`; the
    width and the stride come from the place where it stands, so one primitive serves every stage and every cell.
    """

    name: ClassVar[str]
    accepts: ClassVar[tuple[type, ...]] = (Map,)
    strided: ClassVar[bool] = True
    # A searched cell hardly ever comes again, and storing it costs more than working it out (measured: twice the time).
    cached: ClassVar[bool] = True

    @property
    def operations(self) -> int:
        """Number of operations that it is made of, by which a network is kept from growing beyond all bounds."""
        return 1

    @property
    def reads(self) -> int:
        """Number of inputs."""
        return 1

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        """Append the leaves of this primitive to `g` and return the handle of the output."""
        raise NotImplementedError

    @property
    def width_multiple(self) -> int:
        """What the width must be a multiple of, such as the number of heads."""
        return 1

    def own_width(self, width_in: int | None) -> int | None:
        """The width of its output where its fields and the input's width decide it; None where the place does."""
        return None

    def resized(self, width: float, depth: float) -> Primitive:
        """The primitive for a network `width` times as wide and `depth` times as deep: widths and depths of its own."""
        return self

    def magnified(self, factor: float) -> Primitive:
        """The primitive for images `factor` times as large a side: windows that divide the image and grow with it."""
        return self

    @property
    def identity(self) -> str:
        """What it is, for networks that share weights: its fields in full. What has `slots` of its own leaves their contents out."""
        kept: str | None = self.__dict__.get("_identity")
        if kept is None:
            kept = self.__dict__["_identity"] = identity(self)
        return kept

    def slots(self, graph: Graph, source: bool) -> list[str]:
        """For each node of a graph made from it a name that stays with its position, whatever stands in the others.

        With `source` the name also says what the node reads, where that is a choice. Unless stated otherwise the names of
        the nodes, which will do where all fields are part of the `identity`.
        """
        return [node.name for node in graph.nodes]

    def settle(self, width: int | None, inputs: tuple[Shape, ...]) -> int:
        """The width to use where none is given: that of the input."""
        return width if width is not None else inputs[-1].width


# Graphs of the primitives that are not worth keeping, for as long as one network is lowered; they are known by identity.
Memo = dict[tuple[int, tuple[Shape, ...], int | None, int, bool], "Graph"]


_NOTHING: dict[Any, Any] = {}


class Inner(GraphBuilder):
    """The builder that a primitive is given: it can place other primitives too."""

    __slots__ = ("memo",)

    def __init__(self, inputs: tuple[Shape, ...], memo: Memo) -> None:
        self.inputs, self.shapes, self.steps = inputs, list(inputs), []
        self.memo = memo

    def apply(self, op: Primitive, *inputs: int, width: int | None = None, stride: int = 1, name: str | None = None) -> int:
        """Place a primitive as a sub-graph and return the handle of its output.

        Raises `ArchitectureError` when the primitive does not take such an input, or its parts do not fit.
        """
        known = self.shapes
        shapes = (known[inputs[0]],) if len(inputs) == 1 else tuple([known[i] for i in inputs])
        graph: Graph | None
        if op.cached:
            # This line runs some hundred times a candidate: the cache is looked up where it lies (see `cache_of`).
            graph = op.__dict__.get("_cache", _NOTHING).get((shapes, width, stride))
            if graph is None:
                graph = cache_of(op)[shapes, width, stride] = _cached(op, shapes, width, stride)
        else:
            # A primitive may do another thing where all its inputs are one and the same value.
            alone = len(inputs) == 2 and inputs[0] == inputs[1]
            key = (id(op), shapes, width, stride, alone)
            graph = self.memo.get(key)
            if graph is None:
                graph = self.memo[key] = expand(op, shapes, width, stride, self.memo, alone)
        facts = graph.facts
        self.steps.append((name or graph.label, graph, inputs, facts))
        known.append(facts[0])
        return len(known) - 1


def identity(value: Any) -> str:
    """A value of the language as a short text, fields at their defaults left out: the same in every process."""
    if isinstance(value, tuple):
        return f"[{' '.join(map(identity, value))}]"
    if not isinstance(value, Frozen):
        return str(value)
    items = [(f, getattr(value, f.name)) for f in dataclasses.fields(value)]  # type: ignore[arg-type]
    texts = [f"{f.name}={item.identity if isinstance(item, Primitive) else identity(item)}" for f, item in items if item != f.default]
    return f"{getattr(value, 'name', type(value).__name__)}({' '.join(texts)})" if texts else str(getattr(value, "name", ""))


P = TypeVar("P", bound=Primitive)
PRIMITIVES: Registry[type[Primitive]] = Registry("primitive")
# Primitives with fields set, known by a name of their own, such as `sep_conv_3x3`.
PRESETS: Registry[Primitive] = Registry("operation")


@dataclass_transform(frozen_default=True)
def primitive(name: str) -> Callable[[type[P]], type[P]]:
    """Class decorator: a frozen, registered primitive. Its bare name stands for all defaults."""

    def decorate(cls: type[P]) -> type[P]:
        cls.name = name
        made = frozen(cls)
        PRIMITIVES.add(name, made)
        return made

    return decorate


def preset(name: str, op: Primitive) -> Primitive:
    """Register `op` under a name that cells and spaces can use."""
    return PRESETS.add(name, op)


@frozen
class Use(Primitive):
    """Stands for one of the architecture's `cells` where a block is wanted; written as the cell's name."""

    cell: str
    name = "use"

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        raise ArchitectureError(f"the cell {self.cell!r} stands inside an operation; allowed: as a block of stem, stages or head")


def expand(op: Primitive, shapes: tuple[Shape, ...], width: int | None, stride: int, memo: Memo, alone: bool = False) -> Graph:
    """The graph of a primitive; `alone` says that all inputs are one and the same value.

    Raises `ArchitectureError` when the primitive does not take such an input, or its parts do not fit.
    """
    for shape in shapes:
        if not isinstance(shape, op.accepts):
            allowed = " or ".join(kind.__name__.lower() for kind in op.accepts)
            raise ArchitectureError(f"{op.name} got {type(shape).__name__.lower()} {shape}; allowed: {allowed}")
    if stride != 1 and not op.strided:
        raise ArchitectureError(f"{op.name} got stride={stride}; allowed: 1")
    g = Inner(shapes, memo)
    handles = (0,) * len(shapes) if alone else range(len(shapes))
    output = op.expand(g, *handles, width=op.settle(width, shapes), stride=stride)
    return g.finish(op.name, output, op)


@lru_cache(maxsize=16384)
def _cached(op: Primitive, shapes: tuple[Shape, ...], width: int | None, stride: int) -> Graph:
    return expand(op, shapes, width, stride, {})


def place(op: Primitive, shapes: tuple[Shape, ...], width: int | None = None, stride: int = 1) -> Graph:
    """The graph of a primitive by itself, at given input shapes. Raises `ArchitectureError` as `expand` does."""
    return expand(op, shapes, width, stride, {})
