"""Colours. The hues are Okabe and Ito's, told apart under all common colour blindness; text keeps a contrast of 4.5."""

from __future__ import annotations

from typing import NamedTuple

# What the legend says of each family of operations, in its order.
FAMILIES = {
    "conv": "convolution",
    "separable": "separable, depthwise",
    "pool": "pooling",
    "identity": "identity",
    "attention": "attention, mixer",
    "block": "residual, other blocks",
    "cell": "cell",
    "plain": "linear, other layers",
}


class Paint(NamedTuple):
    """Fill and border of a box, and its text where that has another colour than the rest."""

    fill: str
    border: str
    text: str | None = None


class Theme(NamedTuple):
    """All colours of a picture; `paints` has one for each family and part."""

    background: str
    text: str
    muted: str
    line: str
    paints: dict[str, Paint]


LIGHT = Theme(
    background="#ffffff",
    text="#16191d",
    muted="#555d67",
    line="#68717c",
    paints={
        "conv": Paint("#a4caf5", "#1f62b0"),
        "separable": Paint("#f0ba88", "#c25100"),
        "pool": Paint("#eee37b", "#918200"),
        "identity": Paint("#c8cbcf", "#7a828c"),
        "attention": Paint("#be7fb8", "#7d3a77"),
        "block": Paint("#5aaf94", "#007a58"),
        "cell": Paint("#37414d", "#16191d", "#ffffff"),
        "plain": Paint("#ffffff", "#9aa2ac"),
        "state": Paint("#ffffff", "#555d67"),
        "frame": Paint("#f5f6f8", "#dce0e5"),
        "stage": Paint("#e9ecf0", "#e9ecf0"),
    },
)

DARK = Theme(
    background="#0e1217",
    text="#f0f3f6",
    muted="#a7b0ba",
    line="#8d97a3",
    paints={
        "conv": Paint("#164a93", "#56b4e9"),
        "separable": Paint("#9d5005", "#f39a62"),
        "pool": Paint("#493800", "#e5d84a"),
        "identity": Paint("#3c434d", "#9aa2ac"),
        "attention": Paint("#974f83", "#e08fc0"),
        "block": Paint("#0b774c", "#2fc79b"),
        "cell": Paint("#c9d1da", "#f0f3f6", "#0e1217"),
        "plain": Paint("#161b22", "#6f7883"),
        "state": Paint("#0e1217", "#a7b0ba"),
        "frame": Paint("#161b22", "#2d343d"),
        "stage": Paint("#222931", "#222931"),
    },
)
