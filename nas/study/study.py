"""A study: the record of all trials of a run, read from its Optuna storage."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from nas.budget import Ledger
from nas.errors import StudyError
from nas.objectives import Objective, oriented
from nas.strategies.dominance import Front
from nas.study.baselines import baselines
from nas.study.confirmation import CONTROL, Comparison, Confirmed, comparison, confirmation
from nas.study.drivers import SIGN_SECONDS, Sign, Watch, beside
from nas.study.flight import in_flight
from nas.study.leading import place
from nas.study.lineage import Step, lineage
from nas.study.settings import RUN_FILE, Settings, read_settings
from nas.study.storage import Storage, open_nested, quiet
from nas.study.trial import Trial, from_optuna

if TYPE_CHECKING:
    import pandas

    from nas.report.page.render import Page
    from nas.spaces import Space


class Study:
    """Reads the record of a run folder, which may be growing meanwhile. It never writes."""

    def __init__(self, directory: Path, settings: Settings, storage: Storage, space: Space | None = None) -> None:
        self.directory, self.settings = directory, settings
        self._storage, self._space = storage, space
        self._nested: dict[str, Study] = {}

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.directory.name

    @property
    def space(self) -> Space:
        """The search space as it was frozen with the run."""
        if self._space is None:
            from nas.arch.text import parse
            from nas.spaces import Space

            self._space = Space(parse(self.settings.space, f"{self.directory}/run.yaml: space"))
        return self._space

    @property
    def trials(self) -> list[Trial]:
        """All trials so far, by number."""
        used = in_flight(self._storage.optuna.get_study_user_attrs(self._storage.study_id))
        return [from_optuna(frozen, used.get(frozen.number, 0.0)) for frozen in self._frozen()]

    def _frozen(self) -> list[optuna.trial.FrozenTrial]:
        return self._storage.optuna.get_all_trials(self._storage.study_id, deepcopy=False)

    @property
    def goals(self) -> tuple[Objective, ...]:
        """What trials are judged by, the first of them first."""
        return self.settings.goals

    @property
    def best(self) -> Trial | None:
        """The complete trial that stands first in `ranked`, a reference only where there is no other; None while there is none."""
        ranked = self.ranked()
        return next((trial for trial in ranked if not self.is_reference(trial)), ranked[0] if ranked else None)

    def is_reference(self, trial: Trial) -> bool:
        """Whether it is there for the others to be held against."""
        return any(trial.decisions == each for each in self.settings.references)

    def ranked(self) -> list[Trial]:
        """Complete trials, the best first: those looked at most closely, by the first objective (of equal ones, the first).

        See `nas.study.leading.place`.
        """
        goal = self.goals[0]
        return sorted((trial for trial in self.trials if trial.judged), key=lambda trial: place(trial, goal))

    @property
    def front(self) -> list[Trial]:
        """Complete trials that no other beats in one objective without losing in another, best by the first first.

        Of those that were looked at most closely.
        """
        front, goals = Front[Trial](), self.goals
        complete = [trial for trial in self.trials if trial.judged and len(trial.values) == len(goals)]
        complete = [trial for trial in complete if trial.stopped is None] or complete
        closest = max((trial.fraction for trial in complete), default=1.0)
        for trial in complete:
            if trial.fraction == closest:
                front.add(oriented(goals, trial.values), trial)
        return list(front)

    def history(self) -> list[Trial]:
        """Finished trials in the order of their completion."""
        done = [trial for trial in self.trials if trial.finished]
        return sorted(done, key=lambda trial: (trial.order is None, trial.order or 0, trial.number))

    def ledger(self) -> Ledger:
        """What the study has used, computed from the record."""
        trials = self.trials
        return Ledger(
            device_seconds=sum(trial.device_seconds for trial in trials),
            seconds=self.seconds,
            finished=sum(trial.state == "COMPLETE" for trial in trials),
            failed=sum(trial.state == "FAIL" for trial in trials),
        )

    @property
    def seconds(self) -> float:
        """The wall time in which drivers were at work, in seconds."""
        attrs = self._storage.optuna.get_study_user_attrs(self._storage.study_id)
        return float(attrs.get("seconds", 0.0))

    def drivers(self) -> list[Sign]:
        """The drivers that have not left the study and are not known to be dead."""
        watch = Watch(self.directory)
        watch.heed(self._storage.optuna.get_study_user_attrs(self._storage.study_id))
        return watch.living()

    def at_work(self) -> list[Sign]:
        """Those of `drivers` that are certainly alive. It may take some seconds, until they have given another sign."""
        first = {sign.id: sign for sign in self.drivers()}
        end = time.monotonic() + 2 * SIGN_SECONDS
        while True:
            there = self.drivers()
            living = [sign for sign in there if beside(self.directory, sign) or first.get(sign.id) != sign]
            if living or not there or time.monotonic() > end:
                return living
            time.sleep(0.2)

    @property
    def confirmation(self) -> list[Confirmed]:
        """The best networks trained again with fresh seeds, the best mean first; empty where that was not asked for."""
        return confirmation(self)

    @property
    def control(self) -> Study | None:
        """The random search under the same budget that this one is held against, if there is one."""
        return self.nested(CONTROL)

    @property
    def baselines(self) -> list[Trial]:
        """Hand-designed networks that were trained as candidates are, the best first, under `trial.architecture.name`; empty for none."""
        return baselines(self)

    @property
    def comparison(self) -> Comparison | None:
        """The search's best against the control's; None while there is nothing to compare."""
        return comparison(self)

    def lineage(self, number: int | None = None) -> list[Step]:
        """From the first ancestor to a trial (default: the best) with what each step changed.

        Raises `StudyError` when there is no such trial, or none is complete.
        """
        if number is None:
            if (best := self.best) is None:
                raise StudyError(f"{self.directory}: no trial is complete yet, so there is no winner; allowed: the number of a trial")
            number = best.number
        try:
            return lineage(self.trials, number)
        except StudyError as error:
            raise StudyError(f"{self.directory}: {error}") from None

    def nested(self, name: str) -> Study | None:
        """The run in the folder `name` of this one; None while it has not begun. Raises `StudyError`."""
        path = self.directory / name
        if name not in self._nested and (path / RUN_FILE).exists():
            settings = read_settings(path)
            storage = open_nested(path, settings.study, self._storage)
            if storage is not None:
                same = settings.space == self.settings.space
                self._nested[name] = Study(path, settings, storage, self._space if same else None)
        return self._nested.get(name)

    @property
    def optuna_study(self) -> optuna.Study:
        """The Optuna study itself, for `optuna.visualization`, `optuna-dashboard` and the like."""
        with quiet():
            return optuna.load_study(study_name=self._storage.name, storage=self._storage.optuna)

    def to_dataframe(self) -> pandas.DataFrame:
        """A row a trial: its own fields, `metrics.*`, `decisions.*`. Needs pandas."""
        import pandas

        return pandas.DataFrame([_row(trial) for trial in self.trials])

    def report(self, out: Path | str | None = None) -> Page:
        """Write one HTML page about all of it to `out` (default: `report.html` in the run's folder); in a notebook it shows itself.

        Raises `NasError` where it cannot be written.
        """
        from nas.report.page.render import write

        return write(self, None if out is None else Path(out))

    def _repr_html_(self) -> str:
        """What a notebook shows: a few facts and the best network."""
        from nas.report.page.card import card

        return card(self)

    def __repr__(self) -> str:
        return f"Study({str(self.directory)!r})"


def _row(trial: Trial) -> dict[str, Any]:
    names = ("number", "state", "value", "device_seconds", "digest", "reason", "cut", "worker", "seed", "parent", "how", "fraction")
    row = {name: getattr(trial, name) for name in names}
    row |= {f"metrics.{name}": value for name, value in trial.metrics.items()}
    return row | {f"decisions.{name}": value for name, value in trial.decisions.items()}


def require(storage: Storage, directory: Path) -> None:
    """Raise `StudyError` when the storage does not have the study of the run folder."""
    if not storage.find():
        raise StudyError(f"{directory}: its storage has no study {storage.name!r}")
