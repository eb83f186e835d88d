"""Layers with skip connections to any earlier ones: the networks of the first papers on architecture search."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from nas.arch import Graph, Inner, Primitive, primitive
from nas.ops import Concat, Frozen, Map, Pad, frozen
from nas.ops.base import require, require_range
from nas.primitives.basic import ConvNormAct, FactorizedReduction

MAX_LAYERS = 256
MERGE = ConvNormAct(kernel=1, order="act")
HALVE = FactorizedReduction(activation=None)


@frozen
class Layer(Frozen):
    """An operation and the earlier states that it reads. A width of None is that of the whole."""

    op: Primitive
    reads: tuple[int, ...] = ()
    width: int | None = None
    stride: int = 1

    def check(self) -> None:
        require_range(self.stride, "stride", 1, 64)
        if self.width is not None:
            require_range(self.width, "width", 1, 65536)
        require(len(set(self.reads)) == len(self.reads), f"reads={list(self.reads)}", "each state once")

    def resized(self, width: float, depth: float) -> Layer:
        """The layer for a network of another width and depth."""
        return replace(self, op=self.op.resized(width, depth), width=self.width and max(1, round(self.width * width)))


@primitive("layers")
class LayerGraph(Primitive):
    """State 0 is the input; each layer adds a state. What a layer reads is concatenated, smaller maps padded by zeros.

    The sets that layers read stand `before` their operations, a layer that reads nothing reading the input (Zoph & Le,
    arXiv 1611.01578, section 3.3); or `behind`: an operation reads the state before it, and its output and the states
    of its set are brought back to its width by ReLU, a 1x1 convolution and batch norm (Pham et al., arXiv 1802.03268,
    section 2.3; released code). Before the layers numbered in `reduce` every state that is still read is halved by a factorised
    reduction to that layer's width. The output is the `last` state, or all that no layer read (`unread`), concatenated. Where
    the whole has a stride the input is reduced first.
    """

    layers: tuple[Layer, ...]
    sets: Literal["before", "behind"] = "before"
    output: Literal["unread", "last"] = "unread"
    reduce: tuple[int, ...] = ()
    cached = False

    def check(self) -> None:
        require(0 < len(self.layers) <= MAX_LAYERS, f"{len(self.layers)} layers", f"1 to {MAX_LAYERS}")
        require_range(self.reduce, "reduce", 0, len(self.layers) - 1)
        for number, layer in enumerate(self.layers):
            for state in layer.reads:
                require(0 <= state <= number, f"layers[{number}] reads state {state}", f"0 to {number}, the states before it")

    @property
    def identity(self) -> str:
        return f"{self.name}({self.sets})"

    @property
    def operations(self) -> int:
        return sum(layer.op.operations for layer in self.layers)

    @property
    def ends(self) -> tuple[int, ...]:
        """The states that are joined for the output."""
        last = len(self.layers)
        if self.output == "last":
            return (last,)
        read = {state for layer in self.layers for state in layer.reads}
        chain = range(1, last) if self.sets == "behind" else ()
        return tuple(state for state in range(1, last + 1) if state not in read.union(chain))

    def own_width(self, width_in: int | None) -> int | None:
        widths = [self.layers[state - 1].width for state in self.ends]
        return None if None in widths else sum(filter(None, widths))

    def resized(self, width: float, depth: float) -> LayerGraph:
        return replace(self, layers=tuple(layer.resized(width, depth) for layer in self.layers))

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        widths = [width if layer.width is None else layer.width for layer in self.layers]
        x = inputs[0] if stride == 1 else g.apply(FactorizedReduction(), inputs[0], width=widths[0], stride=stride)
        states = [x]
        for number, (layer, wide) in enumerate(zip(self.layers, widths, strict=True)):
            if number in self.reduce:
                halved = {
                    state: g.apply(HALVE, states[state], width=wide, stride=2, name=f"layer{number + 1}_halve{state}")
                    for state in self.wanted(number)
                }
                states = [halved.get(state, x) for state, x in enumerate(states)]
            states.append(self.layer(g, layer, states, wide))
        return joined(g, [states[state] for state in self.ends])

    def slots(self, graph: Graph, source: bool) -> list[str]:
        names = super().slots(graph, source)
        if not source:
            return names
        # What reads a set: with the sets `behind` the merging of the operation's output with them.
        readers = {
            f"layer{number}_{'merge' if self.sets == 'behind' else layer.op.name}": f"<{','.join(map(str, layer.reads))}"
            for number, layer in enumerate(self.layers, 1)
        }
        return [name + readers.get(name, "") for name in names]

    def wanted(self, number: int) -> list[int]:
        """The states before layer `number` that it or what comes after it reads."""
        behind = self.sets == "behind"
        read = {state for layer in self.layers[number:] for state in layer.reads or (() if behind else (0,))}
        return sorted(state for state in read.union(self.ends, (number,) if behind else ()) if state <= number)

    def layer(self, g: Inner, layer: Layer, states: list[int], width: int) -> int:
        """The next state."""
        read, name = [states[state] for state in layer.reads], f"layer{len(states)}_{layer.op.name}"
        if self.sets == "before":
            return g.apply(layer.op, joined(g, read or states[:1]), width=width, stride=layer.stride, name=name)
        x = g.apply(layer.op, states[-1], width=width, stride=layer.stride, name=name)
        return g.apply(MERGE, joined(g, [*read, x]), width=width, name=f"layer{len(states)}_merge") if len(states) > 1 else x


def joined(g: Inner, values: list[int]) -> int:
    """Maps side by side; zeros around those that are smaller than the largest."""
    if len(values) == 1:
        return values[0]
    shapes = [g.shapes[value] for value in values]
    rows, columns = (max(shape.rows for shape in shapes), max(shape.columns for shape in shapes))  # type: ignore[union-attr]
    return g.add(Concat(), *[padded(g, value, rows, columns) for value in values])


def padded(g: Inner, x: int, rows: int, columns: int) -> int:
    """The map in the middle of one of that size."""
    shape = g.shapes[x]
    assert isinstance(shape, Map)
    more = rows - shape.rows, columns - shape.columns
    if more == (0, 0):
        return x
    above, left = more[0] // 2, more[1] // 2
    return g.add(Pad((above, more[0] - above), (left, more[1] - left)), x)
