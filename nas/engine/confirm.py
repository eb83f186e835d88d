"""What follows a search: its best networks trained again with fresh seeds, and a random search as a control.

Each is an ordinary run in a folder of the search's, so it is recorded, resumed and shown like one:

    runs/NAME            the search
    runs/NAME/confirm            its best networks, at full size and with fresh seeds: k x r trials that are given
    runs/NAME/correlate          networks spread over the ranking of a search on shared weights, trained alone
    runs/NAME/baselines          hand-designed networks, once each and as the candidates were: over a space of their own
    runs/NAME/control            random search: same space, evaluator, fidelity, workers and budget, another seed
    runs/NAME/control/confirm    the control's best networks, in the same way
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.arch.text import parse
from nas.errors import NasError, NothingFinishedError, StudyError
from nas.evaluators import Evaluator, Fidelity
from nas.repeatable import derived_seed
from nas.spaces import Space
from nas.spaces.whole import NETWORK
from nas.study import Recorder, Settings, Study, create_study, resume_study, write_atomically
from nas.study.baselines import BASELINES
from nas.study.confirmation import CONFIRM, CONTROL, best, confirmation, finalists, pending
from nas.study.correlation import CORRELATE, spread_over
from nas.study.settings import RUN_FILE, read_settings, write_settings
from nas.study.wish import Wish

CONTROL_STRATEGY = "random"
NO_CONTROL = "it holds what it finds against references of its own; allowed: without control"
Drive = Callable[[Recorder], Study]


def planned(
    confirm: str | int | None, epochs: int | None, control: bool, strategy: str, references: bool = False,
    correlate: str | int | None = None,
) -> Wish | None:  # fmt: skip
    """What was asked for, checked. Raises `NasError` on a wish that cannot be read, or that contradicts itself.

    correlate: asked for beside it, whose trainings take the same epochs.
    """
    if not isinstance(control, bool):
        raise NasError(f"control={control!r}; allowed: True or False")
    if control and references:
        raise NasError(f"control=True for a search with references: {NO_CONTROL}")
    if control and strategy == CONTROL_STRATEGY:
        raise NasError("a control of random search would be random search again: leave out control, or choose another strategy")
    if confirm is None:
        if epochs is not None and correlate is None:
            raise NasError(f"confirm_epochs={epochs!r} needs confirm, such as 3x3: nothing is to be confirmed")
        return None
    return Wish.parse(str(confirm), epochs)


def plan(wish: Wish | None, evaluator: Evaluator, fidelity: Fidelity) -> dict[str, Any]:
    """The wish for the settings of a run, with the epochs that a full training takes; empty without a wish."""
    if wish is None:
        return {}
    epochs = wish.epochs or max(int(getattr(evaluator, "full_epochs", 1)), fidelity.epochs)
    return replace(wish, epochs=epochs).to_dict()


def ask_for(
    study: Recorder, wish: Wish | None, control: bool, evaluator: Evaluator, correlating: Wish | None = None, baselines: str = ""
) -> None:  # fmt: skip
    """Add to the settings of a run what it was not started with. Raises `StudyError` where that contradicts them."""
    settings, frozen = study.settings, study.settings.wish
    if control and settings.references:
        raise StudyError(f"{study.directory}: {NO_CONTROL}")
    if wish is not None and frozen is not None and wish not in (frozen, replace(frozen, epochs=0)):
        raise StudyError(f"{study.directory}: has a confirmation of {frozen} already; leave out confirm to go on with it")
    confirm = settings.confirm or plan(wish, evaluator, Fidelity.from_dict(settings.fidelity))
    known = settings.correlation_wish
    if correlating is not None and known is not None and correlating not in (known, replace(known, epochs=0)):
        raise StudyError(f"{study.directory}: has a correlation of {known} already; leave out correlate to go on with it")
    correlate = settings.correlate or plan(correlating, evaluator, Fidelity.from_dict(settings.fidelity))
    if baselines and settings.baselines and baselines != settings.baselines:
        names = ", ".join(networks(settings.baselines).choices[NETWORK])  # type: ignore[arg-type]
        raise StudyError(f"{study.directory}: has the baselines {names} already; leave out baselines to go on with them")
    made = replace(
        settings, confirm=confirm, control=settings.control or control, correlate=correlate, baselines=settings.baselines or baselines
    )
    if made != settings:
        study.settings = made
        write_settings(study.directory, made)
        study.publish()
        inner = study.directory / CONTROL
        if (inner / RUN_FILE).exists():
            write_settings(inner, replace(read_settings(inner), confirm=confirm))


def follow_up(
    study: Study, drive: Drive, note: Callable[[str], None], storage: str | None = None, alone: Callable[[], Fidelity] | None = None
) -> None:
    """Run what is missing of all that follows a finished search; `drive` runs a study to its end.

    alone: fits the fidelity of the control, where the search's own is none for trainings that stand alone.
    A run in which nothing finishes takes nothing from the search: `note` says so.
    """
    if study.settings.wish is not None:
        _confirm(study, study.settings.wish, drive, note, storage)
    if study.settings.correlation_wish is not None:
        wish, settings = study.settings.correlation_wish, study.settings
        chosen = [trial.decisions for trial in spread_over(study, wish.networks)]
        _run(study, CORRELATE, lambda: confirm_settings(settings, wish, chosen, CORRELATE), drive, note, storage)
    if study.settings.baselines:
        space = networks(study.settings.baselines)
        _run(study, BASELINES, lambda: baselines_settings(study.settings, space), drive, note, storage, space)
    if study.settings.control:
        control = _run(study, CONTROL, lambda: control_settings(study.settings, alone), drive, note, storage)
        if control is not None:
            follow_up(control, drive, note, storage)


def _confirm(study: Study, wish: Wish, drive: Drive, note: Callable[[str], None], storage: str | None) -> None:
    if pending(study):
        chosen = [trial.decisions for trial in finalists(study, wish.networks)]
        _run(study, CONFIRM, lambda: confirm_settings(study.settings, wish, chosen), drive, note, storage)
    write_confirmed(study)


def control_settings(settings: Settings, alone: Callable[[], Fidelity] | None = None) -> Settings:
    """Of the control. Its seed is another one: all strategies begin with the same random candidates under one seed.

    alone: as in `follow_up`; a control of a search on shared weights trains every candidate by itself.

    The seconds in which the search fitted its proxy and started its workers are not charged to the control.
    """
    fidelity = settings.fidelity if alone is None else alone().to_dict()
    made = replace(
        settings, strategy=CONTROL_STRATEGY, strategy_options={}, features=[], start=[], control=False, correlate={}, fidelity=fidelity,
        ladder=[], baselines="",
    )  # fmt: skip
    return _nested(made, CONTROL)


def confirm_settings(settings: Settings, wish: Wish, chosen: list[dict[str, Any]], role: str = CONFIRM) -> Settings:
    """Of the confirmation of these networks: seed after seed, so that one that is broken off has looked at all of them.

    At full size on all training images, with no limit of time on a training, for that limit was the search's.
    """
    start = [dict(decisions) for _ in range(wish.seeds) for decisions in chosen]
    fidelity = Fidelity(wish.epochs, test=True).to_dict()
    made = replace(
        settings, strategy=CONTROL_STRATEGY, strategy_options={}, features=[], start=start, budget=f"{len(start)}trials", timeout=None,
        fidelity=fidelity, confirm={}, control=False, references=[], network=None, correlate={}, ladder=[], stop_early=0.0, keep="",
        baselines="",
    )  # fmt: skip
    return _nested(made, role)


def networks(text: str) -> Space:
    """The space of the baselines of a run, as its settings have it."""
    return Space(parse(text, "baselines"))


def baselines_settings(settings: Settings, space: Space) -> Settings:
    """Of the trainings of baselines, once each: all that a candidate of the search was trained by, but that no curve ends one early."""
    start: list[dict[str, Any]] = [{NETWORK: name} for name in space.choices[NETWORK]]
    made = replace(
        settings, space=settings.baselines, strategy=CONTROL_STRATEGY, strategy_options={}, features=[], start=start,
        budget=f"{len(start)}trials", confirm={}, control=False, references=[], network=None, correlate={}, ladder=[], stop_early=0.0,
        keep="", baselines="",
    )  # fmt: skip
    return _nested(made, BASELINES)


def _nested(settings: Settings, role: str) -> Settings:
    """Of a run within a run; under its seed no trial has the training seed of a trial of the search."""
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    name, seed = f"{settings.study}/{role}", derived_seed(settings.seed, role)
    return replace(settings, study=name, role=role, seed=seed, created=created, inherit=False)


def _run(
    study: Study, role: str, settings: Callable[[], Settings], drive: Drive, note: Callable[[str], None], storage: str | None,
    space: Space | None = None,
) -> Study | None:  # fmt: skip
    """Begin or go on with the run in the folder `role` of the study; None where nothing finished in it. space: if not the study's."""
    path = study.directory / role
    try:
        with _recorder(path, settings, storage, space or study.space) as recorder:
            return drive(recorder)
    except NothingFinishedError as error:
        note(str(error))
        return None


def _recorder(path: Path, settings: Callable[[], Settings], storage: str | None, space: Space) -> Recorder:
    if (path / RUN_FILE).exists():
        return resume_study(path, storage=storage, space=space)
    made = settings()
    return create_study(path, replace(made, storage=storage or made.storage), space, join=True)


def write_confirmed(study: Study) -> None:
    """Write the network of the best mean to `confirmed.yaml`, once all trainings are done; nothing before."""
    found = best(confirmation(study))
    if found is None or pending(study):
        return
    value = f"{study.settings.objective} {found.mean:.6g}, the mean of {len(found.values)} seeds"
    if found.interval is not None:
        value += f" (95% interval {found.interval[0]:.6g} to {found.interval[1]:.6g})"
    note = f"# Trial {found.trial.number} of {study.name}, trained again: {value}\n"
    write_atomically(study.directory / "confirmed.yaml", note + found.trial.yaml)
