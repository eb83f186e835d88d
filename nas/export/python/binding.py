"""The arguments of a form: what differs between its uses, what is equal in all of them once."""

from __future__ import annotations

from typing import Any

from nas.export.python.draft import SEQUENCE, Draft, Instance, Step, module_of
from nas.export.python.form import MISSING, MODULE, Form, Half, Param, Variant, agree
from nas.export.python.naming import name

# Arguments that are numbers of channels or features.
_WIDTHS = {
    "in_channels", "out_channels", "num_features", "groups", "in_features", "out_features", "normalized_shape", "width",
    "width_in",
}  # fmt: skip


def bind(form: Form) -> None:
    """Find the form's arguments and give its drafts their instances."""
    uses = [(variant, draft) for variant in form.variants for draft in variant.drafts]
    _Binder(form, uses).bind()
    name(form, [draft for _, draft in uses])
    for flag, present in {id(run.flag): (run.flag, run.present) for run in form.runs}.values():
        flag.values = [present[form.variants.index(variant)] for variant, _ in uses]
        flag.default = False
        form.params.append(flag)
    form.params.sort(key=lambda param: param.default is not MISSING)
    for number, (_, draft) in enumerate(uses):
        draft.form = form
        draft.instance = Instance(form, tuple((param.name, param.values[number]) for param in form.params))


class _Binder:
    def __init__(self, form: Form, uses: list[tuple[Variant, Draft]]) -> None:
        self.form, self.uses = form, uses
        self.optional = {step for run in form.runs for step in run.steps}

    def bind(self) -> None:
        """Bind every argument of every step, those of optional steps last."""
        for index in sorted(range(len(self.form.steps)), key=lambda index: index in self.optional):
            slots = self.slots(index)
            for word, values in slots.items():
                self.form.bound[index, word] = self.place(index, word, values, slots)

    def slots(self, index: int) -> dict[str, list[Any]]:
        """For each argument of a step what it is in each use."""
        rows = []
        for variant, draft in self.uses:
            number = variant.numbers[index]
            rows.append(None if number is None else self.arguments(index, draft.steps[number]))
        words = self.arguments(index, self.form.steps[index])
        return {word: [MISSING if row is None else row[word] for row in rows] for word in words}

    def arguments(self, index: int, step: Step) -> dict[str, Any]:
        """What the module of a step is given; a module that differs as a whole is an argument itself."""
        if step.child is None:
            return step.values
        instance = module_of(step)
        if index in self.form.given or instance.of == SEQUENCE:
            return {MODULE: instance}
        return dict(instance.args)

    def place(self, index: int, word: str, values: list[Any], slots: dict[str, list[Any]]) -> Any:
        """A literal where all uses agree, an argument that is there already, or a new one."""
        sort = self.sort(index, word)
        fitting = [param for param in self.form.params if param.sort == sort and agree(param.values, values)]
        first, *others = [value for value in values if value is not MISSING]
        if all(value == first and type(value) is type(first) for value in others):
            # In a step that few uses have a width is constant by chance.
            chance = index in self.optional and sort == "width" and word != "groups" and MISSING in values
            if not (chance and fitting):
                return first
        kernel = self.form.bound.get((index, "kernel_size"))
        if word == "padding" and isinstance(kernel, Param) and _halves(slots["kernel_size"], values):
            return Half(kernel)
        if not fitting:
            self.form.params.append(Param(sort, list(values), (self.form.steps[index], word)))
            return self.form.params[-1]
        fitting[0].values = [a if a is not MISSING else b for a, b in zip(fitting[0].values, values, strict=True)]
        return fitting[0]

    def sort(self, index: int, word: str) -> str:
        """What an argument is a number of: arguments of one sort may be one."""
        child = self.form.steps[index].child
        if child is not None and child.form is not None and word != MODULE:
            return next(param.sort for param in child.form.params if param.name == word)
        return "width" if word in _WIDTHS else word


def _halves(kernels: list[Any], paddings: list[Any]) -> bool:
    pairs = [(k, p) for k, p in zip(kernels, paddings, strict=True) if k is not MISSING]
    return all(isinstance(k, int) and p == k // 2 for k, p in pairs)
