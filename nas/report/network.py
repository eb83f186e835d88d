"""A network as a table by layer, like the VGG table of the textbooks, and as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from nas.cost import Cost, Layer
from nas.ensembles import Ensemble, EnsembleCost
from nas.ops import LEAVES, Shape, Vector

if TYPE_CHECKING:
    from nas.arch import Architecture

Level = Literal["layer", "block", "stage", "member"]
LEVELS: tuple[Level, ...] = ("layer", "block", "stage", "member")
# A table of more rows than this is shown at the next coarser level unless a level is asked for.
READABLE = 80
# What belongs to the layer before it: it has no width of its own.
FOLDED = {name for name, leaf in LEAVES.items() if leaf.overwrites} | {"batch_norm", "layer_norm"}


@dataclass
class Row:
    """One line of the table: the leaves at `place`, the last of which writes `shape` and sees `field` of the image."""

    place: str
    text: str
    shape: Shape
    params: int = 0
    macs: int = 0
    activations: int = 0
    field: tuple[int, int] | None = None

    def add(self, layer: Layer) -> None:
        """Count another leaf in."""
        self.shape, self.field = layer.shape, layer.field
        self.params += layer.params
        self.macs += layer.macs
        self.activations += layer.activations

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "place": self.place, "operation": self.text, "output": list(self.shape),
            "params": self.params, "macs": self.macs, "activations": self.activations,
            "field": None if self.field is None else list(self.field),
        }  # fmt: skip


def rows(
    network: Architecture | Ensemble, cost: Cost | EnsembleCost, level: Level | None = None
) -> tuple[Level, list[Row]]:
    """The rows at a level, or at the finest that stays readable; an ensemble's members."""
    if level is None and isinstance(network, Ensemble):
        level = "member"
    if level is not None:
        return level, _rows(network, cost, level)
    for finest in LEVELS[:3]:
        made = _rows(network, cost, finest)
        if len(made) <= READABLE:
            return finest, made
    return "stage", made


def _rows(network: Architecture | Ensemble, cost: Cost | EnsembleCost, level: Level) -> list[Row]:
    if isinstance(network, Ensemble):
        assert isinstance(cost, EnsembleCost)
        pairs = zip(network.members, cost.members, strict=True)
        return [_of(label, row, level) for member, (label, one) in pairs for row in _rows(member, one, level)]
    assert isinstance(cost, Cost)
    if level == "member":
        text = f"input {'x'.join(map(str, network.input))}"
        return [Row(network.name, text, Vector(network.classes), cost.params, cost.macs, cost.activations)]
    return _layer_rows(cost) if level == "layer" else _part_rows(network, cost, 3 if level == "block" else 2)


def _of(label: str, row: Row, level: Level) -> Row:
    """The row as one of an ensemble."""
    return replace(row, place=label if level == "member" else f"{label}.{row.place}")


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


def inference_cost(network: Architecture | Ensemble, cost: Cost | EnsembleCost) -> Cost | EnsembleCost:
    """Cost without auxiliary heads, biases counted where `cost` counts them."""
    inference = network.cost(aux=False)
    return inference if cost.biases else inference.without_biases()


def to_dict(
    network: Architecture | Ensemble, cost: Cost | EnsembleCost, level: Level | None = None
) -> dict[str, Any]:
    """The table as plain data, by leaf unless a level is asked for; counts without auxiliary heads beside those with."""
    inference = inference_cost(network, cost)
    made = _rows(network, cost, level) if level else [
        Row(y.place, y.text, y.shape, y.params, y.macs, y.activations, y.field) for y in cost.layers
    ]  # fmt: skip
    return {
        "name": network.name,
        "digest": network.digest,
        "input": list(network.input),
        "classes": network.classes,
        "biases": cost.biases,
        "params": cost.params,
        "macs": cost.macs,
        "activations": cost.activations,
        "activation_bytes": cost.activation_bytes,
        "inference": {"params": inference.params, "macs": inference.macs, "activations": inference.activations},
        "layers": [row.to_dict() for row in made],
    }
