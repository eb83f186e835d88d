"""Exact parameters, multiply-adds and activations of any architecture, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from nas.arch import Architecture, Lowered, lower
from nas.arch.field import PIXEL, Field, trace
from nas.arch.saved import saved_numbers
from nas.ops import Shape


class Layer(NamedTuple):
    """One leaf in its place. `activations` counts the numbers it writes for one example, `biases` a part of `params`.

    `field` is its receptive field in (rows, columns) of the image; None where it sees the whole image.
    """

    place: str
    kind: str
    text: str
    inputs: tuple[Shape, ...]
    shape: Shape
    params: int
    macs: int
    activations: int
    biases: int = 0
    field: tuple[int, int] | None = None


@dataclass(frozen=True)
class Cost:
    """What a network costs for one example.

    `params` counts trainable numbers; `macs` the multiply-adds of convolutions, matrix products and attention;
    `activations` the numbers that layers write into memory of their own: elementwise operations, which can work in place,
    and views count none. Without `biases` those of convolutions and linear maps are left out of `params`.
    """

    params: int
    macs: int
    activations: int
    lowered: Lowered = field(repr=False, compare=False)
    aux: bool = True
    biases: bool = True

    @property
    def activation_bytes(self) -> int:
        """Memory of all activations of one example in 32-bit floats."""
        return 4 * self.activations

    @property
    def saved_bytes(self) -> int:
        """Memory of what the backward pass of one example needs, in 32-bit floats; auxiliary heads where they are counted."""
        aux = self.lowered.aux if self.aux else ()
        return 4 * saved_numbers(self.lowered._replace(aux=aux))

    def training_bytes(self, batch: int, states: int = 1) -> int:
        """Memory of training on `batch` images in 32-bit floats: weights, gradients, optimiser, what the backward pass needs.

        `states` is how many numbers the optimiser has for each weight: 1 for SGD with momentum, 2 for Adam and RMSProp with
        momentum. Not counted: work space of kernels, fragments and caches of the allocator, the images that wait.
        """
        return 4 * (2 + states) * self.params + batch * self.saved_bytes

    def without_biases(self) -> Cost:
        """The same with no bias of a convolution or linear map counted; scale and shift of a norm are none."""
        return replace(self, params=self.params - sum(layer.biases for layer in self.layers), biases=False)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All leaves in running order, auxiliary heads last."""
        fields: list[Field] = []
        values = trace(self.lowered.main, [PIXEL], fields)
        leaves = [*self.lowered.main.leaves()]
        for graph, source, _ in self.lowered.aux if self.aux else ():
            trace(graph, [values[source]], fields)
            leaves += graph.leaves(graph.label)
        made = []
        for (place, op, inputs, (shape, params, macs, activations)), seen in zip(leaves, fields, strict=True):
            size = None if seen is None else (seen[0].size, seen[1].size)
            biases = op.biases(*inputs)
            if not self.biases:
                params, biases = params - biases, 0
            made.append(Layer(place, op.name, op.describe(), inputs, shape, params, macs, activations, biases, size))
        return tuple(made)


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
