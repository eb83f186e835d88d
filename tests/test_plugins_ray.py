"""A user's own parts in workers on Ray, which know neither his script nor his plugins."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.test_plugins import GHOST, call, folder

__all__ = ["folder"]  # the fixture

pytestmark = pytest.mark.slow


def test_an_operation_of_the_script_and_a_plugin_in_a_search(folder: Path) -> None:
    """Values are those of the local engine."""
    code = """
        if __name__ == "__main__":
            import nas
            nas.plugins.load("rest.py")
            for engine in ("ray", "local"):
                study = nas.search("ghosts.yaml", dataset="digits", strategy="mine", budget="3trials", fidelity=nas.Fidelity(1),
                    workers=1, engine=engine, dashboard=False, out=engine)
                print([(trial.state, trial.value) for trial in study.trials])
    """
    (folder / "script.py").write_text(GHOST + textwrap.dedent(code))
    run = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    on_ray, here = run.stdout.splitlines()
    assert on_ray.count("COMPLETE") == 3
    assert on_ray == here


def test_a_plugin_in_a_search_and_in_a_training_of_two_processes(folder: Path) -> None:
    line = ["search", "--space", "ghosts.yaml", "--plugin", "ghosty.py", "--dataset", "digits", "--epochs", "1", "--no-dashboard"]
    searched = call(folder, *line, "--budget", "2trials", "--workers", "1", "--out", "run")
    assert searched.returncode == 0, searched.stderr
    line = ["train", "run", "--plugin", "ghosty.py", "--dataset", "digits", "--epochs", "1"]
    trained = call(folder, *line, "--workers", "2", "--out", "trained")
    assert trained.returncode == 0, trained.stderr
    assert "test accuracy" in trained.stdout
