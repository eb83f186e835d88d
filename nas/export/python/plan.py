"""The blocks of a network in their places: which container each lies in, and which values it reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from nas.arch import Architecture, Graph, Lowered
from nas.arch.primitive import Use
from nas.export.python.draft import Drafter, Instance, Step, module_of

_IDENTITY = Instance("nn.Identity", ())


@dataclass
class Block:
    """A block in its place: its number in its container, its step, or the value that it hands on, and the values it reads."""

    number: int
    step: Step | int
    reads: tuple[int, ...]

    @property
    def module(self) -> Instance:
        """What is built; a block that does nothing is an identity."""
        return _IDENTITY if isinstance(self.step, int) else module_of(self.step)


@dataclass
class Part:
    """All blocks of a container in order; `first` is the number of the value that its first block writes."""

    path: str
    first: int
    blocks: list[Block] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The value that its last block writes."""
        return self.first + len(self.blocks) - 1


@dataclass
class Plan:
    """The network: its parts, and for each auxiliary head its blocks and the value that it reads."""

    parts: list[Part]
    aux: list[tuple[Part, int]]

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """For each value the numbers of the blocks that read it."""
        made: dict[int, list[int]] = {}
        for part in self.parts:
            for number, block in enumerate(part.blocks, part.first):
                for value in block.reads:
                    made.setdefault(value, []).append(number)
        return made

    @cached_property
    def taps(self) -> dict[int, str]:
        """The variables of the values that auxiliary heads read."""
        order = sorted({source for _, source in self.aux})
        return {source: "tap" if len(order) == 1 else f"tap{i}" for i, source in enumerate(order)}

    def modules(self) -> list[Instance]:
        """The modules of all blocks."""
        return [block.module for part in [*self.parts, *[part for part, _ in self.aux]] for block in part.blocks]

    def chained(self, part: Part) -> bool:
        """Whether each block reads the one before alone, and nobody else does but of the last."""
        for number, block in enumerate(part.blocks, part.first):
            if block.reads != (number - 1,):
                return False
            inner = number != part.last
            if inner and (number in self.taps or self.readers.get(number, []) != [number + 1]):
                return False
        return True


def planned(architecture: Architecture, lowered: Lowered, drafter: Drafter) -> Plan:
    """Drafts of all blocks in their places."""
    return Plan(_trunk(architecture, lowered, drafter), [(_head(graph, drafter), source) for graph, source, _ in lowered.aux])


def _trunk(architecture: Architecture, lowered: Lowered, drafter: Drafter) -> list[Part]:
    parts: list[Part] = []
    graph = lowered.main
    shapes = [*graph.inputs, *[node.shape for node in graph.nodes]]
    rows = zip(graph.nodes, _hints(architecture), lowered.depths, strict=True)
    for number, (node, hint, depth) in enumerate(rows, 1):
        path, _, index = node.name.rpartition(".")
        reads = tuple(node.inputs)
        step = drafter.step(index, node.op, tuple(shapes[i] for i in reads), reads, hint, depth)
        if not parts or parts[-1].path != path:
            parts.append(Part(path, number))
        parts[-1].blocks.append(Block(int(index), step, reads))
    return parts


def _head(graph: Graph, drafter: Drafter) -> Part:
    """An auxiliary head, whose blocks stand one after another."""
    part = Part(graph.label, 1)
    for node in graph.nodes:
        reads = tuple(node.inputs)
        part.blocks.append(Block(int(node.name), drafter.step(node.name, node.op, (graph.inputs[0],), reads, "", 1.0), reads))
    return part


def _hints(architecture: Architecture) -> list[str]:
    """For each block of the main graph the name of the cell that it is, or nothing."""
    return [
        block.op.cell if isinstance(block.op, Use) else ""
        for stage in (architecture.stem, *architecture.stages, architecture.head)
        for block in stage
        for _ in range(block.repeat)
    ]
