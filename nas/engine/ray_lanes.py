"""Lanes on Ray: one long-lived Tune trial a worker, which Tune restarts when it dies."""

from __future__ import annotations

import contextlib
import math
import pickle
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nas.engine.carrying import Parts, pack
from nas.engine.devices import Shares
from nas.engine.lanes import Candidate, Dashboard, Event, Ready
from nas.engine.local import GRACE_SECONDS
from nas.engine.mailbox import BEAT_SECONDS, Mailbox
from nas.engine.mps import Mps
from nas.engine.place import kind_of, memory_of
from nas.engine.ray_lane import RayLane, title
from nas.engine.ray_start import init, join, line, login, no_joining, quiet, session_logs
from nas.engine.ray_starts import Starts
from nas.engine.shipping import folders
from nas.engine.versions import versions
from nas.errors import NasError
from nas.evaluators import Evaluator

REACH_SECONDS = 1.0  # a node answers in milliseconds
START_SECONDS = 180.0  # by then the first lane must have come up
STOP_SECONDS = 3.0
ACCELERATOR = "ray.io/accelerator-type"  # the label that Ray gives to a node by its GPUs
MOST_CALLS = 100_000  # of the mailbox at once: two a lane, for as long as a candidate takes


class RayLanes:
    """`shares.workers` lanes on a local Ray that is started for them, or on the running cluster at `address`.

    mps: whether processes may share a GPU by NVIDIA's MPS, where that runs; see `nas.engine.mps`. name: of the search, for
    Ray's dashboard. most: so many lanes once there is room, 0 for no more than `shares.workers`; spare ones are started
    where nodes join. ship: whether workers of the cluster get `nas` and the working directory. patience: for how many
    seconds it waits for the first lane on a cluster.
    """

    apart = True

    def __init__(
        self, evaluator: Evaluator, shares: Shares, *, address: str | None = None, dashboard: bool = True, mps: bool = True,
        name: str = "search", most: int = 0, ship: bool = True, patience: float = START_SECONDS,
    ) -> None:  # fmt: skip
        self.count, self.expected, self.share, self.device = max(most, shares.workers), shares.workers, shares.devices, shares.device
        self._name, self._ship = name, ship
        self._patience = START_SECONDS if address is None else max(START_SECONDS, patience)
        self._lives: dict[int, int] = {}  # of lanes that are up
        self._nodes: dict[int, str] = {}  # Ray's ids of them, by lane
        self.grace_seconds = float(getattr(evaluator, "grace_seconds", GRACE_SECONDS))
        self.dashboard: Dashboard | None = None
        self._evaluator, self._shares, self._address, self._with_dashboard = evaluator, shares, address, dashboard
        self._mps = Mps() if mps and 0 < shares.gpus < 1 and address is None else None
        self._starts = Starts(self._died)
        self._parts = Parts()
        self._mailbox: Any = None
        self._asked: Any = None  # the answer of the mailbox that is waited for
        self._allowed = -math.inf
        self._ours = False  # whether this object connected to Ray, and is to disconnect
        self._heard = self._over = False
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
        self._parts = pack(cloudpickle.dumps)
        self._quiet.enter_context(quiet())
        if self._mps is not None and not ray.is_initialized():  # workers inherit where its pipe lies
            self._mps.start()
        self._connect()
        self._check_room()
        self._mailbox = _mailbox(self._name)
        self._scratch = Path(tempfile.mkdtemp(prefix="nas-tune-"))
        self._started = time.monotonic()
        self._fit.start()

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Hand a candidate to a lane."""
        deliver = self._mailbox.deliver.options(name=title(candidate))
        deliver.remote(lane, pickle.dumps(candidate), self._lives.get(lane, 0))

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
                self._lives[event.lane], self._nodes[event.lane] = event.life, event.device.partition(":")[0]
        return events

    def _died(self, lane: int) -> None:
        """Tell the mailbox, so that what the lane held is the next to run, before the lane is back. In Tune's thread."""
        if self._over or not ray.is_initialized():  # to ask Ray would join the cluster again
            return
        with contextlib.suppress(Exception):  # Ray is gone, or going: the driver sees it
            there = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
            node = there.get(self._nodes.get(lane, ""))
            self._mailbox.lose.remote(lane, node is None or not _answers(node))

    def stop(self) -> None:
        """End the lanes, and Ray if it was started or joined here."""
        self._over = True
        try:
            if self._mailbox is not None:
                with contextlib.suppress(Exception):
                    self._mailbox.close.remote()
                self._join_tune()
            if self._ours:
                with no_joining():
                    ray.shutdown()
                    self._join_tune()
            elif self._mailbox is not None:
                with contextlib.suppress(Exception):
                    ray.kill(self._mailbox)
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
            if self._address is not None:
                join(self._address, self._ship, lambda line: None)
            context = None if self._address is not None else init(None, self._shares, self._with_dashboard)
            self._ours = True
            url = getattr(context, "dashboard_url", None)
            if url and self._with_dashboard:
                self.dashboard = Dashboard(f"http://{url}", login())
        elif self._address is not None:  # `cluster_devices` has connected
            self._ours = True

    def _check_room(self) -> None:
        room = ray.cluster_resources()
        kind, each = ("GPU", self._shares.gpus) if self._shares.gpus else ("CPU", float(self._shares.cpus))
        if self.count == self.expected and each * self.count > room.get(kind, 0.0) + 1e-6:
            raise NasError(f"{self.count} workers need {each * self.count:g} {kind}s; Ray has {room.get(kind, 0.0):g}")

    def _check_alive(self) -> None:
        if not self._fit.is_alive():
            raise NasError(f"the workers have ended: {line(self._error) if self._error else 'Ray Tune stopped'}")
        if not self._heard and time.monotonic() - self._started > self._patience:
            raise NasError(f"no worker came up within {self._patience:g} s; see {session_logs()}")

    def _run_tune(self) -> None:
        try:
            self._tuner().fit()
        except BaseException as error:  # told by the next poll
            self._error = error

    def _tuner(self) -> tune.Tuner:
        resources = {"cpu": self._shares.cpus, "gpu": self._shares.gpus}
        lane = tune.with_parameters(
            _lane, evaluator=cloudpickle.dumps(self._evaluator), parts=self._parts, mailbox=self._mailbox, device=self.device,
            grace=self.grace_seconds, name=f"nas {self._name}", places=folders(Path.cwd()) if self._address is not None else [],
        )  # fmt: skip
        lane.__name__ = f"nas {self._name} lane"
        return tune.Tuner(
            tune.with_resources(lane, resources),
            param_space={"lane": tune.grid_search(list(range(self.count)))},
            tune_config=tune.TuneConfig(
                max_concurrent_trials=self.count,
                reuse_actors=False,
                trial_name_creator=partial(_called, f"nas {self._name} lane "),
                trial_dirname_creator=partial(_called, "lane-"),
            ),
            run_config=tune.RunConfig(
                name="lanes",
                storage_path=str(self._scratch),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=-1),  # a dead lane is started again, unless `Starts` gives it up
                callbacks=[self._starts],
            ),
        )


def _answers(node: Mapping[str, Any]) -> bool:
    """Whether a node is there: Ray itself takes half a minute to miss one, and until then a lost node looks like a dead worker."""
    try:
        socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), REACH_SECONDS).close()
    except OSError:
        return False
    return True


def _called(prefix: str, trial: Any) -> str:
    """The name of a trial of Tune's: of a lane."""
    return f"{prefix}{trial.config['lane']}"


def _mailbox(name: str) -> Any:
    """On the driver's node: with any other the search would be lost."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    made = ray.remote(num_cpus=0, max_concurrency=MOST_CALLS)(Mailbox)
    return made.options(name=f"nas {name} mailbox", scheduling_strategy=here).remote()


def _lane(
    config: dict[str, Any], evaluator: bytes, parts: Parts, mailbox: Any, device: str, grace: float, name: str, places: Sequence[str]
) -> None:  # fmt: skip
    """In a worker's process. evaluator: pickled, for it may be of a module that lies in one of `places` below the working directory."""
    lane = int(config["lane"])
    with contextlib.suppress(Exception):  # the name under which Ray's dashboard shows it
        ray._private.worker.global_worker.core_worker.set_actor_repr_name(f"{name} lane {lane}")
    sys.path[1:1] = [str(Path.cwd() / place) for place in places]
    parts.unpack(cloudpickle.loads)
    judge: Evaluator = cloudpickle.loads(evaluator)
    RayLane(_ready(lane, device, measured=hasattr(judge, "memory")), mailbox, ray.get, judge, device, grace).serve()


def _ready(lane: int, device: str, measured: bool) -> Ready:
    """What a worker says of itself; measured: whether the memory of its device is of interest."""
    context = ray.get_runtime_context()
    node, cuda = str(context.get_node_id()), device.startswith("cuda")
    place = f"{node}:{','.join(map(str, ray.get_gpu_ids()))}" if cuda else node
    label = str(context.get_node_labels().get(ACCELERATOR, "")) if cuda else ""
    memory = memory_of(device) if measured else math.inf
    return Ready(lane, 0.0, place, memory, kind_of(device, label), socket.gethostname(), versions())


def _check_portable(evaluator: Evaluator) -> None:
    try:
        cloudpickle.dumps(evaluator)
    except (TypeError, AttributeError, pickle.PicklingError, RecursionError) as error:
        raise NasError(f"the evaluator cannot be sent to workers: {line(error)}; use engine='local'") from None
