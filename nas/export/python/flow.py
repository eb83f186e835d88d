"""Who reads the values of a `forward`, and which of them may be written over."""

from __future__ import annotations

from nas.build import overwritable
from nas.export.python.draft import Step
from nas.export.python.form import Form, Run

CALLER = -1


class Flow:
    """The values of a form, numbered as in its steps, inputs first."""

    def __init__(self, form: Form) -> None:
        self.form, self.count = form, form.inputs
        self.runs = {i: run for run in form.runs for i in run.steps}
        # Who reads a value itself: numbers of steps.
        self.direct: dict[int, list[int]] = {}
        for i, step in enumerate(form.steps):
            for value in step.reads:
                self.direct.setdefault(value, []).append(i)
        # With the caller, and where steps may be left out with the value that it then stands for.
        self.readers = {value: list(steps) for value, steps in self.direct.items()}
        self.readers.setdefault(form.model.output, []).append(CALLER)
        for run in form.runs:
            self.readers.setdefault(run.target, []).append(run.steps[-1])

    @property
    def several(self) -> bool:
        """Whether values are read again and again."""
        return self.count > 1 or sum(len(readers) > 1 for value, readers in self.readers.items() if value >= self.count) > 4

    @property
    def branches(self) -> bool:
        """Whether the input has many readers."""
        return len(set(self.direct.get(0, ()))) > 2

    def outlives(self, run: Run) -> bool:
        """Whether the value that stands for the run's is read after it too."""
        return any(i == CALLER or i > run.steps[-1] for i in self.readers[run.target])

    def may_wait(self, i: int, depth: int) -> bool:
        """Whether an expression of that depth may wait for its only reader: the next step, or one that joins several."""
        readers, run = self.readers.get(self.count + i, []), self.runs.get(i)
        if run is not None and i == run.steps[-1]:
            # It goes where the other value stands.
            return True
        if len(readers) != 1:
            return False
        (reader,) = readers
        if reader == CALLER:
            return i == len(self.form.steps) - 1
        joins = len(self.form.steps[reader].reads) > 1
        return self.runs.get(reader) is run and (reader == i + 1 or (joins and depth <= 1))

    def may_overwrite(self, i: int) -> bool:
        """Whether nobody but the step reads its first operand, and its kind of writer lets it be written over."""
        step = self.form.steps[i]
        value = step.reads[0]
        run = self.runs.get(i)
        others = [n for n in self.readers[value] if not self._stands_in(n, value, run)]
        return len(set(others)) == 1 and all(self._free(held, step) for held in self._holders(value))

    def _stands_in(self, reader: int, value: int, run: Run | None) -> bool:
        """Whether the reader is the end of the step's own run, which does not read the value but takes its place."""
        ends = run is not None and reader == run.steps[-1] and value == run.target
        return ends and reader not in self.direct.get(value, [])

    def _free(self, value: int, reader: Step) -> bool:
        if value < self.count or reader.leaf is None:
            return False
        writer = self.form.steps[value - self.count].writer
        return writer is not None and overwritable(writer, reader.leaf)

    def _holders(self, value: int) -> list[int]:
        """The values that `value` may be, one where all steps stand, another where some are left out."""
        run = next((run for run in self.form.runs if self.count + run.steps[-1] == value), None)
        if run is None:
            return [value]
        if any(i not in run.steps for i in self.readers[run.target]):
            # An input: never written over.
            return [0]
        return [value, *self._holders(run.target)]
