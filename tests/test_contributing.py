"""CONTRIBUTING.md is followed to the letter, in a copy of the project: files are written, commands typed, contracts held."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

TOP = Path(__file__).parent.parent
PAGE = TOP / "CONTRIBUTING.md"
COPIED = ("nas", "searchspaces", "tests", "pyproject.toml", "docs", "README.md")
PAGE_LINES = 90  # what an engineer calls less than a page, with its code


class Recipe(NamedTuple):
    """A section of the page: files to write, lines to add to files, commands to type."""

    title: str
    files: dict[str, str]
    added: dict[str, str]
    commands: list[str]
    lines: int


def recipes() -> list[Recipe]:
    """Those sections that say how to add something."""
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    return [recipe(section) for section in sections if section.startswith("Add ")]


def recipe(section: str) -> Recipe:
    """Of a section's text."""
    files, added, commands = {}, {}, []
    for kind, text in re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL):
        first, _, rest = text.partition("\n")
        if kind == "console":
            commands += [line[2:].partition("  #")[0].strip() for line in text.splitlines()]
        elif first.startswith("# added to "):
            added[first.removeprefix("# added to ")] = rest
        else:
            assert first.startswith("# "), f"{first}: a block begins with the file that it is"
            files[first.removeprefix("# ")] = rest
    return Recipe(section.partition("\n")[0], files, added, commands, len(section.splitlines()))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with all recipes followed, in their order."""
    folder = tmp_path_factory.mktemp("contributing") / "nas"
    folder.mkdir()
    for name in COPIED:
        if (TOP / name).is_dir():
            shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "runs"))
        else:
            shutil.copy(TOP / name, folder / name)
    for each in recipes():
        for name, text in each.files.items():
            assert not (folder / name).exists(), f"{name} is there already: a recipe makes something new"
            (folder / name).write_text(text)
        for name, text in each.added.items():
            with (folder / name).open("a") as file:
                file.write(text)
    return folder


def run(copy: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """In the copy, with the copy's package."""
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(line, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def checked(copy: Path, code: str) -> None:
    """Run code against the copy."""
    ran = run(copy, sys.executable, "-W", "error", "-c", f"import nas; assert nas.__file__.startswith({str(copy)!r})\n{code}")
    assert ran.returncode == 0, ran.stderr


def test_there_is_a_recipe_for_each_and_none_is_longer_than_a_page() -> None:
    assert [each.title for each in recipes()] == ["Add an operation", "Add a space", "Add a strategy"]
    for each in recipes():
        assert each.lines <= PAGE_LINES, each.title
        assert each.files
        assert each.commands


@pytest.mark.slow
def test_what_is_added_keeps_the_rules_of_the_house(copy: Path) -> None:
    """Style and types of the new files; what is appended to a list is sorted in by the one who follows the recipe."""
    made = [name for each in recipes() for name in each.files if name.endswith(".py")]
    assert {name.split("/")[1] for name in made} == {"primitives", "strategies"}
    (copy.parent / "mypy.ini").write_text("".join(f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in ("torch", "optuna", "numpy")))
    types = ("mypy", "--strict", "--config-file", str(copy.parent / "mypy.ini"), "--cache-dir", str(copy.parent / "cache"))
    for line in (("ruff", "check"), types):
        ran = run(copy, sys.executable, "-m", *line, *made)
        assert ran.returncode == 0 or not re.search("|".join(map(re.escape, made)), ran.stdout), ran.stdout


@pytest.mark.slow
def test_the_operation_keeps_its_contract(copy: Path) -> None:
    checked(
        copy,
        "import torch; torch.set_num_threads(1)\n"
        "from nas.primitives import GatedConv\nfrom nas.testing import primitives\n"
        "for op in (GatedConv(), GatedConv(kernel=5)): primitives.check_operation(op)\n"
        "assert 'gated_conv_5x5' in primitives.examples()",
    )


@pytest.mark.slow
def test_the_space_keeps_its_contract(copy: Path) -> None:
    checked(
        copy,
        "import torch; torch.set_num_threads(1)\n"
        "from nas import spaces\nfrom nas.testing import architectures, spaces as kit\nimport random\n"
        "space = spaces.load('gates')\nkit.check(space)\nassert space.count() == 432, space.count()\n"
        "architectures.check(space.decode(space.sample(random.Random(0))))\n"
        "assert space.about.startswith('Gated convolutions')",
    )


@pytest.mark.slow
def test_the_strategy_keeps_its_contract(copy: Path) -> None:
    checked(
        copy,
        "from nas import spaces, strategies\nfrom nas.testing import strategies as kit\n"
        "kit.check(lambda space, seed: strategies.create('climb', space, seed), spaces.load('tiny'))\n"
        "kit.check(lambda space, seed: strategies.create('climb', space, seed), spaces.load('gates'))",
    )


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for each in recipes() for line in each.commands])
def test_a_command_of_a_recipe(copy: Path, line: str) -> None:
    words = shlex.split(line)
    assert words[0] == "python"
    ran = run(copy, sys.executable, *words[1:])
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    if "pytest" in words:
        assert re.search(r"[1-9]\d* passed|^\.+ +\[100%\]", ran.stdout, re.MULTILINE), "a filter that selects nothing is no test"


def test_what_the_page_names_is_there() -> None:
    text = PAGE.read_text()
    for path in re.findall(r"`((?:nas|tests|scripts|searchspaces)/[\w./-]+)`", text) + re.findall(r"\]\(([\w./-]+)\)", text):
        assert (TOP / path).exists(), path
    for line in re.findall(r"^\$ (\./\S+)", text, re.MULTILINE):
        assert os.access(TOP / line, os.X_OK), line
