"""Deeper and shallower by the rule of EfficientNet: what a stage is made of repeats, what leads from stage to stage does not."""

from __future__ import annotations

import dataclasses
import math

from nas.arch import Architecture, Block, Primitive, Stage, Use, lower, place
from nas.errors import NasError
from nas.ops import Shape
from nas.scale.inside import inside


def deeper(architecture: Architecture, depth: float) -> Architecture:
    """The layers of every stage times `depth`, rounded up (Tan & Le, arXiv 1905.11946, released code), at least one of each kind.

    A layer is a block that does multiply-adds and that could stand behind itself at stride 1 without another shape. An
    operation that the network has with a stride alone, and never twice, leads from one stage to the next (a reduction cell, a
    merging of patches) and stays, as do stem and head. Layers that stand side by side count together, so that one layer and three
    like it are four. Raises `ArchitectureError` where shapes do not fit or it becomes deeper than is allowed.
    """
    if depth == 1.0:
        return architecture
    shapes = {node.name: node.shape for node in lower(architecture).main.nodes}
    layers = _layer_kinds(architecture)
    stages = []
    for number, stage in enumerate(architecture.stages):
        runs = _runs(architecture, stage, f"stages.{number}", shapes, layers)
        repeats = [block.repeat for block in stage]
        for run in runs:
            for index, repeat in zip(run, shared([repeats[i] for i in run], depth), strict=True):
                repeats[index] = repeat
        stages.append(tuple(dataclasses.replace(block, repeat=n) for block, n in zip(stage, repeats, strict=True)))
    return dataclasses.replace(architecture, stages=tuple(stages))


def shared(repeats: list[int], depth: float) -> list[int]:
    """The repeats of neighbouring layers whose sum is that of `repeats` times `depth`, rounded up; each at least 1.

    The difference goes to those that repeat already, in proportion; where none does the last come first.
    """
    # Rounded first, so that 2.2 * 5 layers are 11 and not 12.
    total = max(len(repeats), math.ceil(round(sum(repeats) * depth, 6)))
    grows = [n > 1 for n in repeats]
    open_ = [i for i, each in enumerate(grows) if each or not any(grows)]
    fixed = len(repeats) - len(open_)
    weight, left = sum(repeats[i] for i in open_), max(total - fixed, len(open_))
    wanted = {i: left * repeats[i] / weight for i in open_}
    made = {i: max(1, math.floor(wanted[i])) for i in open_}
    for i in sorted(open_, key=lambda i: (made[i] - wanted[i], -i))[: max(0, left - sum(made.values()))]:
        made[i] += 1
    return [made.get(i, n) for i, n in enumerate(repeats)]


def _kind(op: Primitive) -> object:
    """What two layers of one kind share: the class of a primitive; cells and compositions are each a kind of their own."""
    return op if isinstance(op, Use) or next(inside(op), None) is not None else type(op)


def _layer_kinds(architecture: Architecture) -> set[object]:
    """The kinds that stand somewhere at stride 1 or more than once; all kinds where none does."""
    blocks = [block for stage in architecture.stages for block in stage]
    return {_kind(b.op) for b in blocks if b.stride == 1 or b.repeat > 1} or {_kind(b.op) for b in blocks}


def _runs(architecture: Architecture, stage: Stage, name: str, shapes: dict[str, Shape], kinds: set[object]) -> list[list[int]]:
    """The indices of the layers of a stage, neighbours together."""
    runs: list[list[int]] = [[]]
    copies = 0
    for index, block in enumerate(stage):
        copies += block.repeat
        if block.repeat > 1 or (_kind(block.op) in kinds and _keeps(architecture, block, shapes[f"{name}.{copies - 1}"])):
            runs[-1].append(index)
        else:
            runs.append([])
    return [run for run in runs if run]


def _keeps(architecture: Architecture, block: Block, shape: Shape) -> bool:
    """Whether a copy of the block behind it does multiply-adds and leaves the shape."""
    op = architecture.operation(block)
    width = architecture.classes if block.width == "classes" else block.width
    try:
        graph = place(op, (shape,) * op.reads, width)
    except NasError:
        return False
    return graph.shape == shape and type(graph.shape) is type(shape) and graph.facts.macs > 0
