"""What README.md and docs/ tell a person to type is typed here, with small budgets."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import nas as package
from nas.cli.app import VERBS
from nas.spaces import Space
from tests.cli import Run, nas

TOP = Path(__file__).parent.parent
PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
# Added to every search, where the last value of an option counts: the line is typed as it stands, only cheaper.
CHEAPER = ("--budget", "2trials", "--engine", "local", "--dataset", "digits", "--epochs", "1", "--width", "0.25", "--depth", "0.2")


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of a kind."""
    return [(page.name, text) for page in PAGES for text in re.findall(rf"```{kind}\n(.*?)```", page.read_text(), re.DOTALL)]


def commands() -> list[tuple[str, str]]:
    """(page, line) of everything after a `$`."""
    lines = [(page, line) for page, text in blocks("console") for line in text.splitlines() if line.startswith("$ ")]
    return [(page, re.sub(r"\s#\s.*", "", line[2:]).strip()) for page, line in lines]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run and the space that the documents speak of."""
    folder = tmp_path_factory.mktemp("docs")
    package.search("tiny", dataset="digits", budget="2trials", engine="local", out=folder / "runs" / "NAME")
    package.train("resnet20", dataset="digits", epochs=1, out=folder / "runs" / "mine")
    (folder / "my-space.yaml").write_text(next(text for _, text in blocks("yaml") if "name: my-space" in text))
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, made: Path) -> Callable[..., Run]:
    """The command line in that folder."""
    monkeypatch.chdir(made)
    return partial(nas, capsys, monkeypatch)


@pytest.mark.parametrize(("page", "line"), [item for item in commands() if item[1].startswith("nas ")])
def test_command(call: Callable[..., Run], page: str, line: str, tmp_path: Path) -> None:
    words = shlex.split(line)[1:]
    if words[0] == "search":
        looked_up = "tabular" in words  # nothing is trained: there is no data set, and one fidelity
        words += [*(CHEAPER[:4] if looked_up else CHEAPER), "--out", str(tmp_path / "run")]
    if "darts" in words:  # a budget in trials counts its phases
        words += ["--strategy", "darts(epochs=1)", "--budget", "11trials"]
    if "--search" in words:
        words += [*CHEAPER[:8], "--budget", "5trials", "--confirm", "0", "--out", str(tmp_path / "run")]
    if words[0] == "train":
        words += ["--dataset", "digits", "--epochs", "1", "--out", str(tmp_path / "run")]
    words += ["--confirm", "1x2", "--confirm-epochs", "1"] if "--confirm" in words and "--search" not in words else []
    run = call(*words)
    assert run.status == 0, f"{page}: {line}: {run.err}"


def test_other_commands_are_known() -> None:
    others = {line for _, line in commands() if not line.startswith("nas ")}
    assert {line.split()[0] for line in others} <= {"./scripts/demo", "./scripts/test", "python"}
    for line in others:
        for word in line.split():
            assert not word.startswith("scripts/") or (TOP / word).exists(), f"{line}: no {word}"


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_python_blocks(page: str, made: Path) -> None:
    """Blocks of one page run one after another, as a person would paste them."""
    code = "\n".join(text for name, text in blocks("python") if name == page)
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=made, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_yaml_blocks_are_spaces(page: str, text: str) -> None:
    from nas.arch.text import parse

    assert Space(parse(text, page)).count() > 1


@pytest.mark.parametrize("verb", VERBS)
def test_examples_in_help_are_read(call: Callable[..., Run], verb: str) -> None:
    """Every example names options and verbs that exist: it is typed with `--help` at its end."""
    for line in call(verb, "--help").out.split("Examples:")[1].splitlines():
        if line.strip():
            assert call(*shlex.split(line.split("|")[0])[1:], "--help").status == 0


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    """The first command of the README, with a smaller budget."""
    before = set((TOP / "runs").glob("demo-*"))
    environment = {**os.environ, "NAS_DEMO_BUDGET": "30s"}
    run = subprocess.run([str(TOP / "scripts/demo")], capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    (left,) = set((TOP / "runs").glob("demo-*")) - before
    assert {"best.yaml", "best.svg"} <= {path.name for path in left.iterdir()}
