"""The screen of a running search: a live display on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.engine import Finished, Observer, Progress, Start
from nas.objectives import Objective
from nas.report.tables import COST_NAMES, console, fraction_text, short_path, value_text
from nas.units import format_count, format_seconds

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, RenderableType

    from nas.arch import Architecture

# A log shall not grow by a line a trial when trials take milliseconds.
LINE_SECONDS = 1.0
LATEST = 6
HEADINGS = {
    "confirm": "confirming: the best networks are trained again with fresh seeds, at full size; the budget is not charged",
    "correlate": "rank correlation: networks spread over the ranking are trained alone; the budget is not charged",
    "baselines": "baselines: hand-designed networks are trained as the candidates were; the budget is not charged",
    "control": "control: a random search under the same budget, to hold the search against",
}


class Screen(Observer):
    """Shows a search while it runs. Use as a context manager, so that the terminal is given back whatever happens."""

    def __init__(self, objective: str = "accuracy", out: Console | None = None) -> None:
        self.out = out or console()
        self.objectives: tuple[Objective, ...] = (Objective(objective),)
        self.directory: Path | None = None
        self._live: Live | None = None
        self._latest: list[str] = []
        self._progress: Progress | None = None
        self._running: dict[int, float] = {}
        self._printed = 0.0
        self._quiet = 0
        self._role = "search"  # of the run that is on, or that is about to begin

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def note(self, line: str) -> None:
        """A line that stays."""
        self.say(line)

    def begin(self, start: Start) -> None:
        """Say what runs where. What follows a search is shown like one, but the folder to speak of stays the search's."""
        self.directory, self.objectives = self.directory or start.directory, start.objectives
        self._role, self._progress, self._latest, self._quiet, self._printed = start.role, None, [], 0, 0.0
        if start.role in HEADINGS:
            self.say(HEADINGS[start.role])
        device = f"{start.share:g} GPU each" if start.device == "cuda" else "one core each; a core counts as a device"
        workers = f"{start.workers} worker{'s' if start.workers > 1 else ''}"
        self.say(f"{short_path(start.directory)}: {workers}, {device}; budget {start.budget.describe()}")
        if len(start.objectives) > 1 or not start.objectives[0].maximise:
            self.say(f"objectives: {', '.join(map(str, start.objectives))}")
        if start.unfinished:
            self.say(f"{start.unfinished} unfinished trial{'s' if start.unfinished > 1 else ''} of the earlier run first")
        if start.dashboard is not None:
            self.say(f"Ray dashboard: {start.dashboard.url}")
            if start.dashboard.login:
                self.say(f"  {start.dashboard.login}")
        if self.out.is_interactive:
            self._live = Live(self._draw(), console=self.out, refresh_per_second=4, transient=True)
            self._live.start()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.out.print(Text(line), soft_wrap=True)

    def launched(self, number: int, architecture: Architecture) -> None:
        """Remember when it began."""
        self._running[number] = time.monotonic()

    def finished(self, finished: Finished) -> None:
        """A line for a finished trial, at most one a second where lines are kept."""
        self._running.pop(finished.number, None)
        line = self._line(finished)
        self._latest = [*self._latest[1 - LATEST :], line]
        if self._live is None:
            now = time.monotonic()
            if now - self._printed >= LINE_SECONDS:
                self.say(line + (f"   (+{self._quiet} more)" if self._quiet else ""))
                self._printed, self._quiet = now, 0
            else:
                self._quiet += 1

    def lost(self, number: int, times: int) -> None:
        """A worker died."""
        self.say(f"trial {number}: its worker died ({times}); it is run again")

    def crowded(self, number: int, reason: str) -> None:
        """A trial is run again alone."""
        self.say(f"trial {number}: {reason}; it is run again, alone on its device")

    def retired(self, worker: int, reason: str, left: int) -> None:
        """A worker is gone."""
        self.say(f"worker {worker} does not come back: {reason}; {left} left")

    def tick(self, progress: Progress) -> None:
        """Redraw."""
        self._progress = progress
        if self._live is not None:
            self._live.update(self._draw())

    def end(self, reason: str) -> None:
        """Give the terminal back and say what ended the search."""
        self.close()
        if self._quiet:
            self.say(f"(+{self._quiet} more)")
            self._quiet = 0
        if reason not in ("failed", "interrupted") and self._role in ("search", "control"):
            self.say(f"ended by the budget: {reason}")
        self._role = ""

    def _line(self, finished: Finished) -> str:
        head = f"trial {finished.number:>4}"
        if self._role == "baselines":
            head += f"   {finished.architecture.name}"
        if finished.value is None:
            return f"{head}   failed: {finished.outcome.reason}"
        if finished.phase is not None:
            return f"{head}   {self._phase(finished)}   {format_seconds(finished.device_seconds)}"
        cost = finished.architecture.cost(aux=False)
        cut = "   cut off by the budget" if finished.outcome.cut else ""
        if finished.outcome.stopped is not None:
            cut = f"   stopped after {finished.outcome.stopped:g} epochs"
        part = "" if finished.fraction == 1.0 else f"   at {fraction_text(finished.fraction)} of the fidelity"
        values = "   ".join((f"{value_text(self.objectives[0].name, finished.value):>7}", *self._others(finished)))
        return (
            f"{head}   {values}   {format_count(cost.params):>7} parameters   "
            f"{format_count(cost.macs):>7} MACs   {format_seconds(finished.device_seconds)}{part}{cut}"
        )

    def _phase(self, finished: Finished) -> str:
        """What a phase did, as far as it says."""
        metrics = finished.outcome.metrics
        told = [f"epoch {metrics['epochs']:.3g}"] if "epochs" in metrics else []
        told += [f"training loss {metrics['train_loss']:.3g}"] if "train_loss" in metrics else []
        told += [f"networks drawn {value_text('accuracy', metrics['drawn_accuracy'])}"] if "drawn_accuracy" in metrics else []
        return f"phase {finished.phase}: {', '.join(told) or 'done'}"

    def _others(self, finished: Finished) -> list[str]:
        """The values of the other objectives, but for costs, which every line has."""
        names = [goal.name for goal in self.objectives[1:] if goal.name not in COST_NAMES]
        return [f"{name} {value_text(name, finished.outcome.metrics.get(name)):>7}" for name in names]

    def _draw(self) -> RenderableType:
        progress = self._progress
        if progress is None:
            return Text("starting workers ...")
        ledger = progress.ledger
        used = progress.budget.used(ledger)
        left = f", about {format_seconds(progress.seconds_left)} left" if progress.seconds_left is not None else ""
        bar = Table.grid(padding=(0, 1))
        bar.add_row("budget", ProgressBar(total=1.0, completed=used, width=40), f"{used:.0%}{left}")
        front = f"; {progress.front} on the front" if len(self.objectives) > 1 else ""
        counts = Text(f"trials: {ledger.finished} done, {progress.running} running, {ledger.failed} failed{front}")
        best = Text(f"best:   {self._line(progress.best)}" if progress.best else "best:   none yet", style="bold")
        latest = [Text(line, style="dim") for line in self._latest]
        return Group(*latest, Text(""), bar, counts, best)
