"""What a strategy has learnt, kept beside the record so that a resume need not learn it again. A cache, never the truth.

A strategy's state comes from what it was told, in that order. A snapshot says of how many trials it was made and has their
digest; it is used where the record begins with just these, and the rest is told. What is broken, foreign or of another history
is passed over with a note, and all is told again: the next ask is the same either way.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.files import write_durably
from nas.strategies import Proposal, Strategy, Trial
from nas.strategies.base import Lasting
from nas.tensors import read_tensors

if TYPE_CHECKING:
    from nas.study import Settings

FILE = "snapshot-strategy.pt"
FORMAT = 1
WORTH_SECONDS = 5.0  # of telling: what took less to learn is learnt again as quickly
MOST_BYTES = 1 << 28


class Remembered:
    """The strategy of `make`, which begins with the snapshot in the file at `path` if there is one, and leaves others there.

    key: what the state depends on besides the history; note: told why a snapshot is not used; worth: seconds of telling from one
    snapshot to the next.
    """

    def __init__(
        self, make: Callable[[], Strategy], path: Path, key: str, note: Callable[[str], None], worth: float = WORTH_SECONDS
    ) -> None:
        self._make, self._path, self._note, self._worth = make, path, note, worth
        self._inner = make()
        self._history = hashlib.sha256(key.encode())
        self._count, self._spent = 0, 0.0
        self._held: list[Trial] = []  # told, and not yet told on: they may be what the snapshot was made of
        self._found = _read(path, note) if isinstance(self._inner, Lasting) and path.exists() else None

    def ask(self, number: int) -> Proposal:
        """What the strategy asks for."""
        self._let_go("is of more trials than the record has")
        return self._inner.ask(number)

    def tell(self, trial: Trial) -> None:
        """Told to the strategy, unless the snapshot knows it already."""
        self._history.update(_line(trial))
        self._count += 1
        if self._found is None:
            self._learn(trial)
            return
        self._held.append(trial)
        if self._count == self._found["count"]:
            self._restore()

    def _learn(self, trial: Trial) -> None:
        start = time.perf_counter()
        self._inner.tell(trial)
        self._spent += time.perf_counter() - start
        if self._spent >= self._worth:
            self._spent = 0.0
            self._write()

    def _restore(self) -> None:
        """All trials of the snapshot were told: it is used if they are those that it was made of."""
        found, inner = self._found, self._inner
        if found is None or not isinstance(inner, Lasting):
            return
        if found["digest"] != self._history.hexdigest():
            self._let_go("is of another history")
            return
        try:
            inner.restore(found["state"], self._held)
        except Exception as error:  # whatever may be in it
            self._inner = self._make()
            self._let_go(f"cannot be used ({type(error).__name__})")
            return
        self._found, self._held = None, []

    def _let_go(self, why: str) -> None:
        """Tell what was held back: the snapshot is not to be used."""
        if self._found is not None:
            self._note(f"{self._path}: {why}; what it would have saved is learnt again")
            held, self._found, self._held = self._held, None, []
            for trial in held:
                self._inner.tell(trial)

    def _write(self) -> None:
        """A snapshot that cannot be written is none the worse: the record has all."""
        inner = self._inner
        state = inner.snapshot() if isinstance(inner, Lasting) else None
        if state is None:
            return
        import torch

        buffer = io.BytesIO()
        torch.save({"format": FORMAT, "count": self._count, "digest": self._history.hexdigest(), "state": state}, buffer)
        with suppress(OSError):
            write_durably(self._path, buffer.getbuffer())


def remembered(make: Callable[[], Strategy], directory: Path, settings: Settings, note: Callable[[str], None]) -> Remembered:
    """The strategy of a run, with the snapshot in its folder."""
    about = (
        FORMAT, settings.strategy, settings.strategy_options, settings.seed, settings.space, settings.start, settings.features,
        settings.evaluator, settings.evaluator_options, settings.budget, settings.versions,
    )  # fmt: skip
    return Remembered(make, directory / FILE, json.dumps(about, sort_keys=True, default=str) + _versions(), note)


def _versions() -> str:
    """What computes the state here: another version may come to other last digits."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in ("torch", "numpy"):
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return ", ".join(found)


def _line(trial: Trial) -> bytes:
    """All that a strategy is told of a trial; decisions in no order, for a storage may give them back in another."""
    found = [sorted(map(repr, each.items())) for each in trial.found]
    decisions = sorted(map(repr, trial.decisions.items()))
    return repr((trial.number, decisions, trial.value, trial.values, trial.fraction, trial.phase, found)).encode() + b"\n"


def _read(path: Path, note: Callable[[str], None]) -> dict[str, Any] | None:
    """What the file holds; None, with a note, where it is no snapshot."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("too large")
        found: dict[str, Any] = read_tensors(path, sums=True)
        valid = isinstance(found, dict) and found.get("format") == FORMAT and type(found.get("count")) is int and found["count"] > 0
        if not valid or not isinstance(found.get("digest"), str) or not isinstance(found.get("state"), dict):
            raise ValueError("no snapshot")
    except Exception as error:  # torch raises anything on what it cannot read
        note(f"{path}: not a readable snapshot ({type(error).__name__}); what it would have saved is learnt again")
        return None
    return found
