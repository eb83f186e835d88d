"""Starting or joining Ray: on the loopback address alone, without a word on the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray

from nas.engine.devices import Shares
from nas.engine.shipping import pack
from nas.errors import NasError

REACH_SECONDS = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HINT = "`--engine local` needs no Ray"
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


def cluster_devices(address: str, ship: bool = True, note: Callable[[str], None] = lambda line: None) -> tuple[int, int]:
    """GPUs and cores of the running cluster at `address`, to which this connects. Raises `NasError`.

    ship: whether its workers get this `nas` and the working directory; see `nas.engine.shipping`.
    """
    if not ray.is_initialized():
        join(address, ship, note)
    room = ray.cluster_resources()
    return int(room.get("GPU", 0)), int(room.get("CPU", 1))


def init(
    address: str | None, shares: Shares | None, dashboard: bool, hint: str = HINT,
    runtime_env: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Connect to the cluster, or start Ray here with as many logical cores as the lanes need. Raises `NasError`, with the `hint`."""
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": True}
    try:
        if address is not None or shares is None:
            at, loops = _reach(address)
            with loopback() if loops else contextlib.nullcontext(), own_signals():
                return ray.init(address=at, runtime_env=runtime_env, **common)
        with loopback(), own_signals():
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
        raise NasError(f"{what}: {line(error)}; {hint}") from None


def join(address: str, ship: bool, note: Callable[[str], None]) -> None:
    """Connect to a running cluster, whose workers get `nas` and the working directory unless told otherwise. Raises `NasError`."""
    if not ship:
        init(address, None, False)
        return
    _reach_or_raise(address)  # before what may take a while
    shipment = pack(Path.cwd())
    with tempfile.TemporaryDirectory(prefix="nas-ship-") as folder:
        archive = Path(folder) / "working_dir.zip"
        shipment.write(archive)
        init(address, None, False, runtime_env={"working_dir": str(archive)})
    note(shipment.line(Path.cwd()))


@contextlib.contextmanager
def loopback() -> Iterator[None]:
    """A Ray that is started within listens on the loopback address alone, as it does on macOS and Windows by default.

    On Linux it would put the host's address in the place of 127.0.0.1, so that other machines could join.
    """
    constants = ray._private.ray_constants
    before, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


def _reach_or_raise(address: str) -> None:
    try:
        _reach(address)
    except (OSError, ValueError, ConnectionError) as error:
        raise NasError(f"the Ray cluster at {address!r} cannot be reached: {line(error)}; {HINT}") from None


def _reach(address: str | None) -> tuple[str, bool]:
    """The address to join at, and whether that cluster is on the loopback address alone. Raises `OSError` or `ValueError`.

    Ray would wait for minutes for a cluster that is not there. And it puts the host's address in the place of 127.0.0.1,
    where a cluster that was started on the loopback address does not listen.
    """
    at = address or "auto"
    if at == "auto":
        at = ray._private.services.get_ray_address_from_environment("auto", None) or ""
        if ":" not in at:
            raise ValueError("no cluster runs on this machine")
    host, colon, port = at.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError("allowed: auto, HOST:PORT or ray://HOST:PORT")
    host = host.strip("[]")
    socket.create_connection((host, int(port)), REACH_SECONDS).close()
    if at.startswith("ray://") or host not in LOOPBACK:
        return at, False
    try:
        outside = ray._private.services.resolve_ip_for_localhost(host)
        socket.create_connection((outside, int(port)), REACH_SECONDS).close()
    except OSError:
        return at, True
    return at, False


@contextlib.contextmanager
def own_signals() -> Iterator[None]:
    """What a SIGTERM does stays what this program had it do: Ray would have it end the process at once."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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


@contextlib.contextmanager
def no_joining() -> Iterator[None]:
    """Whoever calls Ray within, as Tune's thread may that waits for room for a lane, does not connect this process to it again."""
    hook = ray._private.auto_init_hook
    before, hook.enable_auto_connect = hook.enable_auto_connect, False
    try:
        yield
    finally:
        hook.enable_auto_connect = before


def _say_nothing(*args: Any, **kwargs: Any) -> None:
    """In place of Ray's own printing."""


def login() -> str:
    """How to log in to the dashboard: since Ray 2.59 a local Ray asks for a token, which it keeps in a file."""
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return ""
    path = os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")
    where = "the variable RAY_AUTH_TOKEN" if os.environ.get("RAY_AUTH_TOKEN") else path
    return f"it asks for a token: `ray get-auth-token` prints it (it is kept in {where})"


def session_logs() -> str:
    with contextlib.suppress(Exception):
        return f"{ray._private.worker.global_worker.node.get_session_dir_path()}/logs"
    return "Ray's logs"


def line(error: object) -> str:
    return " ".join(str(error).split())[:200]
