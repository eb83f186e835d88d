"""The study as a driver writes it: a trial is in the storage before it is launched, and never lost after.

There may be several drivers. All that one writes it writes within `batch`, alone, and after it has seen what the others have
written: so numbers never collide, finished trials have one order, and nobody ends a trial that was taken from him.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from nas.budget import Ledger
from nas.errors import StudyError
from nas.study import patience
from nas.study.drivers import PREFIX, Lease, Sign, Watch, beside
from nas.study.flight import RUNNING, attribute, in_flight
from nas.study.leading import Leading
from nas.study.settings import Settings, settings_text, write_atomically
from nas.study.storage import Storage
from nas.study.study import Study
from nas.study.trial import Trial, from_optuna

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.evaluators import Outcome
    from nas.spaces import Space
    from nas.strategies import Proposal

ENDS = ("metrics", "reason", "cut", "found", "curve", "stopped", "below", "notes")  # what only some ends have, of `Recorder.finish`
FRONT = "front"  # the folder of the networks that no other beats
WAIT_SECONDS = 0.2
EXCUSED_SECONDS = 1.0  # of waiting for the storage; others have waited with this one
SETTINGS = "settings"  # the study's attribute that holds what `run.yaml` does, for who joins from another folder


@dataclass
class _Used:
    """The running totals of the ledger."""

    device_seconds: float
    seconds: float
    finished: int
    failed: int


class Recorder(Study):
    """A study that is open for writing. Close it, or use it as a context: others take over what it has not finished.

    What dead drivers have left is this one's at once where no other driver is alive, else one by one, see `claim`.
    """

    def __init__(self, directory: Path, settings: Settings, storage: Storage, lease: Lease, space: Space | None = None) -> None:
        super().__init__(directory, settings, storage, space)
        self._lease, self._watch = lease, Watch(directory, lease.id)
        self._used = _Used(0.0, 0.0, 0, 0)
        self._device_seconds: dict[int, float] = {}  # of unfinished trials, whoever has them
        self._ids: dict[int, int] = {}  # unfinished trials of this driver
        self._elsewhere: dict[int, tuple[int, Trial]] = {}  # those of all others, dead or alive; with their ids
        self._news: list[Trial] = []
        self._known = 0  # trials in the storage
        self._open = False
        self._batches = 0  # one within another
        self._distributions: dict[str, CategoricalDistribution] = {}
        self._leading = Leading(self.goals, settings.references)
        self._ended: list[int] = []  # finished trials that are not taken in there yet
        with self.batch():
            self._begin()

    def _begin(self) -> None:
        """Read the record, say that this driver is there, and take over what dead ones have left."""
        self._storage.changes(PREFIX)
        self._take_in()
        self._news.clear()
        self._open = True
        if SETTINGS not in self._storage.optuna.get_study_user_attrs(self._storage.study_id):
            self.publish()
        self._sign()
        if not self._watch.living():
            while self.claim() is not None:
                pass

    def publish(self) -> None:
        """Write the settings into the study, for those who join it from another folder."""
        with self.batch():
            self._storage.optuna.set_study_user_attr(self._storage.study_id, SETTINGS, settings_text(self.settings))

    def be_patient(self, say: Callable[[str], None]) -> None:
        """From now on wait for a storage that is away, or a full disk; `say` is told of it. Raises `StudyError` in the end."""
        self._storage.be_patient(say)

    @property
    def id(self) -> str:
        """Of this driver."""
        return self._lease.id

    @property
    def next_number(self) -> int:
        """The number of the next new trial; within a batch it is sure."""
        return self._known

    def unfinished(self) -> list[Trial]:
        """Trials that are this driver's to run again, for it has taken them over and not finished, by number."""
        return [trial for trial in self.trials if trial.number in self._ids]

    def ledger(self) -> Ledger:
        """What the study has used, as `Study.ledger` would compute it once all drivers' last `beat` is written."""
        used = self._used
        return Ledger(used.device_seconds, used.seconds, used.finished, used.failed)

    # ---- the other drivers ---------------------------------------------------------------------------------------

    def works(self, workers: int, share: float) -> None:
        """Say how many workers this driver has, which hold `share` devices each."""
        with self.batch():
            self._sign(workers=workers, devices=workers * share, folder=str(self.directory))

    def living(self) -> list[Sign]:
        """The other drivers that are not known to be dead, as of the last batch."""
        return self._watch.living()

    def rival(self) -> Sign | None:
        """Another driver that is certainly alive, if there is one: it may take as long as a lease to be sure that none is."""
        first = {sign.id: sign for sign in self.living()}
        while living := self.living():
            for sign in living:
                if beside(self.directory, sign) or first.get(sign.id) != sign:
                    return sign
            time.sleep(WAIT_SECONDS)
            with self.batch():
                pass
        return None

    def news(self) -> list[Trial]:
        """Trials that others have finished since the last call, in the order in which they did."""
        news, self._news = self._news, []
        return news

    def owns(self, number: int) -> bool:
        """Whether an unfinished trial is this driver's. One that was frozen may find that it is no more."""
        return number in self._ids

    def elsewhere(self) -> list[Trial]:
        """Unfinished trials of living drivers, by number."""
        return self._unfinished(alive=True)

    def orphans(self) -> list[Trial]:
        """Unfinished trials of dead drivers, by number."""
        return self._unfinished(alive=False)

    def _unfinished(self, alive: bool) -> list[Trial]:
        living = {sign.id for sign in self._watch.living()} if self._elsewhere else ()
        return [trial for _, (_, trial) in sorted(self._elsewhere.items()) if (trial.driver in living) == alive]

    def claim(self) -> Trial | None:
        """Take over the first trial that a dead driver has left; None where there is none. To be called within a batch."""
        orphan = next(iter(self.orphans()), None)
        if orphan is not None:
            self._ids[orphan.number] = self._elsewhere.pop(orphan.number)[0]
            self._set(orphan.number, "driver", self.id)
            self._set(orphan.number, "device_seconds", orphan.device_seconds)  # as of the last heartbeat of who had it
            for name in ENDS:  # a kill in the middle of the one batch that records an end leaves a part of it
                if getattr(orphan, name):
                    self._set(orphan.number, name, None)
            if all(trial.driver != orphan.driver for _, trial in self._elsewhere.values()):
                self._bury(orphan.driver)
        return orphan

    def _bury(self, driver: str | None) -> None:
        """Say of a dead driver that nothing of it is left, so that nobody has to find out again."""
        if (ended := self._watch.buried(driver)) is not None:
            self._storage.optuna.set_study_user_attr(self._storage.study_id, *ended)

    def _sign(self, **changes: Any) -> None:
        name, value = self._lease.give(**changes)
        self._storage.optuna.set_study_user_attr(self._storage.study_id, name, value)

    def _take_in(self) -> None:
        """See what others have written."""
        attrs = self._storage.optuna.get_study_user_attrs(self._storage.study_id)
        self._watch.heed(attrs)
        self._used.seconds = max(self._used.seconds, float(attrs.get("seconds", 0.0)))
        frozen, used = self._frozen(), in_flight(attrs)
        numbers = [*sorted({*self._ids, *self._elsewhere}), *range(self._known, len(frozen))]
        self._known = len(frozen)
        ended = [trial for number in numbers if (trial := self._take(frozen[number], used)) is not None]
        self._news += sorted(ended, key=lambda trial: (trial.order is None, trial.order or 0, trial.number))

    def _take(self, frozen: FrozenTrial, used: Mapping[int, float]) -> Trial | None:
        """See what has become of a trial that was not finished as far as this driver knows; the trial if it is now."""
        number, driver, running = frozen.number, frozen.user_attrs.get("driver"), frozen.state == TrialState.RUNNING
        if driver is None and self._open and number not in self._device_seconds:
            raise StudyError(f"{self.directory}: trial {number} is of no driver of this study; another program writes to it")
        if driver == self.id and running:
            return None
        trial = from_optuna(frozen, used.get(number, 0.0))
        self._device_seconds.setdefault(number, 0.0)
        self._charge(number, trial.device_seconds)
        self._ids.pop(number, None)
        self._elsewhere[number] = (frozen._trial_id, trial)
        if running:
            return None
        del self._elsewhere[number], self._device_seconds[number]
        self._used.finished += trial.state == "COMPLETE"
        self._used.failed += trial.state == "FAIL"
        self._leading.add(trial)
        return trial if trial.finished else None

    # ---- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What is recorded within becomes durable together, at its end, and nobody else writes meanwhile.

        It begins by taking in what others have written. Raises `StudyError` when it cannot be written.
        """
        asked = time.monotonic()
        with _writing(self.directory), self._storage.batch():
            if (waited := time.monotonic() - asked) > EXCUSED_SECONDS:
                self._watch.excuse(waited)
            self._batches += 1
            try:
                if self._open and self._batches == 1 and self._storage.changes(PREFIX):
                    self._take_in()
                yield
                if self._batches == 1 and self._lease.due:
                    self._sign()
            finally:
                self._batches -= 1

    def start(self, proposal: Proposal, architecture: Architecture, *, seed: int, fidelity: Mapping[str, Any]) -> int:
        """Record a new trial as running; its number, `next_number`. Raises `StudyError` when another program added trials."""
        decisions = proposal.decisions
        attrs: dict[str, Any] = {
            "how": proposal.how,
            "architecture": architecture.to_yaml(),
            "digest": architecture.digest,
            "seed": seed,
            "fidelity": dict(fidelity),
            "driver": self.id,
        }
        attrs |= {"parent": proposal.parent} if proposal.parent is not None else {}
        attrs |= {"fraction": proposal.fraction} if proposal.fraction != 1.0 else {}
        attrs |= {"phase": proposal.phase, "children": list(map(dict, proposal.children))} if proposal.phase else {}
        template = _running(dict(decisions), {name: self._distribution(name) for name in decisions}, attrs)
        storage = self._storage.optuna
        with self.batch():
            trial_id = storage.create_new_trial(self._storage.study_id, template)
            number = storage.get_trial_number_from_id(trial_id)
            if number != self._known:
                raise StudyError(f"{self.directory}: trial {number} where {self._known} was due; another program writes to it")
            self._known += 1
            self._ids[number], self._device_seconds[number] = trial_id, 0.0
        return number

    def beat(self, device_seconds: Mapping[int, float], seconds: float, *, write: bool = True) -> None:
        """Bring the ledger up to date: device seconds of running trials by number, and the study's active seconds.

        With `write` False it stays in memory until the next beat.
        """
        known, more = self._device_seconds, 0.0
        mine = self._ids.keys() & device_seconds.keys()
        for number in mine:
            more += device_seconds[number] - known[number]
            known[number] = device_seconds[number]
        self._used.device_seconds += more
        self._used.seconds = max(self._used.seconds, seconds)
        if write:
            storage, study = self._storage.optuna, self._storage.study_id
            with self.batch():
                storage.set_study_user_attr(study, f"{RUNNING}:{self.id}", attribute(known, self._ids.keys() & mine))
                storage.set_study_user_attr(study, "seconds", self._used.seconds)

    def lost(self, number: int, times: int, device_seconds: float, nodes: int = 0) -> None:
        """Record that the worker of a running trial died with it, for the `times`-th time; `nodes` of these times with its node."""
        with self.batch():
            self._set(number, "device_seconds", device_seconds)
            self._set(number, "wasted", device_seconds)
            self._set(number, "lost", times)
            if nodes:
                self._set(number, "lost_nodes", nodes)
            self._charge(number, device_seconds)

    def crowded(self, number: int, device_seconds: float) -> None:
        """Record that a running trial failed beside others, by what may be their doing: it is to be tried alone."""
        with self.batch():
            self._set(number, "device_seconds", device_seconds)
            self._set(number, "wasted", device_seconds)
            self._set(number, "solo", True)
            self._charge(number, device_seconds)

    def finish(
        self, number: int, outcome: Outcome, value: float | Sequence[float] | None, device_seconds: float, worker: int | None,
        *, where: str = "", wasted: float = 0.0,
    ) -> None:  # fmt: skip
        """Record how a running trial ended; `value` is the objective's, or one number an objective; None when it failed.

        where: the device on which it ran last; wasted: of the device seconds those of attempts that were run again.
        """
        attrs = {
            "metrics": outcome.metrics or None,
            "device_seconds": device_seconds,
            "worker": worker,
            "where": where or None,
            "wasted": wasted or None,
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
        values = None if value is None else [value] if isinstance(value, int | float) else list(value)
        with self.batch():
            attrs["order"] = self._used.finished + self._used.failed
            for name, attr in attrs.items():
                if attr is not None:
                    self._set(number, name, attr)
            self._charge(number, device_seconds)
            self._storage.optuna.set_trial_state_values(self._ids[number], state, values)
            self._ended.append(number)
            self._used.finished += value is not None
            self._used.failed += value is None
            del self._ids[number], self._device_seconds[number]

    def write_best(self) -> None:
        """Write the best architecture so far to `best.yaml` and its picture to `best.svg`; nothing while there is none.

        With several objectives the networks of the front go to `front/NUMBER.yaml`.
        """
        from nas.draw import svg

        best = self._leaders().best
        if best is not None:
            write_atomically(self.directory / "best.yaml", self._text(best))
            write_atomically(self.directory / "best.svg", svg(best.architecture))
        if best is not None and len(self.goals) > 1:
            self._write_front()

    def _leaders(self) -> Leading:
        """With all that have finished."""
        frozen = self._frozen() if self._ended else []
        for number in self._ended:
            self._leading.add(from_optuna(frozen[number]))
        self._ended.clear()
        return self._leading

    def _write_front(self) -> None:
        """A trial never changes, so its file is written once, and removed when the trial is beaten."""
        folder = self.directory / FRONT
        with _writing(folder):
            folder.mkdir(exist_ok=True)
            files = {f"{trial.number}.yaml": trial for trial in self._leading.front}
            there = {path.name for path in folder.glob("*.yaml") if path.stem.isdecimal()}
            for name in files.keys() - there:
                write_atomically(folder / name, self._text(files[name]))
            for name in there - files.keys():
                (folder / name).unlink(missing_ok=True)  # another driver may have been faster

    def _text(self, trial: Trial) -> str:
        values = ", ".join(f"{goal.name} {value:.6g}" for goal, value in zip(self.goals, trial.values, strict=True))
        part = f" at {trial.fraction:.3g} of the fidelity" if trial.fraction != 1.0 else ""
        return f"# Trial {trial.number} of {self.name}: {values}{part}\n{trial.yaml}"

    def leave(self) -> None:
        """Say that this driver has ended, if that is not said yet. Raises `StudyError`."""
        if not self._lease.sign.ended:
            with self.batch():
                self._sign(ended=True)

    def close(self, *, sign: bool = True) -> None:
        """Sync the record to the disk, and leave what is not finished to others. Raises `StudyError`.

        sign: say so in the record; without, others find out by themselves.
        """
        try:
            if sign:
                self.leave()
            with _writing(self.directory):
                self._storage.close()
        finally:
            self._lease.release()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self.close(sign=kind is None or not issubclass(kind, StudyError))  # it may be that nothing can be written

    def _charge(self, number: int, amount: float) -> None:
        self._used.device_seconds += amount - self._device_seconds[number]
        self._device_seconds[number] = amount

    def _set(self, number: int, name: str, value: Any) -> None:
        if number not in self._ids:
            raise StudyError(f"{self.directory}: trial {number} is another driver's by now")
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
    except Exception as error:
        if not isinstance(error, OSError) and not patience.outage(error):
            raise
        why = f"the record cannot be written ({patience.reason(error)})"
        raise StudyError(f"{directory}: {why}; what was finished is kept, `nas resume {directory}` goes on") from None
