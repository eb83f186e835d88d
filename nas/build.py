"""An architecture as an ordinary torch module: a plain loop over the flat graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.arch import Architecture, Graph, Lowered, lower
from nas.ops import Leaf, Shape
from nas.ops.activation import ACTIVATIONS, Activation, DropPath
from nas.ops.merge import Add

# Leaves whose backward pass does not read what they were given or what they wrote: writing over it is safe.
_KEEPS_OUTPUT = ("conv", "linear", "max_pool", "avg_pool", "concat")


class Outputs(NamedTuple):
    """What a network returns in training where other outputs have losses of their own, as auxiliary heads have.

    All are logits (N, classes). `main` is what it would return in evaluation.
    """

    main: Tensor
    aux: tuple[Tensor, ...]


class Together(nn.Module):
    """Networks side by side on one image: the log of their mean probabilities, which serves as logits do.

    In training `Outputs`: the same without gradient, then each member's logits, then their auxiliary heads'. So every
    member learns from its own loss; `member_weights` and `aux_weights` say how much each counts.
    """

    def __init__(self, members: Sequence[nn.Module], sizes: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.sizes = tuple(sizes)
        self.member_weights = (1.0,) * len(members)
        self.aux_weights = tuple(weight for member in members for weight in getattr(member, "aux_weights", ()))

    def forward(self, x: Tensor) -> Tensor | Outputs:
        """(N, C, H, W) to (N, classes), or `Outputs` in training."""
        made = [member(resample(x, size)) for member, size in zip(self.members, self.sizes, strict=True)]
        logits = [output.main if isinstance(output, Outputs) else output for output in made]
        if not self.training:
            return mean_probability(logits)
        aux = [each for output in made if isinstance(output, Outputs) for each in output.aux]
        with torch.no_grad():
            return Outputs(mean_probability(logits), (*logits, *aux))


def resample(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (N, C, H, W) at another size (rows, columns); the same ones where they have it."""
    if x.shape[2:] == size:
        return x
    return functional.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)


def mean_probability(logits: Sequence[Tensor]) -> Tensor:
    """Log of the mean of the softmax of each of `logits` (N, classes), in 32-bit floats."""
    logs = torch.stack([each.float().log_softmax(1) for each in logits])
    return logs.logsumexp(0) - math.log(len(logits))


class Step(NamedTuple):
    """One flat instruction: place, leaf, numbers of the values read, number of the value written.

    `shared` is the place as networks that share weights know it (see `nas.bank`), empty where none was asked for.
    """

    place: str
    op: Leaf
    shapes: tuple[Shape, ...]
    reads: tuple[int, ...]
    writes: int
    depth: float
    shared: str


class Parts(Protocol):
    """Where the modules of a network come from."""

    @property
    def source(self) -> bool | None:
        """Whether shared places say what is read; None: nobody asks for shared places."""
        ...

    def module(self, step: Step) -> nn.Module:
        """The module of a step."""
        ...


class NewParts:
    """Every module is new."""

    source: bool | None = None

    def module(self, step: Step) -> nn.Module:
        """As the leaf makes it."""
        return step.op.module(*step.shapes)


NEW = NewParts()


def build(architecture: Architecture, drop_path: float = 0.0) -> Network:
    """The torch module of an architecture. Raises `ArchitectureError` when the shapes do not fit.

    `drop_path` is the probability of dropping a path in the last block; earlier blocks in proportion to their depth
    (linear decay, Huang et al., arXiv 1603.09382; NASNet, arXiv 1707.07012, A.7). Without it such places are left out.
    """
    return Network(architecture, lower(architecture), drop_path)


class Network(nn.Module):
    """The graph with parameters, which come from `parts`. Sub-modules carry the places of their leaves, such as `stages.0.1.conv`."""

    def __init__(self, architecture: Architecture, lowered: Lowered, drop_path: float = 0.0, parts: Parts = NEW) -> None:
        super().__init__()
        self.architecture = architecture
        self.aux_weights = tuple(weight for _, _, weight in lowered.aux)
        trunk = _Flattener(drop_path > 0.0, parts.source)
        self._output = trunk.run(lowered.main, "", [0], list(lowered.depths))
        # The main graph numbers its values as its nodes; the flat list needs the number that it gave that node.
        sources = [trunk.top[source] for _, source, _ in lowered.aux]
        self._trunk = _Program(self, trunk.steps, [self._output, *sources], drop_path, parts)
        self._heads = [
            _Head(self, graph, source, drop_path, parts) for (graph, _, _), source in zip(lowered.aux, sources, strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor | Outputs:
        """(N, channels, rows, columns) to logits (N, classes), or `Outputs` in training with auxiliary heads."""
        values = self._trunk.run(x)
        main: Tensor = values[self._output]
        if not (self.training and self._heads):
            return main
        return Outputs(main, tuple(head.run(values) for head in self._heads))

    def walk(self, x: Tensor, each: Callable[[list[Any], int], None]) -> Tensor:
        """The main logits; after every step `each(values, number)` sees the values in use, and may change them.

        `number` is that of the value just written; values that nobody reads any more are None.
        """
        main: Tensor = self._trunk.run(x, each)[self._output]
        return main


class _Head:
    """An auxiliary head: a program of its own on one value of the trunk."""

    def __init__(self, network: Network, graph: Graph, source: int, drop_path: float, parts: Parts) -> None:
        flat = _Flattener(drop_path > 0.0, parts.source)
        self.source = source
        self.output = flat.run(graph, graph.label, [0], shared=f"{graph.label}.")
        self.program = _Program(network, flat.steps, [self.output], drop_path, parts)

    def run(self, values: list[Any]) -> Tensor:
        """Logits (N, classes) from the trunk's values."""
        logits: Tensor = self.program.run(values[self.source])[self.output]
        return logits


class _Flattener:
    """Makes one list of steps of a hierarchical graph."""

    def __init__(self, drop_path: bool, source: bool | None) -> None:
        self.source = source
        self.steps: list[Step] = []
        self.count = 1
        self.drop_path = drop_path
        # Flat numbers of the values of the outermost graph.
        self.top: list[int] = []
        self.depth = 1.0

    def run(self, graph: Graph, prefix: str, values: list[int], depths: list[float] | None = None, shared: str = "") -> int:
        """Append the steps of `graph`, whose inputs are the flat `values`; returns the flat number of its output."""
        slots = () if self.source is None else shared_slots(graph, self.source)
        for number, node in enumerate(graph.nodes):
            place = f"{prefix}.{node.name}" if prefix else node.name
            there = shared + slots[number] if slots else ""
            if depths is not None:
                self.depth = depths[number]
            reads = [values[i] for i in node.inputs]
            if isinstance(node.op, Graph):
                values.append(self.run(node.op, place, reads, shared=there))
            elif isinstance(node.op, DropPath) and not self.drop_path:
                values.append(reads[0])
            else:
                shapes = tuple(self.shape(graph, i) for i in node.inputs)
                self.steps.append(Step(place, node.op, shapes, tuple(reads), self.count, self.depth, there))
                values.append(self.count)
                self.count += 1
        if depths is not None:
            self.top = values
        return values[graph.output]

    @staticmethod
    def shape(graph: Graph, value: int) -> Shape:
        """Shape of a value of a graph."""
        return graph.inputs[value] if value < len(graph.inputs) else graph.nodes[value - len(graph.inputs)].shape


def shared_slots(graph: Graph, source: bool) -> list[str]:
    """For each node of a graph the end of its shared place; that of a sub-graph says which operation it is."""
    kept: list[str] | None = graph.__dict__.get(key := f"_slots_{source}")
    if kept is None:
        slots = [node.name for node in graph.nodes] if graph.maker is None else graph.maker.slots(graph, source)
        pairs = zip(slots, graph.nodes, strict=True)
        kept = graph.__dict__[key] = [
            f"{slot}:{node.op.maker.identity}/" if isinstance(node.op, Graph) else slot for slot, node in pairs
        ]
    return kept


def _add(*inputs: Tensor) -> Tensor:
    total = inputs[0] + inputs[1]
    for x in inputs[2:]:
        total = total + x
    return total


def _add_in_place(*inputs: Tensor) -> Tensor:
    total = inputs[0]
    for x in inputs[1:]:
        total += x
    return total


class _Program:
    """Steps bound to their modules. In place where nobody else reads the value written over."""

    def __init__(self, network: Network, steps: list[Step], keep: list[int], drop_path: float, parts: Parts) -> None:
        last: dict[int, int] = {}
        readers: dict[int, int] = {}
        for index, step in enumerate(steps):
            for value in step.reads:
                last[value] = index
                readers[value] = readers.get(value, 0) + 1
        self.size = 1 + len(steps)
        writers = {step.writes: step.op.name for step in steps}
        self.calls: list[tuple[Callable[..., Tensor], tuple[int, ...], int, tuple[int, ...]]] = []
        kept = {0, *keep}
        for index, step in enumerate(steps):
            # An earlier reader may have saved the value for its backward pass, so being the last reader is not enough.
            alone = step.reads[0] not in kept and readers[step.reads[0]] == 1
            in_place = alone and overwritable(writers.get(step.reads[0], "input"), step.op)
            call = _bind(network, step, in_place, drop_path, parts)
            frees = tuple({v for v in step.reads if last[v] == index and v not in kept})
            self.calls.append((call, step.reads, step.writes, frees))

    def run(self, x: Tensor, each: Callable[[list[Any], int], None] | None = None) -> list[Any]:
        """All values that were kept, at their numbers; None where a value was let go."""
        values: list[Any] = [None] * self.size
        values[0] = x
        for call, reads, writes, frees in self.calls:
            made = call(values[reads[0]]) if len(reads) == 1 else call(*[values[i] for i in reads])
            for value in frees:
                values[value] = None
            values[writes] = made
            if each is not None:
                each(values, writes)
        return values


def overwritable(writer: str, op: Leaf) -> bool:
    """Whether the op may write over a value that this kind of leaf wrote, given that nobody else reads it.

    Autograd needs what it saved: batch norm saves its input, not its output; ReLU its output; convolutions their inputs.
    """
    if isinstance(op, Activation):
        return ACTIVATIONS[op.kind][1] and writer in (*_KEEPS_OUTPUT, "batch_norm", "add")
    if isinstance(op, Add):
        return writer in (*_KEEPS_OUTPUT, "batch_norm", "add")
    return False


def _bind(network: Network, step: Step, in_place: bool, drop_path: float, parts: Parts) -> Callable[..., Tensor]:
    """The callable of a step, its module registered under its place."""
    if isinstance(step.op, Add):
        return _add_in_place if in_place else _add
    module = parts.module(step)
    if isinstance(step.op, Activation) and in_place:
        module.inplace = True  # type: ignore[assignment]
    if isinstance(step.op, DropPath):
        module.rate = drop_path * step.depth  # type: ignore[assignment]
    _attach(network, step.place, module)
    return module


def _attach(root: nn.Module, place: str, module: nn.Module) -> None:
    *parents, name = place.split(".")
    for parent in parents:
        child = root._modules.get(parent)
        if child is None:
            child = _Container()
            root.add_module(parent, child)
        root = child
    root.add_module(name, module)


class _Container(nn.Module):
    """Holds the modules of a part of the network, so that names, printing and `state_dict` follow the architecture."""

    def __getitem__(self, index: int) -> nn.Module:
        return self._modules[str(index)]  # type: ignore[return-value]

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._modules)
