"""The screen of a training: a live table on a terminal, a plain line an epoch anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.report.tables import console, short_path
from nas.trainer.folder import Row, best_of
from nas.trainer.watcher import Begin, Tick, Watcher
from nas.units import format_count, format_seconds

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from nas.trainer.result import TrainResult
    from nas.trainer.status import Status

SHOWN = 12  # latest epochs in the live table
PLAIN = "plain, for short runs"  # the recipe without a name
NO_TEST = "the data set has no test images"


class TrainingScreen(Watcher):
    """Shows a training. `quiet` shows nothing but what it says of the weights that it starts from."""

    def __init__(self, quiet: bool = False, out: Console | None = None) -> None:
        self.out, self.quiet = out or console(), quiet
        self.directory: Path | None = None
        self._begin: Begin | None = None
        self._rows: list[Row] = []
        self._tick: Tick | None = None
        self._live: Live | None = None

    def begin(self, begin: Begin) -> None:
        """Say what is trained on what."""
        self.directory, self._begin, self._rows = begin.directory, begin, list(begin.rows)
        if self.quiet:
            return
        where = begin.device if begin.workers == 1 else f"{begin.workers} workers on {begin.device}"
        held_out = f"{begin.validated} more to validate on" if begin.validated else "all there are"
        self.note(
            f"{short_path(begin.directory)}: {begin.network}, {format_count(begin.params)} parameters, on {where}; "
            f"{begin.images} images of {begin.dataset}, {held_out}"
        )
        count = f"{begin.epochs} epoch{'' if begin.epochs == 1 else 's'}"
        self.note(f"recipe {begin.recipe or PLAIN}: {count}" + (f"; goes on after epoch {len(begin.rows)}" if begin.rows else ""))
        if self.out.is_interactive and self._live is None:
            self._live = Live(self._draw(), console=self.out, refresh_per_second=4, transient=True)
            self._live.start()

    def tick(self, tick: Tick) -> None:
        """Redraw."""
        self._tick = tick
        if self._live is not None:
            self._live.update(self._draw())

    def epoch(self, row: Row) -> None:
        """A line, or a row of the live table."""
        self._rows.append(row)
        if self._live is not None:
            self._live.update(self._draw(), refresh=True)
        elif not self.quiet:
            best = " *" if row.judged and best_of(self._rows) is row else ""
            judged = f"validation {row.accuracy:7.2%}  " if row.judged else ""
            self.note(
                f"epoch {row.epoch:>4}  train loss {row.train_loss:.4g}  {judged}rate {row.rate:.2e}  "
                f"{format_count(round(row.images_per_second))} images/s  {format_seconds(row.seconds)}{best}"
            )

    def note(self, line: str) -> None:
        """A line that stays."""
        self.out.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """Give the terminal back; the epochs that were shown stay on it."""
        if self._live is None:
            return
        self._live.stop()
        self._live = None
        self.out.print(self._table())

    def _draw(self) -> Group:
        return Group(self._table(), self._progress())

    def _table(self) -> Table:
        table, best = Table(box=None), best_of(self._rows)
        for name in ("epoch", "train loss", "val loss", "validation", "rate", "images/s", "time"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in self._rows[-SHOWN:]:
            table.add_row(
                str(row.epoch), f"{row.train_loss:.4g}", *((f"{row.val_loss:.4g}", f"{row.accuracy:.2%}") if row.judged else ("-", "-")),
                f"{row.rate:.2e}",
                format_count(round(row.images_per_second)), format_seconds(row.seconds), style="bold" if row is best else None,
            )  # fmt: skip
        return table

    def _progress(self) -> Table:
        bar, tick, begin = Table.grid(padding=(0, 1)), self._tick, self._begin
        if tick is not None and begin is not None:
            bar.add_row(
                Text(f"epoch {tick.epoch} of {begin.epochs}"), ProgressBar(total=1.0, completed=tick.part, width=30),
                Text(f"{format_count(round(tick.images_per_second))} images/s, about {format_seconds(tick.seconds_left)} left"),
            )  # fmt: skip
        return bar


def status_table(status: Status) -> Table:
    """How far a training is, and how to go on."""
    table, where = Table(box=None, show_header=False, padding=(0, 2, 0, 0)), short_path(status.directory)
    settings, rows, best, result = status.settings, status.rows, status.best, status.result
    table.add_row("network", Text(settings.network))
    table.add_row("data set", Text(settings.dataset))
    table.add_row("recipe", Text(settings.recipe_name or PLAIN))
    table.add_row("epochs", f"{len(rows)} of {status.recipe.epochs}" + (f", {format_seconds(rows[-1].seconds)}" if rows else ""))
    if best is not None and not best.judged:
        table.add_row("validation", "nothing is held out, the last weights are kept")
    elif best is not None:
        table.add_row("validation", f"best {best.accuracy:.2%} in epoch {best.epoch}, last {rows[-1].accuracy:.2%}")
    if result is not None:
        table.add_row("test accuracy", _tested(result))
    hint = {"broken off": f"`nas resume {where}` goes on", "finished": f"weights: {where}/weights.pt"}.get(status.state)
    table.add_row("state", Text(status.state + (f"; {hint}" if hint else "")))
    return table


def _tested(result: TrainResult) -> str:
    if result.test_accuracy is None or result.test_interval is None:
        return NO_TEST
    low, high = result.test_interval
    return f"{result.test_accuracy:.2%} (95% interval {low:.2%} to {high:.2%})"


def summary(result: TrainResult) -> list[str]:
    """What a person reads at the end."""
    where = short_path(result.directory)
    judged = "nothing was held out" if result.accuracy is None else f"validation {result.accuracy:.2%}"
    test = NO_TEST if result.test_accuracy is None else f"test accuracy {_tested(result)}"
    return [
        f"{test}; {judged}, epoch {result.best_epoch} of {result.epochs}, {format_seconds(result.seconds)}",
        f"weights: {where}/weights.pt      events: tensorboard --logdir {where}",
    ]
