"""Forms: what is known of a class to be written, which stands for all drafts of one structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nas.export.python.draft import Draft, Step

MODULE = "module"


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


@dataclass(eq=False)
class Param:
    """An argument of a class: what it has in each use, its name, and what is left out at a call."""

    sort: str
    values: list[Any]
    origin: tuple[Step, str] | None = None
    name: str = ""
    default: Any = MISSING

    @property
    def place(self) -> tuple[Step, str]:
        """The step that it was found at first, and the word for it there; a flag has none."""
        assert self.origin is not None
        return self.origin


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


def agree(a: list[Any], b: list[Any]) -> bool:
    """Whether two arguments are one, as far as both are known."""
    return all(x is MISSING or y is MISSING or (x == y and type(x) is type(y)) for x, y in zip(a, b, strict=True))
