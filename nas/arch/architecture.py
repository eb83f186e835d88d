"""Architecture: what a person writes. Input, stem, stages of blocks, head. Frozen, hashable, without torch."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from nas.arch.codec import Decoder, encode, preset_names
from nas.arch.primitive import PRESETS, PRIMITIVES, Primitive, Use
from nas.errors import ArchitectureError, unknown
from nas.ops import Frozen, Map, frozen
from nas.ops.base import require, require_range

if TYPE_CHECKING:
    from torch import nn

    from nas.cost import Cost

MAX_WIDTH = 2**16
MAX_REPEAT = 2**12
MAX_OPERATIONS = 20_000
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")


@frozen
class Block(Frozen):
    """A primitive in its place: `repeat` copies at `width`, the first with `stride`.

    A width of None is that of the input, `classes` the number of classes. `reads`
    tells which earlier outputs are read, counted back from the last (1); by default a primitive of n inputs reads the
    last n.
    """

    op: Primitive
    width: int | Literal["classes"] | None = None
    stride: int = 1
    repeat: int = 1
    reads: tuple[int, ...] | None = None
    yaml_names: ClassVar[dict[str, str]] = {"op": "block"}

    def check(self) -> None:
        require(isinstance(self.op, Primitive), f"block={self.op!r}", "an operation, or Use of a cell")
        if self.width is not None and self.width != "classes":
            require_range(self.width, "width", 1, MAX_WIDTH)
        require_range(self.stride, "stride", 1, 64)
        require_range(self.repeat, "repeat", 1, MAX_REPEAT)
        if self.reads is not None:
            require_range(self.reads, "reads", 1, MAX_REPEAT)

    @property
    def label(self) -> str:
        """The name of the operation, or of the cell."""
        return self.op.cell if isinstance(self.op, Use) else preset_names().get(self.op, self.op.name)

    @staticmethod
    def from_short(data: Any) -> Any:
        """A bare name stands for a block at the width of its input."""
        return {"block": data} if isinstance(data, str) else data

    @staticmethod
    def to_short(fields: dict[str, Any]) -> Any:
        """A block of nothing but a named operation is written as the name."""
        return fields["block"] if len(fields) == 1 and isinstance(fields["block"], str) else fields


Stage = tuple[Block, ...]


@frozen
class Auxiliary(Frozen):
    """A classifier on the output of stage `after` (counted from 0) that only training computes.

    Its loss counts `weight` (GoogLeNet, arXiv 1409.4842: 0.3; NASNet, arXiv 1707.07012: 0.4).
    """

    after: int
    head: Stage
    weight: float = 0.4

    def check(self) -> None:
        require_range(self.after, "after", 0, 10_000)
        require_range(self.weight, "weight", 0.0, 10.0)


@frozen
class Cell(Frozen):
    """A named operation that several blocks share."""

    name: str
    op: Primitive

    def check(self) -> None:
        allowed = "a word of letters, digits, _ and - that begins with a letter, at most 60 characters"
        require(bool(_WORD.fullmatch(self.name)), f"the name of a cell {self.name!r}", allowed)
        taken = self.name in PRESETS or self.name in PRIMITIVES
        require(not taken, f"cells.{self.name} has the name of an operation", "any other name")


@frozen
class Architecture(Frozen):
    """A network in the language. `lower` makes its graph, `build` its torch module, `cost` its numbers.

    `input` is (channels, rows, columns). Round trips through YAML; `digest` is the same in every process.
    """

    name: str
    input: tuple[int, int, int]
    classes: int
    stages: tuple[Stage, ...]
    stem: Stage = ()
    head: Stage = ()
    cells: tuple[Cell, ...] = ()
    aux: tuple[Auxiliary, ...] = ()

    def check(self) -> None:
        require_range(self.input, "input", 1, MAX_WIDTH)
        require_range(self.classes, "classes", 1, 2**24)
        for item in self.aux:
            require(item.after < len(self.stages), f"aux.after={item.after}", f"0 to {len(self.stages) - 1}")
        sizes = {cell.name: cell.op.operations for cell in self.cells}
        require(len(sizes) == len(self.cells), "two cells have one name", "different names")
        total = 0
        for stage in (self.stem, *self.stages, self.head, *[item.head for item in self.aux]):
            for block in stage:
                total += block.repeat * (sizes.get(block.op.cell, 1) if isinstance(block.op, Use) else block.op.operations)
        require(total <= MAX_OPERATIONS, f"the network has {total} operations, repeats counted", f"at most {MAX_OPERATIONS}")

    @property
    def shape(self) -> Map:
        """The input as a shape."""
        return Map(*self.input)

    def operation(self, block: Block) -> Primitive:
        """The primitive of a block, looked up among the cells where it is a name."""
        if not isinstance(block.op, Use):
            return block.op
        for cell in self.cells:
            if cell.name == block.op.cell:
                return cell.op
        raise unknown("cell", block.op.cell, [cell.name for cell in self.cells])

    def with_input(self, input: tuple[int, int, int], classes: int) -> Architecture:
        """The same network for another input shape and number of classes."""
        return dataclasses.replace(self, input=(input[0], input[1], input[2]), classes=classes)

    def resized(self, width: float = 1.0, depth: float = 1.0) -> Architecture:
        """All widths times `width` and repeats times `depth`, rounded; see `nas.scale.resize`."""
        from nas.scale import resize

        return resize(self, width, depth)

    def scaled(self, phi: float) -> Architecture:
        """Depth, width and resolution scaled together, MACs times about 2^phi; see `nas.scale.choices`."""
        from nas.scale import scaled

        return scaled(self, phi)

    def scaled_to(self, *, params: str | float | None = None, macs: str | float | None = None) -> Architecture:
        """Scaled in the same way to so many parameters, or multiply-adds: `scaled_to(params="5M")`; see `nas.scale.scaled_to`."""
        from nas.scale import scaled_to

        return scaled_to(self, params=params, macs=macs)

    def cost(self, aux: bool = True) -> Cost:
        """Parameters, multiply-adds and activations; without `aux` those of the inference network.

        Raises `ArchitectureError` when the shapes do not fit.
        """
        from nas.cost import cost

        return cost(self, aux=aux)

    def build(self, drop_path: float = 0.0) -> nn.Module:
        """An ordinary torch module: (N, C, H, W) to logits (N, classes).

        In training mode a network with auxiliary heads returns `nas.build.Outputs(main, aux)`. `drop_path` is the
        rate at the last block; earlier ones drop in proportion to their depth.
        """
        from nas.build import build

        return build(self, drop_path=drop_path)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fields at their defaults left out; the same network gives the same data."""
        return self._to_dict(presets=True)

    def _to_dict(self, presets: bool) -> dict[str, Any]:
        data: dict[str, Any] = {"name": self.name, "input": list(self.input), "classes": self.classes}
        if self.cells:
            data["cells"] = {cell.name: encode(cell.op, presets) for cell in self.cells}
        for key in ("stem", "stages", "head", "aux"):
            part = getattr(self, key)
            if part or key == "stages":
                data[key] = [encode_stage(stage, presets) for stage in part] if key == "stages" else encode(part, presets)
        return data

    def to_yaml(self) -> str:
        """YAML from which `from_yaml` makes an equal architecture."""
        from nas.arch.text import dump

        return dump(self.to_dict())

    @classmethod
    def from_dict(cls, data: Any) -> Architecture:
        """Raises `ArchitectureError` that names the field, its value and what is allowed."""
        # The names that the data uses are registered there, one floor up; a process that only reads has not been there yet.
        importlib.import_module("nas.primitives")
        made = decode_architecture(data, Decoder())
        assert isinstance(made, Architecture)
        return made

    @classmethod
    def from_yaml(cls, text: str) -> Architecture:
        """Raises `ArchitectureError`; see `to_yaml`."""
        from nas.arch.text import parse

        return cls.from_dict(parse(text))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form, the name left out: equal networks have equal digests in every process."""
        cached = self.__dict__.get("_digest")
        if cached is None:
            data = {key: value for key, value in self._to_dict(presets=False).items() if key != "name"}
            text = json.dumps(data, sort_keys=True, separators=(",", ":"))
            cached = self.__dict__["_digest"] = hashlib.sha256(text.encode()).hexdigest()
        return str(cached)

    def __str__(self) -> str:
        return self.to_yaml()

    def _repr_html_(self) -> str:
        """How a notebook shows it: its picture, light or dark; as text where its shapes do not fit."""
        from nas.draw.notebook import network

        return network(self)

    def _repr_svg_(self) -> str | None:
        """Its picture for what shows no HTML; None where its shapes do not fit."""
        from nas.draw.notebook import picture_of

        return picture_of(self)


def encode_stage(stage: Stage, presets: bool = True) -> Any:
    """A stage of one block is written as that block."""
    return encode(stage[0], presets) if len(stage) == 1 else encode(stage, presets)


class _Single(list[Any]):
    """A list of one that the document wrote without brackets, so that errors name the place as written."""


def decode_architecture(data: Any, decoder: Decoder, where: str = "") -> Any:
    """Plain data as an architecture, or as the template of one where the decoder leaves fields open.

    where: it stands, if that is not the top of the document; its cells are its own.
    """
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {type(data).__name__}"
        allowed = "a mapping with name, input, classes, stem, stages, head, cells, aux"
        raise ArchitectureError(f"{where or 'an architecture'} is {found}; allowed: {allowed}")
    plain = dict(data)
    cells = plain.pop("cells", {})
    if not isinstance(cells, dict) or not all(isinstance(name, str) for name in cells):
        raise ArchitectureError(f"{where and where + '.'}cells is not a mapping of texts; allowed: names to operations")
    stages = plain.get("stages")
    if isinstance(stages, list):
        plain["stages"] = [stage if isinstance(stage, list) else _Single([stage]) for stage in stages]
    made = []
    for name, op in cells.items():
        place = f"{where}.cells.{name}" if where else f"cells.{name}"
        made.append(decoder.make(Cell, {"name": name, "op": decoder.decode(op, Primitive, place)}, place))
    decoder.cells = frozenset(cells)
    decoder.given = {"cells": decoder.make_tuple(made)} if cells else {}
    return decoder.decode(plain, Architecture, where)
