"""The networks that are to be trained beside a search, read and checked before it begins; see `nas.engine.confirm` for their run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas import baselines
from nas.arch import Architecture
from nas.engine.confirm import networks
from nas.engine.phases import shares_weights
from nas.engine.prepare import check_space
from nas.errors import ArchitectureError, NasError
from nas.evaluators import Evaluator, Fidelity
from nas.loading import find_baseline, load_one
from nas.scale import at_resolution
from nas.spaces import Space
from nas.spaces.whole import NETWORK

if TYPE_CHECKING:
    from nas.study import Study

WHERE = "baselines"
SUGGESTED = 3
Given = str | Iterable[str | Path | Architecture]


def read(given: Given) -> list[Architecture]:
    """The networks, named as they were given. Raises `NasError` for one that is unknown, or stands there twice."""
    items = [item for item in (given.split(",") if isinstance(given, str) else given) if not isinstance(item, str) or item.strip()]
    found = [_named(item) for item in items]
    names = [network.name for network in found]
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise NasError(f"{WHERE}: {twice[0]} stands there twice; allowed: each network once, under a name of its own")
    return found


def _named(item: str | Path | Architecture) -> Architecture:
    if isinstance(item, Architecture):
        return item
    if not isinstance(item, str | Path):
        raise NasError(f"{WHERE}={item!r:.60}; allowed: names of networks, YAML files, architectures")
    item = item.strip() if isinstance(item, str) else item
    try:
        known = find_baseline(item)
        return load_one(item) if known is not None else replace(load_one(item), name=str(item))
    except NasError as error:
        raise type(error)(f"{WHERE}: {error}") from None


def check_alike(found: list[Architecture], evaluator: Evaluator) -> None:
    """Raise `NasError` where candidates are not trained one by one, for nothing that is trained so could be held against them."""
    if found and shares_weights(evaluator):
        raise NasError(
            f"{WHERE} for a search on shared weights, on which candidates are judged without a training of their own: a value of "
            f"{found[0].name} could not be compared with theirs; allowed: --evaluator training"
        )


def space_of(found: list[Architecture], space: Space, evaluator: Evaluator) -> str:
    """The space (YAML) of one decision between the networks, at the input and classes of the search; empty for none.

    Raises `NasError` for one that does not fit, or that the evaluator cannot evaluate.
    """
    if not found:
        return ""
    input, classes = _task(space, evaluator)
    for network in found:
        if misfit := _misfit(network, input, classes):
            shape, others = "x".join(map(str, input)), ", ".join(itertools.islice(_like(network.name, input, classes), SUGGESTED))
            raise ArchitectureError(
                f"{WHERE}: {network.name} does not fit images of {shape} ({misfit}); leave it out, or take one that fits, such as {others}"
            )
    options = [network.to_dict() for network in found]
    try:
        made = Space({"name": WHERE, "input": list(input), "classes": classes, "choose": options})
        check_space(evaluator, made)
    except NasError as error:
        raise type(error)(f"{WHERE}: {error}") from None
    return made.to_yaml()


def _misfit(network: Architecture, input: tuple[int, int, int], classes: int) -> str:
    """Why it does not fit the input; empty where it does."""
    try:
        network.with_input(input, classes).cost()
    except ArchitectureError as error:
        return str(error)
    return ""


def _like(name: str, input: tuple[int, int, int], classes: int) -> Iterator[str]:
    """Names of networks that fit the input, those of its own family first."""
    family = known.family if (known := baselines.find(name)) else ""
    every = [baselines.get(each) for each in baselines.names()]
    return (each.name for each in sorted(every, key=lambda each: each.family != family) if not _misfit(each.make(), input, classes))


def _task(space: Space, evaluator: Evaluator) -> tuple[tuple[int, int, int], int]:
    """Input and classes of the evaluator's data; else those that the space states, before it scales; else those of a candidate."""
    task: tuple[tuple[int, int, int], int] | None = getattr(evaluator, "task", lambda: None)()
    if task is not None:
        return task
    stated = space.to_data()
    input, classes = stated.get("input"), stated.get("classes")
    if isinstance(classes, int) and isinstance(input, list) and all(isinstance(side, int) for side in input):
        return (input[0], input[1], input[2]), classes
    candidate = space.decode(space.sample(random.Random(0)))
    return candidate.input, candidate.classes


def check_proxies(text: str, fidelity: Fidelity) -> None:
    """Raise `ArchitectureError` for a network that has no proxy of the size at which candidates are trained."""
    for network in _all(text):
        try:
            at_resolution(network, fidelity.resolution).resized(width=fidelity.width, depth=fidelity.depth).cost()
        except ArchitectureError as error:
            size = f"width x{fidelity.width:g}, depth x{fidelity.depth:g}"
            raise ArchitectureError(
                f"{WHERE}: {network.name} cannot be made as small as candidates are trained, {size} ({error}); leave it out, or give a "
                "fidelity (--epochs, --width, --depth)"
            ) from None


def _all(text: str) -> list[Architecture]:
    if not text:
        return []
    space = networks(text)
    return [space.decode({NETWORK: name}) for name in space.choices[NETWORK]]


def resumed(study: Study, given: Given, evaluator: Evaluator) -> str:
    """As `space_of`, for a run that is there already: its input, classes and fidelity are known. Raises `NasError`."""
    found = read(given)
    if not found:
        return ""
    check_alike(found, evaluator)
    made = space_of(found, study.space, evaluator)
    check_proxies(made, Fidelity.from_dict(study.settings.fidelity))
    return made
