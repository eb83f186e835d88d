"""NVIDIA's Multi-Process Service: kernels of several processes at the same time on one GPU, instead of in turns.

Its daemon is started for one search, with a pipe of its own, where its program is installed and nobody has set one up
already. Whatever goes wrong with it, the search goes on without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress

CONTROL = "nvidia-cuda-mps-control"
PIPE, LOG = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
SECONDS = 20.0  # for the daemon to start, to be tried, or to end
# Makes a context on the first GPU by the driver's own library: the smallest thing that shows whether a process can work under it.
TRIAL = (
    "import ctypes, sys; cuda = ctypes.CDLL('libcuda.so.1'); device, context = ctypes.c_int(), ctypes.c_void_p(); "
    "sys.exit(cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0) "
    "or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))"
)


class Mps:
    """The daemon, for as long as it is wanted. Processes started meanwhile find it by their environment.

    trial: a command that fails where a process can't use a GPU under it.
    """

    def __init__(self, trial: Sequence[str] = (sys.executable, "-c", TRIAL)) -> None:
        self._trial, self._folder = list(trial), ""
        self.why = "not asked for"  # why it does not run

    @property
    def running(self) -> bool:
        """Whether it does."""
        return bool(self._folder)

    def start(self) -> bool:
        """Start it, if it is there, is not running for this user already, and a process can use a GPU under it."""
        self.why = self._reason()
        if self.why:
            return False
        self._folder = tempfile.mkdtemp(prefix="nas-mps-")  # short: it is to hold sockets
        os.environ[PIPE] = os.environ[LOG] = self._folder
        if not self._does([CONTROL, "-d"]):
            self.why = f"{CONTROL} could not be started"
        elif not self._does(self._trial):
            self.why = "no process could use a GPU under it"
        if self.why:
            self.stop()
        return self.running

    def stop(self) -> None:
        """End it, and forget it."""
        if not self._folder:
            return
        self._does([CONTROL], "quit -t 5\n")  # seconds until servers are ended by force
        for name in (PIPE, LOG):
            os.environ.pop(name, None)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = ""

    @staticmethod
    def _reason() -> str:
        taken = next((name for name in (PIPE, LOG) if name in os.environ), None)
        if taken is not None:
            return f"{taken} is set already"
        return "" if shutil.which(CONTROL) else f"{CONTROL} is not installed"

    @staticmethod
    def _does(command: Sequence[str], text: str = "") -> bool:
        """Whether a command succeeds in time. Its output is nobody's: a daemon would keep a pipe open."""
        with suppress(OSError, subprocess.SubprocessError):
            quiet = subprocess.DEVNULL
            return subprocess.run(command, input=text.encode(), stdout=quiet, stderr=quiet, timeout=SECONDS, check=False).returncode == 0
        return False
