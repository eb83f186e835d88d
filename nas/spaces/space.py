"""Space: the decisions that lead to an architecture, made one after another."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nas.arch import Architecture
from nas.arch.text import dump
from nas.errors import NasError, SpaceError
from nas.scale import Coefficients
from nas.spaces.choosers import Among, Change, Chooser, Decisions, Once, Option, RandomChooser, Recorder, Replay, others
from nas.spaces.count import count, walk
from nas.spaces.limits import Judge, read, write
from nas.spaces.recognise import Mismatch, recognise
from nas.spaces.scaled import Scaled, read_scale
from nas.spaces.template import Choice, Open, SpaceDecoder
from nas.spaces.whole import read_template, written_out

if TYPE_CHECKING:
    from nas.latency import Setting

DRAWS = 30  # samples or mutations tried before the nearest is made to fit the limits
CLIMB = 1000  # changes tried to make it fit
PATIENCE = 20  # changes in vain before two are made at once too, and so on


class Space:
    """An architecture with open choices. `choices` has every decision that can be met, in order of first meeting.

    Sampling, mutation and decoding are all `decide` under another chooser, so they come free with every space.
    """

    about = ""  # the first sentence of the comment at the head of its file

    def __init__(self, data: Any) -> None:
        """From plain data, as YAML holds it. Raises `SpaceError` that names the field, its value and what is allowed."""
        decoder = SpaceDecoder()
        limits, fitting, words = {}, False, {}
        if isinstance(data, Mapping):
            data = written_out(data)
            limits, fitting = data.pop("limits", {}), data.pop("fitting", False)
            words = {"scale": data.pop("scale")} if "scale" in data else {}
        if not isinstance(fitting, bool):
            raise SpaceError(f"fitting={fitting!r}; allowed: true (what does not fit the input is not drawn), or false")
        try:
            template = read_template(data, decoder)
        except NasError as error:
            raise SpaceError(str(error)) from None
        scale = read_scale(words["scale"], decoder) if words else None
        if not isinstance(template, Open) and not isinstance(scale, Open):
            raise SpaceError("no field of this architecture is open; allowed: {choose: [...]} in one place or more")
        if not isinstance(data["name"], str):
            raise SpaceError("the name of a space is open; allowed: a text")
        self._data = {**data, **words}
        self._template: Open = template if scale is None else Scaled(template, scale)
        self.name = str(data.get("name"))
        self.choices: dict[str, tuple[Option, ...]] = decoder.choices
        # Subsets by name, each with the decisions on whether its members are in.
        self.subsets: dict[str, tuple[str, ...]] = decoder.subsets
        self._growing = {name: trials for name, trials in decoder.growing.items() if len(decoder.choices[name]) > 1}
        # The options that may be drawn: those of `choices`, but for a space that is still growing.
        self.open = self.choices
        self._several = {name for name, options in self.open.items() if len(options) > 1}
        self._stages: dict[tuple[int, ...], Space] = {}
        # Decisions that stand in several places: made once, and the same everywhere.
        times = Counter(part.name for part in walk(self._template) if isinstance(part, Choice))
        self._shared = {name for name, n in times.items() if n > 1}
        self._flat = all(not isinstance(part, Choice) or not any(part.children()) for part in walk(self._template))
        self._allowed = {name: {(type(option), option) for option in options} for name, options in self.choices.items()}
        self.limits = read(limits)
        self.fitting = fitting
        self._judge = Judge(self.limits)

    def with_input(self, input: tuple[int, int, int], classes: int) -> Space:
        """The same space for another input shape (channels, rows, columns) and number of classes."""
        return Space({**self.to_data(), "input": list(input), "classes": classes})

    def within(self, limits: Mapping[str, Any]) -> Space:
        """The same space under more limits, such as `{"params": "5M"}`; a given bound replaces the space's own.

        Raises `SpaceError` for an unknown measure or a bound that is no number.
        """
        if not limits:
            return self
        own = self.to_data().get("limits", {})
        for name, bounds in write(read(limits)).items():
            own = {**own, name: {**own.get(name, {}), **bounds}}
        return Space({**self.to_data(), "limits": own})

    def timed_under(self, setting: Setting) -> Space:
        """The same space, whose limits on what is timed are judged under `setting`, but for those with a setting of their own."""
        limits = [replace(limit, setting=setting) if limit.timed and limit.setting is None else limit for limit in self.limits]
        return Space({**self.to_data(), "limits": write(limits)}) if tuple(limits) != self.limits else self

    def only_fitting(self) -> Space:
        """The same space, of which nothing is drawn whose shapes do not fit the input."""
        return Space({**self.to_data(), "fitting": True})

    @property
    def template(self) -> Open:
        """What it was read into: an architecture some of whose parts are open."""
        return self._template

    @property
    def scales(self) -> bool:
        """Whether it scales what it makes: then candidates differ in their input, too."""
        return isinstance(self._template, Scaled)

    def coefficients(self, decisions: Mapping[str, Option]) -> Coefficients:
        """By what the candidate of these decisions is scaled; 1 each where the space does not. Raises `SpaceError`."""
        return self._template.coefficients(Replay(decisions)) if isinstance(self._template, Scaled) else Coefficients()

    @property
    def selective(self) -> bool:
        """Whether some decisions are not to be drawn: those beyond the limits, and those that do not fit."""
        return self.fitting or bool(self.limits)

    def at(self, number: int) -> Space:
        """The space as trial `number` may draw from it: of a decision that grows by `grow` trials an option, the first 1 + number // grow.

        `sample`, `mutate` and `record` keep to the open options; `choices`, `count`, encodings, `decode` and
        `recognise` are those of the whole space.
        """
        if not self._growing:
            return self
        sizes = tuple([min(1 + number // trials, len(self.choices[name])) for name, trials in self._growing.items()])
        if sizes not in self._stages:
            self._stages[sizes] = self._stage(sizes)
        return self._stages[sizes]

    def _stage(self, sizes: tuple[int, ...]) -> Space:
        grown = {name: self.choices[name][:size] for name, size in zip(self._growing, sizes, strict=True)}
        if all(grown[name] == self.choices[name] for name in grown):
            return self
        stage = copy.copy(self)
        stage.open = {**self.choices, **grown}
        stage._several = {name for name, options in stage.open.items() if len(options) > 1}
        return stage

    def decide(self, chooser: Chooser) -> Architecture:
        """The architecture that the chooser's decisions lead to. Raises `SpaceError` where they fit no architecture."""
        made = self._template.resolve(Once(chooser) if self._shared else chooser)
        assert isinstance(made, Architecture)
        return made

    def sample(self, rng: random.Random) -> Decisions:
        """Decisions made uniformly among those within the limits, in the order they were made.

        Where few are, a sample that is not is changed until it is. Raises `SpaceError` when none is found.
        """
        return self._fitting(lambda: self.record(RandomChooser(rng)), rng)

    def record(self, chooser: Chooser) -> Decisions:
        """The decisions of a chooser, in the order they were made. Whether they fit together is not looked at."""
        if self._flat:
            choose = chooser.choose
            return {name: choose(name, options) for name, options in self.open.items()}
        return self._record(chooser if self.open is self.choices else Among(self.open, chooser))

    def _record(self, chooser: Chooser) -> Decisions:
        recorder = Recorder(chooser)
        self._template.visit(Once(recorder) if self._shared else recorder)
        return recorder.decisions

    def ordered(self, decisions: Mapping[str, Option]) -> Decisions:
        """Decisions in the order in which the space makes them, for a storage may return them in another.

        Raises `SpaceError` when one is missing or not an option.
        """
        if self._flat and decisions.keys() == self.choices.keys():
            for name, allowed in self._allowed.items():
                option = decisions[name]
                if (type(option), option) not in allowed:
                    break
            else:
                return {name: decisions[name] for name in self.choices}
        return self._record(Replay(decisions))

    def fits(self, decisions: Mapping[str, Option]) -> bool:
        """Whether the architecture of these decisions may be drawn: it is within the limits, and where that is asked fits."""
        return not self.selective or self._excess(decisions) == 0.0

    def fitted(self, decisions: Decisions, rng: random.Random, avoid: Mapping[str, Option] | None = None) -> Decisions:
        """The decisions, changed one after another until they are within the limits and not those to `avoid`.

        Raises `SpaceError`, naming the nearest that was found, when they never are.
        """
        best, least, misses = decisions, self._excess(decisions) if self.selective else 0.0, 0
        for _ in range(CLIMB if least and self._changeable(decisions) else 0):
            # Where no single change helps, two or more together may: something larger here, something smaller there.
            changed = self._changed(best, rng)
            for _ in range(int(rng.random() * min(1 + misses // PATIENCE, 4))):
                changed = self._changed(changed, rng)
            excess = self._excess(changed)
            misses = 0 if excess < least else misses + 1
            if excess <= least and changed != avoid:
                best, least = changed, excess
            if least == 0.0:
                break
        if least == 0.0:
            return best
        try:
            nearest = self._judge.nearest(self.decode(best))
        except NasError as error:
            nearest = str(error)
        raise SpaceError(f"space {self.name!r} has no network within its limits among those tried; the nearest has {nearest}")

    def _fitting(self, propose: Callable[[], Decisions], rng: random.Random, avoid: Mapping[str, Option] | None = None) -> Decisions:
        """The first of some proposals that is within the limits, else the nearest of them made to fit."""
        decisions = propose()
        if not self.selective:
            return decisions
        nearest, least = decisions, self._excess(decisions)
        for _ in range(DRAWS):
            if least == 0.0:
                break
            decisions = propose()
            excess = self._excess(decisions)
            if excess < least:
                nearest, least = decisions, excess
        return self.fitted(nearest, rng, avoid)

    def _excess(self, decisions: Mapping[str, Option]) -> float:
        return self._judge.excess(frozenset(decisions.items()), lambda: self.decode(decisions))

    def decode(self, decisions: Mapping[str, Option]) -> Architecture:
        """The architecture of recorded decisions. Raises `SpaceError` when one is missing, unknown or not an option."""
        replay = Replay(decisions)
        made = self.decide(replay)
        for name in decisions:
            if name not in replay.used:
                known = "no decision" if name not in self.choices else "a decision that these others do not lead to"
                raise SpaceError(f"decision {name!r} is {known} of space {self.name!r}; allowed: {', '.join(list(replay.used)[:8])}, ...")
        return made

    def recognise(self, architecture: Architecture) -> Decisions:
        """The decisions that lead to this network, its name, input and classes aside: the inverse of `decode`.

        Raises `SpaceError` that names the first place where the network leaves the space.
        """
        try:
            return self._record(Replay(recognise(self._template, architecture)))
        except Mismatch as error:
            raise SpaceError(f"{architecture.name!r} does not lie in space {self.name!r}: {error}") from None

    def mutate(self, decisions: Mapping[str, Option], rng: random.Random) -> Decisions:
        """A copy in which one decision is another; decisions that only the change leads to are made uniformly.

        Within the limits; where no single change is found to be, more are made. Raises `SpaceError` when no decision
        has a second option.
        """
        if not self.selective:
            return self._changed(decisions, rng)
        return self._fitting(lambda: self._changed(decisions, rng), rng, decisions)

    def _changed(self, decisions: Mapping[str, Option], rng: random.Random) -> Decisions:
        names = self._changeable(decisions)
        if not names:
            raise SpaceError(f"no decision of space {self.name!r} has a second option; allowed: two or more options")
        name = names[int(rng.random() * len(names))]
        old = decisions[name]
        if self._flat and len(decisions) == len(self.choices):
            return {**decisions, name: rng.choice(others(self.open[name], old))}
        return self.record(Change(name, old, Replay(decisions, RandomChooser(rng)), rng))

    def _changeable(self, decisions: Mapping[str, Option]) -> list[str]:
        """The decisions that could be made otherwise."""
        return [name for name in decisions if name in self._several]

    def encode(self, decisions: Mapping[str, Option]) -> tuple[int, ...]:
        """One number for each of `choices`: 0 where the decision was not met, else 1 + the index of the option."""
        return tuple(_index(options, decisions[name]) + 1 if name in decisions else 0 for name, options in self.choices.items())

    def decode_vector(self, vector: tuple[int, ...]) -> Decisions:
        """The inverse of `encode`. Raises `SpaceError` when the vector does not fit the space."""
        pairs = list(zip(self.choices.items(), vector, strict=False))
        if len(vector) != len(self.choices) or any(not 0 <= i <= len(options) for (_, options), i in pairs):
            raise SpaceError(f"a vector of {len(vector)} numbers; allowed: {len(self.choices)} numbers, each 0 to the number of options")
        named = {name: options[i - 1] for (name, options), i in pairs if i}
        made = self._record(Replay(named))
        if len(made) < len(named):
            extra = next(name for name in named if name not in made)
            raise SpaceError(f"the vector decides {extra!r}, to which the others do not lead; allowed: 0 there")
        return made

    def count(self) -> int:
        """Number of different decision sequences."""
        # Which option was taken matters to what follows only where the name leads to other decisions.
        leading = {part.name for part in walk(self._template) if isinstance(part, Choice) and any(part.children())}
        shared = {name: name in leading for name in self._shared}
        return sum(count(self._template, {(): 1}, shared).values())

    def to_dict(self) -> Any:
        """Plain data from which an equal space is made."""
        return self._data

    def to_yaml(self) -> str:
        """YAML from which an equal space is made."""
        return dump(self.to_data())

    def to_data(self) -> dict[str, Any]:
        """Plain data from which an equal space is made."""
        limits = write(self.limits)
        return {**self._data, **({"limits": limits} if limits else {}), **({"fitting": True} if self.fitting else {})}

    def _repr_html_(self) -> str:
        """How a notebook shows it: a table of its decisions."""
        from nas.spaces.notebook import html

        return html(self)

    def __repr__(self) -> str:
        return f"Space({self.name!r}, {len(self.choices)} decisions)"


def _index(options: tuple[Option, ...], option: Option) -> int:
    for index, known in enumerate(options):
        if known == option and type(known) is type(option):
            return index
    raise SpaceError(f"{option!r} is no option; allowed: {', '.join(map(str, options))}")
