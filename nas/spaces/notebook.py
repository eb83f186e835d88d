"""How a space shows itself in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.draw.notebook import table

if TYPE_CHECKING:
    from nas.spaces.space import Space

MAX_OPTIONS = 160


def html(space: Space) -> str:
    """A table of its decisions with their options, and how many sequences of decisions there are."""
    number = space.count()
    size = f"{number:,}" if number < 10**15 else f"{number:.3g}"
    about = f"{len(space.choices):,} decision{'' if len(space.choices) == 1 else 's'}, {size} architectures"
    if space.limits:
        about += f", of which count those with {', '.join(map(str, space.limits))}"
    about += f". {space.about}" if space.about else ""
    rows = ((name, len(options), _options(options)) for name, options in space.choices.items())
    return table(space.name, about, ("decision", "count", "options"), rows)


def _options(options: tuple[object, ...]) -> str:
    listed = ", ".join(map(str, options))
    return listed if len(listed) <= MAX_OPTIONS else f"{listed[: MAX_OPTIONS - 1]}…"
