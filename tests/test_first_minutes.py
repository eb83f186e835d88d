"""`./scripts/demo` on machines where something is missing: with programs that stand in for Python and pip, so nothing is downloaded."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
COPIED = ("scripts/demo", "scripts/_venv.sh", "pyproject.toml", "constraints.txt")
# A Python that is new enough, can make an environment, and whose pip does as it is told by files that lie about.
PYTHON = """#!/bin/sh
case "$*" in
    *version_info\\[:2\\]*) echo 3.11 ;;
    *version_info*) [ ! -e "$STAND/too-old" ] ;;
    --version) echo "Python 3.8.1" ;;
    *ensurepip*) [ ! -e "$STAND/no-venv" ] ;;
    "-m venv"*)
        mkdir -p .venv/bin
        [ -e "$STAND/venv-fails" ] && { echo "Error: no space" >&2; exit 1; }
        cp "$0" .venv/bin/python
        cp "$STAND/nas" .venv/bin/nas ;;
    "-m pip --version") [ -e .venv/bin/nas ] ;;
    "-m pip install"*)
        echo "$*" >>"$STAND/pip.log"
        [ -e "$STAND/no-network" ] && { echo "ERROR: No matching distribution found for torch" >&2; exit 1; }
        exit 0 ;;
esac
"""
NAS = """#!/bin/sh
case "$1" in
    search) [ -e "$STAND/search-fails" ] && exit 3; while [ "$1" != --out ]; do shift; done; mkdir -p "$2"; touch "$2/best.svg" ;;
    report) touch "$2/report.html" ;;
esac
"""


class Machine:
    """A fresh clone, and a folder of stand-ins that is all its PATH beside the system's own tools."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.stand = folder / "clone with space", folder / "stand"
        for name in COPIED:
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, self.clone / name)
        self.stand.mkdir()
        for name, text in {"python3": PYTHON, "nas": NAS}.items():
            (self.stand / name).write_text(text)
            (self.stand / name).chmod(0o755)
        for tool in ("bash", "cat", "cksum", "date", "dirname", "df", "awk", "mkdir", "cp", "rm", "touch", "sh"):
            found = shutil.which(tool)
            assert found is not None
            (self.stand / tool).symlink_to(found)

    def has(self, *what: str) -> None:
        """Let something be so."""
        for name in what:
            (self.stand / name).touch()

    def demo(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """`./scripts/demo` with next to nothing in the environment."""
        everything = {"PATH": str(self.stand), "HOME": str(self.stand), "STAND": str(self.stand), **environment}
        return subprocess.run(["./scripts/demo"], cwd=self.clone, env=everything, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One on which nothing is missing."""
    return Machine(tmp_path)


def test_two_commands_to_a_picture(machine: Machine) -> None:
    ran = machine.demo()
    assert (ran.returncode, ran.stderr) == (0, "")
    times = re.search(r"took \d+m \d+s to install, \d+m \d+s to search, \d+m \d+s in all", ran.stdout)
    assert times
    (page,) = re.findall(r"all of the search on one page: +(.*)  \(open", ran.stdout)
    (picture,) = re.findall(r"picture of the best network: +(.*)", ran.stdout)
    assert Path(page).is_file()
    assert Path(picture).is_file()
    assert re.search(r"^  nas draw runs/demo-\S+ --part cells", ran.stdout, re.MULTILINE)
    installed = (machine.stand / "pip.log").read_text().splitlines()
    assert [line.split()[-1] for line in installed] == ["torch", "."]
    assert all("--constraint constraints.txt" in line for line in installed)


def test_nothing_is_installed_twice(machine: Machine) -> None:
    machine.demo()
    before = (machine.stand / "pip.log").read_text()
    machine.has("no-network", "no-venv")
    ran = machine.demo()
    assert ran.returncode == 0, "what is there needs nothing more"
    assert (machine.stand / "pip.log").read_text() == before
    with (machine.clone / "constraints.txt").open("a") as file:
        file.write("new==1\n")
    assert machine.demo().returncode == 2, "other versions are installed anew"


# What is so, and what the one line of the error says.
OBSTACLES = {
    "too-old": ("Python 3.11 or newer is needed, and there is Python 3.8.1", "apt install python3.11"),
    "no-venv": ("no venv module", "sudo apt install python3.11-venv"),
    "venv-fails": ("could not make .venv", "GB are free here"),
    "no-network": ("torch could not be installed", "HTTPS_PROXY"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_an_obstacle_is_one_line_that_says_how_to_mend_it(machine: Machine, obstacle: str) -> None:
    machine.has(obstacle)
    ran = machine.demo()
    assert ran.returncode == 2
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert all(text in line for text in OBSTACLES[obstacle]), line
    assert "took" not in ran.stdout
    (machine.stand / obstacle).unlink()
    assert machine.demo().returncode == 0, "once it is mended, the same command goes on"


def test_a_python_that_was_named_is_taken_or_refused(machine: Machine) -> None:
    (machine.stand / "python3").rename(machine.stand / "mine")
    assert "there is none" in machine.demo().stderr
    ran = machine.demo(PYTHON="/no/such/python")
    assert (ran.returncode, "PYTHON=/no/such/python" in ran.stderr) == (2, True)
    assert machine.demo(PYTHON=str(machine.stand / "mine")).returncode == 0


def test_half_an_environment_is_made_anew(machine: Machine) -> None:
    (machine.clone / ".venv" / "bin").mkdir(parents=True)
    (machine.clone / ".venv" / "bin" / "python").symlink_to("/no/longer/there")
    (machine.clone / ".venv" / "bin" / "python").unlink()
    assert machine.demo().returncode == 0


def test_a_folder_that_cannot_be_written(machine: Machine) -> None:
    """With `[` that says so, as it does on a disk that is read-only."""
    script = machine.clone / "scripts" / "_venv.sh"
    text = script.read_text()
    assert text.count("[ -w . ]") == 1
    script.write_text(text.replace("[ -w . ]", "false"))
    ran = machine.demo()
    assert ran.returncode == 2
    assert "cannot be written; clone into a folder of yours" in ran.stderr


def test_a_disk_that_is_too_small_is_said_before_anything_is_downloaded(machine: Machine) -> None:
    (machine.stand / "df").unlink()
    (machine.stand / "df").write_text("#!/bin/sh\necho heads of columns; echo '/dev/x 9 8 1048576 9% /'\n")
    (machine.stand / "df").chmod(0o755)
    ran = machine.demo()
    assert ran.returncode == 2
    assert ran.stderr == "error: 1.0 GB are free here, and about 6 GB are needed; free some, or clone onto another disk\n"
    assert not (machine.clone / ".venv").exists()


def test_a_search_that_fails_points_to_the_doctor(machine: Machine) -> None:
    machine.has("search-fails")
    ran = machine.demo()
    assert ran.returncode == 3
    assert "nas doctor" in ran.stderr
    assert "took" not in ran.stdout


def test_scripts_are_read_by_an_old_bash() -> None:
    """macOS has bash 3.2: no associative arrays, `mapfile`, `${x^^}`, `&>>`, `|&` or `${x@Q}`."""
    for name in ("scripts/demo", "scripts/_venv.sh"):
        text = (TOP / name).read_text()
        for newer in (r"declare -A", r"\bmapfile\b", r"\breadarray\b", r"\^\^", r",,\}", r"&>>", r"\|&", r"@Q\}", r"\$EPOCH", r"local -n"):
            assert not re.search(newer, text), f"{name}: {newer}"
        assert subprocess.run(["bash", "-n", str(TOP / name)], check=False).returncode == 0
