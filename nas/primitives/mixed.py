"""Several operations at once: what differentiable search trains in place of a choice."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from nas.arch import Inner, Primitive, primitive
from nas.ops import BatchNorm
from nas.ops.base import require
from nas.ops.mix import Mix
from nas.primitives.basic import AveragePooling, MaxPooling
from nas.primitives.zero import NoConnection


@primitive("mixed")
class Mixed(Primitive):
    """All of `ops` on one input, added by a softmax over learned scores (Liu et al., DARTS, arXiv 1806.09055, equation 2).

    `none` may be the last: it takes its part of the softmax and adds nothing. What a pool gives is normalised, like what
    convolutions give, or its scale alone would decide (released code of DARTS). Places of one `name` are one decision.
    """

    ops: tuple[Primitive, ...]
    vector: str = "mixed"
    yaml_names: ClassVar[dict[str, str]] = {"vector": "name"}

    def check(self) -> None:
        whole = [op for op in self.ops if not isinstance(op, NoConnection)]
        require(len(whole) > 0, "ops has no operation but none", "one or more")
        require(whole == list(self.ops[: len(whole)]) and len(self.ops) - len(whole) <= 1, "none is not the last of ops", "none last, once")
        wrong = next((op for op in whole if op.reads != 1), None)
        require(wrong is None, f"ops has {wrong.name if wrong else ''}, which reads several inputs", "operations on one input")

    @property
    def accepts(self) -> tuple[type, ...]:  # type: ignore[override]
        return tuple(kind for kind in self.ops[0].accepts if all(kind in op.accepts for op in self.ops))

    @property
    def strided(self) -> bool:  # type: ignore[override]
        return all(op.strided for op in self.ops)

    @property
    def operations(self) -> int:
        return sum(op.operations for op in self.ops)

    def resized(self, width: float, depth: float) -> Mixed:
        return replace(self, ops=tuple(op.resized(width, depth) for op in self.ops))

    def magnified(self, factor: float) -> Mixed:
        return replace(self, ops=tuple(op.magnified(factor) for op in self.ops))

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        made = [self.one(g, op, inputs[0], width, stride) for op in self.ops if not isinstance(op, NoConnection)]
        return g.add(Mix(self.vector, len(self.ops)), *made)

    @staticmethod
    def one(g: Inner, op: Primitive, x: int, width: int, stride: int) -> int:
        """The result of one operation."""
        x = g.apply(op, x, width=width, stride=stride)
        return g.add(BatchNorm(), x) if isinstance(op, MaxPooling | AveragePooling) else x
