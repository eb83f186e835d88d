"""One search under test: started, resumed, looked at from outside, and how long each of its drivers lived."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from nas.errors import NasError
from nas.study import Trial, open_study
from nas.testing.faults import account, processes, tear
from nas.testing.faults.command import HEARTBEAT
from nas.testing.faults.evaluator import ACCOUNT
from nas.testing.faults.places import Place

HEARTBEAT_SECONDS = 0.5  # of the ledger, so that checks are sharp
START_SECONDS = 90.0  # by then something is evaluated, on a busy machine


@dataclass(frozen=True)
class Plan:
    """What is searched: options of `nas search` beside `--out`, and how many trials that makes (0: as the time allows).

    alike: whether the sequence of trials is that of an undisturbed run: one worker, and nothing that is measured. span: seconds
    within which a fault strikes, once something is evaluated.
    """

    name: str
    options: tuple[str, ...]
    trials: int = 0
    alike: bool = True
    span: float = 1.5


@dataclass
class Life:
    """One driver: from when to when it lived, its exit status, and processes that it had started when it was killed."""

    began: float
    ended: float | None = None
    status: int | None = None
    family: tuple[processes.Process, ...] = ()


class Search:
    """A search of `plan` in `place`; `name` is that of the run folder."""

    def __init__(self, plan: Plan, place: Place, name: str, account_folder: Path) -> None:
        self.plan, self.place, self.directory = plan, place, place.folder / name
        self.account, self.log = account_folder, account_folder.with_suffix(".log")
        self.lives: list[Life] = []
        self._process: subprocess.Popen[bytes] | None = None

    # ---- its process ---------------------------------------------------------------------------------------------

    def start(self, tears: str = "") -> None:
        """`nas search`, or `nas resume` where there is a run; `tears` as in `nas.testing.faults.tear`."""
        there = (self.directory / "run.yaml").exists()
        words = ["resume", str(self.directory)] if there else ["search", "--out", str(self.directory), *self.plan.options]
        options = list(self.place.options)
        environment = os.environ | {ACCOUNT: str(self.account), HEARTBEAT: str(HEARTBEAT_SECONDS), tear.VARIABLE: tears}
        environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "COLUMNS": "200"}
        command = [sys.executable, "-m", "nas.testing.faults.command", *words, *options]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            log.write(f"\n$ nas {' '.join((*words, *options))}   {tears}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        self.lives.append(Life(time.monotonic()))

    @property
    def pid(self) -> int:
        """Of its driver."""
        assert self._process is not None
        return self._process.pid

    def poll(self) -> bool:
        """Whether its driver is at work; notes its end."""
        if self._process is None:
            return False
        life = self.lives[-1]
        life.family = life.family if life.ended else tuple({*life.family, *processes.descendants(self.pid)})
        status = self._process.poll()
        if status is not None and life.ended is None:
            life.ended, life.status = time.monotonic(), status
        return status is None

    def wait(self, seconds: float) -> bool:
        """Until its driver has ended; False where it has not by then."""
        end = time.monotonic() + seconds
        while self.poll():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def kill(self, *, group: bool = False) -> None:
        """SIGKILL to the driver, or to its group of processes."""
        self.poll()
        processes.kill(self.pid, group=group)
        assert self._process is not None
        self._process.wait()
        self.poll()

    def interrupt(self) -> None:
        """Ctrl-C, and wait for the end."""
        if self.poll():
            os.kill(self.pid, signal.SIGINT)
            if not self.wait(60):
                self.kill(group=True)

    def until_at_work(self) -> bool:
        """Until this driver has something evaluated; False where it ended before."""
        end = time.monotonic() + START_SECONDS
        while self.poll() and time.monotonic() < end:
            if any(entry.began > self.lives[-1].began for entry in self.entries()):
                return True
            time.sleep(0.05)
        return False

    # ---- what it has done ----------------------------------------------------------------------------------------

    def entries(self) -> list[account.Entry]:
        """The evaluator's account."""
        return account.read(self.account)

    def folders(self) -> list[Path]:
        """Its run folders: its own, and those of what follows."""
        names = ("", "confirm", "baselines", "control", "control/confirm")
        return [self.directory / name for name in names if (self.directory / name / "run.yaml").exists()]

    def trials(self, folder: Path) -> list[Trial]:
        """The record of one of these; nothing before its study was made."""
        try:
            return open_study(folder, storage=self.place.storage).trials
        except NasError as error:
            if "no study" in str(error) or "no such file" in str(error):
                return []
            raise

    def output(self) -> str:
        """All that its processes said."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def spans(self) -> list[tuple[float, float]]:
        """When drivers lived."""
        return [(life.began, life.ended or time.monotonic()) for life in self.lives]


Signature = tuple[object, ...]


def sequence(trials: list[Trial]) -> list[Signature]:
    """What must be the same in a run that was never disturbed."""
    return [
        (t.number, t.state, tuple(sorted(t.decisions.items())), t.values, t.seed, t.digest, t.order, t.parent, t.how, t.fraction)
        for t in trials
    ]

