"""Docstrings of the written classes."""

from __future__ import annotations

import re
import textwrap

from nas.arch import PRIMITIVES
from nas.export.python.form import Form
from nas.export.python.text import LIMIT, TAB

# Words by which a sentence speaks of options, which one class may not have.
_OPTIONS = re.compile(r"\b(given|left out|wants|wanted)\b")


def docstring(form: Form) -> list[str]:
    """The docstring of a class: the first sentence of its primitive's, what its name says, or its steps."""
    words = form.label.replace("_", " ")
    if form.label in PRIMITIVES:
        text = _first_sentence(PRIMITIVES.get(form.label).__doc__ or "")
        return documented(_steps(form) if not text or _OPTIONS.search(text) else text, 1)
    if form.label == "chain":
        return documented("One after another.", 1)
    if words.endswith("nodes"):
        return documented(f"The inside of the {words.removesuffix(' nodes')} cell.", 1)
    return documented(f"The {words}." if words.endswith("cell") else f"{words.capitalize()}.", 1)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.) (?=[A-Z])", " ".join(text.split("\n\n")[0].split()))[0]


def _steps(form: Form) -> str:
    """`Conv, batch norm, relu.`"""
    names = [re.sub(r"_\d+$", "", step.name).replace("_", " ") for step in form.steps]
    return f"{', '.join(names).capitalize()}."


def documented(text: str, depth: int) -> list[str]:
    """A docstring of one paragraph."""
    indent = TAB * depth
    text = text.replace("\\", "\\\\").replace('"', "'")
    if len(indent) + len(text) + 6 <= LIMIT:
        return [f'{indent}"""{text}"""']
    rows = textwrap.wrap(text, LIMIT - len(indent) - 6)
    return [f'{indent}"""{rows[0]}', *[f"{indent}{row}" for row in rows[1:]], f'{indent}"""']
