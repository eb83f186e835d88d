"""What README.md and docs/ tell a person to type is typed here, with small budgets; what they show is what is printed."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pytest

import nas as package
from nas import spaces
from nas.cli.app import VERBS
from nas.evaluators import Fidelity
from nas.spaces import Space
from tests import pages
from tests.cli import Run, nas
from tests.pages import TOP, Typed

# Added to every search, where the last value of an option counts: the line is typed as it stands, only cheaper.
CHEAPER = ("--budget", "2trials", "--engine", "local", "--dataset", "digits", "--epochs", "1", "--width", "0.25", "--depth", "0.2")
# Blocks in which nothing is typed, and those that a test of their own runs.
OTHERS = {"text": "what is printed", "py": "tests/test_tune_ray.py"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run and the space that the documents speak of."""
    folder = tmp_path_factory.mktemp("docs")
    short = Fidelity(epochs=1)
    package.search("tiny", dataset="digits", budget="2trials", fidelity=short, engine="local", out=folder / "runs" / "NAME")
    package.train("resnet20", dataset="digits", epochs=1, out=folder / "runs" / "mine")
    (folder / "my-space.yaml").write_text(next(block.text for block in pages.blocks("yaml") if "name: my-space" in block.text))
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, made: Path, tmp_path: Path) -> Callable[..., Run]:
    """The command line in a folder of its own that has these."""
    for each in ("runs", "my-space.yaml"):
        (tmp_path / each).symlink_to(made / each)
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch)


# what is typed --------------------------------------------------------------------------------------------------------


SESSIONS = [(page, typed) for page, typed in pages.sessions() if any(each.line.startswith("nas ") for each in typed)]


@pytest.mark.parametrize(("page", "typed"), SESSIONS, ids=[f"{page}-{index}" for index, (page, _) in enumerate(SESSIONS)])
def test_session(call: Callable[..., Run], page: str, typed: tuple[Typed, ...], tmp_path: Path) -> None:
    """The commands of a block one after another, as a person would type them."""
    for index, each in enumerate(typed):
        if not each.line.startswith("nas ") or pages.not_here(each.line):
            continue
        run = call(*cheaper(pages.split(each.line), tmp_path / f"run{index}"))
        found = run.status == 1 and each.line.startswith("nas doctor")  # something about this machine, which is its work
        assert run.status == 0 or found, f"{page}: {each.line}: {run.err}"
        check_shown(f"{page}: {each.line}", each.shown, run.out)


def cheaper(words: list[str], out: Path) -> list[str]:
    """The same command, with a budget and a data set that take seconds, and its folder in `out`."""
    if words[0] == "search":
        looked_up = "tabular" in words  # nothing is trained: there is no data set, and one fidelity
        words = [*words, *(CHEAPER[:4] if looked_up else CHEAPER), "--out", str(out)]
    if "darts" in words:  # a budget in trials counts its phases
        words = [*words, "--strategy", "darts(epochs=1)", "--budget", "11trials"]
    if "--search" in words:
        words = [*words, *CHEAPER[:8], "--budget", "5trials", "--confirm", "0", "--out", str(out)]
    if words[0] == "train":
        words = [*words, "--dataset", "digits", "--epochs", "1", "--out", str(out)]
    if "--confirm" in words and "--search" not in words:
        words = [*words, "--confirm", "1x2", "--confirm-epochs", "1"]
    return words


def check_shown(where: str, shown: tuple[str, ...], printed: str) -> None:
    """Lines shown are lines printed, in their order; others may stand between them only where `...` does."""
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    at, free = 0, False
    for line in (" ".join(line.split()) for line in shown):
        if line == "...":
            free = True
            continue
        ahead = lines[at:] if free else lines[at : at + 1]
        assert line in ahead, f"{where}: prints no line {line!r} there, but {ahead[:40]}"
        at, free = at + ahead.index(line) + 1, False
    assert free or not shown or at == len(lines), f"{where}: prints more than is shown: {lines[at:][:5]}"


def test_what_is_shown_is_compared() -> None:
    """The check of lines finds a wrong figure, a line left out, and one too many."""
    printed = " a  1\n b  2\n c  3\n"
    check_shown("", ("a 1", "...", "c  3"), printed)
    check_shown("", (), printed)
    for wrong in (("a 1", "...", "c 4"), ("a 1", "c 3"), ("a 1", "b 2"), ("...", "b 2", "a 1", "...")):
        with pytest.raises(AssertionError):
            check_shown("", wrong, printed)


def test_numbers_of_the_tutorial_are_printed(call: Callable[..., Run]) -> None:
    """Every number of four digits or more in a section of docs/tutorial.md is printed by a command of that section."""
    for section in re.split(r"^## ", (pages.DOCS / "tutorial.md").read_text(), flags=re.MULTILINE)[1:]:
        lines = [pages.bare(line) for line in re.findall(r"^\$ (nas (?:show|compare|transfer|scale) .*)", section, re.MULTILINE)]
        printed = "".join(call(*pages.split(line)).out for line in lines)
        prose = re.sub(r"```.*?```", "", section, flags=re.DOTALL)
        for number in re.findall(r"\d{1,3}(?:,\d{3})+", prose):
            assert re.search(rf"(?<![\d,]){number}(?![\d,])", printed), f"{section.splitlines()[0]}: {number} is not printed"


# what is only read ----------------------------------------------------------------------------------------------------


def test_commands_of_nas_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `nas ...` anywhere in the pages has a verb, options and values that the program takes."""
    monkeypatch.chdir(tmp_path)
    wrong = {f"{page}: {line}: {error}" for page, line in pages.mentioned() if line.startswith("nas ") and (error := refused(line))}
    assert not wrong, "\n".join(sorted(wrong))


def refused(line: str) -> str | None:
    """What the command line says against a command when it reads it; None where it takes it. Names in capitals stand for anything."""
    verb, *words = ("3" if word == "N" else word for word in pages.split(line))
    if verb.isupper() or verb.startswith("-"):
        return None
    if verb not in VERBS:
        return f"no verb {verb}"
    command: click.Command = importlib.import_module(f"nas.cli.{VERBS[verb][0]}").command
    try:
        command.make_context(verb, words)
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        # A sentence may name a verb with some of its options, and an option without its value: what is left out is no mistake.
        left_out = isinstance(error, click.MissingParameter) or "requires an argument" in error.format_message()
        return None if left_out else error.format_message()
    return None


PARSE = """
import argparse, json, os, runpy, shlex, sys
class Read(Exception): pass
whole = argparse.ArgumentParser.parse_args
def parse(self, *args, **kwargs):
    whole(self, *args, **kwargs)
    raise Read
argparse.ArgumentParser.parse_args = parse
for line in json.load(sys.stdin):
    script, *sys.argv[1:] = shlex.split(line)
    sys.argv[0] = script
    sys.path.insert(0, os.path.dirname(script))
    try:
        runpy.run_path(script, run_name="__main__")
    except Read:
        continue
    except SystemExit as stop:
        print(line, stop.code)
"""


def test_scripts_read_what_is_typed() -> None:
    """Every `python scripts/...` and `scripts/...` is read by its script, which stops there: options, values, what is required."""
    typed = {line for _, line in pages.mentioned() if line.startswith("python scripts/") or " " in line}  # a name alone is none
    lines = {line.removeprefix("python ").removeprefix("./") for line in typed}
    lines = {line for line in lines if line.startswith("scripts/") and not line.startswith(("scripts/demo", "scripts/test"))}
    run = subprocess.run(
        [sys.executable, "-c", PARSE], input=json.dumps(sorted(lines)), cwd=TOP, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, ""), run.stdout + run.stderr


def test_other_commands_are_known() -> None:
    """Nothing is typed that is not run, read, or named with the reason why it is not; files named there exist."""
    for page, typed in pages.sessions():
        for each in typed:
            assert each.line.startswith(("nas ", "./scripts/", "python scripts/")) or pages.not_here(each.line), f"{page}: {each.line}"
    for page, line in pages.mentioned():
        for word in line.split():
            if word.startswith(("scripts/", "./scripts/", "cluster/", "examples/")):
                assert (TOP / word).exists(), f"{page}: {line}: no {word}"


def test_reasons_are_needed() -> None:
    """What is excused is in the pages, so that the list does not outlive them."""
    text = "\n".join(page.read_text() for page in pages.PAGES)
    assert [start for start in pages.NOT_HERE if start not in text] == []


def test_counts_are_true() -> None:
    """How many networks and spaces come along is said in words here and there."""
    text = "\n".join((TOP / page).read_text() for page in ("README.md", "docs/field.md"))
    networks, named = len(package.baselines.names()), 3  # those that the README names before it says how many more there are
    assert set(re.findall(r"(\d+) hand-designed networks", text) + re.findall(r"\[(\d+)\]\(tutorial", text)) == {str(networks)}
    assert f"{networks - named} more" in text
    words = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]
    said = {found.lower() for found in re.findall(r"(\w+) (?:spaces come|of them \|)", text)}
    assert said == {words[len(spaces.names()) - 10]}


def test_extras_exist() -> None:
    extras = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for page in pages.PAGES:
        for named in re.findall(r"(?:nas|\.)\[([a-z,]+)\]", page.read_text()):
            assert set(named.split(",")) <= set(extras), f"{page.name}: [{named}]"


def test_every_kind_of_block_is_tested() -> None:
    assert {block.kind for block in pages.blocks()} <= {"console", "bash", "sh", "", "python", "yaml", *OTHERS}


# blocks of other kinds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted({block.page for block in pages.blocks("python")}))
def test_python_blocks(page: str, made: Path) -> None:
    """Blocks of one page run one after another, as a person would paste them; what a remark says is printed is printed."""
    code = "\n".join(block.text for block in pages.blocks("python") if block.page == page)
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=made, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for claim in claims(code):
        assert claim in run.stdout.splitlines(), f"{page}: {claim!r} is not printed, but {run.stdout}"


def claims(code: str) -> list[str]:
    """What remarks behind or below a `print` say that it prints: those with a figure, True or False in them, and no other words."""
    said = re.findall(r"print\(.*\)[ \n]+# (.*)", code)
    return [text for text in said if re.search(r"\d|True|False", text) and re.fullmatch(r"[\w@.,\-: ]+", text)]


@pytest.mark.parametrize("block", pages.blocks("yaml"), ids=lambda block: block.page)
def test_yaml_blocks(block: pages.Block, tmp_path: Path) -> None:
    """A YAML block is a space, an architecture or a recipe, and reads as one."""
    from nas.arch.text import parse
    from nas.training import recipes

    data = parse(block.text, block.page)
    assert isinstance(data, dict)
    if "stages" not in data:
        (tmp_path / "recipe.yaml").write_text(block.text)
        recipes.load(str(tmp_path / "recipe.yaml"))
    elif "choose" in block.text or "subset" in block.text:
        assert Space(data).count() > 1
    else:
        assert package.Architecture.from_yaml(block.text).cost().params > 0


# the command line itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_examples_in_help_are_read(call: Callable[..., Run], verb: str) -> None:
    """Every example names options and verbs that exist: it is typed with `--help` at its end."""
    for line in call(verb, "--help").out.split("Examples:")[1].splitlines():
        if line.strip():
            assert call(*pages.split(line.split("|")[0]), "--help").status == 0


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    """The first command of the README, with a smaller budget."""
    before = set((TOP / "runs").glob("demo-*"))
    environment = {**os.environ, "NAS_DEMO_BUDGET": "30s"}
    run = subprocess.run([str(TOP / "scripts/demo")], capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    (left,) = set((TOP / "runs").glob("demo-*")) - before
    assert {"best.yaml", "best.svg"} <= {path.name for path in left.iterdir()}
