"""Several networks as one: the mean of their probabilities. Cost, module, training and files as for a single network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nas import baselines
from nas.arch import Architecture
from nas.arch.text import dump, parse
from nas.cost import Cost, Layer
from nas.errors import ArchitectureError, NasError, unknown
from nas.ops.base import require

if TYPE_CHECKING:
    from torch import nn

MAX_MEMBERS = 100
FIELDS = ("name", "ensemble")


@dataclass(frozen=True)
class EnsembleCost:
    """Sums over the members; `members` has the cost of each under its label. Fields are those of `nas.cost.Cost`."""

    members: tuple[tuple[str, Cost], ...]

    @property
    def params(self) -> int:
        """Trainable numbers of all members."""
        return sum(cost.params for _, cost in self.members)

    @property
    def macs(self) -> int:
        """Multiply-adds of all members; resizing the image and averaging count none."""
        return sum(cost.macs for _, cost in self.members)

    @property
    def activations(self) -> int:
        """Numbers that all members write."""
        return sum(cost.activations for _, cost in self.members)

    @property
    def activation_bytes(self) -> int:
        """Memory of all activations of one example in 32-bit floats."""
        return 4 * self.activations

    @property
    def aux(self) -> bool:
        """Whether auxiliary heads are counted."""
        return self.members[0][1].aux

    @property
    def biases(self) -> bool:
        """Whether biases are counted."""
        return self.members[0][1].biases

    def without_biases(self) -> EnsembleCost:
        """The same with no bias of a convolution or linear map counted."""
        return EnsembleCost(tuple((label, cost.without_biases()) for label, cost in self.members))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All leaves, member by member; places begin with the member's label."""
        return tuple(y._replace(place=f"{label}.{y.place}") for label, cost in self.members for y in cost.layers)


@dataclass(frozen=True)
class Ensemble:
    """Architectures whose probabilities are averaged.

    They share input channels and classes. Where they are drawn for images of different sizes the ensemble takes the
    largest, and each member gets the image at its own. Raises `ArchitectureError` that names the member.
    """

    members: tuple[Architecture, ...]
    name: str = "ensemble"

    def __post_init__(self) -> None:
        require(0 < len(self.members) <= MAX_MEMBERS, f"{len(self.members)} members", f"1 to {MAX_MEMBERS}")
        for index, member in enumerate(self.members):
            where = f"ensemble[{index}]"
            require(isinstance(member, Architecture), f"{where} is a {type(member).__name__}", "an architecture")
            for what, found, first in (
                ("input channels", member.input[0], self.members[0].input[0]),
                ("classes", member.classes, self.members[0].classes),
            ):
                require(found == first, f"{where} ({member.name}) has {found} {what}", f"{first}, as the first member")

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The members' names, made unique: alexnet, alexnet_2, ..."""
        seen: dict[str, int] = {}
        made: list[str] = []
        for member in self.members:
            label = member.name
            while label in made:
                seen[member.name] = seen.get(member.name, 1) + 1
                label = f"{member.name}_{seen[member.name]}"
            made.append(label)
        return tuple(made)

    @property
    def input(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of the images: the largest that a member takes."""
        channels, rows, columns = (max(sizes) for sizes in zip(*(m.input for m in self.members), strict=True))
        return channels, rows, columns

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.members[0].classes

    def with_input(self, input: tuple[int, int, int], classes: int) -> Ensemble:
        """All members for another input shape and number of classes."""
        return self._each(lambda member: member.with_input(input, classes))

    def resized(self, width: float = 1.0, depth: float = 1.0) -> Ensemble:
        """All members wider or narrower, deeper or shallower; see `nas.scale.resize`."""
        return self._each(lambda member: member.resized(width, depth))

    def cost(self, aux: bool = True) -> EnsembleCost:
        """Sums over the members. Raises `ArchitectureError` that names the member whose shapes do not fit."""
        return EnsembleCost(tuple(zip(self.labels, self._map(lambda member: member.cost(aux=aux)), strict=True)))

    def build(self, drop_path: float = 0.0) -> nn.Module:
        """A module from (N, C, H, W) to the log of the mean probabilities (N, classes); see `nas.build.Together`."""
        from nas.build import Together

        return Together(self._map(lambda member: member.build(drop_path)), [m.input[1:] for m in self.members])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, every member spelt out."""
        return {"name": self.name, "ensemble": [member.to_dict() for member in self.members]}

    def to_yaml(self) -> str:
        """YAML from which `from_yaml`, and `nas.load` of such a file, make an equal ensemble."""
        return dump(self.to_dict())

    @classmethod
    def from_dict(cls, data: Any) -> Ensemble:
        """From `name` (optional) and `ensemble`, a list of networks in the language or baselines' names.

        Raises `ArchitectureError` that names the member.
        """
        require(isinstance(data, dict), f"an ensemble is a {type(data).__name__}", "a mapping with name, ensemble")
        for key in data:
            if key not in FIELDS:
                raise unknown("field", key, FIELDS, where="the top level")
        items, name = data.get("ensemble"), data.get("name", "ensemble")
        require(isinstance(name, str), f"name={name!r}", "a text")
        require(isinstance(items, list), "ensemble is not a list", "a list of networks or names")
        members = []
        for index, item in enumerate(items):
            with _naming(f"ensemble[{index}]"):
                members.append(baselines.get(item).make() if isinstance(item, str) else Architecture.from_dict(item))
        return cls(tuple(members), name)

    @classmethod
    def from_yaml(cls, text: str) -> Ensemble:
        """Raises `ArchitectureError`; see `to_yaml`."""
        return cls.from_dict(parse(text))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the members' digests in order; names do not count."""
        data = {"ensemble": [member.digest for member in self.members]}
        return hashlib.sha256(json.dumps(data, separators=(",", ":")).encode()).hexdigest()

    def __str__(self) -> str:
        return self.to_yaml()

    def _repr_html_(self) -> str:
        """How a notebook shows it: a table of its members, and pictures to unfold."""
        from nas.draw.notebook import ensemble

        return ensemble(self)

    def _each(self, change: Any) -> Ensemble:
        return dataclasses.replace(self, members=tuple(self._map(change)))

    def _map(self, function: Any) -> list[Any]:
        made = []
        for label, member in zip(self.labels, self.members, strict=True):
            with _naming(label):
                made.append(function(member))
        return made


@contextmanager
def _naming(member: str) -> Iterator[None]:
    """Errors within begin with the member."""
    try:
        yield
    except NasError as error:
        raise ArchitectureError(f"{member}: {error}") from None
