"""From drafts to forms: drafts of one structure are one class, with steps that some leave out or exchange."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from nas.export.python.binding import bind
from nas.export.python.draft import SEQUENCE, Draft, Instance, Step, module_of
from nas.export.python.form import Form, Param, Run, Variant

# A class with more of these is harder to read than two classes.
_MAX_OPTIONAL = 2
_MAX_GIVEN = 2
# Ways that are tried to find a draft in a form.
_MAX_TRIES = 2000


def settle(drafts: Iterable[Draft]) -> list[Form]:
    """Give every draft its form and instance, inner ones first. Returns the forms."""
    made: list[Form] = []
    by_height: dict[int, list[Draft]] = {}
    for draft in drafts:
        by_height.setdefault(draft.height, []).append(draft)
    for height in sorted(by_height):
        forms = _forms([draft for draft in by_height[height] if not _sequenced(draft)])
        for form in forms:
            bind(form)
        made += forms
    return made


def _sequenced(draft: Draft) -> bool:
    """Whether the draft is written as `nn.Sequential` where it stands; then it is given that instance."""
    if draft.sequence:
        draft.instance = Instance(SEQUENCE, tuple(("", module_of(step)) for step in draft.steps))
    return draft.sequence


def _forms(drafts: list[Draft]) -> list[Form]:
    exact: dict[tuple[Any, ...], list[Draft]] = {}
    for draft in drafts:
        exact.setdefault(_key(draft), []).append(draft)
    made: list[Form] = []
    # Longest first, so that the shorter ones are they with steps left out.
    for members in sorted(exact.values(), key=lambda members: -len(members[0].steps)):
        if not any(_join(form, members) for form in made if form.label == members[0].label):
            made.append(Form(members[0].label, [Variant(members, list(range(len(members[0].steps))))]))
    return made


def _key(draft: Draft) -> tuple[Any, ...]:
    """What drafts of exactly one structure have in common."""
    steps = tuple((step.attribute, step.kind, id(step.child.form if step.child else None), step.reads) for step in draft.steps)
    return draft.label, len(draft.shapes), draft.output, steps


def _join(form: Form, members: list[Draft]) -> bool:
    """Make `members` a variant of the form if they are its steps with some left out, or with other children."""
    found = _embedded(form, members[0])
    # A skipped step must be skipped in the same way by all.
    if found is None or any(form.skips.get(step, k) != k for step, k in found.skips.items()):
        return False
    variants = [*form.variants, Variant(members, found.numbers)]
    joined = replace(form, variants=variants, given=form.given | found.given, skips={**form.skips, **found.skips})
    runs = _runs(joined)
    if runs is None or len({run.present for run in runs}) > _MAX_OPTIONAL or len(joined.given) > _MAX_GIVEN:
        return False
    form.variants, form.given, form.skips, form.runs = joined.variants, joined.given, joined.skips, runs
    return True


class _Embedding(NamedTuple):
    """How a draft lies in a form: numbers of its steps, the operand that each skipped step hands on, other children."""

    numbers: list[int | None]
    skips: dict[int, int]
    given: set[int]


def _embedded(form: Form, draft: Draft) -> _Embedding | None:
    count = form.inputs
    return _Search(form, draft).walk(0, 0, {i: i for i in range(count)}) if len(draft.shapes) == count else None


class _Search:
    """Looks for a draft in a form; the value numbered `v` in the form is `value[v]` in the draft."""

    def __init__(self, form: Form, draft: Draft) -> None:
        self.form, self.draft, self.tries = form, draft, 0

    def walk(self, i: int, j: int, value: dict[int, int]) -> _Embedding | None:
        """From step `i` of the form and `j` of the draft on."""
        self.tries += 1
        if self.tries > _MAX_TRIES:
            return None
        if i == len(self.form.steps):
            fits = j == len(self.draft.steps) and value[self.form.model.output] == self.draft.output
            return _Embedding([], {}, set()) if fits else None
        reads = tuple(value[v] for v in self.form.steps[i].reads)
        return self.taken(i, j, value, reads) or self.skipped(i, j, value, reads)

    def taken(self, i: int, j: int, value: dict[int, int], reads: tuple[int, ...]) -> _Embedding | None:
        """With the two steps as one."""
        if j == len(self.draft.steps) or self.draft.steps[j].reads != reads:
            return None
        fit = _fits(self.form.steps[i], self.draft.steps[j])
        count = self.form.inputs
        rest = self.walk(i + 1, j + 1, {**value, count + i: count + j}) if fit is not None else None
        return rest and _Embedding([j, *rest.numbers], rest.skips, rest.given | ({i} if fit else set()))

    def skipped(self, i: int, j: int, value: dict[int, int], reads: tuple[int, ...]) -> _Embedding | None:
        """Without the form's step: one of its operands stands for it."""
        if len(self.form.steps) - i <= len(self.draft.steps) - j:
            return None
        for k, handed in enumerate(reads):
            rest = self.walk(i + 1, j, {**value, self.form.inputs + i: handed})
            if rest is not None:
                return _Embedding([None, *rest.numbers], {i: k, **rest.skips}, rest.given)
        return None


def _fits(mine: Step, other: Step) -> bool | None:
    """False where two steps are one, True where they are once their module is an argument, None where neither."""
    if mine.attribute != other.attribute:
        return None
    forms = [step.child.form if step.child is not None else None for step in (mine, other)]
    if mine.kind == other.kind and forms[0] is forms[1]:
        return False
    return True if mine.attribute is not None and mine.child is not None and other.child is not None else None


def _runs(form: Form) -> list[Run] | None:
    """The optional steps in runs; None where a run is more than a detour."""
    presence = [tuple(variant.numbers[i] is not None for variant in form.variants) for i in range(len(form.steps))]
    flags: dict[tuple[bool, ...], Param] = {}
    runs: list[Run] = []
    start = 0
    for end in range(1, len(presence) + 1):
        if end < len(presence) and presence[end] == presence[start]:
            continue
        present, inside = presence[start], range(start, end)
        if not all(present):
            if not _detour(form, inside):
                return None
            runs.append(Run(tuple(inside), _handed(form, inside), present, flags.setdefault(present, Param("flag", []))))
        start = end
    return runs


def _handed(form: Form, inside: range) -> int:
    """The value that stands for that of the last step where these are skipped."""
    value = form.inputs + inside[-1]
    while value >= form.inputs + inside[0]:
        step = value - form.inputs
        value = form.steps[step].reads[form.skips[step]]
    return value


def _detour(form: Form, inside: range) -> bool:
    """Whether nothing but the last of the steps is read outside of them."""
    outside = {v for n, step in enumerate(form.steps) if n not in inside for v in step.reads} | {form.model.output}
    return not any(form.inputs + n in outside for n in inside[:-1])
