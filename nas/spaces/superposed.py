"""All networks of a space at once: each open operation a mixture of its options, each open input a sum over all inputs.

Continuous relaxation (Liu et al., DARTS, arXiv 1806.09055, section 2.2) of any space whose open decisions are of these
kinds, from its template alone; and back from weights to decisions (section 2.4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nas.arch import Architecture, Primitive, Use
from nas.errors import NasError
from nas.ops.base import frozen
from nas.primitives import CellGraph, CellNode, Edge, Mixed, NoConnection
from nas.spaces.choosers import Decisions
from nas.spaces.count import walk
from nas.spaces.scaled import Scaled, every
from nas.spaces.template import Choice, Open, OpenSubset, OpenTuple, OpenValue

if TYPE_CHECKING:
    from nas.spaces.space import Space

MOST_OPTIONS = 64  # of one mixture
MOST_WAYS = 4096  # of choosing the inputs of one node
NAMED = 6  # decisions that an error names
ALLOWED = "operations, and inputs of a cell's nodes, which are added; in a file of your own give the others one value"
Weights = Mapping[str, Sequence[float]]  # by the name of a mixture, a score an option; their softmax are the weights


@dataclass(frozen=True)
class Mixture:
    """A vector of scores: its name and options, each with the decisions that make it; `none` is the last where it is one."""

    name: str
    options: tuple[tuple[Primitive, Decisions], ...]

    @property
    def op(self) -> Mixed:
        """All options at once."""
        return Mixed(tuple(op for op, _ in self.options), self.name)

    def best(self, weights: Weights, among: Sequence[Primitive] | None = None) -> tuple[Primitive, float]:
        """The option of the largest weight and that weight; `none` only where there is nothing else (section 2.4).

        The strength of `none` is not determined by the loss: scaling what follows undoes it.
        """
        strengths = softmax(weights[self.name])
        several = [
            (op, strength) for (op, _), strength in zip(self.options, strengths, strict=True)
            if not isinstance(op, NoConnection) and (among is None or op in among)
        ]  # fmt: skip
        return max(several, key=lambda each: each[1])  # of equal ones the first


@dataclass(frozen=True)
class Single:
    """One open operation where it is clear what it reads."""

    mixture: Mixture

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """Its vectors."""
        return (self.mixture,)

    def decide(self, weights: Weights) -> Decisions:
        """The strongest operation."""
        op, _ = self.mixture.best(weights)
        return next(decisions for other, decisions in self.mixture.options if other == op)


@dataclass(frozen=True)
class Way:
    """One way of choosing a node's inputs: its decisions, and for each edge the state that it reads and its slot."""

    decisions: Decisions
    edges: tuple[tuple[int, int], ...]

    @property
    def twice(self) -> bool:
        """Whether a state is read more than once."""
        return len({source for source, _ in self.edges}) < len(self.edges)


@dataclass(frozen=True)
class Node:
    """A node that chooses its inputs: `edges` is a mixture for each state that it may read.

    slots: the open operations of its edges, with the options of each.
    """

    edges: Mapping[int, Mixture]
    ways: tuple[Way, ...]
    slots: tuple[tuple[tuple[Primitive, Decisions], ...], ...]

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """Its vectors."""
        return tuple(self.edges.values())

    def decide(self, weights: Weights) -> Decisions:
        """The way whose edges are strongest in sum, each edge as strong as its best operation; no state twice if it can be."""
        ways = [way for way in self.ways if not way.twice] or self.ways
        way = max(ways, key=lambda way: sum(self._best(weights, *edge)[1] for edge in way.edges))
        made = dict(way.decisions)
        for source, slot in way.edges:
            op, _ = self._best(weights, source, slot)
            made |= next(decisions for other, decisions in self.slots[slot] if other == op)
        return made

    def _best(self, weights: Weights, source: int, slot: int) -> tuple[Primitive, float]:
        return self.edges[source].best(weights, [op for op, _ in self.slots[slot]])


@dataclass(frozen=True)
class Superposition:
    """The network of all options at once, and how its weights become decisions.

    settled: decisions that are no part of it, and what they are set to: where results are added or joined side by side,
    they are added. `architecture` has no auxiliary heads.
    """

    space: Space
    architecture: Architecture
    parts: tuple[Single | Node, ...]
    settled: Decisions

    @property
    def mixtures(self) -> dict[str, Mixture]:
        """All vectors by name."""
        return {mixture.name: mixture for part in self.parts for mixture in part.mixtures}

    def derive(self, weights: Weights) -> Decisions:
        """The decisions of the space that the scores lead to, in the space's order."""
        made = dict(self.settled)
        for part in self.parts:
            made |= part.decide(weights)
        return self.space.ordered(made)


def superposed(space: Space) -> Superposition:
    """All networks of `space` at once. Raises `NasError` that names decisions which cannot be made so, and what can."""
    return _Superposing(space).run()


def softmax(scores: Sequence[float]) -> list[float]:
    """Weights in proportion to the exponentials of `scores`."""
    most = max(scores)
    powers = [math.exp(score - most) for score in scores]
    total = math.fsum(powers)
    return [power / total for power in powers]


@frozen
class _Slot(Primitive):
    """Stands for an operation that is open, while the ways of choosing inputs are listed."""

    number: int
    name = "slot"


class _Superposing:
    def __init__(self, space: Space) -> None:
        self.space = space
        self.parts: dict[str, Single | Node] = {}
        self.settled: Decisions = {}
        self.refused: list[str] = []
        self.owner: dict[str, str] = {}  # decisions to the part that makes them

    def run(self) -> Superposition:
        template = self.space.template
        if isinstance(template, Scaled):
            self.refuse(template.scale)
            template = template.base if isinstance(template.base, Open) else template
        made = self.close(template) if not isinstance(template, Scaled) else None
        if self.refused:
            names = list(dict.fromkeys(self.refused))
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise NasError(
                f"space {self.space.name!r} leaves open what cannot be many things at once: {', '.join(names[:NAMED])}{more}; "
                f"allowed: {ALLOWED}"
            )
        assert isinstance(made, Architecture)
        architecture = replace(made, aux=(), name=f"{self.space.name}, all at once")
        return Superposition(self.space, architecture, tuple(self.parts.values()), self.settled)

    def close(self, part: Any) -> Any:
        """The value of a part with everything open in it at once."""
        if not isinstance(part, Open):
            return part
        if isinstance(part, OpenTuple):
            return tuple(self.close(item) for item in part.items)
        if isinstance(part, OpenValue):
            return self.node(part) if part.cls is CellNode else self.value(part)
        options = self.options(part)
        return self.refuse(part) if options is None else self.single(part, options)

    def value(self, part: OpenValue) -> Any:
        values = {name: self.close(value) for name, value in part.fixed.items()}
        if self.refused:
            return None  # what is made of a part that was refused may not fit
        if part.cls is CellGraph and values.get("output", "unused") == "unused":
            # Every state is read by those after it here, and may not be in the end: all are joined (section 2.1).
            inputs = values.get("inputs", CellGraph.inputs)
            values["output"] = tuple(range(inputs, inputs + len(values["nodes"])))
        return part.make(values)

    def refuse(self, part: Any) -> None:
        """Note the decisions of `part` as ones that cannot be made so."""
        if isinstance(part, Open):
            self.refused += [each.name for each in walk(part) if isinstance(each, Choice)]

    # ---- operations ----------------------------------------------------------------------------------------------

    def options(self, part: Any) -> tuple[tuple[Primitive, Decisions], ...] | None:
        """The operations that a part can be, each once, with decisions that lead to it; None where it is something else."""
        if not isinstance(part, Open):
            return ((part, {}),) if isinstance(part, Primitive) else None
        if isinstance(part, OpenSubset | OpenTuple) or part.ways() > MOST_OPTIONS:
            return None
        found: dict[Primitive, Decisions] = {}
        for decisions, op in every(part):
            if not isinstance(op, Primitive) or isinstance(op, Use | CellGraph) or op.reads != 1:
                return None
            found.setdefault(op, decisions)
        whole = any(not isinstance(op, NoConnection) for op in found)
        return _none_last(found.items()) if whole else None

    def single(self, part: Any, options: tuple[tuple[Primitive, Decisions], ...]) -> Mixed:
        name = part.name if isinstance(part, Choice) else "+".join(_names(part))
        return self.own(name, _names(part), Single(Mixture(name, options))).mixtures[0].op

    def own(self, key: str, names: Sequence[str], part: Single | Node) -> Single | Node:
        """The part of that key, which is one wherever it stands. Raises `NasError` where a decision is made by several."""
        for name in names:
            if self.owner.setdefault(name, key) != key:
                raise NasError(
                    f"space {self.space.name!r}: decision {name!r} stands where other inputs are chosen by {self.owner[name]!r} and by "
                    f"{key!r}; allowed: nodes that share all decisions or none"
                )
        if key in self.parts and self.parts[key] != part:
            raise NasError(f"space {self.space.name!r}: {key!r} stands for different operations; allowed: the same everywhere")
        return self.parts.setdefault(key, part)

    # ---- nodes ---------------------------------------------------------------------------------------------------

    def node(self, part: OpenValue) -> CellNode | None:
        """A node of a cell. Where its inputs are open, the sum over all states that it may read."""
        combine = part.fixed.get("combine", CellNode.combine)
        edges, slots = _without_operations(part.fixed["edges"])
        if not isinstance(edges, Open):
            made = self.close(part.fixed["edges"])
            return None if self.refused else CellNode(made, self.combined(combine))
        options = [self.options(slot) for slot in slots]
        if edges.ways() > MOST_WAYS or None in options or (joined := self.combined(combine)) is None:
            self.refuse(part)
            return None
        if joined != "add":
            raise NasError(f"space {self.space.name!r}: {part.where} chooses its inputs and joins them; allowed: combine: add")
        ways = [Way(made, tuple((edge.source, edge.op.number) for edge in chosen)) for made, chosen in every(edges)]
        key = "+".join(_names(edges))
        found = Node(_edges(key, ways, options), tuple(ways), tuple(options))  # type: ignore[arg-type]
        node = self.own(key, [name for each in (edges, *slots) for name in _names(each)], found)
        assert isinstance(node, Node)
        return None if self.refused else CellNode(tuple(Edge(mixture.op, source) for source, mixture in node.edges.items()))

    def combined(self, part: Any) -> Any:
        """How a node joins its edges. Left open, as a sum, which is what weights mean: noted in `settled`."""
        if isinstance(part, Choice) and ("add", "add") in zip(part.labels, part.values, strict=True):
            self.settled[part.name] = "add"
            return "add"
        return self.refuse(part) if isinstance(part, Open) else part


def _none_last(options: Any) -> tuple[tuple[Primitive, Decisions], ...]:
    return tuple(sorted(options, key=lambda option: isinstance(option[0], NoConnection)))


def _names(part: Any) -> list[str]:
    """The decisions of a part, each once."""
    return list(dict.fromkeys(each.name for each in walk(part) if isinstance(each, Choice))) if isinstance(part, Open) else []


def _without_operations(part: Any) -> tuple[Any, list[Any]]:
    """The edges of a node with a slot for each operation, and the operations; closed where their inputs are not open."""
    slots: list[Any] = []

    def slot(op: Any) -> _Slot:
        index = next((i for i, known in enumerate(slots) if known is op), len(slots))
        if index == len(slots):
            slots.append(op)
        return _Slot(index)

    def strip(part: Any) -> Any:
        if isinstance(part, OpenValue) and part.cls is Edge:
            values = {**part.fixed, "op": slot(part.fixed["op"])}
            opened = any(isinstance(value, Open) for value in values.values())
            return OpenValue(Edge, values, part.where) if opened else part.make(values)
        if isinstance(part, Edge):
            return replace(part, op=slot(part.op))
        if isinstance(part, OpenTuple | tuple):
            items = [strip(item) for item in (part.items if isinstance(part, OpenTuple) else part)]
            return OpenTuple(items) if any(isinstance(item, Open) for item in items) else tuple(items)
        if isinstance(part, Choice):
            return Choice(part.name, part.labels, tuple(strip(value) for value in part.values))
        return part

    return strip(part), slots


def _edges(key: str, ways: Sequence[Way], slots: Sequence[Any]) -> dict[int, Mixture]:
    """For each state that a node may read a mixture of all operations that may read it, and `none` if it need not."""
    mixtures: dict[int, Mixture] = {}
    for source in sorted({source for way in ways for source, _ in way.edges}):
        found: dict[Primitive, Decisions] = {}
        for slot in dict.fromkeys(slot for way in ways for other, slot in way.edges if other == source):
            for op, _ in slots[slot]:
                found.setdefault(op, {})
        if not all(any(other == source for other, _ in way.edges) for way in ways):
            found.setdefault(NoConnection(), {})
        mixtures[source] = Mixture(f"{source}>{key}", _none_last(found.items()))
    return mixtures


__all__ = ["Mixture", "Node", "Single", "Superposition", "Weights", "softmax", "superposed"]
