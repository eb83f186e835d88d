"""Who beats whom with several objectives. Points are tuples of equally many numbers, all larger for better."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")
Point = tuple[float, ...]


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is nowhere worse and somewhere better than `other`."""
    for mine, theirs in zip(one, other, strict=True):
        if mine < theirs:
            return False
    return one != other


def ranks(points: Sequence[Point]) -> list[int]:
    """The front of each point: 0 where no other dominates it, 1 where only those of front 0 do, and so on.

    The sort of NSGA-II (Deb et al. 2002, section III.A) by the cheaper way of Zhang et al., "An Efficient Approach to
    Nondominated Sorting" (ENS, 2015): in lexicographic order nobody is dominated by one who comes later, and if a front
    has a member that dominates, so have all fronts before it: the right one is found by halving.
    """
    found: dict[Point, int] = {}
    fronts: list[list[Point]] = []
    for point in sorted(set(points), reverse=True):
        low, high = 0, len(fronts)
        while low < high:
            middle = (low + high) // 2
            if _beaten(point, fronts[middle]):
                low = middle + 1
            else:
                high = middle
        if low == len(fronts):
            fronts.append([])
        fronts[low].append(point)
        found[point] = low
    return [found[point] for point in points]


def _beaten(point: Point, front: Sequence[Point]) -> bool:
    """Whether a member of `front`, whose members come before it in lexicographic order, dominates `point`."""
    if len(point) <= 2:  # the last member has the largest second number: it dominates if any does
        return dominates(front[-1], point)
    return any(dominates(member, point) for member in reversed(front))


def crowding(points: Sequence[Point]) -> list[float]:
    """How much room each point of a front has: NSGA-II's crowding distance (Deb et al. 2002, section III.B).

    The sum over the objectives of the distance between both neighbours, as a fraction of the objective's range;
    infinite for the ends. Of equal points all but the first have no room of their own beside the others: 0 or little.
    """
    room = [0.0] * len(points)
    for axis in range(len(points[0]) if points else 0):
        order = sorted(range(len(points)), key=lambda index: points[index][axis])
        low, high = points[order[0]][axis], points[order[-1]][axis]
        room[order[0]] = room[order[-1]] = inf
        # Halves, for the range of two enormous numbers is none.
        extent = high / 2 - low / 2
        if extent > 0:
            for before, index, after in zip(order, order[1:], order[2:], strict=False):
                room[index] += (points[after][axis] / 2 - points[before][axis] / 2) / extent
    return room


def standing(points: Sequence[Point]) -> list[tuple[int, float]]:
    """For each point what NSGA-II compares by, smaller for better: its rank, and less its room within its front."""
    placed = ranks(points)
    members: dict[int, list[int]] = {}
    for index, rank in enumerate(placed):
        members.setdefault(rank, []).append(index)
    made = [(0, 0.0)] * len(points)
    for rank, indices in members.items():
        for index, room in zip(indices, crowding([points[index] for index in indices]), strict=True):
            made[index] = (rank, -room)
    return made


def contest(members: Sequence[T], places: Sequence[tuple[int, float]], size: int, rng: random.Random) -> T:
    """The best by `places`, one for each member, of `size` that are drawn with replacement."""
    drawn = rng.choices(range(len(members)), k=size)
    return members[min(drawn, key=places.__getitem__)]


class Front(Generic[T]):
    """The things that no other dominates, kept up to date; equal points stay side by side."""

    def __init__(self) -> None:
        self._members: list[tuple[Point, T]] = []

    def add(self, point: Point, thing: T) -> bool:
        """Take `thing` in, and drop those it dominates, unless one dominates it: then False."""
        if any(dominates(other, point) for other, _ in self._members):
            return False
        self._members = [member for member in self._members if not dominates(point, member[0])]
        self._members.append((point, thing))
        return True

    def __iter__(self) -> Iterator[T]:
        """The things, best by the first objective first, then by the second and so on; of equal ones the first taken in."""
        return (thing for _, thing in sorted(self._members, key=lambda member: member[0], reverse=True))

    def __len__(self) -> int:
        return len(self._members)


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The volume of what the points dominate and the `reference` point does not reach; in units of the objectives' product.

    Exact, by slices along the last objective (Zitzler & Thiele 1999; While et al. 2006): quick for two and three
    objectives, exponential in their number. Points that are not better than the reference everywhere add nothing.
    """
    inside = [point for point in points if all(mine > low for mine, low in zip(point, reference, strict=True))]
    if len(reference) == 1:
        return max((point[0] for point in inside), default=reference[0]) - reference[0]
    inside.sort(key=lambda point: point[-1], reverse=True)
    if len(reference) == 2:
        return _area(inside, reference)
    volume, slab = 0.0, Front[Point]()
    for index, point in enumerate(inside):
        slab.add(point[:-1], point[:-1])
        below = inside[index + 1][-1] if index + 1 < len(inside) else reference[-1]
        if point[-1] > below:
            volume += (point[-1] - below) * hypervolume(list(slab), reference[:-1])
    return volume


def _area(points: Sequence[Point], reference: Point) -> float:
    """Of two objectives, points by the second, largest first."""
    area, reached = 0.0, reference[0]
    for index, (x, y) in enumerate(points):
        reached = max(reached, x)
        below = points[index + 1][1] if index + 1 < len(points) else reference[1]
        area += (reached - reference[0]) * (y - below)
    return area
