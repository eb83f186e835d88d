"""What of a network is cells: an architecture read as a stack of them, and the stack at another size."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from nas.arch import Architecture, Block, Cell, Lowered, Stage, Use, lower
from nas.baselines.stack import Group, Reads, Side, Stack
from nas.errors import ArchitectureError
from nas.ops import Map
from nas.ops.base import require

WHICH = "networks whose stages repeat a named cell of stated width (nasnet_a_cifar, what a search of cells found); `nas scale` takes any"


def read(architecture: Architecture) -> Stack:
    """The stack of which `Stack.architecture` makes this network again.

    A group is cells of stride 1 and one width; what stands before them is its front, before the first group the entry.
    Raises `ArchitectureError` for a network that is not made of cells.
    """
    copies = [copy for stage in architecture.stages for copy in _copies(stage)]
    groups: list[Group] = []
    ends: list[int] = []
    at = 0
    while at < len(copies):
        start = next((i for i in range(at, len(copies)) if _is_cell(copies[i])), None)
        if start is None:
            label = copies[-1].label
            what = f"the stages of {architecture.name} end in {label}" if groups else f"{architecture.name} repeats no cell"
            raise ArchitectureError(f"{what}; allowed: {WHICH}")
        front = tuple(copies[at:start])
        group, at = _group(copies, start, front)
        groups.append(group)
        ends.append(at)
    require(bool(groups), f"{architecture.name} has no stages", WHICH)
    entry, groups[0] = groups[0].front, groups[0]._replace(front=())
    return Stack(
        architecture.name, architecture.input, architecture.classes, architecture.cells, architecture.stem, tuple(groups),
        architecture.head, entry, _side(architecture, len(entry), ends),
    )  # fmt: skip


def _copies(stage: Stage) -> list[Block]:
    """Every copy as a block of its own; a stride stands on the first."""
    return [
        replace(block, repeat=1, stride=block.stride if copy == 0 else 1) for block in stage for copy in range(block.repeat)
    ]  # fmt: skip


def _is_cell(block: Block) -> bool:
    return isinstance(block.op, Use) and block.stride == 1 and isinstance(block.width, int)


def _group(copies: list[Block], start: int, front: Stage) -> tuple[Group, int]:
    """The group whose cells begin at `start`, and where it ends."""
    first, end = copies[start], start + 1
    reads: Reads = copies[end].reads if end < len(copies) and copies[end] == replace(first, reads=copies[end].reads) else None
    usual = replace(first, reads=reads)
    while end < len(copies) and copies[end] == usual:
        end += 1
    return Group(replace(usual, repeat=end - start), front, first.reads if first.reads != reads else None), end


def _side(architecture: Architecture, entry: int, ends: list[int]) -> Side | None:
    """The last auxiliary head, and where in the groups it stands."""
    if not architecture.aux:
        return None
    head = architecture.aux[-1]
    passed = sum(block.repeat for stage in architecture.stages[: head.after + 1] for block in stage)
    number = next(i for i, end in enumerate(ends) if passed <= end)
    begin = ends[number - 1] if number else entry
    return Side(number, 0 if passed == ends[number] else max(1, passed - begin), head.head, head.weight)


def filters(stack: Stack) -> int:
    """F: the filters of the first group's cells."""
    return width(stack.groups[0].cell)


def repeats(stack: Stack) -> int:
    """N: how often a group repeats its cell, where groups differ the most."""
    return max(group.cell.repeat for group in stack.groups)


def least_repeats(stack: Stack) -> int:
    """The smallest N, at which every group has a cell: 2 where some have one fewer than N."""
    return 2 if any(group.cell.repeat == repeats(stack) - 1 for group in stack.groups) else 1


def _repeat(old: int, most: int, new: int) -> int:
    """Cells of a group that had `old` where N was `most`: one fewer than N stays so, otherwise the ratio does.

    One fewer, as a reduction cell stands for a normal one in PNASNet (Liu et al., arXiv 1712.00559).
    """
    return new - 1 if old == most - 1 else max(1, round(new * old / most))


def step(stack: Stack) -> int:
    """F must be a multiple of this for the widths of all groups to keep their ratios."""
    blocks = [block for group in stack.groups for block in group.blocks]
    return math.lcm(*[Fraction(block.width, filters(stack)).denominator for block in blocks if isinstance(block.width, int)])


def sized(stack: Stack, wide: int, deep: int) -> Stack:
    """The stack of N = `deep` and F = `wide`, a multiple of `step`.

    The stem keeps its ratio to the filters where it keeps the size of the map; that for large images keeps its width
    (32 and 96 in the released code whatever the filters).
    """
    old, most = filters(stack), repeats(stack)

    def block(item: Block, near: bool = False) -> Block:
        """As `filters // 4` is 47 of 190, a ratio may be taken for the simple one `near` it."""
        if not isinstance(item.width, int) or wide == old:
            return item
        ratio = Fraction(item.width, old)
        made = int(wide * (ratio.limit_denominator(8) if near else ratio))
        return replace(item, width=max(1, made), op=item.op.resized(wide / old, 1.0))

    def group(item: Group) -> Group:
        cell = replace(item.cell, repeat=_repeat(item.cell.repeat, most, deep))
        return Group(block(cell), tuple(block(part) for part in item.front), item.reads)

    strided = any(item.stride > 1 for item in stack.stem)
    return stack._replace(
        cells=tuple(Cell(cell.name, cell.op.resized(wide / old, 1.0)) for cell in stack.cells),
        stem=stack.stem if strided else tuple(block(item, near=True) for item in stack.stem),
        entry=tuple(block(item, near=True) for item in stack.entry),
        groups=tuple(group(item) for item in stack.groups),
    )


def penultimate(lowered: Lowered) -> int:
    """Channels that the stages end in: the filters of the penultimate layer."""
    shape = next(node.shape for node in reversed(lowered.main.nodes) if node.name.startswith("stages."))
    require(isinstance(shape, Map), f"the stages end in {shape}", "a map")
    return shape.width


def described(architecture: Architecture) -> tuple[int, int]:
    """N and the filters of the penultimate layer: (6, 4032) of "6 @ 4032". Raises `ArchitectureError`."""
    return repeats(read(architecture)), penultimate(lower(architecture))


def width(block: Block) -> int:
    """Filters of a cell in its place."""
    assert isinstance(block.width, int)
    return block.width
