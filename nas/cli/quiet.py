"""`--quiet`: nothing but errors, and where the result lies, a path a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.errors import NasError

if TYPE_CHECKING:
    from nas.study import Study

RESULTS = ("best.yaml", "confirmed.yaml")  # the more is known of it, the later


def quiet_option(function: Any) -> Any:
    """The option, which the command takes as `quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help="Nothing but errors and the paths of the result.")(function)


def refuse(quiet: bool, *others: tuple[str, bool]) -> None:
    """Raise `NasError` where another option asks for something on standard output, too."""
    for name, given in others:
        if quiet and given:
            raise NasError(f"--quiet and {name} both say what is printed; allowed: one of them")


def say(paths: Iterable[Path]) -> None:
    """A path a line, as short as it can be from here."""
    from nas.report.tables import short_path

    for path in paths:
        click.echo(short_path(path))


def say_study(study: Study) -> None:
    """The networks that a search ended with: its best, then the one that was confirmed; its folder where there is none."""
    found = [study.directory / name for name in RESULTS if (study.directory / name).is_file()]
    say(found or [study.directory])
