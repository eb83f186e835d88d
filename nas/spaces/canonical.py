"""The canonical form of a network: equal for networks that compute the same, and the paths through its cells.

Cells are read as sums of operations on states. Identity edges are merged into the sums they feed, edges of zeros and
whatever nothing reads are left out, the order of states, edges and joined parts does not count. What remains is a
graph of *applications*: one operation on one value. Applications without parameters on equal values are one; those with
parameters stay apart, for they learn different things. It is a matter of the language alone, so it holds in any space.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from nas.arch import Architecture, Block, Primitive
from nas.arch.codec import encode
from nas.arch.primitive import Use, place
from nas.errors import NasError
from nas.ops import Map
from nas.primitives.cell import CellGraph

PROBE = Map(16, 8, 8)  # channels, rows, columns: an input at which it is looked what an operation does
MAX_PATHS = 512  # of one cell: counted exactly, listed up to here
ROUNDS = 3  # of refinement, enough to tell apart what cells of a few nodes share

# A value is a sum of terms: numbers of inputs (negative) and of applications, in order. The empty sum is zero.
Value = tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """What a network is, whatever way it is written.

    key: equal for equal networks, in every process. cells: for each kind of cell, in the order of first use, its
    applications' operations and the sequences of operations from an input to the output.
    """

    key: str
    cells: tuple[CellForm, ...]


@dataclass(frozen=True)
class CellForm:
    """A cell: `operations` that reach the output, `paths` (an input's number, then operations), `shapes` of sub-graphs."""

    key: str
    operations: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
    shapes: tuple[str, ...]


def canonical(architecture: Architecture) -> Form:
    """The canonical form of a network; name and auxiliary heads do not count."""
    strided = {block.op: block.stride > 1 for block in _blocks(architecture) if isinstance(block.op, Use | CellGraph)}
    for block in _blocks(architecture):  # a cell that stands with and without a stride is read as a strided one
        if block.stride > 1 and block.op in strided:
            strided[block.op] = True
    ops: dict[Primitive, CellForm] = {}
    for op, stride in strided.items():
        found = next((cell.op for cell in architecture.cells if cell.name == op.cell), op) if isinstance(op, Use) else op
        if isinstance(found, CellGraph):
            ops[op] = cell_form(found, stride)
    parts: list[Any] = [architecture.input, architecture.classes]
    named = {cell.name: cell.op for cell in architecture.cells}
    for stage in (architecture.stem, *architecture.stages, architecture.head):
        parts.append([_block(block, ops, named) for block in stage])
    return Form(_digest(json.dumps(parts)), tuple(ops.values()))


@lru_cache(maxsize=4096)
def cell_form(cell: CellGraph, strided: bool = False) -> CellForm:
    """The canonical form of a cell; `strided` where edges from its inputs shrink the map, so that identity does not."""
    return _Reading(cell, strided).form()


def has_cells(architecture: Architecture) -> bool:
    """Whether a block of the network is a cell."""
    cells = {cell.name for cell in architecture.cells if isinstance(cell.op, CellGraph)}
    return any(isinstance(block.op, CellGraph) or (isinstance(block.op, Use) and block.op.cell in cells) for block in _blocks(architecture))


def _blocks(architecture: Architecture) -> Iterator[Block]:
    for stage in (architecture.stem, *architecture.stages, architecture.head):
        yield from stage


def _block(block: Block, forms: dict[Primitive, CellForm], named: dict[str, Primitive]) -> list[Any]:
    op = block.op
    text = forms[op].key if op in forms else label(named.get(op.cell, op) if isinstance(op, Use) else op)
    return [text, block.width, block.stride, block.repeat, block.reads]


class _Reading:
    """One cell, read from its first state to its last."""

    def __init__(self, cell: CellGraph, strided: bool) -> None:
        self.cell, self.strided = cell, strided
        self.applied: list[tuple[str, tuple[Value, ...]]] = []  # operation, and the values that it reads
        self.same: dict[tuple[str, tuple[Value, ...]], int] = {}
        plain = [not (cell.first == "raw" and number == 0) for number in range(cell.inputs)]  # of the cell's width
        self.states: list[tuple[Value, bool]] = [((-1 - number,), own) for number, own in enumerate(plain)]
        for node in cell.nodes:
            terms = [self._edge(edge.op, edge.source) for edge in node.edges]
            if node.combine == "add" or len(terms) == 1:
                self.states.append((tuple(sorted(term for value in terms for term in value)), True))
            else:
                self.states.append(((self._once("concat", tuple(sorted(terms))),), False))
        self.ends = tuple(sorted(self.states[number][0] for number in cell.outputs))

    def _edge(self, op: Primitive, source: int) -> Value:
        value, own = self.states[source]
        kind = _kind(op, self.strided and source < self.cell.inputs)
        if kind == "zero" or not value:  # what reads zeros alone is at most a constant: it carries nothing
            return ()
        if own and kind == "identity":
            return value
        name = label(op) + ("/s" if self.strided and source < self.cell.inputs else "")
        if own and kind == "fixed":
            return (self._once(name, (value,)),)
        self.applied.append((name, (value,)))
        return (len(self.applied) - 1,)

    def _once(self, name: str, values: tuple[Value, ...]) -> int:
        number = self.same.get((name, values))
        if number is None:
            number = self.same[name, values] = len(self.applied)
            self.applied.append((name, values))
        return number

    def form(self) -> CellForm:
        cell, live = self.cell, self._live()
        down = self._down(live)
        head = f"{cell.inputs} {cell.first} {cell.eps} {cell.base} {self.strided}"
        ends = sorted([self._text(value, down) for value in self.ends])
        key = _digest("|".join([head, *ends, *self._shared(live, down)]))
        names = tuple(sorted([self.applied[number][0] for number in live]))
        return CellForm(key, names, tuple(self._paths(live)), tuple(sorted(down.values())))

    def _live(self) -> list[int]:
        """Applications that the output depends on, in running order."""
        found: set[int] = set()
        todo = [term for value in self.ends for term in value]
        while todo:
            term = todo.pop()
            if term >= 0 and term not in found:
                found.add(term)
                todo += [other for value in self.applied[term][1] for other in value]
        return sorted(found)

    def _down(self, live: list[int]) -> dict[int, str]:
        """For each application the expression that it computes."""
        texts: dict[int, str] = {}
        for number in live:
            name, values = self.applied[number]
            text = f"{name}({';'.join(sorted([self._text(value, texts) for value in values]))})"
            texts[number] = text if len(text) < 200 else _digest(text)
        return texts

    def _text(self, value: Value, texts: dict[int, str]) -> str:
        return "+".join(sorted(str(term) if term < 0 else texts[term] for term in value)) or "0"

    def _shared(self, live: list[int], down: dict[int, str]) -> list[str]:
        """What expressions do not tell: whether one that stands twice is one application or two, and who reads which."""
        uses: dict[int, list[int | None]] = {number: [] for number in live}
        for reader, values in [(None, self.ends), *((number, self.applied[number][1]) for number in live)]:
            for term in (term for value in values for term in value if term >= 0):
                uses[term].append(reader)
        if all(len(readers) == 1 for readers in uses.values()):
            return []  # a tree: its expression says all
        inner = {n: [term for value in self.applied[n][1] for term in value if term >= 0] for n in live}
        found: list[str] = []
        signs: dict[int, Any] = dict(down)
        for _ in range(ROUNDS):
            ranks = {sign: rank for rank, sign in enumerate(sorted(set(signs.values())))}
            colours: dict[int | None, int] = {n: ranks[signs[n]] for n in live} | {None: -1}
            above = {n: tuple(sorted([colours[reader] for reader in uses[n]])) for n in live}
            signs = {n: (colours[n], above[n], tuple(sorted([colours[term] for term in inner[n]]))) for n in live}
            found += map(str, sorted(signs.values()))
        return found

    def _paths(self, live: list[int]) -> list[tuple[str, ...]]:
        """Sequences of operations from an input to the output, the input's number first; at most `MAX_PATHS`."""
        known: dict[int, list[tuple[str, ...]]] = {}

        def to(value: Value) -> list[tuple[str, ...]]:
            return [path for term in value for path in ([(str(term),)] if term < 0 else known[term])][:MAX_PATHS]

        for number in live:
            name, values = self.applied[number]
            known[number] = [(*path, name) for value in values for path in to(value)][:MAX_PATHS]
        return sorted(path for value in self.ends for path in to(value))[:MAX_PATHS]


def label(op: Primitive) -> str:
    """A short text for an operation: equal for equal operations, in every process."""
    made: str | None = op.__dict__.get("_label")
    if made is None:
        made = op.__dict__["_label"] = f"{op.name}.{_digest(json.dumps(encode(op, False), sort_keys=True))[:6]}"
    return made


def _kind(op: Primitive, strided: bool) -> str:
    """What an operation does at the width of its input: identity, zero, fixed (nothing to learn), or learns."""
    kinds: dict[bool, str] | None = op.__dict__.get("_kinds")
    if kinds is None:
        kinds = op.__dict__["_kinds"] = {}
    if strided not in kinds:
        kinds[strided] = _probed(op, 2 if strided else 1)
    return kinds[strided]


def _probed(op: Primitive, stride: int) -> str:
    try:
        graph = place(op, (PROBE,), PROBE.width, stride)
    except NasError:
        return "learns"  # nothing is known of it, so nothing is merged
    leaves = [leaf.name for _, leaf, _, _ in graph.leaves()]
    if not leaves:
        return "identity"
    if "zero" in leaves and len(leaves) == 1:
        return "zero"
    random = any(name in ("dropout", "drop_path") for name in leaves)
    return "learns" if graph.facts.params or random else "fixed"


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
