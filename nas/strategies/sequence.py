"""Decisions as a controller reads them: rows of a vocabulary, steps of an LSTM, anchors of the sets it selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nas.errors import SpaceError

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space

Made = tuple[int, int, int]  # decision index, option index, how many of its options (the first ones) could be chosen


class Vocabulary:
    """Every option of every decision has a row; row 0 is the start of a sequence.

    members: of the index of a decision that is a membership in a subset, the subset's index and the member's place
    counted from the end, 1 for the last; starts: anchors needed for what is older than the first subset.
    """

    def __init__(self, choices: Mapping[str, tuple[Option, ...]], subsets: Mapping[str, tuple[str, ...]]) -> None:
        self.decisions = {name: index for index, name in enumerate(choices)}
        self.options = [tuple(options) for options in choices.values()]
        self.first: list[int] = []
        self.size = 1
        for options in self.options:
            self.first.append(self.size)
            self.size += len(options)
        self.members = {
            self.decisions[name]: (index, len(names) - place)
            for index, names in enumerate(subsets.values())
            for place, name in enumerate(names)
        }
        self.starts = max([1, *(len(names) - index for index, names in enumerate(subsets.values()))]) if subsets else 0

    def decision(self, name: str) -> int:
        """Index of the decision `name`. Raises `SpaceError` for one that the space did not announce."""
        if name not in self.decisions:
            raise SpaceError(f"decision {name!r} is not among the choices of the space")
        return self.decisions[name]

    def encode(self, decisions: Decisions, space: Space) -> list[Made]:
        """Decisions as they were made where only the options that `space` offers were open."""
        teller = _Teller(self, decisions)
        space.record(teller)
        return teller.made


class _Teller:
    """Makes known decisions again, and notes them with the options that were offered."""

    def __init__(self, words: Vocabulary, decisions: Decisions) -> None:
        self._words, self._decisions, self._met = words, decisions, set[str]()
        self.made: list[Made] = []

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        if name not in self._met:  # a decision that stands in several places is made once
            self._met.add(name)
            index = self._words.decision(name)
            place = self._words.options[index].index(self._decisions[name])
            # Another strategy may have chosen what is closed to this one: then everything up to it counts as open.
            self.made.append((index, place, max(place + 1, len(options))))
        return self._decisions[name]


class Walk:
    """Goes along a sequence of decisions; says at which step of the LSTM each is made and which anchor it looks at.

    A decision takes a step of its own. The members of a subset that follow each other share one, the subset's *anchor*
    (the "anchor point" of arXiv 1611.01578, section 3.3), at which each member looks back at one earlier anchor: the
    last member at the anchor of the subset met before, the one before it at the anchor before that, and so on. In a
    space whose layers choose among all earlier layers that is member j at the anchor of layer j. What lies before the
    first subset (an input, a first layer that has nothing to choose from) has a learnt anchor.

    Anchors are counted as they lie in memory: first the learnt ones, then one for each step.
    """

    def __init__(self, words: Vocabulary) -> None:
        self.step = -1
        self._words, self._subset = words, -1
        self._anchors = list(range(words.starts))
        self._before: dict[int, int] = {}  # anchors that a subset can look back at

    def take(self, decision: int) -> tuple[int, int]:
        """The step, 0 and up, and the anchor (0 where the decision is no member) of the next decision."""
        subset, back = self._words.members.get(decision, (-1, 0))
        if subset < 0 or subset != self._subset:
            self.step += 1
        self._subset = subset
        if subset < 0:
            return self.step, 0
        if subset not in self._before:
            self._before[subset] = len(self._anchors)
            self._anchors.append(self._words.starts + self.step)
        return self.step, self._anchors[max(0, self._before[subset] - back)]


@dataclass(frozen=True)
class Batch:
    """B sequences of at most T decisions, made in at most S steps, padded. All int64 but the mask."""

    decisions: Tensor  # (T, B) decision index
    options: Tensor  # (T, B) option index within its decision
    open: Tensor  # (T, B) how many options could be chosen
    mask: Tensor  # (T, B) float32, 1 where there is a decision
    steps: Tensor  # (T, B) step at which it is made
    anchors: Tensor  # (T, B) anchor that it looks back at
    rows: Tensor  # (T + 1, B) vocabulary rows: the start, then that of each option
    names: Tensor  # (S, B) decision index of the first decision of a step

    @staticmethod
    def of(sequences: Sequence[Sequence[Made]], words: Vocabulary) -> Batch:
        """Pad encoded sequences to the longest."""
        length = max(1, *(len(sequence) for sequence in sequences))
        fields, names = [], []
        for sequence in sequences:
            walk, firsts, places = Walk(words), list[int](), list[tuple[int, int]]()
            for decision, _, _ in sequence:
                places.append(walk.take(decision))
                if walk.step == len(firsts):
                    firsts.append(decision)
            made = [(*each, *place) for each, place in zip(sequence, places, strict=True)]
            fields.append(made + [(0, 0, 1, -1, 0)] * (length - len(made)))
            names.append(firsts)
        most = max(1, *(len(firsts) for firsts in names))
        decisions, options, count, steps, anchors = torch.tensor(fields).permute(2, 1, 0)
        mask = (steps >= 0).float()
        steps = steps.where(steps >= 0, most - 1)  # nothing is read after the last step, so that padding may go there
        rows = torch.tensor(words.first)[decisions] + options
        rows = torch.cat([torch.zeros_like(rows[:1]), rows])
        padded = torch.tensor([firsts + [0] * (most - len(firsts)) for firsts in names]).T
        return Batch(decisions, options, count, mask, steps, anchors, rows, padded)
