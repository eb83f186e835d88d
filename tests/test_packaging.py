"""What a person installs: wheel and sdist hold what they should, work outside the checkout, and state types and licence."""

from __future__ import annotations

import email
import email.message
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import nas

TOP = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]


def run(*line: object, cwd: Path = TOP, **environment: str) -> str:
    """What a command prints; it succeeds. Nothing of this checkout is on its path."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSTARTUP", "MYPYPATH")}
    ran = subprocess.run(list(map(str, line)), cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{line}: {ran.stdout[-3000:]}{ran.stderr[-3000:]}"
    return ran.stdout


def files(*folders: str) -> set[str]:
    """What git tracks, or would: without what it ignores and what is deleted. In an unpacked sdist all that came with it."""
    if not (TOP / ".git").exists():
        found = {str(path.relative_to(TOP)) for path in TOP.rglob("*") if path.is_file() and not re.search("cache|/dist/", str(path))}
        return {name for name in found if name != "PKG-INFO" and (not folders or name.startswith(tuple(f"{each}/" for each in folders)))}
    listed = run("git", "ls-files", "-co", "--exclude-standard", *folders).splitlines()
    return {name for name in listed if (TOP / name).is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built of it, as `python -m build` does, but without an environment of its own."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=source)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def test_the_wheel_holds_every_file_of_the_package(built: tuple[Path, Path]) -> None:
    names = {name for name in zipfile.ZipFile(built[1]).namelist() if ".dist-info/" not in name}
    wanted = files("nas") | {f"nas/{name}" for name in files("searchspaces")}
    assert names == wanted
    assert {"nas/py.typed", "nas/data/digits.npz", "nas/searchspaces/nasnet-cell.yaml"} <= names


def test_the_sdist_holds_the_whole_project(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == {name for name in files() if not name.startswith(".ci/")} | {"PKG-INFO"}
    assert {"LICENSE", "scripts/demo", "tests/test_packaging.py", "docs/design.md", "searchspaces/tiny.yaml"} <= names


def metadata(wheel: Path) -> email.message.Message:
    """What the wheel says of itself."""
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(archive.read(name))


def test_the_wheel_states_licence_types_and_what_it_needs(built: tuple[Path, Path]) -> None:
    from trove_classifiers import classifiers

    said = metadata(built[1])
    assert (said["Name"], said["Version"], said["License-Expression"]) == ("nas", nas.__version__, "Apache-2.0")
    assert said.get_all("License-File") == ["LICENSE"]
    assert set(said.get_all("Classifier", [])) <= set(classifiers)
    assert "Typing :: Typed" in said.get_all("Classifier", [])
    needed = {re.split(r"[ <>=\[]", line)[0] for line in said.get_all("Requires-Dist", []) if "extra" not in line}
    assert {"click", "torch", "ray", "optuna"} <= needed
    assert said.get_payload(), "the README is its description"
    archive = zipfile.ZipFile(built[1])
    (licence,) = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
    assert archive.read(licence) == (TOP / "LICENSE").read_bytes()


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an environment with the wheel. What it depends on is that of the tests, so that nothing is downloaded.

    A path in a .pth file is looked into, but the .pth files there are not read: an editable install of the checkout stays unseen.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    bin = folder / "bin"
    run(sys.executable, "-m", "pip", "--python", bin / "python", "install", "--quiet", "--no-deps", "--no-index", built[1])
    (packages,) = (folder / "lib").glob("python*/site-packages")
    theirs = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in theirs))
    return bin


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import nas; print(nas.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent), "it is the installed package that is tried"
    command = installed / "nas"
    assert run(command, "--version", cwd=tmp_path).startswith(f"nas {nas.__version__} (")
    assert "nasnet-cell" in run(command, "list", "spaces", cwd=tmp_path)
    assert "modern" in run(command, "list", "recipes", cwd=tmp_path)
    small = ("--epochs", "1", "--width", "0.1", "--depth", "0.2")
    what = ("--space", "nasnet-cell", "--dataset", "digits", "--budget", "2trials", "--engine", "local", *small, "--out", "run")
    run(command, "search", *what, cwd=tmp_path, OMP_NUM_THREADS="1")
    found = yaml.safe_load((tmp_path / "run" / "best.yaml").read_text())
    assert found["input"] == [1, 8, 8]
    assert '"params"' in run(command, "show", "run/best.yaml", "--json", cwd=tmp_path)
    assert (tmp_path / "run" / "best.svg").read_text().startswith("<svg")


SCRIPT = '''
import nas
from nas.evaluators import Fidelity

network = nas.load("lenet5")
cost = network.cost()
params: int = cost.params


def evaluate(architecture: nas.Architecture, fidelity: Fidelity) -> dict[str, float]:
    return {"accuracy": 1.0 - architecture.cost(aux=False).macs / 1e9}


study = nas.search("tiny", evaluator=evaluate, budget="3trials", engine="local", out="run")
best = study.best
if best is not None:
    print(best.number, best.value, best.architecture.name)
space = nas.Space
'''


@pytest.mark.slow
def test_a_users_typed_script_is_checked_against_the_installed_package(installed: Path, tmp_path: Path) -> None:
    """torch and Ray are left out of the check: what is looked at are the types that this package states."""
    (tmp_path / "mypy.ini").write_text("".join(f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in ("torch", "ray", "optuna", "numpy")))
    mypy = (sys.executable, "-m", "mypy", "--strict", "--config-file", "mypy.ini", "--cache-dir", "cache")
    (tmp_path / "mine.py").write_text(SCRIPT)
    assert "Success" in run(*mypy, "--python-executable", installed / "python", "mine.py", cwd=tmp_path)
    (tmp_path / "wrong.py").write_text('import nas\n\nparams: str = nas.load("lenet5").cost().params\n')
    with pytest.raises(AssertionError, match=r'expression has type "int"'):
        run(*mypy, "--python-executable", installed / "python", "wrong.py", cwd=tmp_path)


def test_versions_agree() -> None:
    citation = yaml.safe_load((TOP / "CITATION.cff").read_text())
    assert {nas.__version__, PROJECT["version"], str(citation["version"])} == {nas.__version__}
    assert f"## [{nas.__version__}]" in (TOP / "CHANGELOG.md").read_text()


def test_the_citation_is_valid() -> None:
    """The fields that the Citation File Format 1.2.0 requires or allows, and the licence's SPDX name."""
    citation = yaml.safe_load((TOP / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    allowed = {"abstract", "authors", "cff-version", "contact", "date-released", "doi", "identifiers", "keywords", "license", "message"}
    assert set(citation) <= allowed | {"preferred-citation", "references", "title", "type", "url", "version", "repository-code"}
    assert (citation["cff-version"], citation["type"], citation["license"]) == ("1.2.0", "software", PROJECT["license"])
    assert citation["authors"]
    for author in citation["authors"]:
        assert set(author) <= {"name", "family-names", "given-names", "affiliation", "orcid", "email", "website"}
        assert all(isinstance(value, str) and value for value in author.values())
    assert all(isinstance(word, str) for word in citation["keywords"])
    assert len(set(citation["keywords"])) == len(citation["keywords"])


def test_the_licence_is_whole() -> None:
    text = (TOP / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    for heading in range(1, 10):
        assert re.search(rf"^ +{heading}\. ", text, re.MULTILINE), heading
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_keeps_its_form() -> None:
    text = (TOP / "CHANGELOG.md").read_text()
    assert text.startswith("# Changelog\n")
    titles = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert titles[0] == "[Unreleased]" or titles[0].endswith("not released yet")
    released = [title for title in titles if title != "[Unreleased]"]
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d|not released yet)", title) for title in released)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds
    for line in text.splitlines():
        assert re.match(r"(#|\* |  |\[|$)", line) or line[0].isalpha(), line


def hooks() -> list[dict[str, Any]]:
    """Those of the pre-commit configuration."""
    config = yaml.safe_load((TOP / ".pre-commit-config.yaml").read_text())
    assert set(config) == {"repos"}
    (local,) = config["repos"]
    assert local["repo"] == "local", "nothing is downloaded at a commit"
    found: list[dict[str, Any]] = local["hooks"]
    return found


def test_hooks_are_well_formed() -> None:
    assert [hook["id"] for hook in hooks()] == ["ruff", "mypy", "lint-imports"]
    for hook in hooks():
        assert {"id", "name", "entry", "language"} <= set(hook) <= {
            "id", "name", "entry", "language", "types", "types_or", "files", "pass_filenames",
        }  # fmt: skip
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")


@pytest.mark.slow
@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
def test_a_hook_passes_on_the_tree(hook: dict[str, Any]) -> None:
    program, *arguments = shlex.split(hook["entry"].replace(".venv/bin", str(Path(sys.executable).parent)))
    named = sorted(name for name in files() if name.endswith(".py")) if hook.get("pass_filenames", True) else []
    run(program, *arguments, *named, PYTHONPATH=str(TOP))
