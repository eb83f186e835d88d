"""Who watches a search from the command line: a screen or JSON lines, and the trackers that were asked for."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from nas.cli.quiet import refuse, say_study
from nas.trackers import TRACKERS

if TYPE_CHECKING:
    from rich.console import Console

    from nas.engine import Observer
    from nas.report.log import JsonLog
    from nas.report.screen import Screen
    from nas.report.silence import Silence
    from nas.study import Study


def watch_options(function: Any) -> Any:
    """Options that say where a search is shown; `search` and `resume` share them. The command takes them as keywords."""
    for name, tracker in reversed(list(TRACKERS.items())):
        value = {"is_flag": False, "flag_value": "", "metavar": tracker.metavar} if tracker.metavar else {"is_flag": True, "flag_value": ""}
        function = click.option(f"--{name}", name, default=None, help=tracker.help, **value)(function)  # type: ignore[arg-type]
    return click.option(
        "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="json: a line an event (docs/logs.md)."
    )(function)


class Watching:
    """Use as a context manager: shows a search, and what it came to when it ends, by Ctrl-C and SIGTERM too.

    `trackers` are the options that were given, by name; None where not. `out` is where a screen is. Raises `NasError` for a
    tracker that cannot be used. quiet: only where the result lies, at the end.
    """

    def __init__(
        self, log_format: str, trackers: dict[str, str | None], *, directory: Path | None = None, storage: str | None = None,
        out: Console | None = None, quiet: bool = False,
    ) -> None:  # fmt: skip
        from nas import trackers as made
        from nas.engine import Observers
        from nas.engine.tracking import Tracking

        refuse(quiet, ("--log-format json", log_format == "json"))
        self._quiet = quiet
        self._log: JsonLog | None = None
        self._screen: Screen | None = None
        chosen = [made.create(name, target) for name, target in trackers.items() if target is not None]
        main = self._json() if log_format == "json" else self._nothing() if quiet else self._text(out)
        main.directory = directory
        self._main = main
        self._tracking = [Tracking(tracker, main.note, storage) for tracker in chosen]
        self.observer: Observer = Observers([main, *self._tracking])
        self._storage = storage

    def _json(self) -> JsonLog:
        from nas.report.log import JsonLog

        self._log = JsonLog()
        return self._log

    def _nothing(self) -> Silence:
        from nas.report.silence import Silence

        return Silence()

    def _text(self, out: Console | None) -> Screen:
        from nas.report.screen import Screen

        self._screen = Screen(out=out)
        return self._screen

    def closing(self, study: Study) -> None:
        """What a search came to."""
        from nas.cli.search import closing

        for tracking in self._tracking:
            tracking.complete(study)
        if self._log is not None:
            self._log.result(study)
        elif self._quiet:
            say_study(study)
        else:
            closing(study)

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        from nas.errors import NasError

        if self._screen is not None:
            self._screen.close()
        if isinstance(error, KeyboardInterrupt):
            self._interrupted(error)
        elif isinstance(error, NasError) and self._log is not None:
            self._log.error(str(error), error.exit_status)

    def _interrupted(self, error: KeyboardInterrupt) -> None:
        """What was found so far and how to go on, then the exit status."""
        import nas
        from nas.cli import status_of

        status, directory = status_of(error), self._main.directory
        if self._log is not None:
            self._log.error("interrupted" if directory else "interrupted before the first trial; nothing to resume", status)
        elif directory is None:
            click.echo("interrupted before the first trial; nothing to resume", err=True)
        else:
            click.echo("interrupted", err=self._quiet)
        if directory is not None:
            self.closing(nas.open_study(directory, storage=self._storage))
        raise SystemExit(status)
