"""A cell as a graph from left to right: input states, the operations of each node, their sum or concatenation, the output."""

from __future__ import annotations

from nas.arch.codec import encode
from nas.draw.geometry import Box, Drawing, Line, Rect, Text, widest
from nas.draw.layout import order, place, wired
from nas.draw.names import family, short_name
from nas.draw.text import clean, fitted
from nas.primitives import CellGraph, CellNode

OP_HEIGHT, OP_GAP, OP_SIZE = 28.0, 8.0, 12.0
STATE_HEIGHT, STATE_SIZE, SMALL = 36.0, 12.0, 10.0
MAX_OP_WIDTH = 220.0
# Between an operation and the sum that it goes into.
INNER = 26.0
UNIT_GAP, LANE_GAP = 16.0, 9.0
OUTPUT_PITCH = 16.0


def draw_cell(cell: CellGraph) -> Drawing:
    """The graph of a cell, its corner at (0, 0)."""
    return _CellDrawing(cell).run()


def input_name(cell: CellGraph, state: int) -> str:
    """What an input state is."""
    return "one block back" if state == cell.inputs - 1 else "two blocks back"


class _CellDrawing:
    """A unit is a node of the cell: its operations one above the other, and what combines them on their right."""

    def __init__(self, cell: CellGraph) -> None:
        self.cell = cell
        # Units 0, 1, ... are the states; the last is the output. For each the link of each of its edges.
        self.make_units()
        # For each layer its sides and the width of its operations; for each item its layer.
        self.left: list[float] = []
        self.right: list[float] = []
        self.op_widths: list[float] = []
        self.depth: dict[int, int] = {}
        self.out = Drawing()

    def run(self) -> Drawing:
        order(self.graph)
        self.placed = place(self.graph, UNIT_GAP, LANE_GAP)
        self.depth = {item: depth for depth, layer in enumerate(self.graph.layers) for item in layer}
        self.place_layers()
        self.draw_links()
        for state in range(self.cell.inputs):
            self.draw_input(state)
        for number, node in enumerate(self.cell.nodes):
            self.draw_node(self.cell.inputs + number, node)
        self.draw_output()
        return self.out

    def make_units(self) -> None:
        """The items of the layout: the states, and last the output."""
        cell = self.cell
        reads: list[list[int]] = [[] for _ in range(cell.inputs)] + [[edge.source for edge in node.edges] for node in cell.nodes]
        reads.append(list(cell.outputs))
        pitches = [OP_HEIGHT + OP_GAP] * (len(reads) - 1) + [OUTPUT_PITCH]
        heights = [max(STATE_HEIGHT, len(read) * pitch) for read, pitch in zip(reads, pitches, strict=True)]
        self.graph, self.units, self.links = wired(reads, heights, pitches)

    def place_layers(self) -> None:
        """The left and right side of every layer; in between curves turn, the steeper the more room."""
        unit_of = {item: unit for unit, item in enumerate(self.units)}
        x = 0.0
        for depth, layer in enumerate(self.graph.layers):
            units = [unit_of[item] for item in layer if item in unit_of]
            self.op_widths.append(self.op_width(units))
            x += self.turn(depth)
            self.left.append(x)
            x += max(self.unit_width(unit, depth) for unit in units)
            self.right.append(x)
        self.out.width, self.out.height = x, self.placed.height

    def turn(self, depth: int) -> float:
        """Room before a layer."""
        if depth == 0:
            return 0.0
        layer = set(self.graph.layers[depth])
        ends = zip(self.graph.links, self.placed.arrivals, strict=True)
        steepest = max((abs(self.placed.middles[link.source] - y) for link, y in ends if link.target in layer), default=0.0)
        return 38.0 + min(50.0, 0.14 * steepest)

    def unit_width(self, unit: int, depth: int) -> float:
        if unit < self.cell.inputs:
            return self.input_width()
        if unit == len(self.units) - 1:
            return widest(self.output_texts(), STATE_SIZE, bold=True) + 20
        return self.op_widths[depth] + INNER + self.state_width()

    def input_width(self) -> float:
        return max(widest(["state 0"], STATE_SIZE, bold=True), widest([input_name(self.cell, 0)], SMALL)) + 16

    def state_width(self) -> float:
        return max(widest(["concat"], STATE_SIZE, bold=True), widest([f"state {len(self.units)}"], SMALL)) + 12

    def op_width(self, units: list[int]) -> float:
        """All operations of a layer have one width."""
        nodes = [self.cell.nodes[unit - self.cell.inputs] for unit in units if self.cell.inputs <= unit < len(self.units) - 1]
        names = [short_name(edge.op) for node in nodes for edge in node.edges]
        return min(MAX_OP_WIDTH, widest(names, OP_SIZE) + 16)

    def draw_links(self) -> None:
        """Curves between the layers, level lines through the lanes."""
        middles, boxes = self.placed.middles, set(self.units)
        for link, y in zip(self.graph.links, self.placed.arrivals, strict=True):
            start = (self.right[self.depth[link.source]], middles[link.source])
            end = (self.left[self.depth[link.target]], y)
            self.out.lines.append(Line((start, end), link.target in boxes, curved=True))
        for lane in sorted(self.graph.lanes):
            depth = self.depth[lane]
            self.out.lines.append(Line(((self.left[depth], middles[lane]), (self.right[depth], middles[lane]))))

    def draw_input(self, state: int) -> None:
        width = self.input_width()
        rect = Rect(self.left[0], self.placed.middles[self.units[state]] - STATE_HEIGHT / 2, width, STATE_HEIGHT)
        self.out.boxes.append(two_lines(rect, f"state {state}", input_name(self.cell, state)))

    def draw_node(self, unit: int, node: CellNode) -> None:
        item = self.units[unit]
        depth, middle = self.depth[item], self.placed.middles[item]
        width = self.op_widths[depth]
        state = Rect(self.right[depth] - self.state_width(), middle - STATE_HEIGHT / 2, self.state_width(), STATE_HEIGHT)
        for edge, link in zip(node.edges, self.links[unit], strict=True):
            rect = Rect(self.left[depth], self.placed.arrivals[link] - OP_HEIGHT / 2, width, OP_HEIGHT)
            name = Text(fitted(short_name(edge.op), OP_SIZE, width - 10), rect.x + width / 2, rect.middle, OP_SIZE, "middle")
            note = clean(f"{encode(edge.op)} of state {edge.source}")[:300]
            self.out.boxes.append(Box(rect, family(edge.op), (name,), note))
            self.out.lines.append(Line(((rect.right, rect.middle), (state.x, middle)), arrow=True, curved=True))
        if len(node.edges) > 1:
            self.out.boxes.append(two_lines(state, node.combine, f"state {unit}"))
        else:
            text = Text(f"state {unit}", state.x + state.width / 2, middle, SMALL, "middle")
            self.out.boxes.append(Box(state.grown(-8)._replace(x=state.x, width=state.width), "state", (text,), round=10))

    def output_texts(self) -> tuple[str, str]:
        return ("concat" if len(self.cell.outputs) > 1 else "", "output")

    def draw_output(self) -> None:
        item = self.units[-1]
        depth, height = self.depth[item], self.graph.heights[item]
        rect = Rect(self.left[depth], self.placed.middles[item] - height / 2, self.right[depth] - self.left[depth], height)
        self.out.boxes.append(two_lines(rect, *self.output_texts()))


def two_lines(rect: Rect, first: str, second: str) -> Box:
    """A box of a state: what makes it, and its name."""
    x, y = rect.x + rect.width / 2, rect.middle
    if not first:
        return Box(rect, "state", (Text(second, x, y, STATE_SIZE, "middle", bold=True),), round=10)
    texts = (Text(first, x, y - 7, STATE_SIZE, "middle", bold=True), Text(second, x, y + 8, SMALL, "middle"))
    return Box(rect, "state", texts, round=10)
