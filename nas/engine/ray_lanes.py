"""Lanes on Ray: one long-lived Tune trial a worker, which Tune restarts when it dies. The only file that imports ray."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import pickle
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.tune.progress_reporter import TrialProgressCallback

from nas.engine.devices import Shares
from nas.engine.lanes import Candidate, Dashboard, Event
from nas.engine.local import GRACE_SECONDS
from nas.engine.mailbox import BEAT_SECONDS, Mailbox
from nas.engine.ray_lane import RayLane
from nas.errors import NasError
from nas.evaluators import Evaluator

START_SECONDS = 180.0  # by then the first lane must have come up
START_ATTEMPTS = 3
STOP_SECONDS = 3.0
REACH_SECONDS = 5.0
OBJECT_STORE_BYTES = 80 * 2**20  # only parcels of a few kB pass through it
QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new reporter prints tables even at verbose=0
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of data sets stay what the user meant
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class RayLanes:
    """`shares.workers` lanes on a local Ray that is started for them, or on the running cluster at `address`."""

    def __init__(self, evaluator: Evaluator, shares: Shares, *, address: str | None = None, dashboard: bool = True) -> None:
        self.count, self.share, self.device = shares.workers, shares.devices, shares.device
        self.grace_seconds = float(getattr(evaluator, "grace_seconds", GRACE_SECONDS))
        self.dashboard: Dashboard | None = None
        self._evaluator, self._shares, self._address, self._with_dashboard = evaluator, shares, address, dashboard
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

    # ---- the driver's side ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start or join Ray, and Tune's trials in a thread. Raises `NasError` when Ray or the evaluator cannot be used."""
        _check_portable(self._evaluator)
        self._quiet.enter_context(_quiet())
        self._connect()
        self._check_room()
        self._mailbox = ray.remote(num_cpus=0, max_concurrency=1000)(Mailbox).remote()
        self._scratch = Path(tempfile.mkdtemp(prefix="nas-tune-"))
        self._started = time.monotonic()
        self._fit.start()

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Hand a candidate to a lane."""
        self._mailbox.deliver.remote(lane, pickle.dumps(candidate))

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Move deadlines; lanes hear of it at their next sign of life, so there is no hurry."""
        now = time.monotonic()
        if now >= self._allowed + BEAT_SECONDS / 2:
            self._allowed = now
            self._mailbox.limit.remote(dict(seconds))

    def poll(self, timeout: float) -> list[Event]:
        """What happened; waits at most `timeout` s. Raises `NasError` when the lanes cannot come up or have all ended."""
        self._check_alive()
        if self._asked is None:
            self._asked = self._mailbox.events.remote()
        try:
            events: list[Event] = ray.get(self._asked, timeout=timeout)
        except ray.exceptions.GetTimeoutError:
            return []
        except ray.exceptions.RayError as error:
            raise NasError(f"Ray is gone: {_line(error)}; `nas resume` goes on from the record") from None
        self._asked = self._mailbox.events.remote()  # answered while the driver is busy with these
        self._heard = True
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
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def _join_tune(self) -> None:
        if self._fit.is_alive():
            self._fit.join(STOP_SECONDS)

    # ---- Ray -----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if not ray.is_initialized():
            context = _init(self._address, self._shares, self._with_dashboard)
            self._ours = True
            url = getattr(context, "dashboard_url", None)
            if url and self._with_dashboard:
                self.dashboard = Dashboard(f"http://{url}", _login())
        elif self._address is not None:  # `cluster_devices` has connected
            self._ours = True

    def _check_room(self) -> None:
        room = ray.cluster_resources()
        kind, each = ("GPU", self._shares.gpus) if self._shares.gpus else ("CPU", float(self._shares.cpus))
        if each * self.count > room.get(kind, 0.0) + 1e-6:
            raise NasError(f"{self.count} workers need {each * self.count:g} {kind}s; Ray has {room.get(kind, 0.0):g}")

    def _check_alive(self) -> None:
        if not self._fit.is_alive():
            raise NasError(f"the workers have ended: {_line(self._error) if self._error else 'Ray Tune stopped'}")
        if not self._heard:
            self._check_start()

    def _check_start(self) -> None:
        """Tune would start lanes that cannot start for ever; what stops them is in its error files."""
        errors = [path.read_text(errors="replace") for path in (self._scratch or Path()).glob("lanes/*/error.txt")]
        hopeless = [text for text in errors if text.count("Failure # ") >= START_ATTEMPTS]
        if hopeless:
            raise NasError(f"the workers cannot start: {_line(hopeless[0].strip().splitlines()[-1])}")
        if time.monotonic() - self._started > START_SECONDS:
            raise NasError(f"no worker came up within {START_SECONDS:g} s; see {_session_logs()}")

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
                failure_config=tune.FailureConfig(max_failures=-1),  # a dead lane is always started again
                callbacks=[_Silent()],
            ),
        )


def _lane(config: dict[str, Any], evaluator: Evaluator, mailbox: Any, device: str, grace: float) -> None:
    RayLane(int(config["lane"]), mailbox, ray.get, evaluator, device, grace).serve()


class _Silent(TrialProgressCallback):
    """Prints nothing: the driver's observer has the screen."""

    def on_trial_result(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def on_trial_error(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def on_trial_complete(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


def cluster_devices(address: str) -> tuple[int, int]:
    """GPUs and cores of the running cluster at `address`, to which this connects. Raises `NasError`."""
    if not ray.is_initialized():
        _init(address, None, False)
    room = ray.cluster_resources()
    return int(room.get("GPU", 0)), int(room.get("CPU", 1))


def _init(address: str | None, shares: Shares | None, dashboard: bool) -> Any:
    """Connect to the cluster, or start Ray here with as many logical cores as the lanes need."""
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": True}
    try:
        if address is not None or shares is None:
            _reach(address)
            return ray.init(address=address, **common)
        with _loopback():
            return ray.init(
                address="local",
                num_cpus=max(1, shares.workers * shares.cpus),
                num_gpus=None if shares.gpus else 0,
                include_dashboard=dashboard,
                dashboard_host="127.0.0.1",
                object_store_memory=OBJECT_STORE_BYTES,
                **common,
            )
    except (OSError, RuntimeError, ValueError, ConnectionError, ray.exceptions.RayError) as error:
        what = f"the Ray cluster at {address!r} cannot be reached" if address else "Ray cannot be started here"
        raise NasError(f"{what}: {_line(error)}; `--engine local` needs no Ray") from None


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """A Ray that is started within listens on the loopback address alone, as it does on macOS and Windows by default.

    On Linux it would put the host's address in the place of 127.0.0.1, so that other machines could join.
    """
    constants = ray._private.ray_constants
    before, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


def _reach(address: str | None) -> None:
    """Ray would wait for minutes for a cluster that is not there. Raises `OSError` or `ValueError`."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ray and Tune say nothing on the terminal, which belongs to the driver's observer."""
    before = {name: os.environ.get(name) for name in QUIET}
    os.environ.update(QUIET)
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune", "ray.data")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    worker = ray._private.worker
    say, worker.print_to_stdstream = worker.print_to_stdstream, _say_nothing  # of dead workers, whatever log_to_driver
    try:
        yield
    finally:
        worker.print_to_stdstream = say
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def _say_nothing(*args: Any, **kwargs: Any) -> None:
    """In place of Ray's own printing."""


def _login() -> str:
    """How to log in to the dashboard: since Ray 2.59 a local Ray asks for a token, which it keeps in a file."""
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return ""
    path = os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")
    where = "the variable RAY_AUTH_TOKEN" if os.environ.get("RAY_AUTH_TOKEN") else path
    return f"it asks for a token: `ray get-auth-token` prints it (it is kept in {where})"


def _check_portable(evaluator: Evaluator) -> None:
    try:
        cloudpickle.dumps(evaluator)
    except (TypeError, AttributeError, pickle.PicklingError, RecursionError) as error:
        raise NasError(f"the evaluator cannot be sent to workers: {_line(error)}; use engine='local'") from None


def _session_logs() -> str:
    with contextlib.suppress(Exception):
        return f"{ray._private.worker.global_worker.node.get_session_dir_path()}/logs"
    return "Ray's logs"


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]
