"""Completion, asked for as each shell does: in a real bash on a terminal; in zsh and fish too where they are installed."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nas import baselines, data, spaces, strategies
from nas.cli import completing, values
from nas.cli.app import VERBS, app
from nas.cli.completion import SHELLS
from nas.training import recipes

CLEAR = "\x15"  # Ctrl-U: the line is emptied
# Typed, and what a tab makes of it. A space follows what is complete, and nothing follows what goes on.
TABS = {
    "nas stat": "nas status ",
    "nas search --stra": "nas search --strategy ",
    "nas search --space nasn": "nas search --space nasnet-cell ",
    "nas search --space=nasn": "nas search --space=nasnet-cell ",
    "nas search --strategy evo": "nas search --strategy evolution ",
    "nas search --strategy asha:evo": "nas search --strategy asha:evolution ",
    "nas search --dataset cifar100": "nas search --dataset cifar100 ",
    "nas search --dataset npz:my-d": "nas search --dataset npz:my-data.npz ",
    "nas search --engine lo": "nas search --engine local ",
    "nas train resnet11": "nas train resnet110 ",
    "nas train resnet20 --recipe nas": "nas train resnet20 --recipe nasnet ",
    "nas status runs/fo": "nas status runs/found ",
    "nas show runs/found/be": "nas show runs/found/best.yaml ",
    "nas score --proxies params,nasw": "nas score --proxies params,naswot ",
    "nas transfer nasnet_a_cifar --to imagen": "nas transfer nasnet_a_cifar --to imagenet ",
    "nas list recip": "nas list recipes ",
    "nas completion fi": "nas completion fish ",
}
# What a shell starts with. Without bracketed paste the line is shown as it is typed; `compinit -u` asks nothing.
STARTS = {
    "bash": ("bash --norc --noprofile -i", "bind 'set enable-bracketed-paste off'; PS1='> '; source <(nas completion bash)"),
    "zsh": ("zsh -f -i", "unset zle_bracketed_paste; PS1='> '; autoload -Uz compinit; compinit -u -D; source <(nas completion zsh)"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a data set, and `nas` in its `bin`."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "runs" / "found").mkdir(parents=True)
    (folder / "runs" / "other").mkdir()
    for name in ("runs/found/run.yaml", "runs/found/best.yaml", "my-data.npz"):
        (folder / name).touch()
    (folder / "bin").mkdir()
    command = folder / "bin" / "nas"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m nas "$@"\n')
    command.chmod(0o755)
    return folder


def environment(place: Path) -> dict[str, str]:
    """With that `nas` first, and a terminal on which shells do without colours and movements."""
    path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "TERM": "dumb", "HOME": str(place), "PYTHONPATH": str(Path(__file__).parent.parent)}


def seen(shown: str) -> str:
    """What stands on the terminal's line: without bells and line ends, with what backspaces took back taken back."""
    line = ""
    for sign in re.sub(r"\x1b\[\S*?[A-Za-z]|[\x07\r\n]", "", shown):
        line = line[:-1] if sign == "\b" else line + sign
    return line


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, line: list[str], place: Path) -> None:
        self._fd, theirs = pty.openpty()
        self._shell = subprocess.Popen(
            line, cwd=place, env=environment(place), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)

    def type(self, text: str, until: str, seconds: float = 10.0) -> str:
        """What is shown from now on, until it ends as it should or the time is up."""
        os.write(self._fd, text.encode())
        shown, latest = "", time.monotonic() + seconds
        while time.monotonic() < latest and not re.search(until, seen(shown)):
            if select.select([self._fd], [], [], 0.1)[0]:
                shown += os.read(self._fd, 65536).decode(errors="replace")
        return shown

    def close(self) -> None:
        """End it."""
        self._shell.kill()
        self._shell.wait()
        os.close(self._fd)


@pytest.fixture(scope="module", params=[shell for shell in STARTS if shell == "bash" or shutil.which(shell)])
def terminal(request: pytest.FixtureRequest, place: Path) -> Iterator[Terminal]:
    """A shell that has read its script."""
    line, start = STARTS[request.param]
    made = Terminal(line.split(), place)
    made.type(f"{start}; echo re''ady\n", "ready.*> *$")
    yield made
    made.close()


@pytest.mark.parametrize("begun", TABS)
def test_a_tab_on_a_terminal(terminal: Terminal, begun: str) -> None:
    wanted = TABS[begun]
    shown = terminal.type(f"{CLEAR}{begun}\t", f"{re.escape(wanted.rstrip())}( |$)")
    # What is typed after it tells whether a space followed.
    shown += terminal.type("#", "#")
    assert f"{wanted}#" in seen(shown)


def test_zsh_is_answered_as_its_script_reads(place: Path) -> None:
    """Three lines an answer, whether or not zsh is installed here; where it is, it was asked on a terminal above."""
    for begun, wanted in TABS.items():
        at = begun.count(" ")
        lines = answer(["nas"], place, COMP_WORDS=begun, COMP_CWORD=str(at), _NAS_COMPLETE="zsh_complete")
        kinds, found = set(lines[::3]), lines[1::3]
        assert len(lines) % 3 == 0
        assert kinds <= {"plain", "open", "file", "dir"}
        last = wanted.split()[-1]
        offered = last.partition("=")[2] if last.startswith("--") and "=" in last else last
        assert offered in found or kinds == {"file"}, begun


def test_fish_offers_the_same(place: Path) -> None:
    """fish says what it would offer; where it is not installed, our answers are read as its script reads them."""
    for begun, wanted in TABS.items():
        offered = fish(begun, place)
        assert wanted.split()[-1] in offered, begun


def answer(line: list[str], place: Path, **asked: str) -> list[str]:
    """Lines that a program prints; it says nothing else."""
    program = shutil.which(line[0], path=environment(place)["PATH"])
    assert program is not None
    ran = subprocess.run([program, *line[1:]], cwd=place, env={**environment(place), **asked}, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return ran.stdout.splitlines()


def fish(line: str, place: Path) -> list[str]:
    """What fish would put in the place of the last word."""
    words = line.split(" ")
    if shutil.which("fish"):
        code = "nas completion fish | source; complete -C $argv[1]"
        offers = answer(["fish", "--no-config", "-c", code, line], place)
        return [offer.partition("\t")[0].rstrip("/") for offer in offers]
    asked = {"COMP_WORDS": "\n".join(words[:-1]), "COMP_CWORD": words[-1], "_NAS_COMPLETE": "fish_complete"}
    answers = [line.partition(",") for line in answer(["nas"], place, **asked)]
    assert {kind for kind, _, _ in answers} <= {"plain", "open", "file", "dir"}
    paths = [str(path) for path in place.glob(f"{words[-1]}*")] if answers[0][0] in ("file", "dir") else []
    return [value.partition("\t")[0] for _, _, value in answers] + [str(Path(path).relative_to(place)) for path in paths]


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_read_by_their_shell(shell: str) -> None:
    """By the shell itself where it is installed; its brackets, quotes and blocks are even anywhere."""
    script = completing.script(shell)
    assert "%(" not in script, "nothing is left to be filled in"
    words = re.findall(r"\w+", re.sub(r"#.*|'[^']*'", "", script))
    for opening, closing in {"fish": [(("function", "for", "switch"), "end")]}.get(shell, [(("case",), "esac"), (("do",), "done")]):
        assert sum(words.count(word) for word in opening) == words.count(closing) > 0
    if program := shutil.which(shell):
        ran = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")


def test_bash_needs_nothing_newer_than_macs_have() -> None:
    """bash 3.2 knows no `mapfile`, no `nosort`, no `compopt`: what is newer has a way without it."""
    script = completing.script("bash")
    assert "mapfile" not in script
    assert "readarray" not in script
    assert all("2>/dev/null" in line for line in script.splitlines() if "compopt" in line or "nosort" in line)


def ask(line: str, place: Path) -> tuple[list[str], float]:
    """What bash would be offered at the end of a line, and the seconds that it waited."""
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_NAS_COMPLETE": "bash_complete"}
    begun = time.monotonic()
    lines = answer(["nas"], place, **asked)
    return [line.partition(",")[2] for line in lines if line], time.monotonic() - begun


def test_verbs_are_offered_at_once(place: Path) -> None:
    offered, _ = ask("nas ", place)
    assert offered == list(VERBS)
    assert min(ask("nas s", place)[1] for _ in range(5)) < 0.3


def test_an_unknown_verb_is_no_traceback(place: Path) -> None:
    assert ask("nas frobnicate --x", place)[0] == []
    assert ask("nas search --space nas --strat", place)[0] == ["--strategy"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("nas show ", baselines.names()),
        ("nas search --space ", spaces.names()),
        ("nas search --dataset ", (*data.names(), "npz:", "folder:")),
        ("nas search --strategy ", (*strategies.names(), "asha:", "hyperband:")),
        ("nas train resnet20 --recipe ", recipes.names()),
        ("nas status ", ("runs/found",)),
    ],
)
def test_all_names_are_offered(place: Path, line: str, names: tuple[str, ...]) -> None:
    assert set(ask(line, place)[0]) == set(names)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_every_verb_is_offered(place: Path, verb: str) -> None:
    command = app.get_command(click.Context(app), verb)
    assert command is not None
    long = {name for option in command.params for name in (*option.opts, *option.secondary_opts) if name.startswith("--")}
    assert set(ask(f"nas {verb} --", place)[0]) == long | {"--help"}


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_called_a_network_or_a_run_completes(verb: str) -> None:
    """Over the verbs that there are: none asks for a name that the table knows and leaves it to the person."""
    command = app.get_command(click.Context(app), verb)
    assert command is not None
    for parameter in command.params:
        known = parameter.name in values.VALUES and not isinstance(parameter.type, click.Choice)
        flag = isinstance(parameter, click.Option) and parameter.is_flag
        assert not known or flag or values.of(parameter) is not None, parameter.name
    assert set(values.LISTS) <= set(values.VALUES)
