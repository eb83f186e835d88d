"""The files of trials in a store, as what prunes them sees them: a folder at once, a place on the network from aside."""

from __future__ import annotations

import math
import re
import threading
import time
from typing import Protocol

from nas.engine.aside import Aside
from nas.evaluators import Store
from nas.evaluators.store import of_trial
from nas.places import Folder, Place

LOOK_SECONDS = 10.0  # between two looks at a place on the network
END_SECONDS = 20.0  # that the last of them, and what is removed then, may take
_FILE = re.compile(r"trial-([0-9]+)\.pt\Z")
_PART = re.compile(r"\.(trial-[0-9]+|[A-Za-z0-9_-]+)\.pt\.[A-Za-z0-9-]+\.part\Z")


class Shelf(Protocol):
    """Files of trials, by number."""

    def sizes(self, *, last: bool = False) -> dict[int, int]:
        """Bytes of each. last: no trial will follow, so it may take a while to look."""
        ...

    def remove(self, number: int) -> None:
        """One of them."""
        ...

    def sweep(self) -> None:
        """What writers that were killed have left half-written. Call while nobody writes."""
        ...

    def settle(self) -> None:
        """Wait for a while until all is removed."""
        ...


def shelf_of(store: Store | None) -> Shelf:
    """Of a store; without one it is empty."""
    if store is None:
        return Empty()
    return Near(store.place, alone=not store.shared) if isinstance(store.place, Folder) else Far(store.place)


def sizes(place: Place) -> dict[int, int]:
    """Bytes of every file of a trial in a place, by its number."""
    found = ((_FILE.match(name), size) for name, size in place.sizes().items())
    return {int(match[1]): size for match, size in found if match}


class Empty:
    """Nothing is kept."""

    def sizes(self, *, last: bool = False) -> dict[int, int]:
        """None."""
        return {}

    def remove(self, number: int) -> None:
        """There is nothing."""

    def sweep(self) -> None:
        """There is nothing."""

    def settle(self) -> None:
        """There is nothing."""


class Near:
    """A folder. alone: whether only this search writes there."""

    def __init__(self, folder: Folder, *, alone: bool = True) -> None:
        self._folder, self._alone = folder, alone

    def sizes(self, *, last: bool = False) -> dict[int, int]:
        """As they are now."""
        return sizes(self._folder)

    def remove(self, number: int) -> None:
        """At once."""
        self._folder.remove(f"{of_trial(number)}.pt")

    def sweep(self) -> None:
        """Half-written files, unless they may be another's that writes now."""
        if self._alone:
            for name in self._folder.sizes():
                if _PART.match(name):
                    self._folder.remove(name)

    def settle(self) -> None:
        """It is."""


class Far:
    """A place on the network, as it was when it was looked at last, less what was removed since."""

    def __init__(self, place: Place) -> None:
        self._place, self._aside, self._lock = place, Aside("shelf"), threading.Lock()
        self._seen: dict[int, int] = {}
        self._gone: set[int] = set()  # removed, though perhaps not yet when it was looked
        self._looked = -math.inf

    def sizes(self, *, last: bool = False) -> dict[int, int]:
        """As they were; it is looked anew meanwhile, at most every `LOOK_SECONDS`. last: as they are now."""
        now = time.monotonic()
        if last or now >= self._looked + LOOK_SECONDS:
            self._looked = now
            self._aside.do(self._look)
        if last:
            self._aside.wait(END_SECONDS)
        with self._lock:
            return {number: size for number, size in self._seen.items() if number not in self._gone}

    def remove(self, number: int) -> None:
        """Soon."""
        with self._lock:
            self._gone.add(number)
        self._aside.do(lambda: self._remove(number))

    def sweep(self) -> None:
        """What is half-written may be another's; object stores show no such files."""

    def settle(self) -> None:
        """At most `END_SECONDS`."""
        self._aside.wait(END_SECONDS)

    def _look(self) -> None:
        seen = sizes(self._place)
        with self._lock:
            self._seen = seen

    def _remove(self, number: int) -> None:
        try:
            self._place.remove(f"{of_trial(number)}.pt")
        finally:
            with self._lock:
                self._seen.pop(number, None)
                self._gone.discard(number)  # written again, or not removed: the next look shows it
