"""An architecture as an ordinary torch module: a plain loop over the flat graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.arch import Architecture, Graph, Lowered, lower
from nas.flat import Step, head_of, trunk_of
from nas.ops import Leaf
from nas.ops.activation import ACTIVATIONS, Activation, DropPath
from nas.ops.merge import Add
from nas.shells import Shell

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
        trunk = trunk_of(lowered, parts.source, drop_path > 0.0)
        self._output = trunk.output
        self._trunk = _Program(self, trunk.steps, [trunk.output, *trunk.sources], drop_path, parts)
        self._heads = [
            _Head(self, graph, source, drop_path, parts) for (graph, _, _), source in zip(lowered.aux, trunk.sources, strict=True)
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
        flat = head_of(graph, parts.source, drop_path > 0.0)
        self.source = source
        self.output = flat.output
        self.program = _Program(network, flat.steps, [flat.output], drop_path, parts)

    def run(self, values: list[Any]) -> Tensor:
        """Logits (N, classes) from the trunk's values."""
        logits: Tensor = self.program.run(values[self.source])[self.output]
        return logits


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
        self.size = 1 + len(steps)
        last, readers = [-1] * self.size, [0] * self.size
        for index, step in enumerate(steps):
            for value in step.reads:
                last[value] = index
                readers[value] += 1
        kept = {0, *keep}
        for value in kept:
            last[value] = len(steps)
        attach = _Tree(network).attach
        self.calls: list[tuple[Callable[..., Tensor], tuple[int, ...], int, tuple[int, ...]]] = []
        for index, (place, op, _, reads, writes, depth, _) in enumerate(steps):
            first = reads[0]
            # An earlier reader may have saved the value for its backward pass, so being the last reader is not enough.
            alone = readers[first] == 1 and first not in kept
            in_place = alone and overwritable(steps[first - 1].op.name, op)
            call: Callable[..., Tensor]
            if isinstance(op, Add):
                call = _add_in_place if in_place else _add
            else:
                call = module = parts.module(steps[index])
                if isinstance(op, Activation) and in_place:
                    module.inplace = True  # type: ignore[assignment]
                elif isinstance(op, DropPath):
                    module.rate = drop_path * depth  # type: ignore[assignment]
                attach(place, module)
            frees = tuple([v for v in dict.fromkeys(reads) if last[v] == index])
            self.calls.append((call, reads, writes, frees))

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


class _Tree:
    """Puts modules at their places below `root`; past the checks of `add_module`, as places of a graph are sound."""

    def __init__(self, root: nn.Module) -> None:
        self._children = {"": root._modules}

    def attach(self, place: str, module: nn.Module) -> None:
        """Register `module` at `place`, such as `stages.0.1.conv`."""
        parent, _, name = place.rpartition(".")
        self._below(parent)[name] = module

    def _below(self, place: str) -> dict[str, nn.Module | None]:
        """What stands below `place`, which is there after it."""
        known = self._children.get(place)
        if known is not None:
            return known
        parent, _, name = place.rpartition(".")
        siblings = self._below(parent)
        if siblings.get(name) is None:  # one that an earlier program of the network made may stand there
            siblings[name] = _CONTAINER.around()
        known = self._children[place] = siblings[name]._modules  # type: ignore[union-attr]
        return known


class _Container(nn.Module):
    """Holds the modules of a part of the network, so that names, printing and `state_dict` follow the architecture."""

    def __getitem__(self, index: int) -> nn.Module:
        return self._modules[str(index)]  # type: ignore[return-value]

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._modules)


_CONTAINER = Shell(_Container())
