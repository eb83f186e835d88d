"""Lowering: an architecture to its graph, with every shape known."""

from __future__ import annotations

from typing import NamedTuple

from nas.arch.architecture import Architecture, Block, Stage
from nas.arch.graph import Graph
from nas.arch.primitive import Inner
from nas.errors import ArchitectureError, NasError
from nas.ops import Shape, Vector
from nas.ops.base import require


class Lowered(NamedTuple):
    """The main graph, and each auxiliary head with the value of the main graph that it reads and its weight."""

    main: Graph
    aux: tuple[tuple[Graph, int, float], ...]
    # For each node of the main graph how deep it lies, from 0 (the first block) to 1 (the last before the head).
    depths: tuple[float, ...]


def lower(architecture: Architecture) -> Lowered:
    """The graph of a network. Raises `ArchitectureError` that names the block which does not fit."""
    return _Lowering(architecture).run()


class _Lowering:
    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.g = Inner((architecture.shape,), {})
        self.history: list[int] = []

    def run(self) -> Lowered:
        g, stages = self.g, []
        x = self.chain(g, self.architecture.stem, 0, "stem.", "stem")
        self.history.append(x)
        start = len(g.steps)
        for number, stage in enumerate(self.architecture.stages):
            x = self.stage(stage, number, x)
            stages.append(x)
        blocks = len(g.steps) - start
        x = self.chain(g, self.architecture.head, x, "head.", "head")
        depths = [0.0] * start + [i / max(1, blocks - 1) for i in range(blocks)]
        depths += [1.0] * (len(g.steps) - len(depths))
        self.check_logits(g.shapes[x], "head")
        return Lowered(g.finish(self.architecture.name, x), tuple(self.auxiliary(stages)), tuple(depths))

    def stage(self, stage: Stage, number: int, x: int) -> int:
        index = 0
        for i, block in enumerate(stage):
            where = f"stages[{number}]" if len(stage) == 1 else f"stages[{number}][{i}]"
            x = self.copies(self.g, block, self.history, f"stages.{number}.", index, where)
            index += block.repeat
        return x

    def auxiliary(self, stages: list[int]) -> list[tuple[Graph, int, float]]:
        made = []
        for index, item in enumerate(self.architecture.aux):
            source = stages[item.after]
            inner = Inner((self.g.shapes[source],), self.g.memo)
            output = self.chain(inner, item.head, 0, "", f"aux[{index}].head")
            self.check_logits(inner.shapes[output], f"aux[{index}].head")
            made.append((inner.finish(f"aux.{index}", output), source, item.weight))
        return made

    def check_logits(self, shape: Shape, where: str) -> None:
        classes = self.architecture.classes
        require(isinstance(shape, Vector) and shape.width == classes, f"{where} ends in {shape}", f"a vector of {classes} classes")

    def chain(self, g: Inner, blocks: Stage, x: int, name: str, where: str) -> int:
        """Blocks each of which reads the one before."""
        index = 0
        for i, block in enumerate(blocks):
            x = self.copies(g, block, [x], name, index, f"{where}[{i}]")
            index += block.repeat
        return x

    def copies(self, g: Inner, block: Block, history: list[int], name: str, index: int, where: str) -> int:
        """All copies of a block, each output appended to `history`; the stride stands on the first copy alone."""
        width = self.architecture.classes if block.width == "classes" else block.width
        try:
            op = self.architecture.operation(block)
            reads = block.reads or range(op.reads, 0, -1)
            if len(reads) != op.reads:
                raise ArchitectureError(f"reads={list(reads)}; allowed: {op.reads} numbers, as the operation has inputs")
            for copy in range(block.repeat):
                # A block that reads further back than there is anything reads the first output in its stead.
                last = len(history)
                inputs = [history[last - back if back < last else 0] for back in reads]
                x = g.apply(op, *inputs, width=width, stride=block.stride if copy == 0 else 1, name=f"{name}{index + copy}")
                history.append(x)
            return x
        except NasError as error:
            raise ArchitectureError(f"{where}.{block.op.name}: {error}") from None
