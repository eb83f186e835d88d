"""Lanes on Ray: one long-lived Tune trial a worker, which Tune restarts when it dies."""

from __future__ import annotations

import contextlib
import math
import pickle
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune

from nas.engine.devices import Shares
from nas.engine.lanes import Candidate, Dashboard, Event, Ready
from nas.engine.local import GRACE_SECONDS
from nas.engine.mailbox import BEAT_SECONDS, Mailbox
from nas.engine.mps import Mps
from nas.engine.ray_lane import RayLane, title
from nas.engine.ray_start import init, line, login, quiet, session_logs
from nas.engine.ray_starts import Starts
from nas.errors import NasError
from nas.evaluators import Evaluator

START_SECONDS = 180.0  # by then the first lane must have come up
STOP_SECONDS = 3.0
MOST_CALLS = 100_000  # of the mailbox at once: two a lane, for as long as a candidate takes


class RayLanes:
    """`shares.workers` lanes on a local Ray that is started for them, or on the running cluster at `address`.

    mps: whether processes may share a GPU by NVIDIA's MPS, where that runs; see `nas.engine.mps`.
    """

    apart = True

    def __init__(
        self, evaluator: Evaluator, shares: Shares, *, address: str | None = None, dashboard: bool = True, mps: bool = True
    ) -> None:  # fmt: skip
        self.count, self.share, self.device = shares.workers, shares.devices, shares.device
        self.grace_seconds = float(getattr(evaluator, "grace_seconds", GRACE_SECONDS))
        self.dashboard: Dashboard | None = None
        self._evaluator, self._shares, self._address, self._with_dashboard = evaluator, shares, address, dashboard
        self._mps = Mps() if mps and 0 < shares.gpus < 1 and address is None else None
        self._starts = Starts()
        self._mailbox: Any = None
        self._asked: Any = None  # the answer of the mailbox that is waited for
        self._allowed = -math.inf
        self._ours = False  # whether this object connected to Ray, and is to disconnect
        self._heard = False
        self._started = 0.0
        self._error: BaseException | None = None
        self._fit = threading.Thread(target=self._run_tune, name="tune", daemon=True)
        self._scratch: Path | None = None
        self._quiet = contextlib.ExitStack()

    @property
    def entangled(self) -> bool:
        """Whether processes share a GPU so closely that a fault of one may end another: under MPS."""
        return self._mps is not None and self._mps.running

    # ---- the driver's side ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start or join Ray, and Tune's trials in a thread. Raises `NasError` when Ray or the evaluator cannot be used."""
        _check_portable(self._evaluator)
        self._quiet.enter_context(quiet())
        if self._mps is not None and not ray.is_initialized():  # workers inherit where its pipe lies
            self._mps.start()
        self._connect()
        self._check_room()
        self._mailbox = ray.remote(num_cpus=0, max_concurrency=MOST_CALLS)(Mailbox).remote()
        self._scratch = Path(tempfile.mkdtemp(prefix="nas-tune-"))
        self._started = time.monotonic()
        self._fit.start()

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Hand a candidate to a lane."""
        self._mailbox.deliver.options(name=title(candidate)).remote(lane, pickle.dumps(candidate))

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Move deadlines; lanes hear of it at their next sign of life, so there is no hurry."""
        now = time.monotonic()
        if now >= self._allowed + BEAT_SECONDS / 2:
            self._allowed = now
            self._mailbox.limit.remote(dict(seconds))

    def poll(self, timeout: float) -> list[Event]:
        """What happened; waits at most `timeout` s. Raises `NasError` when no lane comes up or Tune has ended."""
        retired = self._starts.retired()
        if retired:
            return list(retired)
        self._check_alive()
        if self._asked is None:
            self._asked = self._mailbox.events.remote()
        try:
            events: list[Event] = ray.get(self._asked, timeout=timeout)
        except ray.exceptions.GetTimeoutError:
            return []
        except ray.exceptions.RayError as error:
            raise NasError(f"Ray is gone: {line(error)}; `nas resume` goes on from the record") from None
        self._asked = self._mailbox.events.remote()  # answered while the driver is busy with these
        self._heard = True
        for event in events:
            if isinstance(event, Ready):
                self._starts.came_up(event.lane)
        return events

    def stop(self) -> None:
        """End the lanes, and Ray if it was started or joined here."""
        try:
            if self._mailbox is not None:
                with contextlib.suppress(Exception):
                    self._mailbox.close.remote()
                self._join_tune()
            if self._ours:
                ray.shutdown()
                self._join_tune()
        finally:
            self._quiet.close()
            if self._mps is not None:
                self._mps.stop()
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def _join_tune(self) -> None:
        if self._fit.is_alive():
            self._fit.join(STOP_SECONDS)

    # ---- Ray -----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if not ray.is_initialized():
            context = init(self._address, self._shares, self._with_dashboard)
            self._ours = True
            url = getattr(context, "dashboard_url", None)
            if url and self._with_dashboard:
                self.dashboard = Dashboard(f"http://{url}", login())
        elif self._address is not None:  # `cluster_devices` has connected
            self._ours = True

    def _check_room(self) -> None:
        room = ray.cluster_resources()
        kind, each = ("GPU", self._shares.gpus) if self._shares.gpus else ("CPU", float(self._shares.cpus))
        if each * self.count > room.get(kind, 0.0) + 1e-6:
            raise NasError(f"{self.count} workers need {each * self.count:g} {kind}s; Ray has {room.get(kind, 0.0):g}")

    def _check_alive(self) -> None:
        if not self._fit.is_alive():
            raise NasError(f"the workers have ended: {line(self._error) if self._error else 'Ray Tune stopped'}")
        if not self._heard and time.monotonic() - self._started > START_SECONDS:
            raise NasError(f"no worker came up within {START_SECONDS:g} s; see {session_logs()}")

    def _run_tune(self) -> None:
        try:
            self._tuner().fit()
        except BaseException as error:  # told by the next poll
            self._error = error

    def _tuner(self) -> tune.Tuner:
        resources = {"cpu": self._shares.cpus, "gpu": self._shares.gpus}
        lane = tune.with_parameters(_lane, evaluator=self._evaluator, mailbox=self._mailbox, device=self.device, grace=self.grace_seconds)
        return tune.Tuner(
            tune.with_resources(lane, resources),
            param_space={"lane": tune.grid_search(list(range(self.count)))},
            tune_config=tune.TuneConfig(max_concurrent_trials=self.count, reuse_actors=False),
            run_config=tune.RunConfig(
                name="lanes",
                storage_path=str(self._scratch),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=-1),  # a dead lane is started again, unless `Starts` gives it up
                callbacks=[self._starts],
            ),
        )


def _lane(config: dict[str, Any], evaluator: Evaluator, mailbox: Any, device: str, grace: float) -> None:
    RayLane(int(config["lane"]), mailbox, ray.get, evaluator, device, grace, _place(device)).serve()


def _place(device: str) -> str:
    """A name of the device that Ray has given to this worker: a GPU of a node, or the node."""
    node = str(ray.get_runtime_context().get_node_id())
    return f"{node}:{','.join(map(str, ray.get_gpu_ids()))}" if device.startswith("cuda") else node


def _check_portable(evaluator: Evaluator) -> None:
    try:
        cloudpickle.dumps(evaluator)
    except (TypeError, AttributeError, pickle.PicklingError, RecursionError) as error:
        raise NasError(f"the evaluator cannot be sent to workers: {line(error)}; use engine='local'") from None
