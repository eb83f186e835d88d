"""The study as its one driver writes it: a trial is in the storage before it is launched, and never lost after."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from nas.budget import Ledger
from nas.errors import StudyError
from nas.study.settings import Settings, write_atomically
from nas.study.storage import Storage
from nas.study.study import Study
from nas.study.trial import Trial

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from nas.arch import Architecture
    from nas.evaluators import Outcome
    from nas.spaces import Space
    from nas.strategies import Proposal

FRONT = "front"  # the folder of the networks that no other beats


@dataclass
class _Used:
    """The running totals of the ledger."""

    device_seconds: float
    seconds: float
    finished: int
    failed: int


class Recorder(Study):
    """A study that is open for writing, by one process at a time. Close it, or use it as a context."""

    def __init__(self, directory: Path, settings: Settings, storage: Storage, lock: BaseFileLock, space: Space | None = None) -> None:
        super().__init__(directory, settings, storage, space)
        self._lock = lock
        trials = self.trials
        self._used = _Used(**asdict(Study.ledger(self)))  # from the record once, then kept up to date
        self._device_seconds = {trial.number: trial.device_seconds for trial in trials if not trial.finished}
        self._ids = {frozen.number: frozen._trial_id for frozen in self._frozen() if not frozen.state.is_finished()}
        self._next = len(trials)
        self._order = sum(trial.finished for trial in trials)
        self._distributions: dict[str, CategoricalDistribution] = {}

    @property
    def next_number(self) -> int:
        """The number of the next new trial."""
        return self._next

    def unfinished(self) -> list[Trial]:
        """Trials that a driver which is no more left running, by number."""
        return [trial for trial in self.trials if trial.state == "RUNNING"]

    def ledger(self) -> Ledger:
        """What the study has used, as `Study.ledger` would compute it once the last `beat` is written."""
        used = self._used
        return Ledger(used.device_seconds, used.seconds, used.finished, used.failed)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What is recorded within becomes durable together, at its end. Raises `StudyError` when it cannot."""
        with _writing(self.directory), self._storage.batch():
            yield

    def start(self, proposal: Proposal, architecture: Architecture, *, seed: int, fidelity: Mapping[str, Any]) -> int:
        """Record a new trial as running; its number. Raises `StudyError` when another program added trials."""
        decisions = proposal.decisions
        attrs: dict[str, Any] = {
            "how": proposal.how,
            "architecture": architecture.to_yaml(),
            "digest": architecture.digest,
            "seed": seed,
            "fidelity": dict(fidelity),
        }
        attrs |= {"parent": proposal.parent} if proposal.parent is not None else {}
        attrs |= {"fraction": proposal.fraction} if proposal.fraction != 1.0 else {}
        attrs |= {"phase": proposal.phase, "children": list(map(dict, proposal.children))} if proposal.phase else {}
        template = _running(dict(decisions), {name: self._distribution(name) for name in decisions}, attrs)
        storage = self._storage.optuna
        with _writing(self.directory):
            trial_id = storage.create_new_trial(self._storage.study_id, template)
            number = storage.get_trial_number_from_id(trial_id)
        if number != self._next:
            raise StudyError(f"{self.directory}: trial {number} where {self._next} was due; another program writes to it")
        self._next += 1
        self._ids[number], self._device_seconds[number] = trial_id, 0.0
        return number

    def beat(self, device_seconds: Mapping[int, float], seconds: float, *, write: bool = True) -> None:
        """Bring the ledger up to date: device seconds of running trials by number, and the study's active seconds.

        With `write` False it stays in memory until the next beat.
        """
        running = [number for number in device_seconds if number in self._ids]
        for number in running:
            self._charge(number, device_seconds[number])
        self._used.seconds = seconds
        if write:
            with self.batch():
                for number in running:
                    self._set(number, "device_seconds", self._device_seconds[number])
                self._storage.optuna.set_study_user_attr(self._storage.study_id, "seconds", seconds)

    def lost(self, number: int, times: int, device_seconds: float, nodes: int = 0) -> None:
        """Record that the worker of a running trial died with it, for the `times`-th time; `nodes` of these times with its node."""
        self._charge(number, device_seconds)
        with self.batch():
            self._set(number, "device_seconds", device_seconds)
            self._set(number, "lost", times)
            if nodes:
                self._set(number, "lost_nodes", nodes)

    def crowded(self, number: int, device_seconds: float) -> None:
        """Record that a running trial failed beside others, by what may be their doing: it is to be tried alone."""
        self._charge(number, device_seconds)
        with self.batch():
            self._set(number, "device_seconds", device_seconds)
            self._set(number, "solo", True)

    def finish(
        self, number: int, outcome: Outcome, value: float | Sequence[float] | None, device_seconds: float, worker: int
    ) -> None:  # fmt: skip
        """Record how a running trial ended; `value` is the objective's, or one number an objective; None when it failed."""
        self._charge(number, device_seconds)
        attrs = {
            "metrics": outcome.metrics or None,
            "device_seconds": device_seconds,
            "order": self._order,
            "worker": worker,
            "first_seconds": outcome.first_seconds,
            "reason": outcome.reason,
            "cut": outcome.cut or None,
            "found": list(map(dict, outcome.found)) or None,
            "curve": list(map(list, outcome.curve)) or None,
            "stopped": outcome.stopped,
            "below": outcome.below,
            "notes": list(outcome.notes) or None,
        }
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        with self.batch():
            for name, attr in attrs.items():
                if attr is not None:
                    self._set(number, name, attr)
            values = None if value is None else [value] if isinstance(value, int | float) else list(value)
            self._storage.optuna.set_trial_state_values(self._ids[number], state, values)
        self._used.finished += value is not None
        self._used.failed += value is None
        self._order += 1
        del self._ids[number], self._device_seconds[number]

    def write_best(self) -> None:
        """Write the best architecture so far to `best.yaml` and its picture to `best.svg`; nothing while there is none.

        With several objectives the networks of the front go to `front/NUMBER.yaml`.
        """
        from nas.draw import svg

        best = self.best
        if best is not None:
            write_atomically(self.directory / "best.yaml", self._text(best))
            write_atomically(self.directory / "best.svg", svg(best.architecture))
        if best is not None and len(self.goals) > 1:
            self._write_front()

    def _write_front(self) -> None:
        """A trial never changes, so its file is written once, and removed when the trial is beaten."""
        folder = self.directory / FRONT
        with _writing(folder):
            folder.mkdir(exist_ok=True)
            files = {f"{trial.number}.yaml": trial for trial in self.front}
            there = {path.name for path in folder.glob("*.yaml") if path.stem.isdecimal()}
            for name in files.keys() - there:
                write_atomically(folder / name, self._text(files[name]))
            for name in there - files.keys():
                (folder / name).unlink()

    def _text(self, trial: Trial) -> str:
        values = ", ".join(f"{goal.name} {value:.6g}" for goal, value in zip(self.goals, trial.values, strict=True))
        part = f" at {trial.fraction:.3g} of the fidelity" if trial.fraction != 1.0 else ""
        return f"# Trial {trial.number} of {self.name}: {values}{part}\n{trial.yaml}"

    def close(self) -> None:
        """Sync the record to the disk, and let other drivers have the run folder. Raises `StudyError`."""
        try:
            with _writing(self.directory):
                self._storage.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _charge(self, number: int, amount: float) -> None:
        self._used.device_seconds += amount - self._device_seconds[number]
        self._device_seconds[number] = amount

    def _set(self, number: int, name: str, value: Any) -> None:
        self._storage.optuna.set_trial_user_attr(self._ids[number], name, value)

    def _distribution(self, name: str) -> CategoricalDistribution:
        if name not in self._distributions:
            self._distributions[name] = CategoricalDistribution(self.space.choices[name])
        return self._distributions[name]


def _running(decisions: dict[str, Any], distributions: dict[str, CategoricalDistribution], attrs: dict[str, Any]) -> FrozenTrial:
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.datetime.now(),
        datetime_complete=None,
        params=decisions,
        distributions=dict(distributions),
        user_attrs=attrs,
        system_attrs={},
        intermediate_values={},
    )


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StudyError(f"{directory}: cannot be written ({error.strerror or error})") from None
