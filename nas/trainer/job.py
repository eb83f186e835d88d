"""A training in its folder: epoch after epoch, with a checkpoint that a kill at any moment leaves whole."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from nas.errors import NasError
from nas.trainer import checkpoint
from nas.trainer.board import Board
from nas.trainer.folder import BOARD, CHECKPOINT, WEIGHTS, Row, best_of, write_history
from nas.trainer.project import Project
from nas.trainer.watcher import Begin, Tick, Watcher
from nas.training.execution import usual
from nas.training.run import Metrics, Run, TrainingFailure
from nas.weights import write_weights

TICK_SECONDS = 0.25


class Job:
    """One process's part of a training; the one of rank 0 writes the folder, and tells the watcher.

    `shard` and `wrap` go to `Run`; `asked` says whether to stop at the next step, after a checkpoint.
    """

    def __init__(
        self,
        project: Project,
        device: torch.device,
        watcher: Watcher,
        *,
        shard: tuple[int, int] = (0, 1),
        wrap: Callable[[nn.Module], nn.Module] | None = None,
        asked: Callable[[], bool] = lambda: False,
    ) -> None:
        self.project, self.settings, self.path = project, project.settings, project.directory
        self.device, self.watcher, self.writes = device, watcher, shard[0] == 0
        self._shard, self._wrap, self._asked = shard, wrap, asked
        self.rows: list[Row] = []
        self._spent, self._began = 0.0, time.monotonic()  # seconds of earlier processes; when this one began
        self._saved = self._ticked = time.monotonic()
        self._signal = 0
        self._board: Board | None = None
        self.run: Run
        self._first = 0  # the step that this process began at

    def __call__(self) -> None:
        """Train until the epochs are done or early stopping ends it; goes on from a checkpoint where there is one.

        Raises `TrainingFailure` when the loss is not finite, `CheckpointError`, and `KeyboardInterrupt` at a step, after
        a checkpoint, when asked to stop or on Ctrl-C.
        """
        self._prepare()
        try:
            with self._signals():
                while not self._over():
                    self._epoch()
        finally:
            if self._board is not None:
                self._board.close()
            self.watcher.close()

    # ---- beginning and going on ----------------------------------------------------------------------------------

    def _prepare(self) -> None:
        path, settings = self.path / CHECKPOINT, self.settings
        found = checkpoint.load(path, settings.digest, self.device) if path.exists() else None
        quiet: Callable[[str], None] = lambda line: None  # noqa: E731
        module = self.project.module(self.watcher.note if self.writes and found is None else quiet)
        data = self.project.data(self.device)
        recipe, size = self.project.recipe, self.project.network.input[1:]
        self.run = Run(
            module, data, recipe, recipe.epochs, settings.seed, self._check, size=size, shard=self._shard, wrap=self._wrap,
            execution=usual(self.device, recipe.precision, {"compile": settings.compile}),
        )  # fmt: skip
        if found is not None:
            self._restore(found)
        self._first, self._began = self.run.step, time.monotonic()
        if not self.writes:
            return
        if found is None:
            self._save()  # from here on the files that it starts from are not needed again
        write_history(self.path, self.rows)
        self._board = Board(self.path / BOARD, self.rows[-1] if self.rows else None)
        self.watcher.begin(self._begin(len(data.train), len(data.validation)))

    def _restore(self, found: dict[str, Any]) -> None:
        try:
            self.rows = [Row(**row) for row in found["rows"]]
            self._spent = float(found["seconds"])
            self.run.restore(found["state"])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            line = " ".join(str(error).split())[:120]
            raise checkpoint.CheckpointError(f"{self.path / CHECKPOINT} does not fit this training ({line})") from None
        if self.writes and self.rows and best_of(self.rows) is self.rows[-1] and found["between"]:
            self._keep()  # a kill between the checkpoint and the weights of its epoch

    def _begin(self, images: int, validated: int) -> Begin:
        settings = self.settings
        return Begin(
            self.path, self.project.network.name, self.project.network.cost(aux=False).params, settings.dataset, images, validated,
            settings.recipe_name, self.project.recipe.epochs, str(self.device), self._shard[1], tuple(self.rows),
        )  # fmt: skip

    # ---- epochs --------------------------------------------------------------------------------------------------

    def _over(self) -> bool:
        """All ranks have the same rows, and so end alike."""
        return self.run.stopped or self.run.epochs >= self.project.recipe.epochs

    def _epoch(self) -> None:
        try:
            metrics = self.run.epoch()
        except TrainingFailure as failure:
            raise TrainingFailure(self._advice(failure), failure.epoch) from None
        row = self._row(metrics)
        self.rows.append(row)
        if not self.writes:
            return
        self._save(between=True)
        if best_of(self.rows) is row:
            self._keep()
        write_history(self.path, self.rows)
        if self._board is not None:
            self._board.add(row)
        self.watcher.epoch(row)

    def _row(self, metrics: Metrics) -> Row:
        rate = float(self.run.optimiser.param_groups[0]["lr"])
        return Row(
            self.run.epochs, metrics["train_loss"], metrics["val_loss"], metrics["accuracy"], rate,
            metrics["images_per_second"], self._seconds(),
        )  # fmt: skip

    def _advice(self, failure: TrainingFailure) -> str:
        rows = len(self.rows)
        kept = f"checkpoint and weights up to epoch {rows} are kept" if rows else "no epoch was finished"
        return f"{self.path}: {failure}; {kept}; allowed: a new training with a lower --lr, or --set clip=1"

    # ---- between steps -------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Before every step: a checkpoint when it is time, and the end when that was asked for."""
        if not self.writes:
            return
        now = time.monotonic()
        stop = self._signal or self._asked()
        if stop or now - self._saved >= self.settings.checkpoint_seconds:
            self._save()
        if self._signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        if stop:
            raise KeyboardInterrupt
        if now - self._ticked >= TICK_SECONDS:
            self._ticked = now
            self.watcher.tick(self._tick(now))

    def _tick(self, now: float) -> Tick:
        run = self.run
        each = (now - self._began) / max(1, run.step - self._first)
        per_epoch = run.steps / self.project.recipe.epochs
        return Tick(
            run.epochs + 1, min(1.0, run.step / per_epoch - run.epochs), run.batch / max(each, 1e-9), (run.steps - run.step) * each
        )

    def _seconds(self) -> float:
        return self._spent + time.monotonic() - self._began

    def _save(self, between: bool = False) -> None:
        """`between`: at the end of an epoch, its validation done."""
        if not between and not _finite(self.run.module):
            return  # the loop is about to say so; what is there can still be used
        rows = [asdict(row) for row in self.rows]
        content = {"state": self.run.state(), "rows": rows, "seconds": self._seconds(), "between": between}
        checkpoint.save(self.path / CHECKPOINT, self.settings.digest, content)
        self._saved = time.monotonic()

    def _keep(self) -> None:
        write_weights(self.path / WEIGHTS, self.run.judged)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and a polite kill end the training at the next step; a second Ctrl-C at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note_signal(self, number: int, frame: object) -> None:
        if self._signal:
            raise KeyboardInterrupt
        self._signal = number


def _finite(module: nn.Module) -> bool:
    """Whether all parameters are finite numbers."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters())


def device_of(name: str) -> torch.device:
    """`auto` is a GPU where there is one. Raises `NasError` where there is none and `cuda` was asked for."""
    if name not in ("auto", "cpu", "cuda"):
        raise NasError(f"device={name!r}; allowed: auto, cpu, cuda")
    there = name != "cpu" and torch.cuda.is_available()
    if name == "cuda" and not there:
        raise NasError("device='cuda', but no GPU can be used here; allowed: cpu, auto")
    return torch.device("cuda" if there else "cpu")
