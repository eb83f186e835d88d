"""Which weights of a run are kept: those that a later candidate begins with, then those of the best, as far as a cap goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from nas.engine.shelf import shelf_of, sizes
from nas.evaluators import Store
from nas.evaluators.store import UNKEPT
from nas.strategies import PROMOTION, Proposal
from nas.units import parse_bytes

DEFAULT = "1GB"
SPARE = 2  # beyond the workers: so many candidates of a rung may be promoted before the next look at the files


@dataclass(slots=True)
class _Known:
    """A finished trial. `worth` is larger for better, None where it failed; `used`: a promotion has finished that went on from it."""

    fraction: float
    worth: float | None
    used: bool = False


class Keeping:
    """Prunes the files `trial-N.pt` of a store; all others are left alone. Told of finished trials in their order.

    What is kept follows from the record and the files alone, so a search that goes on keeps what it would have kept. Never
    removed, whatever the cap: files of what runs and of what that begins with, and of the best that may yet be promoted; in a
    store that several searches share, nor those of trials that are not known here: they run elsewhere.
    """

    def __init__(self, store: Store | None, cap: float, workers: int) -> None:
        """cap: bytes of all these files together."""
        self._shelf, self._cap, self._spare = shelf_of(store), cap, workers + SPARE
        self._shared = store is not None and store.shared
        self._known: dict[int, _Known] = {}

    def learn(self, number: int, proposal: Proposal, worth: float | None) -> None:
        """Take in a finished trial."""
        self._known[number] = _Known(proposal.fraction, worth)
        if proposal.how == PROMOTION and proposal.parent in self._known:
            self._known[proposal.parent].used = True

    def heed(self, notes: Iterable[str]) -> None:
        """Where a disk was full, make do with half of what there is, so that what comes finds room."""
        if any(UNKEPT in note for note in notes):
            self._cap = min(self._cap, sum(self._shelf.sizes().values()) / 2)

    @property
    def empty(self) -> bool:
        """Whether no trial has left a file."""
        return not self._shelf.sizes()

    def sweep(self) -> None:
        """Remove what writers that were killed have left half-written. Call while nobody writes."""
        self._shelf.sweep()

    def prune(self, running: Iterable[int], parents: Iterable[int], *, ended: bool = False) -> None:
        """Remove files beyond the cap. ended: no trial will follow, so none is needed."""
        files = self._shelf.sizes(last=ended)
        needed = files.keys() - self._known.keys() if self._shared else set()
        needed |= set() if ended else {*running, *parents, *self._promotable(files)}
        total = sum(files[number] for number in files if number in needed)
        for number in sorted(files.keys() - needed, key=self._rank):
            fits = total + files[number] <= self._cap and self._worth(number) is not None
            total += files[number] if fits else 0
            if not fits:
                self._shelf.remove(number)
        if ended:
            self._shelf.settle()

    def _promotable(self, files: Iterable[int]) -> list[int]:
        """The best of each rung but the top one that were not promoted yet."""
        rungs: dict[float, list[int]] = defaultdict(list)
        for number in files:
            known = self._known.get(number)
            if known and known.worth is not None and known.fraction < 1.0 and not known.used:
                rungs[known.fraction].append(number)
        return [number for rung in rungs.values() for number in sorted(rung, key=self._rank)[: self._spare]]

    def _rank(self, number: int) -> tuple[bool, float, float, int]:
        """The best first: those not promoted yet, then those looked at most closely."""
        known = self._known.get(number, _Known(0.0, None))
        return known.used, -known.fraction, -(known.worth or 0.0), number

    def _worth(self, number: int) -> float | None:
        return self._known[number].worth if number in self._known else None


def cap_of(text: str) -> float:
    """Bytes that the weights of a run may take together: of `2GB`, or of the default where nothing is said. Raises `NasError`."""
    return parse_bytes(text or DEFAULT, where="keep")


def kept(store: Store) -> tuple[int, int]:
    """How many trials have weights kept in a store, and bytes of these."""
    found = sizes(store.place)
    return len(found), sum(found.values())
