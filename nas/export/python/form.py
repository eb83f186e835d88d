"""Forms: drafts of one structure as one class, in which what differs between its uses is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nas.export.python.draft import SEQUENCE, Draft, Instance, Step, module_of

# Arguments that are numbers of channels or features.
_WIDTHS = {
    "in_channels", "out_channels", "num_features", "groups", "in_features", "out_features", "normalized_shape", "width",
    "width_in",
}  # fmt: skip
_SHORT = {"kernel_size": "kernel", "output_size": "size", "p": "rate"}
# Left out at a call.
_USUAL = {"stride": 1, "dilation": 1, "padding": 0}
MODULE = "module"
MAX_OPTIONAL = 2
MAX_GIVEN = 2


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


@dataclass(eq=False)
class Param:
    """An argument of a class: its name, what it has in each use, and what is left out at a call."""

    sort: str
    values: list[Any]
    name: str = ""
    default: Any = MISSING


@dataclass(frozen=True)
class Half:
    """`NAME // 2`: the padding that keeps the size of a map under a kernel."""

    param: Param


@dataclass
class Run:
    """Steps that some uses leave out: the value numbered `target` stands for that of the last of them."""

    steps: tuple[int, ...]
    target: int
    present: tuple[bool, ...]
    flag: Param


@dataclass
class Variant:
    """Drafts of exactly one structure within a form: for each step of the form the number of theirs, or None."""

    drafts: list[Draft]
    numbers: list[int | None]


@dataclass(eq=False)
class Form:
    """A class to be written. `steps` are those of its longest variant."""

    label: str
    variants: list[Variant]
    name: str = ""
    given: set[int] = field(default_factory=set)
    skips: dict[int, int] = field(default_factory=dict)
    params: list[Param] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    # For each argument of a step: a literal, a `Param` or `Half`.
    bound: dict[tuple[int, str], Any] = field(default_factory=dict)

    @property
    def model(self) -> Draft:
        """The draft whose steps are the form's."""
        return self.variants[0].drafts[0]

    @property
    def steps(self) -> list[Step]:
        """Steps, optional ones among them."""
        return self.model.steps

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return len(self.model.shapes)


def key(draft: Draft) -> tuple[Any, ...]:
    """What drafts of one class have in common."""
    steps = tuple((step.attribute, step.kind, step.child and step.child.form, step.reads) for step in draft.steps)
    return draft.label, len(draft.shapes), draft.output, tuple((a, k, id(f), r) for a, k, f, r in steps)


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
    if not draft.sequence:
        return False
    items = [("", module_of(step)) for step in draft.steps]
    draft.instance = Instance(SEQUENCE, tuple(items))
    return True


def _forms(drafts: list[Draft]) -> list[Form]:
    exact: dict[tuple[Any, ...], list[Draft]] = {}
    for draft in drafts:
        exact.setdefault(key(draft), []).append(draft)
    made: list[Form] = []
    # Longest first, so that the shorter ones are they with steps left out.
    for members in sorted(exact.values(), key=lambda members: -len(members[0].steps)):
        if not any(_join(form, members) for form in made if form.label == members[0].label):
            count = len(members[0].steps)
            made.append(Form(members[0].label, [Variant(members, list(range(count)))]))
    return made


def _join(form: Form, members: list[Draft]) -> bool:
    """Make `members` a variant of the form if they are its steps with some left out, or with other children."""
    draft = members[0]
    if len(draft.shapes) != form.inputs:
        return False
    found = _embed(form, draft)
    if found is None:
        return False
    numbers, skips, given = found
    every = form.given | given
    joined = Form(form.label, [*form.variants, Variant(members, numbers)], given=every, skips={**form.skips, **skips})
    # A skipped step must be skipped in the same way by all.
    if any(form.skips.get(step, k) != k for step, k in skips.items()) or len(every) > MAX_GIVEN:
        return False
    runs = _runs(joined)
    if runs is None or len({run.present for run in runs}) > MAX_OPTIONAL:
        return False
    form.variants, form.given, form.skips = joined.variants, joined.given, joined.skips
    return True


def _embed(form: Form, draft: Draft) -> tuple[list[int | None], dict[int, int], set[int]] | None:
    """How `draft` lies in the form: numbers of its steps, the operand that each skipped step hands on, other children."""
    steps, count = form.steps, form.inputs
    tries = [0]

    def walk(i: int, j: int, value: dict[int, int]) -> tuple[list[int | None], dict[int, int], set[int]] | None:
        tries[0] += 1
        if tries[0] > 2000:
            return None
        if i == len(steps):
            fits = j == len(draft.steps) and value[form.model.output] == draft.output
            return ([], {}, set()) if fits else None
        mine = steps[i]
        reads = tuple(value[v] for v in mine.reads)
        if j < len(draft.steps) and draft.steps[j].reads == reads:
            fit = _fits(mine, draft.steps[j])
            rest = walk(i + 1, j + 1, {**value, count + i: count + j}) if fit is not None else None
            if rest is not None:
                return [j, *rest[0]], rest[1], rest[2] | ({i} if fit else set())
        if len(steps) - i > len(draft.steps) - j:
            for k, handed in enumerate(reads):
                rest = walk(i + 1, j, {**value, count + i: handed})
                if rest is not None:
                    return [None, *rest[0]], {i: k, **rest[1]}, rest[2]
        return None

    return walk(0, 0, {i: i for i in range(count)})


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
    count, presence = form.inputs, [tuple(v.numbers[i] is not None for v in form.variants) for i in range(len(form.steps))]
    runs: list[Run] = []
    flags: dict[tuple[bool, ...], Param] = {}
    i = 0
    while i < len(form.steps):
        present, start = presence[i], i
        while i < len(form.steps) and presence[i] == present:
            i += 1
        if all(present):
            continue
        inside, last = range(start, i), count + i - 1
        target = last
        while target >= count + start:
            target = form.steps[target - count].reads[form.skips[target - count]]
        outside = {v for n, step in enumerate(form.steps) if n not in inside for v in step.reads} | {form.model.output}
        if any(count + n in outside for n in inside if count + n != last):
            return None
        flag = flags.setdefault(present, Param("flag", []))
        runs.append(Run(tuple(inside), target, present, flag))
    return runs


def bind(form: Form) -> None:
    """Find the form's arguments and give its drafts their instances."""
    runs = _runs(form)
    assert runs is not None
    form.runs = runs
    members = [(variant, draft) for variant in form.variants for draft in variant.drafts]
    binder = _Binder(form, members)
    optional = {step for run in form.runs for step in run.steps}
    binder.bind([i for i in range(len(form.steps)) if i not in optional], False)
    binder.bind(sorted(optional), True)
    binder.name()
    for param in {id(run.flag): run.flag for run in form.runs}.values():
        present = next(run.present for run in form.runs if run.flag is param)
        param.values = [present[form.variants.index(variant)] for variant, _ in members]
        param.default = False
        form.params.append(param)
    form.params.sort(key=lambda param: param.default is not MISSING)
    for number, (_, draft) in enumerate(members):
        draft.form = form
        draft.instance = Instance(form, tuple((param.name, param.values[number]) for param in form.params))


class _Binder:
    def __init__(self, form: Form, members: list[tuple[Variant, Draft]]) -> None:
        self.form, self.members = form, members
        self.origins: dict[int, list[tuple[Step, str]]] = {}

    def slots(self, index: int) -> dict[str, list[Any]]:
        """For each argument of a step what it is in each use."""
        step, rows = self.form.steps[index], []
        for variant, draft in self.members:
            number = variant.numbers[index]
            rows.append(None if number is None else self.arguments(index, draft.steps[number]))
        names = self.arguments(index, step)
        return {name: [MISSING if row is None else row[name] for row in rows] for name in names}

    def arguments(self, index: int, step: Step) -> dict[str, Any]:
        if step.child is None:
            return step.values
        instance = module_of(step)
        if index in self.form.given or instance.of == SEQUENCE:
            return {MODULE: instance}
        return dict(instance.args)

    def bind(self, indices: list[int], optional: bool) -> None:
        for index in indices:
            slots = self.slots(index)
            for name, values in slots.items():
                self.form.bound[index, name] = self.place(index, name, values, slots, optional)

    def place(self, index: int, name: str, values: list[Any], slots: dict[str, list[Any]], optional: bool) -> Any:
        found = [value for value in values if value is not MISSING]
        sort = self.sort(index, name)
        fitting = [param for param in self.form.params if param.sort == sort and _agree(param.values, values)]
        if all(value == found[0] and type(value) is type(found[0]) for value in found):
            # In a step that few uses have a width is constant by chance.
            chance = optional and sort == "width" and name != "groups" and MISSING in values
            if not (chance and fitting):
                return found[0]
        kernel = self.form.bound.get((index, "kernel_size"))
        if name == "padding" and isinstance(kernel, Param) and _halves(slots["kernel_size"], values):
            return Half(kernel)
        if fitting:
            best = fitting[0]
            best.values = [a if a is not MISSING else b for a, b in zip(best.values, values, strict=True)]
            self.origins[id(best)].append((self.form.steps[index], name))
            return best
        param = Param(sort, list(values))
        self.form.params.append(param)
        self.origins[id(param)] = [(self.form.steps[index], name)]
        return param

    def sort(self, index: int, name: str) -> str:
        step = self.form.steps[index]
        if step.child is not None and step.child.form is not None and name != MODULE:
            form = step.child.form
            return next(param.sort for param in form.params if param.name == name)
        return "width" if name in _WIDTHS else name

    def name(self) -> None:
        """Names for all arguments, in the order width_in, other widths, width, the rest."""
        form, taken = self.form, {step.attribute for step in self.form.steps if step.attribute}
        wides = {"width": [draft.shape.width for _, draft in self.members]}
        for i in range(form.inputs):
            wides[f"width{i}" if form.inputs > 1 else "width_in"] = [draft.shapes[i].width for _, draft in self.members]
        widths = [param for param in form.params if param.sort == "width"]
        ends: dict[int, str] = {}
        for name, values in wides.items():
            found = next((p for p in widths if id(p) not in ends and _agree(p.values, values)), None)
            if found is not None:
                ends[id(found)] = name
        inner = [param for param in widths if id(param) not in ends]
        names: set[str] = set()
        for param in form.params:
            step, arg = self.origins[id(param)][0]
            if id(param) in ends:
                wanted = ends[id(param)]
            elif param.sort == "width" and arg != "groups":
                wanted = "inner" if len(inner) == 1 else f"{step.name}_{arg if step.child is not None else 'width'}"
                # The child's own word for it, where there is no other of that word.
                if arg not in ("width", "width_in") and [self.origins[id(each)][0][1] for each in inner].count(arg) == 1:
                    wanted = arg if step.child is not None and arg not in taken else wanted
            else:
                wanted = step.name if arg == MODULE else _SHORT.get(arg, arg)
                wanted = f"{step.name}_{wanted}" if wanted in names or (wanted in taken and arg != MODULE) else wanted
            param.name = _free(wanted, names)
            names.add(param.name)
            if MISSING in param.values and param.sort != "flag":
                # Only some uses need it.
                param.default = next(v for v in param.values if v is not MISSING)
            param.values = [next(v for v in param.values if v is not MISSING) if v is MISSING else v for v in param.values]
            if param.sort == "flag":
                param.default = False
            elif _USUAL.get(param.name) in param.values:
                param.default = _USUAL[param.name]
        for run in form.runs:
            if not run.flag.name:
                run.flag.name = _free(_flag(form, run), names | {step for step in taken if step})
                names.add(run.flag.name)
        rank = {"width_in": 0, "width0": 0, "width1": 0.5, "width": 2}
        form.params.sort(key=lambda param: rank.get(param.name, 1 if param.sort == "width" else 3))


def _flag(form: Form, run: Run) -> str:
    steps = [form.steps[i] for i in run.steps]
    if any(step.name.startswith("shortcut") for step in steps):
        return "project"
    if steps[-1].name.startswith("add"):
        return "residual"
    if steps[-1].name.startswith("excite"):
        return "squeeze"
    return f"with_{steps[0].name}"


def _free(name: str, taken: set[str]) -> str:
    count, made = 1, name
    while made in taken:
        count += 1
        made = f"{name}{count}"
    return made


def _agree(a: list[Any], b: list[Any]) -> bool:
    """Whether two arguments are one, as far as both are known."""
    return all(x is MISSING or y is MISSING or (x == y and type(x) is type(y)) for x, y in zip(a, b, strict=True))


def _halves(kernels: list[Any], paddings: list[Any]) -> bool:
    pairs = [(k, p) for k, p in zip(kernels, paddings, strict=True) if k is not MISSING]
    return all(isinstance(k, int) and p == k // 2 for k, p in pairs)
