"""Layered drawing of a directed acyclic graph, from left to right (Sugiyama, Tagawa and Toda 1981, four steps).

Items stand in layers; a link leads from an item to one of the next layer, so a longer way is cut by lanes, thin items in
which it crosses a layer without touching a box. This file knows numbers only: items by their number, heights, no words.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

SWEEPS = 12
# Beyond this many items in a layer exchanging neighbours costs more than it brings.
MAX_EXCHANGED = 24
LANE_HEIGHT = 4.0
# A link that climbs less than this, in pixels, looks as if it were meant to be level.
NEARLY_LEVEL = 12.0


class Link(NamedTuple):
    """From an item to one of the next layer."""

    source: int
    target: int


@dataclass
class Layers:
    """The graph to lay out. Links into an item are spread `pitches[item]` apart round its middle."""

    layers: list[list[int]] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)
    pitches: list[float] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    lanes: set[int] = field(default_factory=set)

    def item(self, layer: int, height: float, pitch: float = 0.0) -> int:
        """A new item; its number."""
        while len(self.layers) <= layer:
            self.layers.append([])
        self.heights.append(height)
        self.pitches.append(pitch)
        self.layers[layer].append(len(self.heights) - 1)
        return len(self.heights) - 1

    def lane(self, layer: int) -> int:
        """A new lane; its number."""
        number = self.item(layer, LANE_HEIGHT)
        self.lanes.add(number)
        return number


def longest_paths(sources: Sequence[Sequence[int]]) -> list[int]:
    """The layer of each item, one more than the deepest that it reads; `sources[i]` are earlier items."""
    layers: list[int] = []
    for read in sources:
        layers.append(1 + max((layers[i] for i in read), default=-1))
    return layers


class Wired(NamedTuple):
    """Units as items of a graph, and for each the numbers of the links that lead into it, in the order of what it reads."""

    graph: Layers
    units: list[int]
    links: list[list[int]]


def wired(reads: Sequence[Sequence[int]], heights: Sequence[float], pitches: Sequence[float]) -> Wired:
    """Lay units into layers, the last behind all others, with a lane in every layer that a link passes.

    `reads[i]` are the earlier units that unit i reads. All readers of a unit share its lanes.
    """
    depths = longest_paths(reads[:-1])
    depths.append(1 + max(depths))
    made, way = Wired(Layers(), [], []), dict[tuple[int, int], int]()
    for unit, depth in enumerate(depths):
        item = way[unit, depth] = made.graph.item(depth, heights[unit], pitches[unit])
        made.units.append(item)
        made.links.append([_reach(made.graph, way, source, depths[source], depth - 1, item) for source in reads[unit]])
    return made


def _reach(graph: Layers, way: dict[tuple[int, int], int], source: int, start: int, end: int, item: int) -> int:
    """Link `item` to the unit `source`, through lanes from layer `start` to `end`; the number of the last link."""
    for depth in range(start + 1, end + 1):
        if (source, depth) not in way:
            lane = way[source, depth] = graph.lane(depth)
            graph.links.append(Link(way[source, depth - 1], lane))
    graph.links.append(Link(way[source, end], item))
    return len(graph.links) - 1


class Neighbours(NamedTuple):
    """Numbers of the links into and out of each item."""

    into: list[list[int]]
    out: list[list[int]]


def neighbours(graph: Layers) -> Neighbours:
    """Links by their ends."""
    made = Neighbours([[] for _ in graph.heights], [[] for _ in graph.heights])
    for number, link in enumerate(graph.links):
        made.into[link.target].append(number)
        made.out[link.source].append(number)
    return made


def order(graph: Layers) -> None:
    """Put the items of each layer into an order with few crossings: barycentres, then exchanges of neighbours."""
    near = neighbours(graph)
    best, fewest = [list(layer) for layer in graph.layers], crossings(graph, near)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        _barycentres(graph, near, down=sweep % 2 == 0)
        _exchange(graph, near)
        count = crossings(graph, near)
        if count < fewest:
            best, fewest = [list(layer) for layer in graph.layers], count
    graph.layers = best


def crossings(graph: Layers, near: Neighbours) -> int:
    """Number of pairs of links that cross."""
    return sum(_crossings(graph, near, a, b) for a, b in pairwise(graph.layers))


def _crossings(graph: Layers, near: Neighbours, left: list[int], right: list[int]) -> int:
    place = {item: i for i, item in enumerate(right)}
    seen: list[int] = []
    count = 0
    for item in left:
        targets = sorted(place[graph.links[number].target] for number in near.out[item])
        count += sum(len(seen) - bisect_right(seen, target) for target in targets)
        for target in targets:
            insort(seen, target)
    return count


def _barycentres(graph: Layers, near: Neighbours, down: bool) -> None:
    depth = range(1, len(graph.layers)) if down else range(len(graph.layers) - 2, -1, -1)
    for number in depth:
        other = graph.layers[number - 1 if down else number + 1]
        place = {item: i for i, item in enumerate(other)}
        means: dict[int, float] = {}
        for i, item in enumerate(graph.layers[number]):
            ends = [graph.links[k].source for k in near.into[item]] if down else [graph.links[k].target for k in near.out[item]]
            means[item] = sum(place[end] for end in ends) / len(ends) if ends else float(i)
        graph.layers[number].sort(key=means.__getitem__)


def _exchange(graph: Layers, near: Neighbours) -> None:
    """Exchange neighbours in a layer where that takes crossings away."""
    for number, layer in enumerate(graph.layers):
        if len(layer) > MAX_EXCHANGED:
            continue
        ends = [_ends(graph, near, number, down) for down in (True, False)]
        for i in range(len(layer) - 1):
            above, below = layer[i], layer[i + 1]
            gain = sum(_inversions(end[above], end[below]) - _inversions(end[below], end[above]) for end in ends)
            if gain > 0:
                layer[i], layer[i + 1] = below, above


def _ends(graph: Layers, near: Neighbours, number: int, down: bool) -> dict[int, list[int]]:
    """For each item of a layer where its neighbours stand in the layer before it (`down`) or behind it."""
    others = graph.layers[:number][-1:] if down else graph.layers[number + 1 : number + 2]
    place = {item: i for other in others for i, item in enumerate(other)}
    if down:
        return {item: sorted(place[graph.links[k].source] for k in near.into[item]) for item in graph.layers[number]}
    return {item: sorted(place[graph.links[k].target] for k in near.out[item]) for item in graph.layers[number]}


def _inversions(above: list[int], below: list[int]) -> int:
    """Crossings between the links of two items, the first above the second."""
    return sum(bisect_left(below, place) for place in above)


class Placed(NamedTuple):
    """The y of the middle of each item, and that at which each link arrives; the topmost item begins at 0."""

    middles: list[float]
    arrivals: list[float]
    height: float


def place(graph: Layers, gap: float, lane_gap: float) -> Placed:
    """Heights for the ordered items: as near as can be to what they are linked with, nothing closer than the gaps."""
    near = neighbours(graph)
    ports = _ports(graph, near)
    y = [0.0] * len(graph.heights)
    steps = [_steps(graph, layer, gap, lane_gap) for layer in graph.layers]
    for layer, step in zip(graph.layers, steps, strict=True):
        _settle(layer, step, dict.fromkeys(layer, (0.0, 1.0)), y)
    for sweep in range(2 * SWEEPS):
        forward = sweep % 2 == 0
        for layer, step in zip(graph.layers[:: 1 if forward else -1], steps[:: 1 if forward else -1], strict=True):
            both = sweep >= SWEEPS
            wishes = {item: _wish(graph, near, ports, y, item, forward or both, not forward or both) for item in layer}
            _settle(layer, step, wishes, y)
    for layer, step in zip(graph.layers, steps, strict=True):
        _straighten(graph, near, ports, y, layer, step)
    top = min(middle - height / 2 for middle, height in zip(y, graph.heights, strict=True))
    y = [middle - top for middle in y]
    bottom = max(middle + height / 2 for middle, height in zip(y, graph.heights, strict=True))
    return Placed(y, [y[link.target] + port for link, port in zip(graph.links, ports, strict=True)], bottom)


def _ports(graph: Layers, near: Neighbours) -> list[float]:
    """Where each link arrives, below the middle of its target: in the order of the sources, so that none cross there."""
    at = {item: i for layer in graph.layers for i, item in enumerate(layer)}
    ports = [0.0] * len(graph.links)
    for item, into in enumerate(near.into):
        ranked = sorted(into, key=lambda number: (at[graph.links[number].source], number))
        for rank, number in enumerate(ranked):
            ports[number] = (rank - (len(into) - 1) / 2) * graph.pitches[item]
    return ports


def _steps(graph: Layers, layer: list[int], gap: float, lane_gap: float) -> list[float]:
    """Least distance between the middles of neighbours."""
    return [
        (graph.heights[a] + graph.heights[b]) / 2 + (lane_gap if a in graph.lanes or b in graph.lanes else gap) for a, b in pairwise(layer)
    ]


def _wish(
    graph: Layers, near: Neighbours, ports: list[float], y: list[float], item: int, sources: bool, targets: bool
) -> tuple[float, float]:
    """Where an item would like to be, and how much. Lanes pull harder: a long way is best straight."""
    wishes = []
    if sources:
        wishes += [(y[graph.links[k].source] - ports[k], graph.links[k].source) for k in near.into[item]]
    if targets:
        wishes += [(y[graph.links[k].target] + ports[k], graph.links[k].target) for k in near.out[item]]
    if not wishes:
        return y[item], 0.01
    weights = [4.0 if item in graph.lanes and end in graph.lanes else 1.0 for _, end in wishes]
    return sum(wish * weight for (wish, _), weight in zip(wishes, weights, strict=True)) / sum(weights), sum(weights)


def _settle(layer: list[int], steps: list[float], wishes: dict[int, tuple[float, float]], y: list[float]) -> None:
    """The places nearest to the wishes (least weighted squares) at the least distances: pool adjacent violators."""
    shifts = [0.0]
    for step in steps:
        shifts.append(shifts[-1] + step)
    blocks: list[list[float]] = []
    for item, shift in zip(layer, shifts, strict=False):
        wish, weight = wishes[item]
        blocks.append([wish - shift, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value, weight, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + value * weight) / (last[1] + weight)
            last[1], last[2] = last[1] + weight, last[2] + count
    values = [block[0] for block in blocks for _ in range(int(block[2]))]
    for item, value, shift in zip(layer, values, shifts, strict=False):
        y[item] = value + shift


def _straighten(graph: Layers, near: Neighbours, ports: list[float], y: list[float], layer: list[int], steps: list[float]) -> None:
    """Move an item a little where that makes a link into it exactly level, as far as its neighbours leave room."""
    for i, item in enumerate(layer):
        low = y[layer[i - 1]] + steps[i - 1] if i > 0 else float("-inf")
        high = y[layer[i + 1]] - steps[i] if i + 1 < len(layer) else float("inf")
        level = [y[graph.links[k].source] - ports[k] for k in near.into[item]]
        fits = [wish for wish in level if low <= wish <= high and abs(wish - y[item]) <= NEARLY_LEVEL]
        if fits:
            y[item] = min(fits, key=lambda wish: abs(wish - y[item]))
