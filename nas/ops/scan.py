"""State-space models."""

from __future__ import annotations

from nas.errors import ArchitectureError
from nas.ops.base import Leaf, Saved, expect, leaf
from nas.ops.code import Call, call
from nas.ops.shapes import Shape, Tokens


@leaf("selective_scan")
class SelectiveScan(Leaf):
    """A linear state-space model whose step, input and output depend on the token (Gu & Dao, arXiv 2312.00752).

    For each feature y_t = C_t h_t + D x_t with h_t = exp(dt_t A) h_(t-1) + dt_t B_t x_t (equations 2 and 4, algorithm
    2). Reads x and the steps dt (length, width), B and C (length, states); learns A, below zero, and D. Only C_t h_t is
    a product of matrices; the recurrence is elementwise and counts no multiply-adds, as everywhere.
    """

    arity = 4

    def shape(self, x: Tokens, step: Tokens, b: Tokens, c: Tokens) -> Tokens:
        for each in (x, step, b, c):
            expect(each, Tokens, "selective_scan")
        if step != x or b != c or b.length != x.length:
            found = ", ".join(map(str, (x, step, b, c)))
            raise ArchitectureError(f"selective_scan got {found}; allowed: two and two of one shape, all of one length")
        return x

    def params(self, *inputs: Shape) -> int:
        return inputs[0].width * (inputs[2].width + 1)

    def reach(self, *inputs: Shape) -> None:
        # The last token has seen all.
        return None

    def macs(self, *inputs: Shape) -> int:
        return inputs[0].elements * inputs[2].width

    def saved(self, *inputs: Shape) -> Saved:
        # States and decays of every round of the scan, the last states, and the steps times the input.
        x, _, b, _ = inputs
        rounds = (x.elements // x.width - 1).bit_length()
        return Saved((0, 1, 2, 3), extra=max(2, 2 * rounds + 1) * x.elements * b.width + x.elements)

    def code(self, *inputs: Shape) -> Call:
        return call("SelectiveScanModule", width=inputs[0].width, states=inputs[2].width)

    def describe(self) -> str:
        return "selective scan"
