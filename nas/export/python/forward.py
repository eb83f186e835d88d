"""The `forward` of a form, as a person writes it: expressions in each other where that reads well, few variables."""

from __future__ import annotations

import keyword
from typing import Any

from nas.export.python.draft import Step
from nas.export.python.flow import Flow
from nas.export.python.form import Form, Half, Param, Run
from nas.export.python.pending import Pending
from nas.export.python.text import TAB

_NESTED = 3
_SHORT = 84
_LOCALS = ("y", "z", "a", "b", "c", "d", "e", "f")
_BRANCHES = ("a", "b", "c", "d", "e", "f", "g", "h")


def is_attribute(name: str) -> bool:
    """Whether the name can stand behind a dot."""
    return name.isidentifier() and not keyword.iskeyword(name)


class Forward:
    """Goes through the steps once. A value is a variable, or an expression that still waits for its reader."""

    def __init__(self, form: Form) -> None:
        self.form, self.count, self.flow = form, form.inputs, Flow(form)
        self.inputs = [f"h{i}" for i in range(self.count)] if self.count > 1 else ["x"]
        self.variable: dict[int, str] = dict(enumerate(self.inputs))
        self.pending: dict[int, Pending] = {}
        # How often each value is still read.
        self.left = {value: len(readers) for value, readers in self.flow.readers.items()}
        self.out: list[str] = []
        self.depth = 2
        self.next = self.count
        # What an optional run writes over in the end, and the variable that its value had before.
        self.guarded: set[str] = set()
        self.kept = ""

    def lines(self) -> list[str]:
        """The whole method."""
        args = ", ".join(f"{name}: Tensor" for name in self.inputs)
        before: Run | None = None
        for i, step in enumerate(self.form.steps):
            run = self.flow.runs.get(i)
            if run is not before or (run is not None and i == run.steps[0]):
                self.settle(*self.pending)
            if run is not None and i == run.steps[0]:
                self.enter(run)
            before = run
            self.step(i, step)
            if run is not None and i == run.steps[-1]:
                self.leave(run, i)
        self.emit("return ", self.operand(self.form.model.output))
        return [f"{TAB}def forward(self, {args}) -> Tensor:", *self.out]

    def enter(self, run: Run) -> None:
        """Begin what is not done in every use; the value that stands for its own has a variable that may be written."""
        name = self.kept = self.named(run.target)
        if self.flow.outlives(run):
            self.variable[run.target] = self.fresh(self.form.steps[run.steps[0]])
            self.emit(f"{self.variable[run.target]} = {name}")
        self.emit(f"if self.{run.flag.name}:")
        self.depth += 1
        self.guarded.add(self.variable[run.target])

    def leave(self, run: Run, index: int) -> None:
        """The last value goes where the other one stands."""
        value, target = self.count + index, self.variable[run.target]
        self.guarded.discard(target)
        made = self.operand(value)
        if made.text != target:
            self.emit(f"{target} = ", made)
        self.pending.pop(value, None)
        self.variable[value], self.variable[run.target] = target, self.kept
        self.depth -= 1
        self.left[run.target] -= 1

    def step(self, i: int, step: Step) -> None:
        """Write a step, or have it wait."""
        value = self.count + i
        if step.expression is not None and step.expression.in_place == "+=" and self.flow.may_overwrite(i):
            self.add_in_place(step, value)
            return
        made = self.pending[value] = self.combined(i, step)
        if not self.flow.may_wait(i, made.depth):
            self.settle(value)

    def add_in_place(self, step: Step, value: int) -> None:
        """A statement `y += ...` for each further operand."""
        first, *rest = step.reads
        target = self.named(first)
        self.settle(*[v for v in rest if self.operand(v).depth > 2 or len(self.operand(v).text) > _SHORT])
        for v in rest:
            self.emit(f"{target} += {self.operand(v).text}")
        self.consume(step)
        self.variable[value] = target

    def combined(self, i: int, step: Step) -> Pending:
        """The expression of a step, expressions that wait written into it where it stays readable."""
        self.settle(*[v for v in step.reads if self.apart(i, step, self.operand(v))])
        made = self.text(i, step)
        if len(made.text) > _SHORT:
            self.settle(*step.reads)
            made = self.text(i, step)
        self.consume(step)
        return made

    def consume(self, step: Step) -> None:
        """The values that the step reads have been read."""
        for v in step.reads:
            self.pending.pop(v, None)
            self.left[v] -= 1

    def apart(self, i: int, step: Step, made: Pending) -> bool:
        """Whether an expression is better not written into that of the step."""
        deepest = 2 if len(step.reads) > 1 else _NESTED
        leads = step.expression is not None and self.template(i, step).startswith("{0}")
        return made.depth >= deepest or (step.heavy and made.heavy) or (leads and not made.atom)

    def template(self, i: int, step: Step) -> str:
        """The expression of a step that is one, the one in place where that is allowed."""
        assert step.expression is not None
        in_place = step.expression.in_place
        return in_place if in_place not in (None, "+=") and self.flow.may_overwrite(i) else step.expression.template

    def text(self, i: int, step: Step) -> Pending:
        """A step with its operands as they are now."""
        operands = [self.operand(v) for v in step.reads]
        texts = tuple(each.text for each in operands)
        variables = tuple(name for each in operands for name in each.variables)
        depth, heavy = 1 + max(each.depth for each in operands), step.heavy or any(each.heavy for each in operands)
        if step.expression is None:
            module = f"self.{step.name}" if is_attribute(step.name) else f'self.get_submodule("{step.name}")'
            return Pending(f"{module}({', '.join(texts)})", variables, depth, heavy, step=step)
        template = self.template(i, step)
        values = {name: _constant(self.form.bound[i, name]) for name in step.expression.values}
        made = template.format(*texts, all=", ".join(texts), **values)
        terms = texts if template.startswith("{0} + ") or "{all}" in template else ()
        return Pending(made, variables, depth, heavy, not template.startswith("{0} "), step, terms)

    def operand(self, v: int) -> Pending:
        """The expression or the variable of a value."""
        return self.pending[v] if v in self.pending else Pending.variable(self.variable[v])

    def named(self, v: int) -> str:
        """The variable of a value."""
        self.settle(v)
        return self.variable[v]

    def settle(self, *values: int) -> None:
        """Write expressions that wait into variables, each into one that is read no more if there is one."""
        for v in values:
            made = self.pending.pop(v, None)
            if made is not None:
                self.variable[v] = self.free(made) or self.fresh(made.step)
                self.emit(f"{self.variable[v]} = ", made)

    def used(self) -> set[str]:
        """The variables that are still read."""
        live = {self.variable[v] for v in self.variable if self.left.get(v, 0) > 0}
        return live | {name for each in self.pending.values() for name in each.variables} | self.guarded

    def free(self, made: Pending) -> str | None:
        """A variable that the expression is the last to read; none where each of many states has a number."""
        if self.flow.several:
            return None
        # Where an input has many readers it stays what it is, and each branch has a letter.
        used = self.used() | ({"x"} if self.flow.branches else set())
        return next((name for name in made.variables if name not in used), None)

    def fresh(self, step: Step | None) -> str:
        """A new variable."""
        if self.flow.several:
            self.next += 1
            return f"h{self.next - 1}"
        used = self.used()
        if step is not None and step.name.startswith("shortcut") and "shortcut" not in used:
            return "shortcut"
        letters = _BRANCHES if self.flow.branches else _LOCALS
        return next(name for name in (*letters, *[f"y{n}" for n in range(2, 999)]) if name not in used)

    def emit(self, lead: str, made: Pending | None = None) -> None:
        """A statement at the present depth."""
        self.out += [TAB * self.depth + lead] if made is None else made.statement(lead, self.depth)


def _constant(item: Any) -> str:
    """What stands for an argument in an expression."""
    if isinstance(item, Param):
        return f"self.{item.name}"
    return f"self.{item.param.name} // 2" if isinstance(item, Half) else repr(item)
