"""Lowering: an architecture to its graph, with every shape known."""

from __future__ import annotations

from typing import NamedTuple

from nas.arch.architecture import Architecture, Block, Stage
from nas.arch.graph import Graph, GraphBuilder
from nas.arch.primitive import Primitive, expand, place
from nas.errors import ArchitectureError, NasError
from nas.ops import Shape


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
        self.g = GraphBuilder((architecture.shape,))
        self.history: list[int] = []
        # One searched cell at one shape is expanded once a network (see Primitive.cached).
        self.cells: dict[tuple[int, tuple[Shape, ...], int | None, int, bool], Graph] = {}

    def run(self) -> Lowered:
        stages: list[int] = []
        x = self.chain(self.g, self.architecture.stem, 0, "stem")
        self.history.append(x)
        depth = len(self.g.nodes)
        for number, stage in enumerate(self.architecture.stages):
            for index, (block, stride, where) in enumerate(self.repeats(stage, f"stages[{number}]")):
                x = self.block(block, stride, f"stages.{number}.{index}", where)
                self.history.append(x)
            stages.append(x)
        blocks = max(1, len(self.g.nodes) - depth - 1)
        depths = [0.0] * depth + [i / blocks for i in range(len(self.g.nodes) - depth)]
        out = self.chain(self.g, self.architecture.head, x, "head")
        depths += [1.0] * (len(self.g.nodes) - len(depths))
        main = self.g.finish(self.architecture.name, out)
        return Lowered(main, tuple(self.auxiliary(stages)), tuple(depths))

    def auxiliary(self, stages: list[int]) -> list[tuple[Graph, int, float]]:
        made = []
        for index, item in enumerate(self.architecture.aux):
            source = stages[item.after]
            inner = GraphBuilder((self.g.shapes[source],))
            output = self.chain(inner, item.head, 0, f"aux[{index}].head")
            made.append((inner.finish(f"aux.{index}", output), source, item.weight))
        return made

    def repeats(self, stage: Stage, where: str) -> list[tuple[Block, int, str]]:
        """Each copy of each block: the stride stands on the first copy alone."""
        single = len(stage) == 1
        return [
            (block, block.stride if copy == 0 else 1, where if single else f"{where}[{i}]")
            for i, block in enumerate(stage)
            for copy in range(block.repeat)
        ]

    def block(self, block: Block, stride: int, name: str, where: str) -> int:
        reads = block.reads or tuple(range(self.architecture.operation(block).reads, 0, -1))
        # A block that reads further back than there is anything reads the first output in its stead.
        inputs = tuple(self.history[max(0, len(self.history) - back)] for back in reads)
        return self.place(self.g, block, inputs, stride, name, where)

    def chain(self, g: GraphBuilder, blocks: Stage, x: int, where: str) -> int:
        for index, (block, stride, _) in enumerate(self.repeats(blocks, where)):
            x = self.place(g, block, (x,), stride, f"{where.split('[')[0]}.{index}" if g is self.g else str(index), f"{where}[{index}]")
        return x

    def place(self, g: GraphBuilder, block: Block, inputs: tuple[int, ...], stride: int, name: str, where: str) -> int:
        width = self.architecture.classes if block.width == "classes" else block.width
        try:
            op = self.architecture.operation(block)
            shapes = tuple([g.shapes[i] for i in inputs])
            return g.add(self.graph(op, shapes, width, stride, inputs), *inputs, name=name)
        except NasError as error:
            raise ArchitectureError(f"{where}.{block.op.name}: {error}") from None

    def graph(self, op: Primitive, shapes: tuple[Shape, ...], width: int | None, stride: int, inputs: tuple[int, ...]) -> Graph:
        if op.cached:
            return place(op, shapes, width, stride)
        alone = len(set(inputs)) < len(inputs)
        key = (id(op), shapes, width, stride, alone)
        made = self.cells.get(key)
        if made is None:
            made = self.cells[key] = expand(op, shapes, width, stride, alone=alone)
        return made
