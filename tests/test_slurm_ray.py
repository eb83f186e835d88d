"""`cluster/slurm.sh` for real, but for Slurm: tests/slurm has stand-ins that run everything on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import nas

pytestmark = pytest.mark.slow
TOP = Path(__file__).parent.parent
OPTIONS = ("--space", "tiny", "--dataset", "digits", "--budget", "3trials", "--epochs", "1", "--width", "0.25")


def test_a_head_two_workers_and_a_search_that_joins_them(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "nas").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nas "$@"\n')
    (tools / "nas").chmod(0o755)
    path = os.pathsep.join([str(TOP / "tests" / "slurm"), str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        **os.environ, "PATH": path, "HOME": str(tmp_path / "home"), "NAS_ENV": str(tmp_path / "none"), "NAS_ADDRESS": "127.0.0.1",
        "PYTHONPATH": str(TOP),
    }  # fmt: skip
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        environment.pop(name, None)
    command = ["sbatch", str(TOP / "cluster" / "slurm.sh"), "runs/mine", *OPTIONS]
    log = tmp_path / "log"
    with log.open("wb") as out:  # no pipe: what is left running would hold it open
        job = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=out, stderr=out, start_new_session=True)
        try:
            status = job.wait(250)
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing is left of a job that ended by itself
                os.killpg(job.pid, signal.SIGKILL)
    text = log.read_text() + "".join(path.read_text() for path in tmp_path.glob("nas-*.log"))
    assert status == 0, text
    assert "3 of 3 nodes are up" in text
    assert "3 workers, one core each" in text
    study = nas.open_study(tmp_path / "runs" / "mine")
    assert study.ledger().finished == 3
    assert list((tmp_path / "home" / ".ray").iterdir()) == []  # the token is gone
