"""A user's own parts from a file: on the command line, in the record, in workers, and never from a run folder."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from nas import plugins
from nas.cli.app import PLUGINS, VERBS
from nas.registry import Registry

GHOST = """
from nas.arch import Primitive, preset, primitive
from nas.ops import Activation, BatchNorm, Concat, Conv


@primitive("ghost")
class Ghost(Primitive):
    '''Half of the maps by a convolution.'''

    kernel: int = 3

    def expand(self, g, *inputs, width, stride):
        first = g.chain(inputs[0], Conv(width // 2, (1, 1), (stride, stride)), BatchNorm(), Activation("relu"))
        cheap = Conv(width - width // 2, (self.kernel, self.kernel), padding=(self.kernel // 2,) * 2)
        return g.add(Concat(), first, g.chain(first, cheap, BatchNorm()))


preset("ghost_5", Ghost(5))
"""
REST = """
from nas.evaluators import EVALUATORS
from nas.measures import MEASURES, Measure
from nas.strategies import STRATEGIES, Entry
from nas.strategies.random_search import RandomOptions, RandomSearch


class Smallest:
    objective = "accuracy"

    def evaluate(self, architecture, fidelity, evaluation):
        return {"accuracy": 1 / architecture.cost().params}


EVALUATORS.add("smallest", Smallest)
MEASURES.add("depth_of_it", Measure(lambda architecture, probe: len(architecture.cost().layers), "layers", False, False, True))
STRATEGIES.add("mine", Entry(RandomSearch, RandomOptions, "of mine", several=True))
"""
SPACE = """
name: ghosts
input: [1, 8, 8]
classes: 10
stages:
  - {block: {choose: [conv, ghost_5, {ghost: {kernel: {choose: [1, 3]}}}]}, width: 8}
  - {block: ghost, width: 16, stride: 2, repeat: {choose: [1, 2]}}
head: [global_pool, {block: linear, width: classes}]
"""
SEARCH = ("search", "--space", "ghosts.yaml", "--budget", "3trials", "--epochs", "1", "--dataset", "digits", "--engine", "local")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ghosty.py").write_text(GHOST)
    (tmp_path / "rest.py").write_text(REST)
    (tmp_path / "ghosts.yaml").write_text(SPACE)
    return tmp_path


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`nas WORDS...` in a process of its own, for what a plugin registers stays registered."""
    line = [sys.executable, "-P", "-W", "error", "-m", "nas", *words]  # -P: as the script `nas`, which imports nothing from here
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


def python(folder: Path, code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
def test_a_search_and_all_that_follows_it(folder: Path) -> None:
    made = call(folder, *SEARCH, "--plugin", "ghosty.py", "--out", "run")
    assert made.returncode == 0, made.stderr
    assert list(yaml.safe_load((folder / "run" / "run.yaml").read_text())["plugins"]) == ["ghosty"]
    for words in (["status", "run"], ["show", "run"], ["resume", "run"], ["export", "run", "--out", "best.py"]):
        assert call(folder, *words, "--plugin", "ghosty.py").returncode == 0
    assert "class Ghost(nn.Module)" in (folder / "best.py").read_text()
    alone = call(folder, "show", "run")
    assert alone.returncode == 2
    assert alone.stderr.strip().endswith("one of yours: --plugin FILE.py")


@pytest.mark.slow
def test_a_run_folder_never_runs_code(folder: Path) -> None:
    """Neither the plugin that it names, nor one that lies in it."""
    (folder / "ghosty.py").write_text(GHOST + "\nopen('ran', 'a').write('x')\n")
    assert call(folder, *SEARCH, "--plugin", "ghosty.py", "--out", "run").returncode == 0
    (folder / "run" / "ghosty.py").write_text((folder / "ghosty.py").read_text())
    assert (folder / "ran").read_text() == "x"
    resumed = call(folder, "resume", "run")
    assert resumed.returncode == 2
    assert "was started with the plugin 'ghosty'" in resumed.stderr
    for words in (["status", "run"], ["show", "run"], ["budget", "run"], ["train", "run", "--dataset", "digits", "--epochs", "1"]):
        call(folder, *words)
    assert (folder / "ran").read_text() == "x"


@pytest.mark.slow
def test_a_plugin_that_has_changed_is_told(folder: Path) -> None:
    assert call(folder, *SEARCH, "--plugin", "ghosty.py", "--out", "run").returncode == 0
    (folder / "ghosty.py").write_text(GHOST + "# changed\n")
    run = call(folder, "resume", "run", "--plugin", "ghosty.py")
    assert run.returncode == 0, run.stderr
    assert "not what the run was started with any more: the plugin ghosty" in run.stdout


def test_strategy_evaluator_and_measure(folder: Path) -> None:
    line = ["search", "--space", "tiny", "--plugin", "rest.py", "--strategy", "mine", "--evaluator", "smallest", "--engine", "local"]
    made = call(folder, *line, "--objectives", "accuracy,depth_of_it", "--budget", "4trials", "--out", "run")
    assert made.returncode == 0, made.stderr
    assert "depth_of_it" in call(folder, "list", "measures", "--plugin", "rest.py").stdout


def test_processes_of_a_benchmark_have_them(folder: Path) -> None:
    own = ["--plugin", "ghosty.py", "--plugin", "rest.py", "--strategies", "mine,random"]
    run = call(folder, "bench", "--space", "ghosts.yaml", *own, "--toy", "pairs", "--trials", "4", "--seeds", "2", "--workers", "2")
    assert run.returncode == 0, run.stderr


def test_several_and_a_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "ops.py").write_text(GHOST)
    run = call(folder, "list", "operations", "--plugin", "package.ops", "--plugin", "rest.py", "--plugin", "rest.py")
    assert run.returncode == 0, run.stderr
    assert " ghost " in run.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_plugins(folder: Path, verb: str) -> None:
    command = importlib.import_module(f"nas.cli.{VERBS[verb][0]}").command
    context = command.make_context(verb, ["--plugin", str(folder / "none.py")], resilient_parsing=True)
    assert context.meta[PLUGINS] == (str(folder / "none.py"),)
    with pytest.raises(plugins.NasError, match="cannot be read"):
        command.invoke(context)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mine.py", "import nas\n1 / 0\n", "mine.py, line 2: ZeroDivisionError: division by zero"),
        ("mine.py", "x = 1\ndef (\n", "mine.py, line 2: SyntaxError: "),
        ("mine.py", "raise SystemExit\n", "mine.py, line 1: SystemExit: "),
        ("mine.py", GHOST.replace('"ghost"', '"conv"'), "ValueError: primitive 'conv' is registered twice"),
        ("random.py", "", "'random' is the name of another module; allowed: another name for the file"),
        ("my-own.py", "", "is no file of Python; allowed: NAME.py, NAME of letters, digits and _"),
        ("mine.txt/x", None, "is no file of Python"),
        ("none.py", None, "cannot be read (No such file or directory); allowed: FILE.py, or the name of a module"),
        ("no.such.module", None, "cannot be imported (ModuleNotFoundError: No module named 'no'); allowed: FILE.py"),
    ],
)
def test_what_goes_wrong_is_one_line(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    run = call(tmp_path, "list", "operations", "--plugin", name)
    assert run.returncode == 2
    assert run.stderr.startswith("error: plugin ")
    assert said in run.stderr
    assert run.stderr.count("\n") == 1


def test_what_is_read_too_large_or_no_text(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_bytes(b"#" * (plugins.MAX_BYTES + 1))
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(plugins.NasError, match="is too large"):
        plugins.load(tmp_path / "large.py")
    with pytest.raises(plugins.NasError, match="it is not text"):
        plugins.load(tmp_path / "binary.py")


def test_two_files_of_one_name(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "ghosty.py").write_text("x = 1\n")
    run = call(folder, "list", "operations", "--plugin", "ghosty.py", "--plugin", "other/ghosty.py")
    assert run.returncode == 2
    assert "was loaded under the name 'ghosty'" in run.stderr


def test_a_file_that_the_script_has_imported_is_not_run_again(folder: Path) -> None:
    code = "import ghosty, nas\nprint(nas.plugins.load('ghosty.py').name, nas.plugins.load('ghosty.py') is nas.plugins.loaded()[0])"
    assert python(folder, code) == "ghosty True\n"


def test_what_the_main_script_registers_goes_to_workers_as_it_is(folder: Path) -> None:
    """Packed in one process, unpacked in another: there is the operation, and a network that has it."""
    (folder / "packs.py").write_text(
        GHOST + "import pickle, nas\nfrom ray import cloudpickle\nfrom nas.engine.carrying import pack\nnas.plugins.load('rest.py')\n"
        "space = nas.spaces.load('ghosts.yaml')\nimport random\nnetwork = space.decode(space.sample(random.Random(1)))\n"
        "open('parcel', 'wb').write(cloudpickle.dumps((pack(cloudpickle.dumps), pickle.dumps(network))))\nprint(network.digest)\n"
    )
    packed = subprocess.run([sys.executable, "packs.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert packed.returncode == 0, packed.stderr
    (folder / "rest.py").unlink()
    unpack = """
        import pickle
        import nas
        parts, network = pickle.loads(open("parcel", "rb").read())
        for _ in range(2):
            parts.unpack(pickle.loads)
        made = pickle.loads(network)
        assert nas.Architecture.from_yaml(made.to_yaml()) == made
        assert "smallest" in nas.evaluators.EVALUATORS and made.cost().params > 0
        print(made.digest)
    """
    assert python(folder, unpack) == packed.stdout


def test_nothing_of_ours_is_sent() -> None:
    from nas.engine.carrying import Parts, pack

    assert pack(lambda parts: b"something") == Parts(plugins.loaded(), b"")


class Thing:
    """Stands for what a person types in a notebook."""


def test_only_a_person_at_a_prompt_writes_a_name_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, typed, other = Registry[type]("thing"), type("Typed", (), {"__module__": "__main__"}), Thing
    registry.add("a", typed)
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("a", typed)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert registry.add("a", typed) is typed
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("a", other)
    registry.add("b", other)
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("b", typed)
