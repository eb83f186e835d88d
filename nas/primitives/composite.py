"""Compositions, so that a YAML file can write a block that no primitive names."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, Add, Concat, DropPath, Frozen, Map, Multiply, Scale, Shape, Tokens, Vector, frozen
from nas.ops.base import require, require_range
from nas.primitives.basic import ConvNormAct, check_activation, check_eps
from nas.primitives.residual import shortcut


@frozen
class Step(Frozen):
    """An operation of a composition with a width and stride of its own.

    A width of None is what the operation's fields decide, or else that of the composition; `input` is its input's.
    """

    op: Primitive
    width: int | Literal["input"] | None = None
    stride: int = 1

    def check(self) -> None:
        require_range(self.stride, "stride", 1, 64)
        if self.width is not None and self.width != "input":
            require_range(self.width, "width", 1, 65536)

    def own_width(self, width_in: int | None) -> int | None:
        """The width that does not depend on the composition's, if any."""
        if self.width == "input":
            return width_in
        return self.op.own_width(width_in) if self.width is None else self.width

    def resized(self, width: float, depth: float) -> Step:
        """The step for a network of another width and depth."""
        wide = max(1, round(self.width * width)) if isinstance(self.width, int) else self.width
        return replace(self, op=self.op.resized(width, depth), width=wide)

    @staticmethod
    def from_short(data: object) -> object:
        """A bare operation stands for a step at the composition's width."""
        return data if isinstance(data, dict) and "op" in data else {"op": data}

    @staticmethod
    def to_short(fields: dict[str, object]) -> object:
        """A step of nothing but an operation is written as that operation."""
        return fields["op"] if len(fields) == 1 else fields


def resized_steps(steps: tuple[Step, ...], width: float, depth: float) -> tuple[Step, ...]:
    """Steps for a network of another width and depth."""
    return tuple(step.resized(width, depth) for step in steps)


@primitive("sequential")
class Sequential(Primitive):
    """Operations one after another. The stride goes to the first that can take it."""

    ops: tuple[Step, ...]
    accepts = (Map, Tokens, Vector)

    def check(self) -> None:
        require(len(self.ops) > 0, "ops is empty", "one operation or more")

    def own_width(self, width_in: int | None) -> int | None:
        for step in self.ops:
            width_in = step.own_width(width_in)
        return width_in

    @property
    def operations(self) -> int:
        return sum(step.op.operations for step in self.ops)

    def resized(self, width: float, depth: float) -> Sequential:
        return replace(self, ops=resized_steps(self.ops, width, depth))

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, left = inputs[0], stride
        for step in self.ops:
            mine = left if step.op.strided else 1
            left = left if mine != left else 1
            wide = step.own_width(g.shapes[x].width) or width
            x = g.apply(step.op, x, width=wide, stride=mine * step.stride)
        require(left == 1, f"stride={stride} of a sequence of operations none of which takes a stride", "1")
        return x


@primitive("branches")
class Branches(Primitive):
    """Operations side by side on one input, joined by concat, add or multiply.

    Under `concat` each branch has its own width, or else an equal share of the stage's.
    """

    branches: tuple[Step, ...]
    combine: Literal["concat", "add", "multiply"] = "concat"
    accepts = (Map, Tokens, Vector)

    def check(self) -> None:
        require(len(self.branches) > 1, f"{len(self.branches)} branches", "two or more")
        require(self.combine != "multiply" or len(self.branches) == 2, "multiply of more than two branches", "two")

    @property
    def operations(self) -> int:
        return sum(step.op.operations for step in self.branches)

    def resized(self, width: float, depth: float) -> Branches:
        return replace(self, branches=resized_steps(self.branches, width, depth))

    def own_width(self, width_in: int | None) -> int | None:
        widths = [step.own_width(width_in) for step in self.branches]
        if self.combine != "concat":
            return widths[0]
        return None if None in widths else sum(filter(None, widths))

    def settle(self, width: int | None, inputs: tuple[object, ...]) -> int:
        width_in = inputs[-1].width  # type: ignore[attr-defined]
        total = self.own_width(width_in)
        if self.combine != "concat" or total is None:
            return super().settle(width, inputs)  # type: ignore[arg-type]
        widths = [step.own_width(width_in) for step in self.branches]
        require(width in (None, total), f"width={width} of branches of widths {widths}", f"{total} or none")
        return total

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        outputs = [
            g.apply(step.op, inputs[0], width=share, stride=stride * step.stride)
            for step, share in zip(self.branches, self.shares(width, g.shapes[inputs[0]].width), strict=True)
        ]
        return g.add({"concat": Concat, "add": Add, "multiply": Multiply}[self.combine](), *outputs)

    def shares(self, width: int, width_in: int) -> list[int]:
        """The width of each branch."""
        widths = [step.own_width(width_in) for step in self.branches]
        if self.combine != "concat":
            return [own or width for own in widths]
        left, open_ = width - sum(filter(None, widths)), widths.count(None)
        require(left >= open_, f"width={width} of {len(self.branches)} branches", f"{width - left + open_} or more")
        shares = []
        for own in widths:
            share = own or -(-left // open_)
            if own is None:
                left, open_ = left - share, open_ - 1
            shares.append(share)
        return shares


@primitive("residual")
class Residual(Primitive):
    """A body, times `scale`, and a shortcut, added; then an activation if given.

    Where the shape of a map changes the shortcut is a strided 1x1 convolution, or the operations of `shortcut` where
    given. A `scale` below 1 keeps wide networks from dying (Szegedy et al., arXiv 1602.07261, section 3.3).
    """

    body: tuple[Step, ...]
    scale: float = 1.0
    activation: str | None = None
    shortcut: tuple[Step, ...] = ()
    accepts = (Map, Tokens, Vector)

    def check(self) -> None:
        require(len(self.body) > 0, "body is empty", "one operation or more")
        require_range(self.scale, "scale", 0.0, 1e6)
        check_activation(self.activation)

    def own_width(self, width_in: int | None) -> int | None:
        return Sequential(self.body).own_width(width_in)

    @property
    def operations(self) -> int:
        return sum(step.op.operations for step in (*self.body, *self.shortcut))

    def resized(self, width: float, depth: float) -> Residual:
        body, shortcut = (resized_steps(steps, width, depth) for steps in (self.body, self.shortcut))
        return replace(self, body=body, shortcut=shortcut)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        body = g.apply(Sequential(self.body), inputs[0], width=width, stride=stride, name="body")
        x = self.other(g, inputs[0], g.shapes[body], stride)
        if self.scale != 1.0:
            body = g.add(Scale(self.scale), body)
        total = g.add(Add(), g.add(DropPath(), body), x)
        return total if self.activation is None else g.add(Activation(self.activation), total)

    def other(self, g: Inner, x: int, target: Shape, stride: int) -> int:
        """What is added to a body of the shape `target`."""
        if self.shortcut and (stride != 1 or g.shapes[x] != target):
            return g.apply(Sequential(self.shortcut), x, width=target.width, stride=stride, name="shortcut")
        return shortcut(g, x, target.width, stride) if isinstance(target, Map) else x


@primitive("narrow")
class Narrow(Primitive):
    """An operation on `ratio` times fewer channels than the stage's, between 1x1 convolutions: ReLU first, norm last.

    The full convolutions of NASNet's and AmoebaNet's cells stand so in the code that their authors released.
    """

    op: Primitive
    ratio: int = 4
    eps: float = 1e-5

    def check(self) -> None:
        require_range(self.ratio, "ratio", 1, 4096)
        check_eps(self.eps)

    @property
    def operations(self) -> int:
        return 2 + self.op.operations

    @property
    def strided(self) -> bool:  # type: ignore[override]
        return self.op.strided

    def resized(self, width: float, depth: float) -> Narrow:
        return replace(self, op=self.op.resized(width, depth))

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        point, inner = ConvNormAct(1, order="act", eps=self.eps), max(1, width // self.ratio)
        x = g.apply(point, inputs[0], width=inner)
        x = g.apply(self.op, x, width=inner, stride=stride)
        return g.apply(point, x, width=width)
