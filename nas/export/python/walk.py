"""How the `forward` of the class `Network` goes through the containers of its blocks."""

from __future__ import annotations

from nas.export.python.plan import Block, Plan
from nas.export.python.text import TAB

_PAIR = "before, x = x, cell(before, x)"


class Walk:
    """Goes through the parts: `x` is the last value, `before` the one before it; what is read later is kept by name."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.parts = plan, plan.parts
        self.variable: dict[int, str] = {0: "x"}
        self.out: list[str] = []
        readers = plan.readers
        # Values that are read once they are no longer `x` nor `before`.
        self.later = {v for v, by in readers.items() if max(by) > v + 2}
        self.pairs = any(max(by) == v + 2 for v, by in readers.items() if v not in self.later)

    def lines(self) -> list[str]:
        """The statements, the last of which leaves the output in `x`."""
        index = 0
        while index < len(self.parts):
            index = self.loop(index) or self.part(index)
        return self.out

    def loop(self, index: int) -> int | None:
        """Stages that are all passed alike as one loop; the number of the part after them."""
        end = index
        while end < len(self.parts) and self.parts[end].path.startswith("stages.") and self.alike(end, index):
            end += 1
        first, last = self.parts[index], self.parts[end - 1]
        whole = first.path == "stages.0" and (end == len(self.parts) or not self.parts[end].path.startswith("stages."))
        if end - index < 2 or not whole or any(v in self.later or v in self.plan.taps for v in range(first.first, last.last)):
            return None
        if self.plan.chained(first):
            self.out += ["for stage in self.stages:", f"{TAB}x = stage(x)"]
        else:
            self.before(first.first - 2)
            self.out += ["for stage in self.stages:", f"{TAB}for cell in stage:", f"{TAB * 2}{_PAIR}"]
        self.arrive(last.last)
        return end

    def alike(self, index: int, first: int) -> bool:
        chained = self.plan.chained(self.parts[first])
        return self.plan.chained(self.parts[index]) if chained else self.regular(index)

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
        held = [v for v in range(part.first, part.last) if v in self.later or v in self.plan.taps]
        if self.plan.chained(part) and not (self.pairs and self.needed_before(part.last)):
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
        return v not in self.later and any(reader > number for reader in self.plan.readers.get(v, []))

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
        if number in self.plan.taps:
            self.out.append(f"{self.plan.taps[number]} = x")
        if number in self.later:
            self.out.append(f"kept{number} = x")
            self.variable[number] = f"kept{number}"


def _access(path: str) -> str:
    """`self.stages[0]` of `stages.0`."""
    name, _, index = path.partition(".")
    return f"self.{name}[{index}]" if index else f"self.{name}"
