"""What the search is held against: random search, its own best trained again, hand-designed networks; and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas.engine.confirm import CONTROL_STRATEGY
from nas.report.honest import bounded, verdict
from nas.report.page.columns import Costs, clock, curve, moments, number
from nas.report.tables import short_path
from nas.spaces.whole import NETWORK
from nas.study.confirmation import CONFIRM, pending

if TYPE_CHECKING:
    from nas.study import Confirmed, Study, Trial


def control(study: Study) -> dict[str, Any] | None:
    """The random search under the same budget; None where there is none."""
    run = study.control
    if run is None:
        return None
    trials = [trial for trial in run.trials if trial.finished]
    times, used = moments(trials), clock(trials)
    best = run.best
    return {
        "name": "random search",
        "best": None if best is None else best.number,
        "trials": {
            "number": [trial.number for trial in trials],
            "value": [number(trial.value) for trial in trials],
            "order": [trial.order for trial in trials],
            "clock": [number(used[trial.number], 7) for trial in trials],
            "ended": [number(times[trial.number][1], 7) for trial in trials],
        },
    }


def confirmed(study: Study) -> dict[str, Any] | None:
    """Networks of the search, and of its control, that were trained again; None where that has not begun."""
    if study.nested(CONFIRM) is None:
        return None
    run, objective = study.control, study.settings.objective
    theirs = [_confirmed(item, objective) for item in run.confirmation] if run is not None and run.nested(CONFIRM) is not None else None
    return {"rows": [_confirmed(item, objective) for item in study.confirmation], "pending": pending(study), "control": theirs}


def _confirmed(item: Confirmed, objective: str) -> dict[str, Any]:
    low, high = bounded(objective, item.interval) or (None, None)
    return {
        "trial": item.trial.number, "value": number(item.trial.value), "mean": number(item.mean), "low": number(low), "high": number(high),
        "seeds": [number(value) for value in item.values], "reference": item.reference,
        "test": number(sum(item.tests) / len(item.tests)) if item.tests else None,
    }  # fmt: skip


def verdict_line(study: Study) -> str | None:
    """One line that says whether the search was worth more than chance; None where that was not asked for."""
    made = study.comparison
    return None if made is None else verdict(made, study.settings.objective)


def baselines(study: Study) -> list[dict[str, Any]]:
    """Hand-designed networks trained in the way of the candidates."""
    costs = Costs(None)
    return [_baseline(trial, costs) for trial in study.baselines]


def _baseline(trial: Trial, costs: Costs) -> dict[str, Any]:
    params, macs = costs.of(trial)
    return {
        "name": str(trial.decisions.get(NETWORK, trial.digest[:12])),
        "value": number(trial.value), "values": [number(value) for value in trial.values], "params": params, "macs": macs,
        "latency": number(trial.metrics.get("latency_ms")), "seconds": number(trial.device_seconds), "curve": curve(trial),
    }  # fmt: skip


def hints(study: Study, trials: Sequence[Trial]) -> dict[str, str]:
    """What to type for what is not there."""
    where = short_path(study.directory)
    made = {"confirm": f"nas resume {where} --confirm 3x3"}
    if study.settings.strategy != CONTROL_STRATEGY and not study.settings.references:
        made["control"] = f"nas resume {where} --control"
    # Where candidates are looked up, or judged on weights that they share, nothing that is trained alone can stand beside them.
    if study.settings.dataset is not None and all(trial.phase is None for trial in trials):
        made["baselines"] = f"nas resume {where} --baselines resnet20,densenet_bc_100_12"
        made["latency"] = "nas search ... --objectives accuracy,latency_ms"
    return made
