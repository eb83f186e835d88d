"""Every script of examples/ is short, says how it is typed, and does that: from any folder, leaving nothing but what it tells of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))
# What a run prints: of each script, so that a new one needs its line.
PRINTED = {
    "custom_operation": r"\{'conv': 2336, 'ghost': 232\} parameters.*\nbest: accuracy 0\.\d{3}, \d+ parameters, .*ghost.*\n",
    "custom_space": r"48 networks, by 5 decisions: .*(\n +\d+ parameters: .*){5}\nbest: accuracy 0\.\d{3} by \{.*\}\n",
    "optuna_study": r"(trial \d: accuracy 0\.\d{3}, rate .*, \d+ parameters\n){8}best: trial \d, 0\.\d{3}, trained in .*\n",
    "own_data": r"npz:.*: accuracy (0\.[89]|1\.0)\d\d, .*\nfolder:.*: accuracy (0\.[89]|1\.0)\d\d, .*\n",
    "scale_and_export": r"tiny: \d+ parameters.*\ntiny_\S+: \d{5} parameters.*\ntest accuracy 0\.\d{3}.*\nthe same logits: True\n",
}


def typed(script: Path, folder: Path, *arguments: str) -> str:
    """What the script prints, run in an empty folder beside the one for its temporary files."""
    (folder / "here").mkdir()
    (folder / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(folder / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
    line = [sys.executable, "-W", "error", str(script), *arguments]
    run = subprocess.run(line, cwd=folder / "here", capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert not list((folder / "here").iterdir()), "it writes where it was called"
    return run.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_header(script: Path) -> None:
    lines = script.read_text().splitlines()
    assert len(lines) < 40
    header = "\n".join(line for line in lines[: lines.index("")] if line.startswith("#"))
    assert re.search(rf"^#   python examples/{script.name}\b.* about \d+ s on one core", header, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_runs(script: Path, tmp_path: Path) -> None:
    before = sorted(FOLDER.iterdir())
    printed = typed(script, tmp_path)
    assert re.search(PRINTED[script.stem], printed), printed
    told = re.findall(r"(?<![\w.])/[^\s,;:]+", printed)
    assert told
    for path in told:
        assert Path(path).exists(), f"{path} is told, and not there"
    assert sorted(FOLDER.iterdir()) == before


def test_own_data_given(tmp_path: Path) -> None:
    archive = Path(__file__).parent.parent / "nas" / "data" / "digits.npz"
    assert typed(FOLDER / "own_data.py", tmp_path, f"npz:{archive}").startswith(f"npz:{archive}: accuracy 0.")


def test_custom_space_given(tmp_path: Path) -> None:
    space = Path(__file__).parent.parent / "searchspaces" / "tiny.yaml"
    before = space.read_bytes()
    assert typed(FOLDER / "custom_space.py", tmp_path, str(space)).startswith(f"{space}: ")
    assert space.read_bytes() == before


@pytest.mark.slow
def test_scale_and_export_given(tmp_path: Path) -> None:
    printed = typed(FOLDER / "scale_and_export.py", tmp_path, "resnet20", "100k")
    assert re.search(r"^resnet20: 269722 .*\nresnet20_phi-3: 10\d{4} .*\n.*\nthe same logits: True\n", printed), printed


@pytest.mark.slow
def test_optuna_study_goes_on(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert "\ntrial 7: " in typed(FOLDER / "optuna_study.py", first, storage)
    printed = typed(FOLDER / "optuna_study.py", second, storage)
    assert printed.startswith("trial 8: ")
    assert "\ntrial 15: " in printed
