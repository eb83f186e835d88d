"""README.md and docs/ as material: blocks of code, commands, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parent.parent
DOCS = TOP / "docs"
PAGES = (TOP / "README.md", *sorted(DOCS.rglob("*.md")))

# Commands that cannot run here, and why. Everything else that a page tells a person to type is typed by the tests, or read by the
# program that it calls; of these the files that they name must exist.
NOT_HERE = {
    "git clone": "the address of the repository is the reader's",
    "ray up": "starts machines of a cloud; tests/test_cluster_files.py holds the file against Ray's schema",
    "kubectl apply": "needs Kubernetes; tests/test_cluster_files.py reads the file",
    "sbatch": "needs Slurm; tests/test_slurm_ray.py runs the script",
    "ray status": "needs a cluster",
    "ray list": "needs a cluster",
    "tensorboard": "serves until it is ended, and is not installed",
    "wandb": "needs an account",
    "optuna storage upgrade": "needs tables of an older Optuna",
    "ssh": "needs another machine",
    "source": "changes the shell that it is typed in",
    "pip install": "needs a network; the extras that it names are checked",
    "python3 -m venv": "makes an environment",
    "echo quit": "ends a service of NVIDIA's",
    "nas watch": "serves until it is ended: only read",
    "nas dashboard runs/": "serves until it is ended: only read, but for its other forms",
}
PROGRAMS = ("nas", "python", "python3", *(line.split()[0] for line in NOT_HERE))
SHELLS = ("console", "bash", "sh", "shell", "")  # kinds of blocks in which commands are typed; "": a block of no stated kind


class Block(NamedTuple):
    """A fenced block: the page's name within the repository, its kind, and its text."""

    page: str
    kind: str
    text: str


class Typed(NamedTuple):
    """A command with the lines of its output that the page shows."""

    line: str
    shown: tuple[str, ...]


def name(page: Path) -> str:
    """Within the repository."""
    return page.relative_to(TOP).as_posix()


def blocks(*kinds: str) -> list[Block]:
    """Every fenced block of these kinds; of all, if none is given."""
    found = []
    for page in PAGES:
        for kind, text in re.findall(r"^ *```([\w-]*)\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
            if not kinds or kind in kinds:
                found.append(Block(name(page), kind, text))
    return found


def sessions() -> list[tuple[str, tuple[Typed, ...]]]:
    """Of every `console` block the page and what is typed there, in its order."""
    return [(block.page, tuple(_typed(block.text))) for block in blocks("console")]


def _typed(text: str) -> Iterator[Typed]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, *shown = part.splitlines()
        yield Typed(bare(line), tuple(each for each in shown if each.strip()))


def bare(line: str) -> str:
    """A command without the remark behind it: after ` # `, or after two spaces and more."""
    return re.sub(r"(\s#\s|\s{2,}).*", "", line.strip()).strip()


def mentioned() -> list[tuple[str, str]]:
    """(page, command) of everything that looks like a command anywhere: in blocks, indented, or within a sentence."""
    found = []
    for page in PAGES:
        text = page.read_text()
        lines = [line for block in blocks(*SHELLS) if block.page == name(page) for line in block.text.splitlines()]
        plain = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
        lines += [line for line in plain.splitlines() if line.startswith("    ")]
        lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", plain)]
        found += [(name(page), command) for line in lines for command in commands_of(line)]
    return sorted(set(found))


def commands_of(line: str) -> Iterator[str]:
    """The commands of a line of a shell, one by one, each without variables set for it and remarks. Words behind dots are a sentence."""
    line = re.sub(r"\$\((.*?)\)", r"NAME ; \1", re.sub(r" \.\.\. [a-z].*", "", line))
    for part in re.split(r" \\?\|\|? | && | ?; | >>? ", bare(line.strip().removeprefix("$ "))):
        words = part.split()
        while words and (re.fullmatch(r"[A-Z_]+=\S*", words[0]) or words[0] in ("until", "do", "$")):
            words = words[1:]
        program = words[0] if words else ""
        script = re.fullmatch(r"(\./)?scripts/[\w./]+\w", program)
        if script or (len(words) > 1 and program in PROGRAMS):
            yield " ".join(words)


def not_here(command: str) -> str | None:
    """Why a command cannot run here; None where it can."""
    return next((why for start, why in NOT_HERE.items() if f"{command} ".startswith(start) or command.startswith(start)), None)


def split(command: str) -> list[str]:
    """As a shell does, without the program and without the dots that stand for anything."""
    return [word for word in shlex.split(command)[1:] if word != "..."]
