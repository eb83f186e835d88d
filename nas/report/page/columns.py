"""The trials of a study as columns of plain values: a few hundred bytes a trial."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.errors import NasError
from nas.study.spending import FAILED, kind

if TYPE_CHECKING:
    from nas.objectives import Objective
    from nas.spaces import Option, Space
    from nas.study import Trial

STATES = {"COMPLETE": "C", "FAIL": "F"}
DIGEST = 12  # digits of one that are shown
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
CURVE = 60  # points of a curve that are shown
LONGEST = 2000  # characters of a text of the record


class Strings:
    """Texts that many trials have in common, each once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str | None) -> int | None:
        """The index of a text; None of none."""
        if not text:
            return None
        text = text[:LONGEST]
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
        return self._places[text]


class Costs:
    """Parameters and multiply-adds of candidates, by digest; kept, as a live page asks for them again and again."""

    def __init__(self, space: Space | None) -> None:
        self._space = space
        self._known: dict[str, tuple[int | None, int | None]] = {}

    def of(self, trial: Trial) -> tuple[int | None, int | None]:
        """Of the whole inference network, from the record where that has them; None where the candidate is no network."""
        known = trial.metrics.get("params"), trial.metrics.get("macs")
        if known[0] is not None and known[1] is not None:
            return int(known[0]), int(known[1])
        if trial.digest not in self._known:
            self._known[trial.digest] = self._cost(trial)
        return self._known[trial.digest]

    def _cost(self, trial: Trial) -> tuple[int | None, int | None]:
        try:
            network = trial.architecture if self._space is None else self._space.decode(trial.decisions)
            cost = network.cost(aux=False)
        except NasError:
            return None, None
        return cost.params, cost.macs


def columns(
    trials: Sequence[Trial], goals: Sequence[Objective], strings: Strings, costs: Costs, choices: Mapping[str, tuple[Option, ...]],
    *, yaml: bool, references: Sequence[Mapping[str, Any]] = (),
) -> dict[str, list[Any]]:  # fmt: skip
    """A list a property, each of one item a trial. `yaml`: with the text of each candidate, for the page cannot make it."""
    sizes = [costs.of(trial) for trial in trials]
    times, used = moments(trials), clock(trials)
    places = {name: {(type(option), option): i + 1 for i, option in enumerate(options)} for name, options in choices.items()}
    return {
        "number": [trial.number for trial in trials],
        "state": [STATES.get(trial.state, "R") for trial in trials],
        "values": [[number(trial.values[i]) if i < len(trial.values) else None for trial in trials] for i in range(len(goals))],
        "params": [params for params, _ in sizes],
        "macs": [macs for _, macs in sizes],
        "latency": [number(trial.metrics.get("latency_ms")) for trial in trials],
        "seconds": [number(trial.device_seconds) for trial in trials],
        "began": [number(times[trial.number][0], 7) for trial in trials],
        "ended": [number(times[trial.number][1], 7) for trial in trials],
        "clock": [number(used.get(trial.number), 7) for trial in trials],
        "order": [trial.order for trial in trials],
        "parent": [trial.parent for trial in trials],
        "how": [strings.place(trial.how) for trial in trials],
        "reason": [strings.place(trial.reason) if trial.state == "FAIL" else None for trial in trials],
        "kind": [strings.place(kind(trial).removeprefix(FAILED)) if trial.state == "FAIL" else None for trial in trials],
        "where": [strings.place(short_ids(trial.where)) for trial in trials],
        "fraction": [number(trial.fraction) for trial in trials],
        "cut": [int(trial.cut) for trial in trials],
        "stopped": [number(trial.stopped) for trial in trials],
        "phase": [int(trial.phase is not None) for trial in trials],
        "reference": [int(any(trial.decisions == each for each in references)) for trial in trials],
        "digest": [trial.digest[:DIGEST] for trial in trials],
        "decisions": [encoded(trial.decisions, places) for trial in trials],
        "yaml": [trial.yaml or None for trial in trials] if yaml else [None] * len(trials),
        "curve": [curve(trial) for trial in trials],
        "notes": [[note[:LONGEST] for note in trial.notes] or None for trial in trials],
    }


def short_ids(text: str) -> str:
    """A device's name, in which Ray's names of nodes are as short as tells them apart."""
    return re.sub(r"\b[0-9a-f]{40,}\b", lambda found: f"node {found[0][:6]}", text)


Places = Mapping[str, Mapping[tuple[type, "Option"], int]]  # of each choice its options, with 1 + their index


def encoded(decisions: Mapping[str, Option], places: Places) -> str | None:
    """A number for each choice of the space: 0 where it was not met, else 1 + the index of the option; None if it has others.

    Each in base 36, as JavaScript's `parseInt(text, 36)` reads it, in as many digits as the largest needs.
    """
    made = [places[name].get((type(decisions[name]), decisions[name]), -1) if name in decisions else 0 for name in places]
    if -1 in made or not decisions:
        return None
    width = digits(places)
    return "".join([in_base_36(value, width) for value in made])


def digits(choices: Mapping[str, Collection[Any]]) -> int:
    """How many digits the number of a decision takes."""
    return max((len(in_base_36(len(options))) for options in choices.values()), default=1)


def in_base_36(value: int, width: int = 1) -> str:
    """A whole number that is not negative, with zeros before it up to the width."""
    rest, digit = divmod(value, 36)
    return ((in_base_36(rest) if rest else "") + DIGITS[digit]).rjust(width, "0")


def number(value: float | None, digits: int = 6) -> float | int | None:
    """A number of so many digits; None for none, and for what is none, as JSON knows no infinity."""
    if value is None or not math.isfinite(value):
        return None
    made = float(f"{value:.{digits}g}")
    return int(made) if made.is_integer() and abs(made) < 2**53 else made


def curve(trial: Trial) -> list[list[float | int | None]] | None:
    """Epochs, and values after them: the ends and what lies evenly between; None of a trial that reported nothing."""
    points = trial.curve
    if not points:
        return None
    if len(points) > CURVE:
        points = tuple(points[round(i * (len(points) - 1) / (CURVE - 1))] for i in range(CURVE))
    return [[number(epoch, 5) for epoch, _, _ in points], [number(value, 5) for _, value, _ in points]]


def clock(trials: Iterable[Trial]) -> dict[int, float]:
    """Of each finished trial the device seconds of those that had finished when it had, itself included."""
    done = sorted((trial for trial in trials if trial.finished), key=lambda trial: (trial.order is None, trial.order or 0, trial.number))
    used, made = 0.0, {}
    for trial in done:
        used += trial.device_seconds
        made[trial.number] = used
    return made


def moments(trials: Sequence[Trial]) -> dict[int, tuple[float | None, float | None]]:
    """When each trial began and ended: seconds from the beginning of the search, but for the time when nothing ran.

    So a search that was interrupted over night does not have a night in it.
    """
    spans = sorted((trial.began.timestamp(), (trial.ended or trial.began).timestamp()) for trial in trials if trial.began is not None)
    pauses: list[tuple[float, float]] = []  # when each ended, and all that had been until then
    busy, paused = spans[0][0] if spans else 0.0, 0.0
    first = busy
    for begin, end in spans:
        if begin > busy:
            paused += begin - busy
            pauses.append((begin, paused))
        busy = max(busy, end)

    def since(moment: float | None) -> float | None:
        if moment is None:
            return None
        return moment - first - next((lost for end, lost in reversed(pauses) if end <= moment), 0.0)

    return {trial.number: (since(_stamp(trial.began)), since(_stamp(trial.ended))) for trial in trials}


def _stamp(moment: Any) -> float | None:
    stamp: float | None = None if moment is None else moment.timestamp()
    return stamp
