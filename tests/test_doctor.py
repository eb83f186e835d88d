"""`nas doctor`: every check answers, what is broken is a problem with its mending, and nothing makes the doctor crash."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nas as package
from nas import data, doctor
from nas.cli.app import VERBS
from nas.doctor import CHECKS, LEVELS, NOTE, OK, PROBLEM, Finding, base, installed, machine, places
from tests.cli import Run, nas

TOP = Path(__file__).parent.parent


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch)


def check(name: str, deep: bool = False) -> list[Finding]:
    """What one check finds."""
    return list(CHECKS.get(name)(deep))


def alone(name: str) -> Finding:
    """The one thing that a check finds."""
    (finding,) = check(name)
    return finding


def elsewhere(folder: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """`nas doctor --json` in a process of its own; what lies in `folder` is imported in place of what is installed."""
    path = os.pathsep.join((str(folder), str(TOP)))
    line, everything = [sys.executable, "-m", "nas", "doctor", "--json", *arguments], {**os.environ, "PYTHONPATH": path, **environment}
    ran = subprocess.run(line, cwd=folder, env=everything, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    return ran.returncode, json.loads(ran.stdout)


def of(answer: dict[str, Any], name: str) -> list[dict[str, str]]:
    """What a check found."""
    return [finding for finding in answer["findings"] if finding["check"] == name]


def test_a_sound_machine_is_told_so(call: Callable[..., Run], tmp_path: Path) -> None:
    run = call("doctor")
    assert run.status == 0, run.out
    assert "searches can run here" in run.out
    assert all(f" {name} " in run.out for name in CHECKS.names())
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_every_finding_is_one_line_and_says_how_to_mend_it() -> None:
    found = list(doctor.examine())
    assert {finding.check for finding in found} == set(CHECKS.names())
    for finding in found:
        assert finding.level in LEVELS
        assert "\n" not in finding.found + finding.mend
        assert finding.found
        assert finding.mend or finding.level != PROBLEM
        assert not finding.mend or finding.level != OK


def test_nothing_that_may_be_broken_is_imported() -> None:
    code = "import sys, nas.doctor, nas.cli.doctor; print([n for n in ('torch', 'ray', 'numpy', 'optuna', 'rich') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"


# What importing such a package does, and a word that the doctor says of it.
BROKEN = {
    "raise ImportError('libcudart.so.13: cannot open shared object file')": "libcudart.so.13",
    "import os; os.abort()": "crashed by signal 6",
    "import sys; sys.exit(3)": "status 3",
    "raise AttributeError('half installed')": "half installed",
}


@pytest.mark.parametrize("name", ["torch", "ray"])
@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_package_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = alone(name)
    assert finding.level == PROBLEM
    assert BROKEN[code] in finding.found
    assert "pip install" in finding.mend


@pytest.mark.slow
def test_the_doctor_survives_what_it_finds(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import os; os.abort()")
    (tmp_path / "ray.py").write_text("raise OSError('broken')")
    (tmp_path / "numpy.py").write_text("raise ImportError('no numpy')")
    status, answer = elsewhere(tmp_path)
    assert (status, answer["ok"]) == (1, False)
    assert {finding["check"] for finding in answer["findings"]} == set(CHECKS.names())
    assert {finding["check"] for finding in answer["findings"] if finding["level"] == PROBLEM} == {"torch", "ray", "data sets"}


@pytest.mark.parametrize("name", ["torch", "ray"])
def test_a_missing_package_is_a_problem(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _without(monkeypatch, name)
    finding = alone(name)
    assert (finding.level, finding.found) == (PROBLEM, "not installed")
    assert "pip install" in finding.mend
    missing = alone("dependencies")
    assert missing.level == PROBLEM
    assert name in missing.found


def _without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    true = importlib.metadata.version

    def version(name: str) -> str:
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return true(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_a_missing_extra_is_a_note_that_says_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "onnx", "psycopg")
    notes = {finding.mend: finding.found for finding in check("extras") if finding.level == NOTE}
    assert "`nas export`" in notes["pip install 'nas[export]'"]
    assert "psycopg" in notes["pip install 'nas[postgresql]'"]


def test_every_extra_has_a_purpose() -> None:
    assert set(installed._required()) - set(installed._OURS) == set(installed._PURPOSE)


def test_a_check_that_fails_is_a_problem_like_any_other(monkeypatch: pytest.MonkeyPatch, call: Callable[..., Run]) -> None:
    def falls_ill(deep: bool) -> Iterator[Finding]:
        yield doctor.ok("so far")
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(CHECKS, "_items", {"cores": machine.cores, "ill": falls_ill})
    run = call("doctor", "--json")
    assert run.status == 1
    assert json.loads(run.out)["findings"][-1]["found"] == "this check failed: RuntimeError: two lines"


def test_a_probe_that_hangs_is_given_up() -> None:
    with pytest.raises(base.ProbeError, match=r"within 0\.5 s"):
        base.probe("import time; time.sleep(60)", seconds=0.5)
    with pytest.raises(base.ProbeError, match="cannot be read"):
        base.probe("print('no JSON')")


@pytest.mark.slow
def test_deep_starts_a_ray(tmp_path: Path) -> None:
    status, answer = elsewhere(tmp_path, "--deep")
    assert status == 0, answer
    assert "ran a task (42)" in of(answer, "ray")[-1]["found"]


@pytest.mark.parametrize(("given", "level"), [("", OK), ("1", OK), ("4096", NOTE), ("many", NOTE), ("0", NOTE)])
def test_threads_against_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, level: str) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert alone("cores").level == level


def test_a_container_has_less_than_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "core_count", lambda: 8)
    for name, text in {"cpu.max": "150000 100000", "memory.max": "3000000000", "memory.current": "1000000000"}.items():
        (tmp_path / name).write_text(text)
    assert (alone("cores").mend, alone("memory").mend) == ("--workers 1", "--workers 2, so that each has 1 GB")
    (tmp_path / "memory.max").write_text("1500000000")
    assert "too little" in alone("memory").found
    for name in ("cpu.max", "memory.max"):
        (tmp_path / name).write_text("max 100000" if name == "cpu.max" else "max")
    assert "container" not in alone("cores").found


def test_small_shared_memory_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Use", (), {"total": 64 << 20, "used": 0, "free": 64 << 20})())
    finding = alone("shared memory")
    assert (finding.level, finding.mend) == (NOTE, "docker run --shm-size=1g")
    monkeypatch.setattr("sys.platform", "darwin")
    assert alone("shared memory").level == OK


def test_a_port_that_is_taken_and_by_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(machine, "PORTS", {port: "a test"})
        finding = alone("ports")
        assert finding.level == NOTE
        assert f"{port} (a test) is taken" in finding.found
        if sys.platform == "linux":
            assert f"process {os.getpid()}" in finding.found
    assert alone("ports").found == f"free: {port}"


def test_a_folder_that_cannot_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch, call: Callable[..., Run]) -> None:
    def refuse(self: Path, data: bytes) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    run = call("doctor", "--json")
    assert run.status == 1
    for name in ("run folder", "temporary folder"):
        (finding,) = of(json.loads(run.out), name)
        assert finding["level"] == PROBLEM
        assert "Permission denied" in finding["found"]


def test_no_temporary_folder_at_all(tmp_path: Path) -> None:
    code = (
        "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/no/such']\n"
        "from nas.doctor import CHECKS; print(*CHECKS.get('temporary folder')(False))"
    )
    everything = {**os.environ, "PYTHONPATH": str(TOP)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True, env=everything)
    assert "level='problem'" in ran.stdout


def test_locks_and_network_file_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "file_system", lambda path: "nfs4")
    assert "network file system" in alone("run folder").found
    monkeypatch.setattr(places, "_unlockable", lambda path: "Function not implemented")
    assert alone("run folder").level == PROBLEM


def test_file_systems_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = "/dev/a / ext4 rw 0 0\nserver:/x /home/me nfs4 rw 0 0\n/dev/b /home/me/with\\040space xfs rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda self, **_: mounts)
    kinds = [places.file_system(Path(path)) for path in ("/home", "/home/me", "/home/mean", "/home/me/runs", "/home/me/with space/x")]
    assert kinds == ["ext4", "nfs4", "ext4", "nfs4", "xfs"]


@pytest.mark.parametrize(("free", "level"), [(50e9, OK), (1e9, NOTE), (1e6, PROBLEM)])
def test_room_on_the_disk(monkeypatch: pytest.MonkeyPatch, free: float, level: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Use", (), {"total": 100e9, "used": 100e9 - free, "free": free})())
    assert {finding.level for finding in check("disk")} == {level}


def test_every_data_set_is_named_with_where_it_would_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = " ".join(finding.found + finding.mend for finding in check("data sets"))
    assert all(name in found for name in data.names())
    if sys.platform == "linux":
        assert str(tmp_path / "nas") in found


@pytest.mark.slow
def test_a_language_that_is_not_utf8_is_a_note(tmp_path: Path) -> None:
    status, answer = elsewhere(tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert status == 0
    assert of(answer, "language")[0]["level"] == NOTE


def test_no_gpu_and_those_that_should_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {"devices": [], "free": [], "cuda": "13.0", "mps": False}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("shutil.which", lambda name, **_: f"/usr/bin/{name}")
    assert "sees no GPU" in next(installed._gpus(found)).found
    assert "without CUDA" in next(installed._gpus({**found, "cuda": None})).found
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert next(installed._gpus(found)).mend == "unset CUDA_VISIBLE_DEVICES"
    gpu = {"name": "X", "bytes": 80e9, "compute": "9.0"}
    levels = [finding.level for finding in installed._gpus({**found, "devices": [gpu, gpu], "free": [79e9, 10e9]})]
    assert levels == [OK, NOTE]


def test_the_nas_that_is_typed_is_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "nas"
    other.touch()
    monkeypatch.setattr("shutil.which", lambda name, **_: str(other))
    assert str(other) in alone("nas").found
    monkeypatch.setattr(package, "__version__", "9.9")
    assert "installed as" in alone("nas").found


def test_exit_statuses_are_documented() -> None:
    assert "doctor" in VERBS
    page = (TOP / "docs" / "logs.md").read_text()
    assert "| 1 |" in page
    assert all(f"`{name}`" in (TOP / "docs" / "doctor.md").read_text() for name in CHECKS.names())


def test_no_check_imports_what_it_examines() -> None:
    """At the head of a file or within a function: only the standard library, this package, and filelock, guarded."""
    for path in (TOP / "nas" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in {*sys.stdlib_module_names, "nas", "filelock"}, f"{path.name}: {name}"
