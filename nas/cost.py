"""Exact parameters, multiply-adds and activations of any architecture, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from nas.arch import Architecture, Lowered, lower
from nas.ops import Shape


class Layer(NamedTuple):
    """One leaf in its place. `activations` counts the numbers it writes for one example."""

    place: str
    kind: str
    text: str
    inputs: tuple[Shape, ...]
    shape: Shape
    params: int
    macs: int
    activations: int


@dataclass(frozen=True)
class Cost:
    """What a network costs for one example.

    `params` counts trainable numbers; `macs` the multiply-adds of convolutions, matrix products and attention;
    `activations` the numbers that layers write into memory of their own: elementwise operations, which can work in place,
    and views count none.
    """

    params: int
    macs: int
    activations: int
    lowered: Lowered = field(repr=False, compare=False)
    aux: bool = True

    @property
    def activation_bytes(self) -> int:
        """Memory of all activations of one example in 32-bit floats."""
        return 4 * self.activations

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All leaves in running order, auxiliary heads last."""
        graphs = [("", self.lowered.main)]
        if self.aux:
            graphs += [(graph.label, graph) for graph, _, _ in self.lowered.aux]
        return tuple(
            Layer(place, op.name, op.describe(), inputs, *facts)
            for prefix, graph in graphs
            for place, op, inputs, facts in graph.leaves(prefix)
        )


def cost(architecture: Architecture, aux: bool = True) -> Cost:
    """Cost of a network; without `aux` that of the inference network.

    Raises `ArchitectureError` when the shapes do not fit.
    """
    lowered = lower(architecture)
    facts = [lowered.main.facts]
    if aux:
        facts += [graph.facts for graph, _, _ in lowered.aux]
    params, macs, activations = (sum(column) for column in zip(*(f[1:] for f in facts), strict=True))
    return Cost(params, macs, activations, lowered, aux)
