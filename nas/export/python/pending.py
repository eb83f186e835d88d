"""Expressions that wait to be written into the expression that reads them."""

from __future__ import annotations

from dataclasses import dataclass

from nas.export.python.draft import Step
from nas.export.python.text import LIMIT, TAB, Group, laid_out, summed


@dataclass(frozen=True)
class Pending:
    """An expression: its text, the variables that it reads, how deep it nests, and whether a step in it is a heavy one.

    An `atom` can be indexed or called on as it stands. `terms` are those of a sum or of a join.
    """

    text: str
    variables: tuple[str, ...]
    depth: int = 0
    heavy: bool = False
    atom: bool = True
    step: Step | None = None
    terms: tuple[str, ...] = ()

    @classmethod
    def variable(cls, name: str) -> Pending:
        """A value that has a variable."""
        return cls(name, (name,))

    def statement(self, lead: str, depth: int) -> list[str]:
        """Lines of `lead`, such as `return `, and the expression."""
        whole = f"{TAB * depth}{lead}{self.text}"
        if not self.terms or len(whole) <= LIMIT:
            return [whole]
        if not self.text.startswith("torch.cat(("):
            return summed(list(self.terms), depth, lead)
        axis = self.text.rpartition(", ")[2].removesuffix(")")
        return laid_out(Group("torch.cat(", (Group("(", self.terms), axis)), depth, lead)
