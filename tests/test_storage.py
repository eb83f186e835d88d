"""Storage: one batch at a time whatever it lies in, outages that are waited for, records of other versions."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.errors import StudyError
from nas.evaluators import Outcome
from nas.strategies import Proposal
from nas.study import Recorder, create_study, open_study, patience, resume_study
from nas.study.journal import JournalFile
from nas.study.storage import normalise_url, without_password
from tests.cli import nas
from tests.postgres import Server, postgres
from tests.toy import ToySpace, settings

__all__ = ["postgres"]

SPACE = ToySpace()
KINDS = ("journal", "sqlite", "postgres")


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], str | None]:
    """The URL of a kind of storage, None for the run folder."""

    def url(kind: str) -> str | None:
        if kind == "journal":
            return None
        return f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else request.getfixturevalue("postgres").url

    return url


def made(folder: Path, url: str | None) -> Recorder:
    """A study with a name of its own: a server keeps those of all tests."""
    return create_study(folder, replace(settings(storage=url), study=f"{folder.parent.name}-{folder.name}"), SPACE)


def trial(study: Recorder, value: float = 0.5) -> int:
    """One, begun and ended."""
    with study.batch():
        decisions = SPACE.sample(random.Random(study.next_number))
        number = study.start(Proposal(decisions), SPACE.decode(decisions), seed=1, fidelity={})
    with study.batch():
        study.finish(number, Outcome("complete", {"accuracy": value, "other": 2.0}, seconds=1.0, first_seconds=0.25), value, 1.0, 0)
    return number


def _add(folder: str, url: str | None, count: int) -> None:
    with resume_study(folder, storage=url, space=SPACE) as study:
        study.be_patient(print)
        for _ in range(count):
            trial(study)


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_that_write_at_once_lose_nothing(kind: str, tmp_path: Path, place: Any) -> None:
    folder, url = tmp_path / "run", place(kind)
    made(folder, url).close()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(str(folder), url, 25)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    study = open_study(folder, storage=url, space=SPACE)
    assert [item.number for item in study.trials] == list(range(50))
    assert sorted(item.order for item in study.trials if item.order is not None) == list(range(50))
    assert {item.state for item in study.trials} == {"COMPLETE"}
    ledger = study.ledger()
    assert (ledger.finished, ledger.device_seconds) == (50, 50.0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_batch_that_failed_had_written_is_there(kind: str, tmp_path: Path, place: Any) -> None:
    folder, url = tmp_path / "run", place(kind)
    with made(folder, url) as study:
        with pytest.raises(KeyboardInterrupt), study.batch():
            _interrupted(study)
        trial(study)
    assert [item.value for item in open_study(folder, storage=url, space=SPACE).trials] == [0.75, 0.5]


def _interrupted(study: Recorder) -> None:
    trial(study, 0.75)
    raise KeyboardInterrupt


# ---- outages ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is over, or given up, within a second."""
    monkeypatch.setattr(patience, "OUTAGE_SECONDS", 0.5)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("inside", [False, True], ids=["between batches", "within a batch"])
def test_a_server_that_is_stopped_and_started_costs_nothing(inside: bool, mode: str, tmp_path: Path, postgres: Server) -> None:
    notes: list[str] = []
    with made(tmp_path / "run", postgres.url) as study:
        study.be_patient(notes.append)
        trial(study)
        with study.batch():
            decisions = SPACE.sample(random.Random(1))
            number = study.start(Proposal(decisions), SPACE.decode(decisions), seed=1, fidelity={})
            if inside:
                _restart(postgres, mode)
            study.finish(number, Outcome("complete", {"accuracy": 0.9}, seconds=2.0), 0.9, 2.0, 0)
        if not inside:
            _restart(postgres, mode)
        trial(study)
    found = open_study(tmp_path / "run", storage=postgres.url, space=SPACE)
    assert [(item.number, item.state, item.value, item.order) for item in found.trials] == [
        (0, "COMPLETE", 0.5, 0), (1, "COMPLETE", 0.9, 1), (2, "COMPLETE", 0.5, 2),
    ]  # fmt: skip
    assert found.ledger().device_seconds == 4.0
    assert len(notes) in (0, 2)  # begun and over, or so short that nothing had to be said
    assert all("\n" not in note for note in notes)


def _several(study: Recorder) -> None:
    for _ in range(10):
        trial(study)


def _restart(server: Server, mode: str) -> None:
    server.stop(mode)
    threading.Timer(0.7, server.start).start()


def test_a_commit_that_got_through_unheard_is_not_made_twice(tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.study.database import _Batch

    commit, failed = _Batch.really_commit, []

    def unheard(session: Any) -> None:
        commit(session)
        if not failed:
            failed.append(True)
            from sqlalchemy import exc

            raise exc.OperationalError("COMMIT", {}, Exception("connection lost"), connection_invalidated=True)

    with made(tmp_path / "run", postgres.url) as study:
        study.be_patient(lambda note: None)
        monkeypatch.setattr(_Batch, "really_commit", unheard)
        trial(study)
        trial(study)
    assert failed
    assert [item.number for item in open_study(tmp_path / "run", storage=postgres.url, space=SPACE).trials] == [0, 1]


@pytest.mark.usefixtures("quick")
def test_a_server_that_stays_away_ends_it_in_one_line(tmp_path: Path, postgres: Server) -> None:
    study = made(tmp_path / "run", postgres.url)
    study.be_patient(lambda note: None)
    trial(study)
    postgres.stop()
    try:
        with pytest.raises(StudyError, match="nas resume") as caught:
            trial(study)
        with pytest.raises(StudyError):
            study.close()
    finally:
        postgres.start()
    assert "\n" not in str(caught.value)
    assert [item.state for item in open_study(tmp_path / "run", storage=postgres.url, space=SPACE).trials] == ["COMPLETE"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None], Callable[[], None]]]:
    """A folder on a small file system, and what fills and empties it. As root a real one; else writes are made to fail as on one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    real = os.getuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    if real:
        filler = folder / "filler"

        def fill() -> None:
            with open(filler, "wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))
            size = filler.stat().st_size
            os.truncate(filler, size - 4096)  # room for a part of a record

        yield folder, fill, lambda: filler.unlink()
        subprocess.run(["umount", str(folder)], check=True)
        return
    append, full = JournalFile._append, []

    def failing(journal: JournalFile, lines: bytes) -> None:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(journal, lines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JournalFile, "_append", failing)
        yield folder, lambda: full.append(True), full.clear


@pytest.mark.usefixtures("quick")
def test_a_full_disk_cuts_nothing_off(small_disk: Any) -> None:
    folder, fill, empty = small_disk
    study = made(folder / "run", None)
    study.be_patient(lambda note: None)
    before = trial(study)
    fill()
    with pytest.raises(StudyError, match="nas resume"):
        _several(study)
    whole = open_study(folder / "run", space=SPACE).trials
    assert whole[before].state == "COMPLETE"
    lines = (folder / "run" / "study.journal").read_bytes()
    assert lines.endswith(b"\n")  # what did not fit is not half there
    empty()
    study.close(sign=False)
    with resume_study(folder / "run", space=SPACE) as again:
        assert trial(again) == len(whole)


def test_room_that_comes_back_is_used(small_disk: Any) -> None:
    folder, fill, empty = small_disk
    notes: list[str] = []
    with made(folder / "run", None) as study:
        study.be_patient(notes.append)
        fill()
        timer = threading.Timer(0.5, empty)
        timer.start()
        for _ in range(10):
            trial(study)
        timer.join()
    assert [item.number for item in open_study(folder / "run", space=SPACE).trials] == list(range(10))
    assert [("waiting" in note) for note in notes] == [True, False]


# ---- other versions, and what is no storage ----------------------------------------------------------------------------------


def test_a_url_that_is_none_of_ours_is_refused_in_one_line(tmp_path: Path, postgres: Server) -> None:
    wrong = {
        "mine.db": "not a database URL", "sqlite://": "keeps nothing", "mysql://a@b/c": "allowed: sqlite, postgresql",
        f"postgresql://nas@127.0.0.1:{postgres.port}/nowhere": "nowhere", "postgresql://nas@127.0.0.1:1/x": "refused",
        "redis://localhost": "allowed: sqlite",
    }  # fmt: skip
    for url, part in wrong.items():
        with pytest.raises(StudyError, match=part) as caught:
            made(tmp_path / "run", url)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run" / "run.yaml").exists()


def test_a_password_is_neither_shown_nor_kept() -> None:
    url = normalise_url("postgresql://me:secret@host:5432/db")
    assert url == "postgresql+psycopg://me:secret@host:5432/db"
    assert without_password(url) == "postgresql://me@host:5432/db"
    assert normalise_url(without_password(url)) == "postgresql+psycopg://me@host:5432/db"


def test_tables_of_another_optuna_are_told_from_damage(tmp_path: Path) -> None:
    import sqlite3

    made(tmp_path / "run", f"sqlite:///{tmp_path}/s.db").close()
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(StudyError, match="newer Optuna"):
        open_study(tmp_path / "run")
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v2.4.0.a'")
    with pytest.raises(StudyError, match="optuna storage upgrade"):
        open_study(tmp_path / "run")


OLD = Path(__file__).parent / "golden" / "run-0.1"


def test_a_run_of_an_older_version_opens_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    shutil.copytree(OLD, tmp_path / "run")
    study = open_study(tmp_path / "run")
    before = study.trials
    assert [item.state for item in before] == ["COMPLETE"] * 6
    assert study.ledger().finished == 6
    run = nas(capsys, monkeypatch, "resume", tmp_path / "run", "--engine", "local")
    assert run.status == 0, run.err
    after = open_study(tmp_path / "run").trials
    assert after[:6] == before


def test_a_run_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "run")
    path = tmp_path / "run" / "run.yaml"
    path.write_text(path.read_text().replace("format: 1", "format: 99"))
    with pytest.raises(StudyError, match=r"newer nas.*allowed: 1"):
        open_study(tmp_path / "run")
