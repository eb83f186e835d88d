"""Joining a search that is at work: who may, with what arguments, and what is said of it.

A search is joined by starting it again, on the same or another machine: the same study in the same database, or the same run
folder while a driver is at work there. What it was started with is in the storage; who gives something else is refused, for a
slip must not add to somebody's search. Engine, workers, devices and the folder of the data are each driver's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import strategies
from nas.errors import StudyError
from nas.study import Settings, check_new, open_study, recorded, same_storage
from nas.study.settings import RUN_FILE, read_settings
from nas.study.wish import Wish

if TYPE_CHECKING:
    from nas.evaluators import Evaluator
    from nas.study import Recorder

SHOWN = 60  # characters of a value
FROZEN = (  # settings that are the same for all drivers of a search
    "strategy", "strategy_options", "seed", "budget", "evaluator", "network", "features", "start", "references", "timeout", "inherit",
    "keep", "ladder", "stop_early", "max_failures", "gpu_weights", "results", "space",
)  # fmt: skip
OWN = ("engine", "workers", "max_workers", "gpus_per_trial", "packed", "memory_per_device", "storage", "versions", "command", "created")


def joinable(directory: Path, storage: str | None) -> Settings | None:
    """The settings of the search that one into `directory` would join, None where it is a new one.

    Raises `StudyError` where the folder is in use or the storage can't be read.
    """
    path = directory.expanduser().absolute()
    if (path / RUN_FILE).exists():
        settings = read_settings(path)
        named = storage is not None and same_storage(settings, storage)
        if named or (storage is None and open_study(path).at_work()):
            return settings
    check_new(path)
    return None if storage is None else recorded(path, storage, path.name)


def check_same(known: Settings, asked: Settings, given: Mapping[str, Any]) -> None:
    """Raise `StudyError` for the first setting in which `asked` differs from those of the search that it would join.

    given: what a person need not say twice, None where he did not: then the search's own counts. An option of the evaluator
    is named `evaluator_options.NAME`; of one that is a mapping, what was said of it is compared.
    """
    for name in FROZEN:
        _compare(known, name, getattr(asked, name), getattr(known, name))
    _compare(known, "objectives", [str(goal) for goal in asked.goals], [str(goal) for goal in known.goals])
    for name, value in given.items():
        outer, dot, inner = name.partition(".")
        there = getattr(known, outer).get(inner) if dot else getattr(known, name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            there = {key: there.get(key) for key in value}
        if value is not None:
            _compare(known, inner or name, value, there)


def check_wishes(known: Settings, confirm: Wish | None, correlate: Wish | None, control: bool, baselines: str = "") -> None:
    """The same of what is to follow the search, where it is asked for."""
    for name, wish, there in (("confirm", confirm, known.wish), ("correlate", correlate, known.correlation_wish)):
        if wish is not None and (there is None or wish not in (there, replace(there, epochs=0))):
            _compare(known, name, str(wish), None if there is None else str(there))
    if control:
        _compare(known, "control", control, known.control)
    if baselines:
        _compare(known, "baselines", baselines, known.baselines)


def _compare(known: Settings, name: str, given: Any, there: Any) -> None:
    if given == there:
        return
    mine, other = _shown(given, there)
    raise StudyError(
        f"{name}: {mine} here, but {other} in the search {known.study!r}, which has begun; "
        "allowed: what it was started with, to join it, or another --out"
    )


def _shown(given: Any, there: Any) -> tuple[str, str]:
    """Both values in short; of long texts the first line in which they differ."""
    if isinstance(given, str) and isinstance(there, str) and "\n" in given + there:
        pairs = zip([*given.splitlines(), "(its end)"], [*there.splitlines(), "(its end)"], strict=False)
        given, there = next((pair for pair in pairs if pair[0] != pair[1]), (given, there))
        return repr(given.strip())[:SHOWN], repr(there.strip())[:SHOWN]
    return repr(given)[:SHOWN], repr(there)[:SHOWN]


def said(study: Recorder) -> str | None:
    """What a person is told who joins; None where nobody else is at work."""
    living = study.living()
    if not living:
        return None
    drivers = ", ".join(sign.name for sign in living)
    workers = sum(sign.workers for sign in living)
    count = f"{workers} worker{'' if workers == 1 else 's'}" if workers else "about to begin"
    return f"joins the search {study.name} (driver{'' if len(living) == 1 else 's'} {drivers}, {count})"


def check_alone(study: Recorder, evaluator: Evaluator) -> None:
    """Raise `StudyError` where another driver is at work on a search whose candidates share what they train.

    That is one state, in the files of one folder, which phases change one after another.
    """
    settings = study.settings
    phased = bool(getattr(evaluator, "schedule", None)) or bool(strategies.find(settings.strategy).phase)
    if phased and settings.role == "search":
        other = study.rival()
        if other is not None:
            raise StudyError(
                f"{study.directory}: driver {other.name} is at work on this search, whose candidates share what they train; "
                "allowed: one driver"
            )


def joiner(known: Settings, asked: Settings, data_dir: Any) -> Settings:
    """The settings of the folder of who joins: the search's, but for what is the machine's."""
    options = dict(known.evaluator_options)
    if data_dir is not None and "data_dir" in options:
        options["data_dir"] = str(data_dir)
    return replace(known, evaluator_options=options, **{name: getattr(asked, name) for name in OWN})
