"""Which weights of a run are kept: those that a later candidate begins with, then those of the best, as far as a cap goes."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nas.evaluators import Store
from nas.evaluators.store import FOLDER, UNKEPT, of_trial
from nas.strategies import PROMOTION, Proposal
from nas.units import parse_bytes

DEFAULT = "1GB"
SPARE = 2  # beyond the workers: so many candidates of a rung may be promoted before the next look at the files
_FILE = re.compile(r"trial-([0-9]+)\.pt\Z")
_PART = re.compile(r"\.(trial-[0-9]+|[A-Za-z0-9_-]+)\.pt\.[0-9]+\.part\Z")


@dataclass(slots=True)
class _Known:
    """A finished trial. `worth` is larger for better, None where it failed; `used`: a promotion has finished that went on from it."""

    fraction: float
    worth: float | None
    used: bool = False


class Keeping:
    """Prunes the files `trial-N.pt` of a store; all others are left alone. Told of finished trials in their order.

    What is kept follows from the record and the files alone, so a search that goes on keeps what it would have kept. Never
    removed, whatever the cap: files of what runs and of what that begins with, and of the best that may yet be promoted.
    """

    def __init__(self, store: Store | None, cap: float, workers: int) -> None:
        """cap: bytes of all these files together."""
        self._folder, self._cap, self._spare = None if store is None else store.folder, cap, workers + SPARE
        self._known: dict[int, _Known] = {}

    def learn(self, number: int, proposal: Proposal, worth: float | None) -> None:
        """Take in a finished trial."""
        self._known[number] = _Known(proposal.fraction, worth)
        if proposal.how == PROMOTION and proposal.parent in self._known:
            self._known[proposal.parent].used = True

    def heed(self, notes: Iterable[str]) -> None:
        """Where a disk was full, make do with half of what there is, so that what comes finds room."""
        if any(UNKEPT in note for note in notes):
            self._cap = min(self._cap, sum(sizes(self._folder).values()) / 2)

    @property
    def empty(self) -> bool:
        """Whether no trial has left a file."""
        return self._folder is None or not any(_FILE.match(path.name) for path in _entries(self._folder))

    def sweep(self) -> None:
        """Remove what writers that were killed have left half-written. Call while nobody writes."""
        if self._folder is not None:
            for path in _entries(self._folder):
                if _PART.match(path.name):
                    _remove(path)

    def prune(self, running: Iterable[int], parents: Iterable[int], *, ended: bool = False) -> None:
        """Remove files beyond the cap. ended: no trial will follow, so none is needed."""
        files = sizes(self._folder)
        needed = set() if ended else {*running, *parents, *self._promotable(files)}
        total = sum(files[number] for number in files if number in needed)
        for number in sorted(files.keys() - needed, key=self._rank):
            fits = total + files[number] <= self._cap and self._worth(number) is not None
            total += files[number] if fits else 0
            if not fits and self._folder is not None:
                _remove(Store(self._folder).path(of_trial(number)))

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


def kept(directory: Path) -> tuple[int, int]:
    """How many trials of a run's folder have weights kept, and bytes of these."""
    found = sizes(directory / FOLDER)
    return len(found), sum(found.values())


def sizes(folder: Path | None) -> dict[int, int]:
    """Bytes of every file of a trial, by its number."""
    found: dict[int, int] = {}
    for path in _entries(folder) if folder is not None else ():
        if match := _FILE.match(path.name):
            with contextlib.suppress(OSError):
                found[int(match[1])] = path.stat().st_size
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
