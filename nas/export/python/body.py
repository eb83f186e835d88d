"""The class of a form: its docstring, its constructor and its `forward`."""

from __future__ import annotations

from typing import Any

from nas.export.python.docstring import docstring
from nas.export.python.draft import Instance, Step
from nas.export.python.form import MISSING, MODULE, Form, Half, Param, Run
from nas.export.python.forward import Forward, is_attribute
from nas.export.python.module import Names, argument, bound, called, constructed, instance, value
from nas.export.python.text import TAB, Group, Text, laid_out


def written(form: Form, names: Names) -> list[str]:
    """The lines of the class."""
    head = [f"class {form.name}(nn.Module):", *docstring(form), ""]
    return [*head, *_signature(form), *_constructor(form, names), "", *Forward(form).lines()]


def _signature(form: Form) -> list[str]:
    args: list[Text] = ["self"]
    for param in form.params:
        default = "" if param.default is MISSING or isinstance(param.default, Instance) else f" = {value(param.default)}"
        args.append(f"{param.name}: {_hint(param.values)}{default}")
    return laid_out(Group("def __init__(", tuple(args), ") -> None:"), 1)


def _constructor(form: Form, names: Names) -> list[str]:
    """The body: arguments that are kept, then the modules, those that some uses leave out behind their flag."""
    kept = {run.flag.name for run in form.runs} | _constants(form)
    lines = [f"{TAB * 2}super().__init__()", *[f"{TAB * 2}self.{p.name} = {p.name}" for p in form.params if p.name in kept]]
    optional = {i: run for run in form.runs for i in run.steps}
    before: Run | None = None
    for index, step in enumerate(form.steps):
        if step.attribute is None:
            continue
        run = optional.get(index)
        if run is not None and (before is None or run.flag is not before.flag):
            lines.append(f"{TAB * 2}if {run.flag.name}:")
        before = run
        lines += _assigned(step.name, _made(form, index, step, names), 3 if run is not None else 2)
    return lines


def _assigned(name: str, made: Text, depth: int) -> list[str]:
    """The statement that adds a sub-module."""
    if is_attribute(name):
        return laid_out(made, depth, lead=f"self.{name} = ")
    return laid_out(Group("self.add_module(", (f'"{name}"', made)), depth)


def _constants(form: Form) -> set[str]:
    """The arguments that expressions of `forward` read."""
    made = set()
    for (index, _), item in form.bound.items():
        if form.steps[index].expression is not None and isinstance(item, Param | Half):
            made.add(item.name if isinstance(item, Param) else item.param.name)
    return made


def _made(form: Form, index: int, step: Step, names: Names) -> Text:
    """The module of a step, its arguments those of the class where they differ."""
    args = {name: form.bound[index, name] for i, name in form.bound if i == index}
    if MODULE in args:
        return argument(args[MODULE], names)
    if step.child is None:
        return constructed(step.kind[1], args, names, bound)
    if step.child.form is None:
        assert step.child.instance is not None
        return instance(step.child.instance, names)
    return called(step.child.form, args, names)


def _hint(values: list[Any]) -> str:
    kinds = []
    for given in values:
        if isinstance(given, Instance):
            kind = "nn.Module"
        elif isinstance(given, tuple):
            flat = all(isinstance(each, int) for each in given)
            kind = f"tuple[{', '.join(['int'] * len(given))}]" if flat else "tuple"
        else:
            kind = type(given).__name__
        if kind not in kinds:
            kinds.append(kind)
    return " | ".join(kinds)
