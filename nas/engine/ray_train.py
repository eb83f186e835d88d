"""A training on several processes by Ray Train: a share of every batch each, gradients averaged, rank 0 writes the folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import ray.train
import ray.train.torch
from ray import cloudpickle

from nas.engine.carrying import pack
from nas.engine.devices import Shares, core_count
from nas.engine.ray_start import init, line, quiet
from nas.errors import NasError
from nas.trainer.folder import WRITER, Row, acquire
from nas.trainer.job import Job
from nas.trainer.project import Project
from nas.trainer.settings import Settings
from nas.trainer.watcher import Begin, Tick, Watcher

if TYPE_CHECKING:
    import torch

RESTARTS = 5  # times that workers are started again after one died
ASK_SECONDS = 0.5  # between two looks of rank 0 at whether it shall stop
POLL_SECONDS = 0.1
WRITER_SECONDS = 60.0  # for the workers of a driver that was killed to end
STOP_SECONDS = 60.0  # that a step and a checkpoint may take after Ctrl-C
# Ray Train looks after its workers this often; its metrics and its patched print are not needed.
SETTINGS = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "180",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
}
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
Message = tuple[str, Any]


def train_on_ray(project: Project, watcher: Watcher) -> None:
    """Train in the folder of `project`, on as many workers as its settings say, on a Ray that is started for it.

    A worker that dies is started again with the others, from the last checkpoint. Raises what `Job` raises.
    """
    settings = project.settings
    watcher.note(f"starting {settings.workers} workers")
    with _environment(), quiet(), _ray(settings):
        post = ray.remote(num_cpus=0)(Post).remote()
        scratch = Path(tempfile.mkdtemp(prefix="nas-train-"))
        fit = _Fit(project.directory, settings, post, scratch)
        try:
            _Listener(post, fit, watcher).run()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


class Post:
    """Between rank 0 and the process that started the training; an actor."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._stop = False

    def say(self, message: Message) -> None:
        """From rank 0."""
        self._messages.append(message)

    def collect(self) -> list[Message]:
        """What was said since the last call."""
        messages, self._messages = self._messages, []
        return messages

    def stop(self) -> None:
        """Rank 0 is to write a checkpoint and end."""
        self._stop = True

    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop


class _Fit(threading.Thread):
    """Ray Train's own loop."""

    def __init__(self, directory: Path, settings: Settings, post: Any, scratch: Path) -> None:
        super().__init__(name="ray-train", daemon=True)
        gpu = settings.device == "cuda"
        cores = max(1, core_count() // settings.workers) if gpu else 1
        self.error: BaseException | None = None
        self.trainer = ray.train.torch.TorchTrainer(
            _work,
            train_loop_config={"directory": str(directory), "settings": settings, "post": post, "parts": pack(cloudpickle.dumps)},
            scaling_config=ray.train.ScalingConfig(
                num_workers=settings.workers, use_gpu=gpu, resources_per_worker={"CPU": cores, **({"GPU": 1} if gpu else {})}
            ),
            run_config=ray.train.RunConfig(
                name="training", storage_path=str(scratch), failure_config=ray.train.FailureConfig(max_failures=RESTARTS)
            ),
        )

    def run(self) -> None:
        """Until the training is done or has failed too often."""
        try:
            self.trainer.fit()
        except BaseException as error:  # told by the listener
            self.error = error


class _Listener:
    """Hands on what rank 0 says, until it is done."""

    def __init__(self, post: Any, fit: _Fit, watcher: Watcher) -> None:
        self._post, self._fit, self._watcher = post, fit, watcher
        self._begun = self._done = False

    def run(self) -> None:
        """Raises what rank 0 raised, or `NasError` where the workers cannot be kept alive."""
        self._fit.start()
        try:
            while not self._done:
                self._step()
        except KeyboardInterrupt:
            self._stop()
            raise
        except ray.exceptions.RayError as error:
            raise NasError(f"Ray is gone: {line(error)}; `nas resume` goes on from the checkpoint") from None

    def _step(self) -> None:
        alive = self._fit.is_alive()
        for kind, what in ray.get(self._post.collect.remote()):
            self._handle(kind, what)
        if not alive and not self._done:
            raise NasError(f"the workers have ended: {_reason(self._fit.error)}; `nas resume` goes on from the checkpoint")
        time.sleep(POLL_SECONDS)

    def _handle(self, kind: str, what: Any) -> None:
        if kind == "done":
            self._done = True
        elif kind == "failed":
            raise what
        elif kind == "interrupted":
            raise KeyboardInterrupt
        elif kind == "begin" and self._begun:
            self._watcher.note(f"a worker died; all go on from the checkpoint, after epoch {len(what.rows)}")
        else:
            self._begun = self._begun or kind == "begin"
            getattr(self._watcher, kind)(what)

    def _stop(self) -> None:
        """Let rank 0 write a checkpoint first. A second Ctrl-C does not wait."""
        self._post.stop.remote()
        end = time.monotonic() + STOP_SECONDS
        while self._begun and not self._done and self._fit.is_alive() and time.monotonic() < end:
            if any(kind in ("interrupted", "done", "failed") for kind, _ in ray.get(self._post.collect.remote())):
                return
            time.sleep(POLL_SECONDS)


class _Relay(Watcher):
    """The watcher of rank 0: sends everything on."""

    def __init__(self, post: Any) -> None:
        self._post = post

    def begin(self, begin: Begin) -> None:
        self._post.say.remote(("begin", begin))

    def tick(self, tick: Tick) -> None:
        self._post.say.remote(("tick", tick))

    def epoch(self, row: Row) -> None:
        self._post.say.remote(("epoch", row))

    def note(self, line: str) -> None:
        self._post.say.remote(("note", line))


def _work(config: dict[str, Any]) -> None:
    """One worker. What cannot be mended by starting again is said, not raised."""
    import torch
    from torch.nn.parallel import DistributedDataParallel

    settings, post = config["settings"], config["post"]
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device() if settings.device == "cuda" else torch.device("cpu")
    torch.set_num_threads(settings.threads)

    def wrap(module: torch.nn.Module) -> torch.nn.Module:
        return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)

    said: Message | None = None
    try:
        config["parts"].unpack(cloudpickle.loads)
        project = Project.open(Path(config["directory"]), settings)
        with _alone(project.directory, rank, device):
            Job(project, device, _Relay(post), shard=(rank, world), wrap=wrap, asked=_asked(post))()
        said = ("done", None)
    except (NasError, KeyboardInterrupt) as error:
        said = ("interrupted", None) if isinstance(error, KeyboardInterrupt) else ("failed", _plain(error))
    if rank == 0 or said[0] == "failed":
        ray.get(post.say.remote(said))


@contextlib.contextmanager
def _alone(path: Path, rank: int, device: torch.device) -> Iterator[None]:
    """Nobody reads the checkpoint before no other rank 0 writes it: workers outlive a killed driver by seconds."""
    import torch.distributed as processes

    lock = acquire(path, WRITER, WRITER_SECONDS) if rank == 0 else contextlib.nullcontext()
    with lock:
        processes.barrier(device_ids=[device.index] if device.type == "cuda" else None)
        yield


def _plain(error: BaseException) -> NasError:
    """An error that can be sent to another process."""
    made = NasError(str(error))
    made.exit_status = getattr(error, "exit_status", 2)
    return made


def _asked(post: Any) -> Callable[[], bool]:
    """Asks the post, now and then."""
    last = time.monotonic()

    def ask() -> bool:
        nonlocal last
        if time.monotonic() - last < ASK_SECONDS:
            return False
        last = time.monotonic()
        return bool(ray.get(post.stopping.remote()))

    return ask


@contextlib.contextmanager
def _ray(settings: Settings) -> Iterator[None]:
    """A local Ray with room for the workers."""
    gpu = settings.device == "cuda"
    ours = not ray.is_initialized()
    if ours:
        cores = max(1, core_count() // settings.workers) if gpu else 1
        init(None, Shares(settings.workers, 1.0 if gpu else 0.0, cores), False, hint="without --workers no Ray is needed")
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Variables that Ray Train reads, and its workers inherit; what a person has set stands."""
    added = {name: value for name, value in {**SETTINGS, **LOOPBACK}.items() if name not in os.environ}
    os.environ.update(added)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of Ray, about settings of its own
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _reason(error: BaseException | None) -> str:
    return line(error) if error is not None else "Ray Train stopped"
