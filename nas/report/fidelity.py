"""At which fidelities a search looked, what stopping hopeless candidates saved and lost, and what weights are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas import strategies
from nas.engine.keeping import kept
from nas.engine.results import home_of, store_of
from nas.errors import NasError
from nas.evaluators.fidelity import DEFAULT, Fidelity
from nas.places import Remote
from nas.report.compare import fidelity_text
from nas.report.tables import fraction_text
from nas.study.stopping import StoppedEarly, stopped_early
from nas.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from nas.study import Study


def ladder_lines(study: Study) -> list[str]:
    """What a rung of the search is, and how many promotions went on with their training."""
    made = rungs(study)
    if not made:
        return []
    shown = "; ".join(f"{fraction_text(fraction)} is {fidelity_text(fidelity)}" for fraction, fidelity in made)
    lines = [f"fidelities, by {' and '.join(study.settings.ladder or DEFAULT)}: {shown}"]
    promoted, continued = promotions(study)
    if promoted:
        lines.append(f"{_count(promoted, 'promotion')} trained, of which {continued} went on where the candidate stood")
    return lines


def rungs(study: Study) -> list[tuple[float, dict[str, Any]]]:
    """Each fraction of the fidelity that the strategy looks at, and what it is; nothing for a strategy that has no rungs."""
    settings = study.settings
    try:
        fractions = strategies.rungs(settings.strategy, **settings.strategy_options)
    except NasError:  # of a newer or a person's own program
        return []
    full = Fidelity.from_dict(settings.fidelity)
    return [(fraction, full.part(fraction, settings.ladder).to_dict()) for fraction in fractions]


def promotions(study: Study) -> tuple[int, int]:
    """Promotions that were trained by an evaluator that can go on with a training, and how many of them did."""
    told = [trial.metrics["continued"] for trial in study.trials if "continued" in trial.metrics]
    return len(told), sum(value == 1.0 for value in told)


def stopping_lines(study: Study) -> list[str]:
    """What early stopping saved, and what it may have lost."""
    made = stopped_early(study)
    if made is None:
        return []
    if not made.curves:
        return ["stopped early: none, for no trial reported epochs"]
    would = made.used_seconds + made.saved_seconds
    share = f" ({made.saved_seconds / would:.0%} of what all would have taken)" if made.saved_seconds else ""
    line = f"stopped early: {_count(made.stopped, 'candidate')}, which saved about {format_seconds(made.saved_seconds)} of device time"
    return [line + share, lost_line(made)]


def lost_line(made: StoppedEarly) -> str:
    """How many good candidates were lost, as far as those that were let finish can tell."""
    if made.interval is None:
        return "none as hopeless was let finish yet, so it is not known whether good ones were lost"
    low, high = made.interval
    were = "was" if made.spared == 1 else "were"
    line = f"{made.spared} as hopeless {were} let finish; {made.good} of {made.spared} ended in the best quarter"
    lost = f"{made.stopped * low:.0f} to {made.stopped * high:.0f}"
    return f"{line} (95% interval {low:.0%} to {high:.0%}: of those stopped perhaps {lost})"


def keeping_lines(study: Study) -> list[str]:
    """What weights are kept; nothing where none are. Those on the network are not asked for."""
    if study.settings.results:
        return [f"weights and a copy of the results: {home_of(study.settings)}"]
    number, size = _kept(study)
    return [f"weights of {_count(number, 'trial')} kept: {format_bytes(size)}"] if number else []


def plain(study: Study) -> dict[str, Any]:
    """All of it as plain data; `stopped_early` is None where it was not asked for."""
    made, (number, size), (promoted, continued) = stopped_early(study), _kept(study), promotions(study)
    return {
        "ladder": {
            "shrinks": list(study.settings.ladder or DEFAULT),
            "rungs": [{"fraction": fraction, "fidelity": fidelity} for fraction, fidelity in rungs(study)],
            "promoted": promoted, "continued": continued,
        },
        "stopped_early": None if made is None else {
            "quantile": made.quantile, "stopped": made.stopped, "saved_device_seconds": made.saved_seconds, "spared": made.spared,
            "spared_in_best_quarter": made.good, "interval": made.interval,
        },
        "kept": {"trials": number, "bytes": size},
    }  # fmt: skip


def _kept(study: Study) -> tuple[int, int]:
    store = store_of(study.directory, study.settings)
    return (0, 0) if isinstance(store.place, Remote) else kept(store)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
