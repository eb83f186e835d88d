"""The class of a form: its constructor, and a `forward` as a person writes it."""

from __future__ import annotations

import keyword
import re
import textwrap
from dataclasses import dataclass
from typing import Any

from nas.arch import PRIMITIVES
from nas.build import overwritable
from nas.export.python.draft import SEQUENCE, Instance, Step
from nas.export.python.form import MISSING, MODULE, Form, Half, Param, Run
from nas.export.python.module import Names, argument, bound, called, constructed, instance, value
from nas.export.python.text import LIMIT, TAB, Group, Text, laid_out, summed

NESTED = 3
SHORT = 84
_LOCALS = ("y", "z", "a", "b", "c", "d", "e", "f")
_BRANCHES = ("a", "b", "c", "d", "e", "f", "g", "h")


def attribute(name: str) -> str:
    """Access to a sub-module."""
    return f"self.{name}" if name.isidentifier() and not keyword.iskeyword(name) else f'self.get_submodule("{name}")'


def assigned(name: str, made: Text, depth: int) -> list[str]:
    """The statement that adds a sub-module."""
    if name.isidentifier() and not keyword.iskeyword(name):
        return laid_out(made, depth, lead=f"self.{name} = ")
    return laid_out(Group("self.add_module(", (f'"{name}"', made)), depth)


def written(form: Form, names: Names) -> list[str]:
    """The lines of the class."""
    body = _Forward(form).lines()
    return [f"class {form.name}(nn.Module):", *_docstring(form), "", *_constructor(form, names), "", *body]


def _docstring(form: Form) -> list[str]:
    label = form.label.replace("_", " ")
    if form.label in PRIMITIVES:
        whole = " ".join((PRIMITIVES.get(form.label).__doc__ or label).split("\n\n")[0].split())
        text = re.split(r"(?<=\.) (?=[A-Z])", whole)[0]
    elif form.label == "chain":
        text = "One after another."
    elif label.endswith("nodes"):
        text = f"The inside of the {label.removesuffix(' nodes')} cell."
    else:
        text = f"The {label}." if label.endswith("cell") else f"{label.capitalize()}."
    return documented(text, 1)


def documented(text: str, depth: int) -> list[str]:
    """A docstring of one paragraph."""
    indent = TAB * depth
    text = text.replace("\\", "\\\\").replace('"', "'")
    if len(indent) + len(text) + 6 <= LIMIT:
        return [f'{indent}"""{text}"""']
    rows = textwrap.wrap(text, LIMIT - len(indent) - 6)
    return [f'{indent}"""{rows[0]}', *[f"{indent}{row}" for row in rows[1:]], f'{indent}"""']


def _constructor(form: Form, names: Names) -> list[str]:
    args: list[Text] = ["self"]
    for param in form.params:
        default = "" if param.default is MISSING or isinstance(param.default, Instance) else f" = {value(param.default)}"
        args.append(f"{param.name}: {_hint(param.values)}{default}")
    lines = laid_out(Group("def __init__(", tuple(args), ") -> None:"), 1)
    lines.append(f"{TAB * 2}super().__init__()")
    kept = {run.flag.name for run in form.runs} | _constants(form)
    lines += [f"{TAB * 2}self.{p.name} = {p.name}" for p in form.params if p.name in kept]
    optional = {i: run for run in form.runs for i in run.steps}
    inside: Run | None = None
    for index, step in enumerate(form.steps):
        if step.attribute is None:
            continue
        run = optional.get(index)
        if run is not None and (inside is None or run.flag is not inside.flag):
            lines.append(f"{TAB * 2}if {run.flag.name}:")
        inside = run
        lines += assigned(step.name, _made(form, index, step, names), 3 if run is not None else 2)
    return lines


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


@dataclass
class _Pending:
    """An expression that is not yet written: the variables it reads and how much it holds."""

    text: str
    variables: tuple[str, ...]
    depth: int
    heavy: bool
    atom: bool = True
    step: Step | None = None
    terms: tuple[str, ...] = ()


class _Forward:
    def __init__(self, form: Form) -> None:
        self.form, self.count = form, form.inputs
        self.inputs = [f"h{i}" for i in range(self.count)] if self.count > 1 else ["x"]
        self.variable: dict[int, str] = dict(enumerate(self.inputs))
        self.pending: dict[int, _Pending] = {}
        self.runs = {i: run for run in form.runs for i in run.steps}
        # Who reads a value: numbers of steps, -1 for the caller, and the value that it may stand for.
        self.readers: dict[int, list[int]] = {}
        for i, step in enumerate(form.steps):
            for v in step.reads:
                self.readers.setdefault(v, []).append(i)
        self.readers.setdefault(form.model.output, []).append(-1)
        for run in form.runs:
            self.readers.setdefault(run.target, []).append(run.steps[-1])
        # Where many states are read again and again each has a number, and none is written over.
        shared = [v for v in self.readers if v >= self.count and len(self.readers[v]) > 1]
        self.several = self.count > 1 or len(shared) > 4
        self.left = {v: len(readers) for v, readers in self.readers.items()}
        self.out: list[str] = []
        self.depth = 2
        self.next = self.count
        self.guarded: set[str] = set()

    def lines(self) -> list[str]:
        """The whole method."""
        args = ", ".join(f"{name}: Tensor" for name in self.inputs)
        run: Run | None = None
        for i, step in enumerate(self.form.steps):
            mine = self.runs.get(i)
            if mine is not run or (mine is not None and i == mine.steps[0]):
                self.flush()
            if mine is not None and i == mine.steps[0]:
                self.enter(mine)
            run = mine
            self.step(i, step)
            if mine is not None and i == mine.steps[-1]:
                self.leave(mine, i)
        self.finish()
        return [f"{TAB}def forward(self, {args}) -> Tensor:", *self.out]

    def enter(self, run: Run) -> None:
        """Begin what is not done in every use; the value that stands for its own has a variable that may be written."""
        name = self.named(run.target)
        shared = [i for i in self.readers[run.target] if i not in run.steps]
        if shared and self.left[run.target] > 0 and any(i == -1 or i > run.steps[-1] for i in shared):
            fresh = self.fresh(self.form.steps[run.steps[0]])
            self.emit(f"{fresh} = {name}")
            reads = {run.target: fresh}
            self.copied = (run.target, name)
            self.variable.update(reads)
        else:
            self.copied = None
        self.emit(f"if self.{run.flag.name}:")
        self.depth += 1
        self.guarded.add(self.variable[run.target])

    copied: tuple[int, str] | None = None

    def leave(self, run: Run, index: int) -> None:
        """The last value goes where the other one stands."""
        value, target = self.count + index, self.variable[run.target]
        self.guarded.discard(target)
        if value in self.pending:
            self.emit_to(target, self.pending.pop(value))
        elif self.variable[value] != target:
            self.emit(f"{target} = {self.variable[value]}")
        self.variable[value] = target
        self.depth -= 1
        self.left[run.target] -= 1
        if self.copied is not None:
            self.variable[self.copied[0]] = self.copied[1]

    def step(self, i: int, step: Step) -> None:
        value = self.count + i
        if step.kind[0] == "expression" and step.kind[2] == "+=" and self.may_overwrite(i, step):
            self.add_in_place(i, step, value)
            return
        made = self.combined(i, step)
        self.pending[value] = made
        run = self.runs.get(i)
        if (run is None or run.steps[-1] != i) and not self.keeps(i, value, step):
            self.settle(value)

    def keeps(self, i: int, value: int, step: Step) -> bool:
        """Whether the expression may wait for its only reader: the next step, or one that joins several."""
        readers = self.readers.get(value, [])
        if len(readers) != 1:
            return False
        reader = readers[0]
        if reader == -1:
            return i == len(self.form.steps) - 1
        if self.runs.get(reader) is not self.runs.get(i):
            return False
        joins = len(self.form.steps[reader].reads) > 1
        return reader == i + 1 or (joins and self.pending[value].depth <= 1)

    def combined(self, i: int, step: Step) -> _Pending:
        """The expression of a step, expressions that wait written into it where it stays readable."""
        template_first = step.kind[0] == "expression" and self.template(i, step).startswith("{0}")
        operands = []
        for v in step.reads:
            waiting = self.pending.get(v)
            if waiting is not None:
                joins = len(step.reads) > 1
                deep = waiting.depth >= (2 if joins else NESTED)
                if deep or (step.heavy and waiting.heavy) or (template_first and not waiting.atom):
                    self.settle(v)
        for v in step.reads:
            waiting = self.pending.get(v)
            name = _Pending(self.variable[v], (self.variable[v],), 0, False) if waiting is None else waiting
            operands.append(name)
        made = self.text(i, step, operands)
        if len(made.text) > SHORT and any(v in self.pending for v in step.reads):
            for v in step.reads:
                if v in self.pending:
                    self.settle(v)
            operands = [_Pending(self.variable[v], (self.variable[v],), 0, False) for v in step.reads]
            made = self.text(i, step, operands)
        for v in step.reads:
            self.pending.pop(v, None)
            self.left[v] -= 1
        return made

    def template(self, i: int, step: Step) -> str:
        assert step.expression is not None
        if step.expression.in_place not in (None, "+=") and self.may_overwrite(i, step):
            return str(step.expression.in_place)
        return step.expression.template

    def text(self, i: int, step: Step, operands: list[_Pending]) -> _Pending:
        texts = [each.text for each in operands]
        variables = tuple(name for each in operands for name in each.variables)
        depth = 1 + max(each.depth for each in operands)
        heavy = step.heavy or any(each.heavy for each in operands)
        if step.expression is None:
            return _Pending(f"{attribute(step.name)}({', '.join(texts)})", variables, depth, heavy, step=step)
        template = self.template(i, step)
        values = {name: self.constant(self.form.bound[i, name]) for name in step.expression.values}
        made = template.format(*texts, all=", ".join(texts), **values)
        operator = template.startswith("{0} ")
        terms = tuple(texts) if template.startswith("{0} + ") else tuple(texts) if "{all}" in template else ()
        return _Pending(made, variables, depth, heavy, not operator, step, terms)

    @staticmethod
    def constant(item: Any) -> str:
        if isinstance(item, Param):
            return f"self.{item.name}"
        return f"self.{item.param.name} // 2" if isinstance(item, Half) else repr(item)

    def may_overwrite(self, i: int, step: Step) -> bool:
        """Whether nobody but the step reads its first operand, and its kind of writer lets it be written over."""
        v = step.reads[0]
        assert step.leaf is not None
        own = self.runs.get(i)
        for held in self.holders(v, own):
            if held < self.count:
                return False
            writer = self.form.steps[held - self.count].writer
            if writer is None or not overwritable(writer, step.leaf):
                return False
        return True

    def holders(self, v: int, own: Run | None) -> list[int]:
        """The values that `v` may be; an input among them where anyone else reads one of them."""
        made, seen = [v], v
        alone = {i for i in self.readers[v] if own is None or i != own.steps[-1] or v != own.target or i in self.direct(v)}
        if len(alone) != 1:
            return [0]
        while True:
            run = next((run for run in self.form.runs if self.count + run.steps[-1] == seen), None)
            if run is None:
                return made
            if any(i not in run.steps for i in self.readers[run.target]):
                return [0]
            seen = run.target
            made.append(seen)

    def direct(self, v: int) -> list[int]:
        return [i for i, step in enumerate(self.form.steps) if v in step.reads]

    def add_in_place(self, i: int, step: Step, value: int) -> None:
        first, *rest = step.reads
        target = self.named(first)
        for v in rest:
            waiting = self.pending.get(v)
            if waiting is not None and (waiting.depth > 2 or len(waiting.text) > SHORT):
                self.settle(v)
        for v in rest:
            waiting = self.pending.pop(v, None)
            self.emit(f"{target} += {self.variable[v] if waiting is None else waiting.text}")
        for v in step.reads:
            self.left[v] -= 1
        self.variable[value] = target

    def named(self, v: int) -> str:
        """The variable of a value."""
        if v in self.pending:
            self.settle(v)
        return self.variable[v]

    def flush(self) -> None:
        for v in list(self.pending):
            self.settle(v)

    def settle(self, v: int) -> None:
        """Write the expression of a value into a variable, one that is read no more if there is one."""
        made = self.pending.pop(v)
        name = self.free(made) or self.fresh(made.step)
        self.emit_to(name, made)
        self.variable[v] = name

    def used(self) -> set[str]:
        live = {self.variable[v] for v in self.variable if self.left.get(v, 0) > 0}
        return live | {name for each in self.pending.values() for name in each.variables} | self.guarded

    def free(self, made: _Pending) -> str | None:
        if self.several:
            return None
        # Where an input has many readers it stays what it is, and each branch has a letter.
        used = self.used() | ({"x"} if len(self.direct(0)) > 2 else set())
        return next((name for name in made.variables if name not in used), None)

    def fresh(self, step: Step | None) -> str:
        if self.several:
            self.next += 1
            return f"h{self.next - 1}"
        used = self.used()
        if step is not None and step.name.startswith("shortcut") and "shortcut" not in used:
            return "shortcut"
        pool = _BRANCHES if len(self.direct(0)) > 2 else _LOCALS
        return next((name for name in pool if name not in used), None) or next(f"y{n}" for n in range(2, 999) if f"y{n}" not in used)

    def emit(self, text: str) -> None:
        self.out.append(f"{TAB * self.depth}{text}")

    def emit_to(self, name: str | None, made: _Pending) -> None:
        lead = "return " if name is None else f"{name} = "
        if not made.terms or len(TAB) * self.depth + len(lead) + len(made.text) <= LIMIT:
            self.emit(lead + made.text)
        elif made.text.startswith("torch.cat(("):
            axis = made.text.rpartition(", ")[2].removesuffix(")")
            self.out += laid_out(Group("torch.cat(", (Group("(", made.terms), axis)), self.depth, lead)
        else:
            self.out += summed(list(made.terms), self.depth, lead)

    def finish(self) -> None:
        v = self.form.model.output
        made = self.pending.pop(v, None)
        if made is None:
            self.emit(f"return {self.variable[v]}")
        else:
            self.emit_to(None, made)


__all__ = ["SEQUENCE", "assigned", "attribute", "documented", "written"]
