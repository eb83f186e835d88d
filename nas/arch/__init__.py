"""The language: Architecture, its YAML and digest, and the lowering to a graph of leaves."""

from nas.arch.architecture import Architecture, Auxiliary, Block, Cell, Stage
from nas.arch.graph import Facts, Graph, GraphBuilder, Node
from nas.arch.lower import Lowered, lower
from nas.arch.primitive import PRESETS, PRIMITIVES, Inner, Primitive, Use, place, preset, primitive

__all__ = [
    "PRESETS", "PRIMITIVES", "Architecture", "Auxiliary", "Block", "Cell", "Facts", "Graph", "GraphBuilder", "Inner",
    "Lowered", "Node", "Primitive", "Stage", "Use", "lower", "place", "preset", "primitive",
]  # fmt: skip
