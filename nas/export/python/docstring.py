"""Docstrings of the written classes."""

from __future__ import annotations

import re
import textwrap

from nas.arch import PRIMITIVES
from nas.export.python.text import LIMIT, TAB


def docstring(label: str) -> list[str]:
    """The docstring of the class of a sub-graph: that of its primitive, or what its name says."""
    words = label.replace("_", " ")
    if label in PRIMITIVES:
        whole = " ".join((PRIMITIVES.get(label).__doc__ or words).split("\n\n")[0].split())
        return documented(re.split(r"(?<=\.) (?=[A-Z])", whole)[0], 1)
    if label == "chain":
        return documented("One after another.", 1)
    if words.endswith("nodes"):
        return documented(f"The inside of the {words.removesuffix(' nodes')} cell.", 1)
    return documented(f"The {words}." if words.endswith("cell") else f"{words.capitalize()}.", 1)


def documented(text: str, depth: int) -> list[str]:
    """A docstring of one paragraph."""
    indent = TAB * depth
    text = text.replace("\\", "\\\\").replace('"', "'")
    if len(indent) + len(text) + 6 <= LIMIT:
        return [f'{indent}"""{text}"""']
    rows = textwrap.wrap(text, LIMIT - len(indent) - 6)
    return [f'{indent}"""{rows[0]}', *[f"{indent}{row}" for row in rows[1:]], f'{indent}"""']
