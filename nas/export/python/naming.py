"""Names for the arguments of a form, and which of them may be left out at a call."""

from __future__ import annotations

from nas.export.python.draft import Draft, Step
from nas.export.python.form import MISSING, MODULE, Form, Param, Run, agree

_SHORT = {"kernel_size": "kernel", "output_size": "size", "p": "rate"}
# Left out at a call.
_USUAL = {"stride": 1, "dilation": 1, "padding": 0}
# Widths come first: that of the input, others (at 1), that of the output; then the rest (at 3).
_RANK = {"width_in": 0, "width0": 0, "width1": 0.5, "width": 2}


def name(form: Form, drafts: list[Draft]) -> None:
    """Name all arguments, flags included, give them their defaults, and put them in order; `drafts` are the uses."""
    taken = {step.attribute for step in form.steps if step.attribute}
    ends = _ends(form, drafts)
    inner = [param.place[1] for param in form.params if param.sort == "width" and id(param) not in ends]
    names: set[str] = set()
    for param in form.params:
        param.name = _free(ends.get(id(param)) or _wanted(param, inner, taken, names), names)
        names.add(param.name)
        _complete(param)
    for run in form.runs:
        if not run.flag.name:
            run.flag.name = _free(_flag(form, run), names | taken)
            names.add(run.flag.name)
    form.params.sort(key=lambda param: _RANK.get(param.name, 1 if param.sort == "width" else 3))


def _ends(form: Form, drafts: list[Draft]) -> dict[int, str]:
    """The arguments that are the width of the output or of an input in every use."""
    wides = {"width": [draft.shape.width for draft in drafts]}
    for i in range(form.inputs):
        wides[f"width{i}" if form.inputs > 1 else "width_in"] = [draft.shapes[i].width for draft in drafts]
    made: dict[int, str] = {}
    for end, values in wides.items():
        fitting = (p for p in form.params if p.sort == "width" and id(p) not in made and agree(p.values, values))
        found = next(fitting, None)
        if found is not None:
            made[id(found)] = end
    return made


def _wanted(param: Param, inner: list[str], taken: set[str], names: set[str]) -> str:
    """The name of an argument after its first place; `inner` are torch's or the children's words for widths inside."""
    step, word = param.place
    if param.sort == "width" and word != "groups":
        return _width(step, word, inner, taken)
    wanted = step.name if word == MODULE else _SHORT.get(word, word)
    clashes = wanted in names or (wanted in taken and word != MODULE)
    return f"{step.name}_{wanted}" if clashes else wanted


def _width(step: Step, word: str, inner: list[str], taken: set[str]) -> str:
    # The child's own word for it, where there is no other of that word.
    if step.child is not None and word not in ("width", "width_in", *taken) and inner.count(word) == 1:
        return word
    return "inner" if len(inner) == 1 else f"{step.name}_{word if step.child is not None else 'width'}"


def _complete(param: Param) -> None:
    """The default, and a value for the uses that do not need it."""
    known = [value for value in param.values if value is not MISSING]
    if len(known) < len(param.values):
        param.default = known[0]
    param.values = [known[0] if value is MISSING else value for value in param.values]
    if param.name in _USUAL and _USUAL[param.name] in param.values:
        param.default = _USUAL[param.name]
    if param.sort == "flag":
        # A child's flag that differs.
        param.default = False


def _flag(form: Form, run: Run) -> str:
    steps = [form.steps[i] for i in run.steps]
    if any(step.name.startswith("shortcut") for step in steps):
        return "project"
    if steps[-1].name.startswith("add"):
        return "residual"
    if steps[-1].name.startswith("excite"):
        return "squeeze"
    return f"with_{steps[0].name}"


def _free(wanted: str, taken: set[str]) -> str:
    count, made = 1, wanted
    while made in taken:
        count += 1
        made = f"{wanted}{count}"
    return made
