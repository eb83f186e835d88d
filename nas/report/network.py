"""A network as a table by layer, like the VGG table of the textbooks, and as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nas.ops import LEAVES
from nas.ops.shapes import Shape

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.cost import Cost, Layer

Level = Literal["layer", "block", "stage"]
LEVELS: tuple[Level, ...] = ("layer", "block", "stage")
# A table of more rows than this is shown at the next coarser level unless a level is asked for.
READABLE = 80
# What belongs to the layer before it: it has no width of its own.
FOLDED = {name for name, leaf in LEAVES.items() if leaf.overwrites} | {"batch_norm", "layer_norm"}


@dataclass
class Row:
    """One line of the table: `layers` leaves at `place`, the last of which writes `shape`."""

    place: str
    text: str
    shape: Shape
    params: int = 0
    macs: int = 0
    activations: int = 0

    def add(self, layer: Layer) -> None:
        """Count another leaf in."""
        self.shape = layer.shape
        self.params += layer.params
        self.macs += layer.macs
        self.activations += layer.activations

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "place": self.place, "operation": self.text, "output": list(self.shape),
            "params": self.params, "macs": self.macs, "activations": self.activations,
        }  # fmt: skip


def rows(architecture: Architecture, cost: Cost, level: Level | None = None) -> tuple[Level, list[Row]]:
    """The rows at a level, or at the finest that stays readable."""
    if level is not None:
        return level, _rows(architecture, cost, level)
    for finest in LEVELS:
        made = _rows(architecture, cost, finest)
        if len(made) <= READABLE:
            return finest, made
    return "stage", made


def _rows(architecture: Architecture, cost: Cost, level: Level) -> list[Row]:
    return _layer_rows(cost) if level == "layer" else _part_rows(architecture, cost, 3 if level == "block" else 2)


def _layer_rows(cost: Cost) -> list[Row]:
    """A row a leaf with weights, pool or join; norms, activations and sums belong to the row before."""
    made: list[Row] = []
    for layer in cost.layers:
        parent = layer.place.rpartition(".")[0]
        if made and layer.kind in FOLDED and made[-1].place.startswith(parent):
            # A place where training may drop a path is no layer of the network.
            made[-1].text += f", {layer.text}" if layer.kind != "drop_path" else ""
        else:
            made.append(Row(layer.place, layer.text, layer.shape))
        made[-1].add(layer)
    return made


def _part_rows(architecture: Architecture, cost: Cost, depth: int) -> list[Row]:
    labels = _labels(architecture, cost)
    made: list[Row] = []
    for layer in cost.layers:
        parts = layer.place.split(".")
        place = ".".join(parts[: depth if parts[0] == "stages" else 2])
        if not made or made[-1].place != place:
            made.append(Row(place, labels.get(place, ""), layer.shape))
        made[-1].add(layer)
    return made


def _labels(architecture: Architecture, cost: Cost) -> dict[str, str]:
    """Places of blocks and stages to the names of their operations."""
    labels: dict[str, str] = {}
    for part in ("stem", "head"):
        for i, block in enumerate(b for b in getattr(architecture, part) for _ in range(b.repeat)):
            labels[f"{part}.{i}"] = block.label
    for s, stage in enumerate(architecture.stages):
        labels[f"stages.{s}"] = " + ".join(f"{b.repeat} x {b.label}" if b.repeat > 1 else b.label for b in stage)
        for i, block in enumerate(b for b in stage for _ in range(b.repeat)):
            labels[f"stages.{s}.{i}"] = block.label
    for i, item in enumerate(architecture.aux):
        labels[f"aux.{i}"] = f"auxiliary head after stage {item.after}"
    return labels


def to_dict(architecture: Architecture, cost: Cost, level: Level | None = None) -> dict[str, Any]:
    """The table as plain data, by leaf unless a level is asked for; counts without auxiliary heads beside those with."""
    inference = architecture.cost(aux=False)
    made = _rows(architecture, cost, level) if level else [
        Row(y.place, y.text, y.shape, y.params, y.macs, y.activations) for y in cost.layers
    ]  # fmt: skip
    return {
        "name": architecture.name,
        "digest": architecture.digest,
        "input": list(architecture.input),
        "classes": architecture.classes,
        "params": cost.params,
        "macs": cost.macs,
        "activations": cost.activations,
        "activation_bytes": cost.activation_bytes,
        "inference": {"params": inference.params, "macs": inference.macs, "activations": inference.activations},
        "layers": [row.to_dict() for row in made],
    }
