"""Manners of the command line: --version, --quiet, --json, colours, and what a pipe gets."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pytest

import nas as package
from nas.cli.app import VERBS, app
from nas.evaluators import Fidelity
from tests.cli import Run, nas

SEARCH = ("search", "--space", "tiny", "--engine", "local", "--budget", "2trials", "--epochs", "1", "--width", "0.5")
TRAIN = ("train", "resnet20", "--dataset", "digits", "--epochs", "1", "--batch", "512")
ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|4[0-7]|9[0-7]|10[0-7]|38|48)[;m]")

# What acts, opens something, or writes a file: what it prints tells how that went. All other verbs are read, and have --json.
ACTS = {"search", "resume", "dashboard", "completion", "report", "watch", "draw"}
# What a verb needs so that it takes a moment; one that is not here needs nothing.
CALLS: dict[str, tuple[str, ...]] = {
    "status": ("runs/NAME",),
    "budget": ("runs/NAME",),
    "show": ("runs/NAME",),
    "transfer": ("nasnet_a_cifar", "--cells", "2"),
    "scale": ("lenet5", "--phi", "1"),
    "train": (*TRAIN[1:], "--out", "runs/json"),
    "export": ("lenet5", "--out", "lenet5.py"),
    "latency": ("lenet5",),
    "compare": ("lenet5", "--runs", "runs/NAME", "--trials"),
    "score": ("lenet5", "--proxies", "params,naswot"),
    "bench": ("--table", "synthetic", "--trials", "20", "--seeds", "2", "--workers", "1"),
    "list": ("strategies",),
}


def command(verb: str) -> click.Command:
    """Of a verb."""
    found = app.get_command(click.Context(app), verb)
    assert found is not None
    return found


def options(verb: str) -> set[str]:
    """All spellings of all options."""
    return {spelling for parameter in command(verb).params for spelling in parameter.opts}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, `runs/NAME`."""
    folder = tmp_path_factory.mktemp("manners")
    package.search("tiny", dataset="digits", budget="3trials", engine="local", fidelity=Fidelity(1, 0.5), out=folder / "runs" / "NAME")
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, made: Path) -> Callable[..., Run]:
    """The command line in that folder."""
    monkeypatch.chdir(made)
    return partial(nas, capsys, monkeypatch)


def test_version_is_one_line_and_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['nas', '--version']\nfrom nas.cli import main\nmain()\nprint(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    line, modules = out.splitlines()
    assert re.fullmatch(rf"nas {re.escape(package.__version__)} \(Python 3\.\d+\.\d+\S*, torch \S+, ray \S+\)", line)
    assert not [name for name in ("torch", "ray", "numpy", "rich") if f"'{name}'" in modules]


def test_version_says_what_is_missing(call: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    assert "no torch, no ray" in call("--version").out


def test_nas_alone_is_the_help_and_no_error(call: Callable[..., Run]) -> None:
    run = call()
    assert run.status == 2
    assert run.err.startswith("Usage: nas ")
    assert all(f"  {verb} " in run.err for verb in VERBS)


@pytest.mark.parametrize("words", [("completion",), ("completion", "tcsh"), ("list", "all"), ("train", "lenet5", "--device", "tpu")])
def test_a_wrong_choice_is_one_line_with_what_is_allowed(call: Callable[..., Run], words: tuple[str, ...]) -> None:
    run = call(*words)
    assert (run.status, run.out, run.err.count("\n")) == (2, "", 1)
    assert run.err.startswith("error: ")
    assert any(allowed in run.err for allowed in ("fish", "baselines", "cuda"))


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_that_reads_has_json(verb: str) -> None:
    assert verb in ACTS or "--json" in options(verb)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ACTS])
def test_json_is_all_there_is_on_standard_output(call: Callable[..., Run], verb: str) -> None:
    arguments = CALLS.get(verb, ())
    run = call(verb, *arguments, "--json")
    assert run.status == 0, run.err
    assert json.loads(run.out) not in ([], {}, None)
    assert ESCAPE not in run.out


def test_a_plan_as_json_is_all_there_is(call: Callable[..., Run]) -> None:
    assert json.loads(call(*SEARCH, "--dry-run", "--json").out)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb in ("search", "resume", "train", "scale", "bench", "export")])
def test_what_takes_long_can_be_quiet(verb: str) -> None:
    assert {"-q", "--quiet"} <= options(verb)


def test_a_quiet_search_prints_where_its_best_lies(call: Callable[..., Run]) -> None:
    run = call(*SEARCH, "--out", "runs/quiet", "-q")
    assert (run.status, run.out, run.err) == (0, "runs/quiet/best.yaml\n", "")
    assert json.loads(call("show", run.out.strip(), "--json").out)["params"] > 0
    run = call("resume", "runs/quiet", "-q", "--confirm", "1x2", "--confirm-epochs", "1")
    assert run.out.splitlines() == ["runs/quiet/best.yaml", "runs/quiet/confirmed.yaml"]
    assert run.err == ""


def test_a_quiet_search_still_says_its_errors(call: Callable[..., Run]) -> None:
    run = call("search", "--space", "nasnet-cell", "--engine", "local", "--budget", "0.3s", "--epochs", 50, "--out", "runs/none", "-q")
    assert (run.status, run.out) == (3, "")
    assert run.err.startswith("error: ")


def test_quiet_is_refused_beside_what_prints(call: Callable[..., Run]) -> None:
    for other in (("--log-format", "json"), ("--dry-run",)):
        run = call(*SEARCH, "--out", "runs/no", "-q", *other)
        assert run.status == 2
        assert "--quiet" in run.err
    assert not Path("runs/no").exists()


def test_a_quiet_training_prints_where_its_weights_lie(call: Callable[..., Run]) -> None:
    run = call(*TRAIN, "--out", "runs/trained", "-q")
    assert (run.status, run.out, run.err) == (0, "runs/trained/weights.pt\n", "")
    assert Path(run.out.strip()).is_file()
    assert call("resume", "runs/trained", "-q").out == "runs/trained/weights.pt\n"


def test_quiet_prints_the_files_that_were_written(call: Callable[..., Run]) -> None:
    bench = ("bench", *CALLS["bench"], "-q")
    assert call(*bench, "--out", "found.json").out == "found.json\n"
    assert "evolution" in call(*bench).out, "where no file is written the table is the result"
    assert call("export", "lenet5", "--out", "quiet.py", "-q").out == "quiet.py\n"
    assert call("scale", "lenet5", "--phi", 1, "--out", "larger.yaml", "-q").out == "larger.yaml\n"


@pytest.mark.slow
def test_a_quiet_search_for_coefficients(call: Callable[..., Run]) -> None:
    run = call(
        "scale", "resnet20", "--search", "--budget", "3trials", "--epochs", 1, "--confirm", 0, "--engine", "local",
        "--out", "runs/scaled", "-q",
    )  # fmt: skip
    assert (run.status, run.err) == (0, "")
    assert Path(run.out.strip()).exists()


# --- colours -------------------------------------------------------------------------------------------------------------------


def typed(arguments: list[str], folder: Path, on_terminal: bool, **environment: str) -> str:
    """What `nas` prints, on a terminal of its own or into a pipe."""
    line = [sys.executable, "-m", "nas", *arguments]
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")}
    everything = {**kept, "TERM": "xterm-256color", **environment}
    if not on_terminal:
        ran = subprocess.run(line, cwd=folder, env=everything, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return ran.stdout.decode()
    ours, theirs = pty.openpty()
    with subprocess.Popen(line, cwd=folder, env=everything, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True) as child:
        os.close(theirs)
        found, latest = b"", time.monotonic() + 120
        while time.monotonic() < latest:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                found += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        child.wait(10)
    os.close(ours)
    return found.decode()


PRINTING = (["list", "strategies"], ["show", "lenet5"], [*SEARCH, "--out", "runs/RUN"], [*TRAIN, "--out", "runs/RUN"])


def placed(arguments: list[str], name: str) -> list[str]:
    """With a run folder of that name."""
    return [word.replace("runs/RUN", f"runs/{name}") for word in arguments]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", PRINTING, ids=lambda words: words[0])
def test_a_pipe_gets_no_escape_codes(made: Path, arguments: list[str]) -> None:
    assert ESCAPE not in typed(placed(arguments, f"pipe-{arguments[0]}"), made, False)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", PRINTING, ids=lambda words: words[0])
def test_no_color_is_honoured_on_a_terminal(made: Path, arguments: list[str]) -> None:
    shown = typed(placed(arguments, f"plain-{arguments[0]}"), made, True, NO_COLOR="1")
    assert shown.strip()
    assert not COLOUR.search(shown)


@pytest.mark.slow
def test_a_terminal_gets_a_display_and_a_dumb_one_lines(made: Path) -> None:
    lively = typed(placed(PRINTING[2], "lively"), made, True)
    assert COLOUR.search(lively), "or the test before this one could not fail"
    assert "\x1b[?25l" in lively
    assert "\x1b[?25l" not in typed(placed(PRINTING[2], "dumb"), made, True, TERM="dumb")


@pytest.mark.slow
def test_force_color_styles_a_pipe_but_moves_nothing_in_it(made: Path) -> None:
    forced = typed(placed(PRINTING[2], "forced"), made, False, FORCE_COLOR="1")
    assert "\x1b[1m" in forced
    assert not re.search(r"\x1b\[(\?25|[0-9]*[A-K])", forced)
    wide = typed(["list", "spaces"], made, False, FORCE_COLOR="1")
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in wide.splitlines()) > 80
