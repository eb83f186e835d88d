"""Strategies as they are written on the command line: `evolution(population=10,sample=3),random`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nas.errors import NasError

if TYPE_CHECKING:
    from nas.spaces import Space
    from nas.strategies import Context, Strategy

_SPEC = re.compile(r"([^\s(),]+)\s*(?:\((.*)\))?\Z", re.DOTALL)
_OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^,=()]+?)\s*\Z")
ALLOWED = "NAME or NAME(option=value,...)"


@dataclass(frozen=True)
class Spec:
    """A strategy with its options; `text` is what it is called in tables."""

    text: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def create(self, space: Space, seed: int, context: Context) -> Strategy:
        """The strategy. Raises `NasError` for an unknown name or option."""
        from nas.strategies import create, find  # not at the top, for that imports this

        if find(self.name).phase:
            raise NasError(f"strategy {self.text} trains networks together, and a table knows each alone; allowed: in nas search")
        return create(self.name, space, seed, context, **self.options)


def parse(texts: str | Iterable[str]) -> list[Spec]:
    """Strategies of a text, or of several. Raises `NasError` for one that cannot be read or stands twice."""
    parts = [part for text in ([texts] if isinstance(texts, str) else texts) for part in _split(text)]
    specs = [read(part) for part in parts]
    if not specs:
        raise NasError(f"no strategy is named; allowed: {ALLOWED}, joined by commas")
    for index, spec in enumerate(specs):
        if any((spec.name, spec.options) == (other.name, other.options) for other in specs[:index]):
            raise NasError(f"strategy {spec.text} stands twice; allowed: each once")
    return specs


def _split(text: str) -> list[str]:
    """At the commas outside of parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def read(text: str) -> Spec:
    """One strategy, `NAME` or `NAME(option=value,...)`. Raises `NasError`; names and options are checked by `create`."""
    match = _SPEC.match(text.strip())
    if match is None:
        raise NasError(f"strategy {text!r} cannot be read; allowed: {ALLOWED}")
    options: dict[str, Any] = {}
    for item in (match.group(2) or "").split(","):
        if not item.strip():
            continue
        option = _OPTION.match(item)
        if option is None or option.group(1) in options:
            raise NasError(f"strategy {match.group(1)}: option {item.strip()!r} cannot be read or stands twice; allowed: option=value,...")
        options[option.group(1)] = _value(option.group(2))
    name = match.group(1)
    inside = ",".join(f"{option}={value}" for option, value in options.items())
    return Spec(f"{name}({inside})" if options else name, name, options)


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
