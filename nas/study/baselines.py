"""Hand-designed networks beside what a search found: trained once each, as its candidates were, in the run `baselines` of its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.arch.text import parse
from nas.objectives import oriented
from nas.strategies.dominance import dominates

if TYPE_CHECKING:
    from nas.study.study import Study
    from nas.study.trial import Trial

BASELINES = "baselines"


def baselines(study: Study) -> list[Trial]:
    """Those whose training finished, the best first; each has its network's name as `architecture.name`."""
    run = study.nested(BASELINES)
    return [] if run is None else run.ranked()


def failed(study: Study) -> list[Trial]:
    """Those whose training failed."""
    run = study.nested(BASELINES)
    return [] if run is None else [trial for trial in run.trials if trial.state == "FAIL"]


def comparable(study: Study) -> list[Trial]:
    """The candidates of the search that were looked at as closely as the baselines: at the whole of its fidelity."""
    return [trial for trial in study.trials if trial.judged and trial.fraction == 1.0 and not study.is_reference(trial)]


def beaten_by(study: Study, baseline: Trial, candidates: list[Trial]) -> list[Trial]:
    """Those of the candidates that are better: in the objective, or of several in one and worse in none."""
    worth = oriented(study.goals, baseline.values)
    full = [trial for trial in candidates if len(trial.values) == len(study.goals)]
    return [trial for trial in full if dominates(oriented(study.goals, trial.values), worth)]


def untrained(study: Study) -> int:
    """Trainings of baselines that are still to be done."""
    if not study.settings.baselines:
        return 0
    run = study.nested(BASELINES)
    if run is None:
        return len(parse(study.settings.baselines)["choose"])
    return len(run.settings.start) - sum(trial.finished for trial in run.trials)
