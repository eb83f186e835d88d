"""The class `Network`: stem, stages and head as containers of blocks, and how a `forward` goes through them."""

from __future__ import annotations

from dataclasses import dataclass, field

from nas.arch import Architecture, Lowered
from nas.arch.architecture import Stage
from nas.arch.primitive import Use
from nas.export.python.draft import Drafter, Instance, Step
from nas.export.python.form import module_of
from nas.export.python.module import Names, instance, listed
from nas.export.python.text import TAB, Group, Text, laid_out

_PAIR = "before, x = x, cell(before, x)"
IDENTITY = Instance("nn.Identity", ())


@dataclass
class Block:
    """A block in its place: the container it lies in, its number there, its module, and the values it reads."""

    container: str
    number: int
    step: Step | int
    reads: tuple[int, ...]

    @property
    def module(self) -> Instance:
        """What is built; a block that does nothing is an identity."""
        return IDENTITY if isinstance(self.step, int) else module_of(self.step)


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

    def modules(self) -> list[Instance]:
        """The modules of all blocks."""
        return [block.module for part in [*self.parts, *[part for part, _ in self.aux]] for block in part.blocks]


def hints(architecture: Architecture) -> list[str]:
    """For each block of the main graph the name of the cell that it is, or nothing."""

    def of(stage: Stage) -> list[str]:
        return [block.op.cell if isinstance(block.op, Use) else "" for block in stage for _ in range(block.repeat)]

    stages = [hint for stage in architecture.stages for hint in of(stage)]
    return [*of(architecture.stem), *stages, *of(architecture.head)]


def planned(architecture: Architecture, lowered: Lowered, drafter: Drafter) -> Plan:
    """Drafts of all blocks in their places."""
    parts: list[Part] = []
    named = hints(architecture)
    shapes = [*lowered.main.inputs, *[node.shape for node in lowered.main.nodes]]
    for number, node in enumerate(lowered.main.nodes, 1):
        path, _, index = node.name.rpartition(".")
        reads = tuple(node.inputs)
        taken = tuple(shapes[i] for i in reads)
        step = drafter.step(index, node.op, taken, reads, named[number - 1], lowered.depths[number - 1])
        if not parts or parts[-1].path != path:
            parts.append(Part(path, number))
        parts[-1].blocks.append(Block(path, int(index), step, reads))
    aux = []
    for graph, source, _ in lowered.aux:
        part = Part(graph.label, 1)
        for node in graph.nodes:
            step = drafter.step(node.name, node.op, (graph.inputs[0],), tuple(node.inputs), "", 1.0)
            part.blocks.append(Block(graph.label, int(node.name), step, tuple(node.inputs)))
        aux.append((part, source))
    return Plan(parts, aux)


class NetworkWriter:
    """Writes the class."""

    def __init__(self, plan: Plan, aux_weights: tuple[float, ...], names: Names) -> None:
        self.plan, self.aux_weights, self.names = plan, aux_weights, names
        self.readers: dict[int, list[int]] = {}
        number = 0
        for part in plan.parts:
            for block in part.blocks:
                number += 1
                for v in block.reads:
                    self.readers.setdefault(v, []).append(number)
        self.kept = {source for _, source in plan.aux}

    def lines(self) -> list[str]:
        """The class."""
        aux = bool(self.plan.aux)
        lines = ["class Network(nn.Module):", f'{TAB}"""The whole network."""', ""]
        if aux:
            weights = ", ".join(map(repr, self.aux_weights)) + ("," if len(self.aux_weights) == 1 else "")
            lines += [f"{TAB}# How much the loss of each auxiliary head counts in training.", f"{TAB}aux_weights = ({weights})", ""]
        lines += [f"{TAB}def __init__(self) -> None:", f"{TAB * 2}super().__init__()"]
        for name, made in self.members():
            lines += laid_out(made, 2, lead=f"self.{name} = ")
        result = "Tensor | Outputs" if aux else "Tensor"
        return [*lines, "", f"{TAB}def forward(self, x: Tensor) -> {result}:", *self.forward()]

    def members(self) -> list[tuple[str, Text]]:
        """The containers of the outermost level."""
        made: list[tuple[str, Text]] = []
        stages = [self.container(part) for part in self.plan.parts if part.path.startswith("stages.")]
        for part in self.plan.parts:
            if not part.path.startswith("stages."):
                made.append((part.path, self.container(part)))
            elif not any(name == "stages" for name, _ in made):
                made.append(("stages", Group("nn.ModuleList(", (Group("[", tuple(stages), "]"),))))
        if self.plan.aux:
            heads = tuple(self.container(part, True) for part, _ in self.plan.aux)
            made.append(("aux", Group("nn.ModuleList(", (Group("[", heads, "]"),))))
        return made

    def container(self, part: Part, aux: bool = False) -> Text:
        """`nn.Sequential` of blocks one after another, as in every auxiliary head, else `nn.ModuleList`."""
        items = listed([instance(block.module, self.names) for block in part.blocks])
        if aux or self.chained(part):
            return Group("nn.Sequential(", items)
        return Group("nn.ModuleList(", (Group("[", items, "]"),))

    def chained(self, part: Part) -> bool:
        """Whether each block reads the one before alone, and nobody else does but of the last."""
        for number, block in enumerate(part.blocks, part.first):
            if block.reads != (number - 1,):
                return False
            inner = number != part.last
            if inner and (number in self.kept or self.readers.get(number, []) != [number + 1]):
                return False
        return True

    def forward(self) -> list[str]:
        """The body of `forward`."""
        lines = _Walk(self).lines()
        if not self.plan.aux:
            return lines
        *lines, last = lines
        result = last.strip().removeprefix("return ")
        indent = TAB * 2
        if result != "x":
            lines.append(f"{indent}x = {result}")
        heads = [f"self.aux[{i}]({_tap(source)})" for i, (_, source) in enumerate(self.plan.aux)]
        tail = f"({', '.join(heads)}{',' if len(heads) == 1 else ''})"
        lines += [f"{indent}if not self.training:", f"{indent}{TAB}return x", f"{indent}return Outputs(x, {tail})"]
        for _, source in self.plan.aux:
            lines = [line.replace(_tap(source), self.tap_name(source)) for line in lines]
        return lines

    def tap_name(self, source: int) -> str:
        """The variable of a value that an auxiliary head reads."""
        order = sorted(self.kept)
        return "tap" if len(order) == 1 else f"tap{order.index(source)}"


def _tap(source: int) -> str:
    return f"<{source}>"


class _Walk:
    """Goes through the parts: `x` is the last value, `before` the one before it; what is read later is kept by name."""

    def __init__(self, writer: NetworkWriter) -> None:
        self.writer, self.parts = writer, writer.plan.parts
        self.variable: dict[int, str] = {0: "x"}
        self.out: list[str] = []
        readers = writer.readers
        # Values that are read once they are no longer `x` nor `before`.
        self.later = {v for v, by in readers.items() if max(by) > v + 2}
        self.pairs = any(max(by) == v + 2 for v, by in readers.items() if v not in self.later)

    def lines(self) -> list[str]:
        index = 0
        while index < len(self.parts):
            index = self.loop(index) or self.part(index)
        last = self.out.pop()
        if last.startswith("x = "):
            self.out.append("return " + last.removeprefix("x = "))
        else:
            self.out += [last, "return x"]
        return [TAB * 2 + line for line in self.out]

    def loop(self, index: int) -> int | None:
        """Stages that are all passed alike as one loop; the number of the part after them."""
        end = index
        while end < len(self.parts) and self.parts[end].path.startswith("stages.") and self.alike(end, index):
            end += 1
        first, last = self.parts[index], self.parts[end - 1]
        whole = first.path == "stages.0" and (end == len(self.parts) or not self.parts[end].path.startswith("stages."))
        if end - index < 2 or not whole or any(v in self.later or v in self.writer.kept for v in range(first.first, last.last)):
            return None
        if self.writer.chained(first):
            self.out += ["for stage in self.stages:", f"{TAB}x = stage(x)"]
        else:
            self.before(first.first - 2)
            self.out += ["for stage in self.stages:", f"{TAB}for cell in stage:", f"{TAB * 2}{_PAIR}"]
        self.arrive(last.last)
        return end

    def alike(self, index: int, first: int) -> bool:
        chained = self.writer.chained(self.parts[first])
        return self.writer.chained(self.parts[index]) if chained else self.regular(index)

    def regular(self, index: int) -> bool:
        """Whether all blocks of a part read the last two values."""
        part = self.parts[index]
        return all(self.pair(block, number) for number, block in enumerate(part.blocks, part.first))

    def pair(self, block: Block, number: int) -> bool:
        return len(block.reads) == 2 and block.reads[1] == number - 1 and self.is_before(block.reads[0], number - 2)

    def is_before(self, value: int, wanted: int) -> bool:
        """Whether `before` holds the value where `wanted` is the one before the last."""
        return value == wanted or (value == wanted + 1 and self.before_stages(wanted))

    def before_stages(self, value: int) -> bool:
        """Where there is nothing before the first block of the stages, the last value stands for it."""
        start = next((part.first for part in self.parts if part.path.startswith("stages.")), 0)
        return value < start - 1

    def part(self, index: int) -> int:
        """One container."""
        part = self.parts[index]
        path = _access(part.path)
        held = [v for v in range(part.first, part.last) if v in self.later or v in self.writer.kept]
        if self.writer.chained(part) and not (self.pairs and self.needed_before(part.last)):
            self.out.append(f"x = {path}(x)")
            self.arrive(part.last)
        elif self.regular(index) and not held and len(part.blocks) > 1:
            self.before(part.first - 2)
            self.out += [f"for cell in {path}:", f"{TAB}{_PAIR}"]
            self.arrive(part.last)
        else:
            for number, block in enumerate(part.blocks, part.first):
                self.block(f"{path}[{block.number}]", block, number)
        return index + 1

    def block(self, call: str, block: Block, number: int) -> None:
        if isinstance(block.step, int):
            source = block.reads[0]
            if self.variable[source] != "x":
                self.out.append(f"x = {self.variable[source]}")
            self.arrive(number)
            return
        reads = [self.variable.get(v, "before" if self.is_before(v, number - 2) else "x") for v in block.reads]
        made = f"{call}({', '.join(reads)})"
        keep = self.needed_before(number)
        self.out.append(f"before, x = x, {made}" if keep else f"x = {made}")
        if keep:
            self.variable[number - 1] = "before"
        self.arrive(number)

    def needed_before(self, number: int) -> bool:
        """Whether the value before `number` is read as `before` once that is written."""
        v = number - 1
        return v not in self.later and any(reader > number for reader in self.writer.readers.get(v, []))

    def before(self, value: int) -> None:
        """Have `before` be the value."""
        if self.before_stages(value):
            self.out.append("before = x")
        elif self.variable.get(value) != "before":
            self.out.append(f"before = {self.variable[value]}")

    def arrive(self, number: int) -> None:
        """`x` is the value `number` now."""
        for v, name in list(self.variable.items()):
            if name == "x" or (name == "before" and v < number - 1):
                del self.variable[v]
        if self.pairs:
            self.variable.setdefault(number - 1, "before")
        self.variable[number] = "x"
        if number in self.writer.kept:
            self.out.append(f"{_tap(number)} = x")
        if number in self.later:
            self.out.append(f"kept{number} = x")
            self.variable[number] = f"kept{number}"


def _access(path: str) -> str:
    """`self.stages[0]` of `stages.0`."""
    name, _, index = path.partition(".")
    return f"self.{name}[{index}]" if index else f"self.{name}"
