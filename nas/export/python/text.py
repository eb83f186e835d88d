"""Code as text: calls that break over lines as formatters break them."""

from __future__ import annotations

from dataclasses import dataclass, replace

LIMIT = 100
TAB = "    "


@dataclass(frozen=True)
class Group:
    """Items between brackets: on one line where that fits, else a line each with a comma behind it."""

    head: str
    items: tuple[Text, ...]
    tail: str = ")"

    def __str__(self) -> str:
        return self.head + ", ".join(map(str, self.items)) + self.tail


@dataclass(frozen=True)
class Repeated:
    """`*[item for clause]`."""

    item: Text
    clause: str

    def __str__(self) -> str:
        return f"*[{self.item} for {self.clause}]"


Text = str | Group | Repeated


def named(name: str, text: Text) -> Text:
    """The text as an argument by name."""
    if isinstance(text, Group):
        return replace(text, head=f"{name}={text.head}")
    return f"{name}={text}"


def laid_out(text: Text, depth: int, lead: str = "", trail: str = "") -> list[str]:
    """Lines of `lead`, the text and `trail` at an indentation of `depth` tabs."""
    indent = TAB * depth
    whole = f"{indent}{lead}{text}{trail}"
    if isinstance(text, str) or len(whole) <= LIMIT:
        return [whole]
    if isinstance(text, Repeated):
        return [
            f"{indent}{lead}*[",
            *laid_out(text.item, depth + 1),
            f"{indent}{TAB}for {text.clause}",
            f"{indent}]{trail}",
        ]
    together = f"{indent}{TAB}{', '.join(map(str, text.items))}"
    if len(together) <= LIMIT and all(isinstance(item, str) for item in text.items):
        return [f"{indent}{lead}{text.head}", together, f"{indent}{text.tail}{trail}"]
    inner = [line for item in text.items for line in laid_out(item, depth + 1, trail=",")]
    return [f"{indent}{lead}{text.head}", *inner, f"{indent}{text.tail}{trail}"]


def summed(terms: list[str], depth: int, lead: str) -> list[str]:
    """Lines of a sum of many terms."""
    first, *rest = terms
    indent = TAB * depth
    return [f"{indent}{lead}(", f"{indent}{TAB}{first}", *[f"{indent}{TAB}+ {term}" for term in rest], f"{indent})"]
