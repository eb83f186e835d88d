"""Cells one behind another: how a network is made of them, whichever they are."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from nas.arch import Architecture, Auxiliary, Block, Cell, Stage
from nas.primitives import ConvNormAct

Reads = tuple[int, ...] | None


class Group(NamedTuple):
    """Cells of one width on maps of one size: `cell`, so often as it repeats.

    `front` stands before them: what reduces the map. `reads` is what the first of them reads where that is not what the
    others do, counted back.
    """

    cell: Block
    front: Stage = ()
    reads: Reads = None

    @property
    def blocks(self) -> Stage:
        """All of it, as a stage is written."""
        if self.reads is None:
            return (*self.front, self.cell)
        behind = (replace(self.cell, repeat=self.cell.repeat - 1),) if self.cell.repeat > 1 else ()
        return (*self.front, replace(self.cell, repeat=1, reads=self.reads), *behind)


class Side(NamedTuple):
    """An auxiliary head behind so many `blocks` of the group numbered `group`; 0 is behind all of them."""

    group: int
    blocks: int
    head: Stage
    weight: float = 0.4


class Stack(NamedTuple):
    """A network of cells, from which `architecture` makes one in the language.

    `entry` stands between the stem and the first group: the reductions of a network for large images.
    """

    name: str
    input: tuple[int, int, int]
    classes: int
    cells: tuple[Cell, ...]
    stem: Stage
    groups: tuple[Group, ...]
    head: Stage
    entry: Stage = ()
    side: Side | None = None

    def architecture(self) -> Architecture:
        """A stage a group, in two where the auxiliary head stands within it."""
        stages: list[Stage] = [self.entry] if self.entry else []
        aux: tuple[Auxiliary, ...] = ()
        for number, group in enumerate(self.groups):
            side = self.side if self.side is not None and self.side.group == number else None
            parts = split(group.blocks, side.blocks if side is not None else 0)
            if side is not None:
                aux = (Auxiliary(len(stages), side.head, side.weight),)
            stages += parts
        return Architecture(self.name, self.input, self.classes, tuple(stages), self.stem, self.head, self.cells, aux)


def large_stem(conv: ConvNormAct, width: int) -> Stage:
    """The stem for images of ImageNet's size: a convolution without padding, of stride 2."""
    return (Block(replace(conv, padding=0), width, 2),)


def small_stem(conv: ConvNormAct, width: int) -> Stage:
    """The stem for images of CIFAR's size: a convolution that keeps the size of the map."""
    return (Block(replace(conv, padding=None), width),)


def large_entry(front: Stage, width: int, filters: int) -> Stage:
    """Two reductions of a quarter and half the filters (Zoph et al., arXiv 1707.07012, figure 2).

    Each is `front`, what reduces the map before cells of `width`, narrowed.
    """
    return tuple(narrowed(block, part, width) for part in (filters // 4, filters // 2) for block in front)


def narrowed(block: Block, part: int, whole: int) -> Block:
    """The block at `part` times its width by `whole`, rounded down; one that keeps the width of its input as it is."""
    return replace(block, width=max(1, block.width * part // whole)) if isinstance(block.width, int) else block


def split(stage: Stage, count: int) -> list[Stage]:
    """A stage, split behind so many blocks, repeats counted; whole where that is none or all."""
    if count == 0:
        return [stage]
    front: list[Block] = []
    for number, block in enumerate(stage):
        taken = min(block.repeat, count)
        count -= taken
        front.append(replace(block, repeat=taken))
        if count == 0:
            rest = (replace(block, repeat=block.repeat - taken),) if block.repeat > taken else ()
            behind = (*rest, *stage[number + 1 :])
            return [tuple(front), behind] if behind else [stage]
    return [stage]
