"""A study as the plain data that the page shows. Texts in it are nobody's markup: the page shows them as they are."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import nas
from nas.errors import NasError, StudyError
from nas.report.page import compared, facts
from nas.report.page.columns import Costs, Strings, columns, number
from nas.report.page.decisions import families, operations, space_data
from nas.report.tables import short_path
from nas.study.importance import LEAST, METHOD, best_of, importances
from nas.study.leading import Leading, comparable
from nas.study.spending import spending

if TYPE_CHECKING:
    from nas.study import Study, Trial

FORMAT = 1
SHOWN = 60  # decisions whose importance is shown
GROWTH = 1.1  # importances are worked out again when there are so many times as many trials


class Reading:
    """Reads a study again and again, and keeps what does not change from one time to the next."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._costs, self._space = Costs(study.space), space_data(study.space)
        self._operations = operations(study.space) if self._space["form"] is not None else {}
        self._importance: tuple[int, Any, str] | None = None  # of how many trials, what came, and why nothing did
        self._winner: tuple[str, Any] | None = None

    def data(self, *, running: bool, live: dict[str, Any] | None = None) -> dict[str, Any]:
        """Everything that the page shows. Raises `StudyError` where the record is damaged."""
        study, strings = self.study, Strings()
        trials = study.trials
        made = spending(study, trials)
        leading = Leading(study.goals, study.settings.references)
        for trial in trials:
            leading.add(trial)
        best, compare = leading.best, comparable(trials)
        state, why = facts.state(study, made, running)
        worth, missing = self._worth(compare)
        return {
            "format": FORMAT,
            "name": study.name,
            "title": f"nas search: {study.name}",
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "nas": nas.__version__,
            "state": state,
            "why": why,
            "summary": facts.summary(study, made, best),
            "verdict": compared.verdict_line(study),
            "notes": facts.notes(study, trials, made),
            "goals": [facts.goal_data(goal) for goal in study.goals],
            "proxy": facts.proxy(study),
            "space": self._space,
            "families": families(),
            "operations": self._operations,
            "trials": columns(
                trials, study.goals, strings, self._costs, study.space.choices, yaml=self._space["form"] is None,
                references=study.settings.references,
            ),
            "strings": strings.texts,
            "best": None if best is None else best.number,
            "front": [trial.number for trial in leading.front] if len(study.goals) > 1 else None,
            "comparable": number(max((trial.fraction for trial in compare), default=1.0)),
            "winner": None if best is None else self._picture(best),
            "control": compared.control(study),
            "confirmed": compared.confirmed(study),
            "baselines": compared.baselines(study),
            "importance": worth,
            "ledger": facts.ledger(study, made),
            **facts.settings_data(study),
            "hints": {**compared.hints(study, trials), **({"importance": missing} if missing else {})},
            "live": live,
        }  # fmt: skip

    def _worth(self, trials: Sequence[Trial]) -> tuple[dict[str, Any] | None, str]:
        """What decisions were worth by each goal, the first of them first; and why that is not known."""
        if self._importance is None or len(trials) >= GROWTH * self._importance[0]:
            self._importance = (max(len(trials), LEAST), *_worth(self.study, trials))
        return self._importance[1:]

    def _picture(self, best: Trial) -> Any:
        if self._winner is None or self._winner[0] != best.digest:
            self._winner = best.digest, _winner(self.study, best)
        return self._winner[1]


def page_data(study: Study) -> dict[str, Any]:
    """Everything that the page of a study shows, as it is now. Raises `StudyError` where the record is damaged."""
    return Reading(study).data(running=bool(study.at_work()))


def _worth(study: Study, trials: Sequence[Trial]) -> tuple[dict[str, Any] | None, str]:
    names = list(study.space.choices)
    known = [trial for trial in trials if trial.decisions.keys() <= study.space.choices.keys() and len(trial.values) == len(study.goals)]
    goals = []
    for place, goal in enumerate(study.goals):
        try:
            made = importances(known, goal, dict(study.space.choices), place)
        except StudyError as error:
            return None, f"not known: {error}"
        rows = [[names.index(name), number(share, 4)] for name, share in list(made.items())[:SHOWN]]
        goals.append({"goal": goal.name, "rows": rows})
    note = f"What tells the best {best_of(len(known))} from the rest. Strategies repeat what was good, so it is no measure of cause."
    return {**goals[0], "goals": goals, "method": f"{METHOD}, by Optuna", "trials": len(known), "note": note}, ""


def _winner(study: Study, best: Trial) -> dict[str, Any] | None:
    from nas.draw import svg

    try:
        network = best.architecture
        cost = network.cost(aux=False)
        pictures = {"light": svg(network), "dark": svg(network, dark=True)}
    except NasError:  # a record that was written to by another program
        return None
    where, data = short_path(study.directory), study.settings.dataset
    return {
        "trial": best.number,
        "yaml": best.yaml,
        "svg": pictures,
        "cost": {"params": cost.params, "macs": cost.macs, "activations": cost.activations},
        "command": f"nas train {where}" + (f" --dataset {data}" if data else "") + f" --out {where}-trained",
        "from": f"{where}/best.yaml",
    }
