"""The record: durable, exact, readable by Optuna's own tools, and clear about everything that is wrong with a folder."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from nas.errors import StudyError
from nas.evaluators import Outcome
from nas.strategies import Proposal
from nas.study import Recorder, create_study, open_study, resume_study
from nas.study.storage import without_password
from tests.toy import ToySpace, settings

SPACE = ToySpace()


def new(directory: Path, **changes: object) -> Recorder:
    return create_study(directory, settings(**changes), SPACE)  # type: ignore[arg-type]


def begin(study: Recorder) -> int:
    decisions = SPACE.sample(random.Random(study.next_number))
    return study.start(Proposal(decisions, 3, "mutation"), SPACE.decode(decisions), seed=study.next_number, fidelity={"epochs": 2})  # type: ignore[arg-type]


def complete(study: Recorder, number: int, value: float = 0.5, seconds: float = 2.0) -> None:
    outcome = Outcome("complete", {"accuracy": value, "loss": 1.5}, None, seconds, first_seconds=1.0)
    study.finish(number, outcome, value, seconds, worker=0)


def fail(study: Recorder, number: int, reason: str = "out of memory", seconds: float = 1.0) -> None:
    study.finish(number, Outcome("fail", {}, reason, seconds), None, seconds, worker=1)


@pytest.fixture(params=["journal", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return None if request.param == "journal" else f"sqlite:///{tmp_path}/all.db"


def test_a_trial_is_recorded_from_start_to_end(tmp_path: Path, storage: str | None) -> None:
    with new(tmp_path / "run", storage=storage) as study:
        assert begin(study) == 0
        running = open_study(tmp_path / "run").trials[0]
        assert (running.state, running.value, running.fidelity, running.seed) == ("RUNNING", None, {"epochs": 2}, 0)
        complete(study, 0, 0.75)
        fail(study, begin(study))
    first, second = open_study(tmp_path / "run").trials
    decisions = SPACE.sample(random.Random(0))
    assert (first.number, first.state, first.value, first.decisions) == (0, "COMPLETE", 0.75, decisions)
    assert first.metrics == {"accuracy": 0.75, "loss": 1.5}
    assert first.yaml == SPACE.decode(decisions).to_yaml()
    assert first.digest == SPACE.decode(decisions).digest
    assert (first.device_seconds, first.first_seconds, first.order, first.worker) == (2.0, 1.0, 0, 0)
    assert (second.state, second.value, second.reason, second.worker) == ("FAIL", None, "out of memory", 1)


def test_the_ledger_in_memory_is_the_ledger_of_the_record(tmp_path: Path, storage: str | None) -> None:
    with new(tmp_path / "run", storage=storage) as study:
        numbers = [begin(study) for _ in range(5)]
        study.beat({numbers[0]: 1.0, numbers[4]: 4.0}, 5.0)
        complete(study, numbers[2], seconds=7.0)
        fail(study, numbers[0], seconds=3.0)
        study.lost(numbers[1], 1, 6.0)
        study.beat({numbers[1]: 8.0, numbers[4]: 9.0}, 20.0)
        ledger = study.ledger()
        assert (ledger.device_seconds, ledger.seconds, ledger.finished, ledger.failed) == (27.0, 20.0, 1, 1)
        assert open_study(tmp_path / "run").ledger() == ledger
    with resume_study(tmp_path / "run", space=SPACE) as again:  # type: ignore[arg-type]
        assert again.ledger() == ledger
        unfinished = {trial.number: (trial.device_seconds, trial.lost) for trial in again.unfinished()}
        assert unfinished == {1: (8.0, 1), 3: (0.0, 0), 4: (9.0, 0)}
        complete(again, 1, seconds=10.0)
        assert again.ledger().device_seconds == 29.0 == open_study(tmp_path / "run").ledger().device_seconds
        assert begin(again) == 5


def test_history_is_in_the_order_of_completion(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        for _ in range(4):
            begin(study)
        complete(study, 2)
        fail(study, 0)
    with resume_study(tmp_path / "run", space=SPACE) as study:  # type: ignore[arg-type]
        complete(study, 3)
        complete(study, 1)
    assert [trial.number for trial in open_study(tmp_path / "run").history()] == [2, 0, 3, 1]


def test_best_is_the_first_of_the_largest(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        assert study.best is None
        study.write_best()
        assert not (tmp_path / "run" / "best.yaml").exists()
        for value in (0.5, 0.8, 0.8, 0.1):
            complete(study, begin(study), value)
        assert study.best is not None
        assert study.best.number == 1


def test_optuna_reads_it_as_it_is(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        for value in (0.5, 0.8):
            complete(study, begin(study), value)
        fail(study, begin(study))
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "run" / "study.journal"))
    loaded = optuna.load_study(study_name="toy", storage=optuna.storages.JournalStorage(backend))
    assert loaded.best_value == 0.8
    assert loaded.best_params == SPACE.sample(random.Random(1))
    assert loaded.trials[1].user_attrs["digest"] == open_study(tmp_path / "run").trials[1].digest
    assert open_study(tmp_path / "run").optuna_study.best_trial.number == 1
    frame = open_study(tmp_path / "run").to_dataframe()
    assert list(frame["number"]) == [0, 1, 2]
    assert {"metrics.accuracy", "decisions.letter0", "device_seconds", "reason"} <= set(frame.columns)


def test_optuna_may_write_to_the_journal_meanwhile(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        begin(study)
        other = open_study(tmp_path / "run").optuna_study
        other.set_user_attr("note", "from a dashboard")
        with study.batch():
            complete(study, 0)
            begin(study)
        other.set_user_attr("note", "again")
        complete(study, 1)
        assert [trial.state for trial in study.trials] == ["COMPLETE", "COMPLETE"] == [t.state.name for t in other.trials]
        assert other.user_attrs["note"] == "again"


def test_a_batch_is_one_append_with_all_records(tmp_path: Path) -> None:
    def records() -> int:
        return len((tmp_path / "run" / "study.journal").read_bytes().splitlines())

    with new(tmp_path / "run") as study:
        begin(study)
        before = records()
        with study.batch():
            complete(study, 0)
            begin(study)
            study.beat({1: 0.5}, 3.0)
            assert records() == before
            assert [trial.state for trial in study.trials] == ["COMPLETE", "RUNNING"]
        assert records() > before + 5
    assert [trial.state for trial in open_study(tmp_path / "run").trials] == ["COMPLETE", "RUNNING"]


def test_the_journal_is_synced_to_the_disk_and_a_failing_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def sync(file: int) -> None:
        synced.append(os.fstat(file).st_size)
        if failing:
            raise OSError(28, "No space left on device")

    failing: list[bool] = []
    study = new(tmp_path / "run")
    monkeypatch.setattr(os, "fsync", sync)
    begin(study)
    study.close()
    assert synced[-1] == (tmp_path / "run" / "study.journal").stat().st_size
    failing.append(True)
    with pytest.raises(StudyError, match=r"run: the record cannot be written .No space left on device"):
        resume_study(tmp_path / "run", space=SPACE).close()  # type: ignore[arg-type]


def test_every_torn_end_of_the_journal_is_survived(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        complete(study, begin(study))
        before = (tmp_path / "run" / "study.journal").stat().st_size
        with study.batch():
            begin(study)
            complete(study, 1)
    journal = tmp_path / "run" / "study.journal"
    whole = journal.read_bytes()
    cuts = random.Random(5).sample(range(before, len(whole)), 25)
    for cut in cuts:
        journal.write_bytes(whole[:cut])
        assert open_study(tmp_path / "run").trials[0].state == "COMPLETE"
        with resume_study(tmp_path / "run", space=SPACE) as study:  # type: ignore[arg-type]
            for trial in study.unfinished():
                complete(study, trial.number)
            complete(study, begin(study))
        trials = open_study(tmp_path / "run").trials
        assert len(trials) >= 2
        assert all(trial.state == "COMPLETE" for trial in trials)


def test_an_end_that_was_only_half_recorded_leaves_nothing_in_the_next(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        begin(study)
        whole = (tmp_path / "run" / "study.journal").stat().st_size
        fail(study, 0, "budget")
    journal = tmp_path / "run" / "study.journal"
    lines = journal.read_bytes()[whole:].splitlines(keepends=True)
    state = next(index for index, line in enumerate(lines) if b'"state"' in line)
    journal.write_bytes(journal.read_bytes()[:whole] + b"".join(lines[:state]))
    (trial,) = open_study(tmp_path / "run").trials
    assert (trial.state, trial.reason) == ("RUNNING", "budget")
    with resume_study(tmp_path / "run", space=SPACE) as study:  # type: ignore[arg-type]
        complete(study, 0)
    (trial,) = open_study(tmp_path / "run").trials
    assert (trial.state, trial.reason, trial.value, trial.order) == ("COMPLETE", None, 0.5, 0)


def test_what_a_kill_leaves_before_there_is_a_run_is_no_run_and_in_nobodys_way(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("driver.lock", "run.yaml.tmp", "study.journal"):
        (folder / name).touch()
    refused("its search was killed before it began; start it again", folder, opening=True)
    new(folder).close()
    (folder / "study.journal").write_bytes(b"")  # as it is before the study is made
    refused("its storage has no study", folder, opening=True)
    assert open_study(folder, made=False).settings.seed == 1
    resume_study(folder, space=SPACE).close()  # type: ignore[arg-type]
    assert open_study(folder).trials == []
    other = tmp_path / "other"
    other.mkdir()
    (other / "study.journal").write_text("something\n")
    refused("is not an empty folder", other, opening=False)


def test_a_lock_left_by_a_kill_is_removed(tmp_path: Path) -> None:
    new(tmp_path / "run").close()
    os.symlink(tmp_path / "run" / "study.journal", tmp_path / "run" / "study.journal.lock")
    with resume_study(tmp_path / "run", space=SPACE) as study:  # type: ignore[arg-type]
        complete(study, begin(study))


def test_settings_are_frozen_with_the_run(tmp_path: Path) -> None:
    changes = {"strategy_options": {"population": 5}, "versions": {"nas": "0"}, "command": ["nas", "search"], "timeout": 3}
    new(tmp_path / "run", **changes).close()
    text = (tmp_path / "run" / "run.yaml").read_text()
    assert "space: |\n" in text
    assert text.startswith("# ")
    assert open_study(tmp_path / "run").settings == settings(**changes)


def test_a_relative_sqlite_path_means_the_same_file_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with new(tmp_path / "run", storage="sqlite:///all.db") as study:
        begin(study)
    monkeypatch.chdir("/")
    assert len(open_study(tmp_path / "run").trials) == 1


# ---- what is wrong with a folder -----------------------------------------------------------------------------------


def refused(match: str, directory: Path, *, opening: bool = False, **changes: object) -> None:
    before = sorted((str(path), path.read_bytes()) for path in directory.rglob("*") if path.is_file())
    with pytest.raises(StudyError, match=match) as caught:
        open_study(directory) if opening else new(directory, **changes)
    assert "\n" not in str(caught.value)
    assert before == sorted((str(path), path.read_bytes()) for path in directory.rglob("*") if path.is_file())


def test_a_new_run_never_writes_over_anything(tmp_path: Path) -> None:
    new(tmp_path / "run").close()
    refused("has a run already; `nas resume", tmp_path / "run")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("years of work")
    refused("not an empty folder", tmp_path / "foreign")
    refused("not an empty folder", tmp_path / "foreign" / "thesis.txt")
    new(tmp_path / "first", storage=f"sqlite:///{tmp_path}/all.db").close()
    with pytest.raises(StudyError, match="has a study 'toy' already"):
        new(tmp_path / "second", storage=f"sqlite:///{tmp_path}/all.db")


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"cannot be|not an empty folder"):
        new(tmp_path / "file" / "run")
    with pytest.raises(StudyError, match="cannot be made"):
        new(Path("/proc/nas-run"))


def test_folders_that_cannot_be_opened(tmp_path: Path) -> None:
    refused("no such folder", tmp_path / "nowhere", opening=True)
    refused("not a run folder", tmp_path, opening=True)
    new(tmp_path / "run").close()
    run = tmp_path / "run" / "run.yaml"
    good = run.read_text()
    for text, match in [
        (good.replace("format: 1", "format: 2"), "format 2, written by a newer nas.*allowed: 1"),
        (good.replace("seed: 1", "seed: one"), "seed='one' is of the wrong type; allowed: int"),
        (good + "colour: red\n", "'colour' is unknown; allowed: study"),
        (good.replace("seed: 1\n", ""), "seed is missing"),
        ("[", "damaged"),
        ("a: !!python/object/apply:os.system [ls]", "damaged"),
        ("7", "damaged"),
        ("", "damaged"),
    ]:
        run.write_text(text)
        refused(match, tmp_path / "run", opening=True)
    run.write_bytes(b"\xff\xfe\x00")
    refused("cannot be read|damaged", tmp_path / "run", opening=True)


def test_a_damaged_journal_names_its_line(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        complete(study, begin(study))
        complete(study, begin(study))
    journal = tmp_path / "run" / "study.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    for damage in (b"garbage\n", b'{"op_code": 4', b"[]\n", b"\xff\xff\n", b"{}\n"):
        journal.write_bytes(b"".join([*lines[:2], damage, *lines[2:]]))
        for opening in (open_study, resume_study):
            with pytest.raises(StudyError, match=r"study.journal: line 3 is damaged"):
                opening(tmp_path / "run")  # type: ignore[operator]
    journal.write_bytes(b"".join(lines[1:]))  # without the study's creation
    with pytest.raises(StudyError, match="has no study"):
        open_study(tmp_path / "run")
    journal.unlink()
    refused("no such file", tmp_path / "run", opening=True)


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("nonsense", "'nonsense' is not a database URL; allowed: sqlite"),
        ("sqlite://", "keeps nothing"),
        ("sqlite:////proc/none/x.db", "unable to open database file"),
        ("martian://host/db", "allowed: sqlite, postgresql"),
    ],
)
def test_a_bad_storage_url(tmp_path: Path, url: str, match: str) -> None:
    with pytest.raises(StudyError, match=match):
        new(tmp_path / "run", storage=url)
    assert not (tmp_path / "run" / "run.yaml").exists()


def test_a_password_is_not_written_down() -> None:
    assert without_password("postgresql://me:secret@host/db") == "postgresql://me@host/db"
    assert without_password("sqlite:////a/b.db") == "sqlite:////a/b.db"


HOLD = """
import sys
sys.path[:0] = {path!r}
from tests.toy import settings
from nas.study import create_study
study = create_study(sys.argv[1], settings())
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_is_shared_and_who_is_dead_is_known_at_once(tmp_path: Path) -> None:
    code = HOLD.format(path=[str(Path(__file__).parent.parent), *sys.path])
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with resume_study(tmp_path / "run", space=SPACE) as study:  # type: ignore[arg-type]
            assert [sign.pid for sign in study.living()] == [holder.pid]
            assert {sign.pid for sign in open_study(tmp_path / "run").drivers()} == {holder.pid, os.getpid()}
            holder.kill()
            holder.wait()
            assert study.living() == []
    assert open_study(tmp_path / "run").drivers() == []
    assert not list((tmp_path / "run").glob("*.lock"))


def test_a_foreign_trial_in_the_storage_is_noticed(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        open_study(tmp_path / "run").optuna_study.ask()
        with pytest.raises(StudyError, match="trial 0 is of no driver of this study; another program"):
            begin(study)


def test_recording_does_not_read_all_trials_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new(tmp_path / "run") as study:
        complete(study, begin(study))
        monkeypatch.setattr(study, "_frozen", lambda: pytest.fail("read all trials"))
        monkeypatch.setattr(study._storage.optuna, "get_all_trials", lambda *a, **k: pytest.fail("read all trials"))
        complete(study, begin(study))
        study.beat({}, 1.0)
        assert study.ledger().finished == 2


def test_the_journal_holds_plain_json(tmp_path: Path) -> None:
    with new(tmp_path / "run") as study:
        complete(study, begin(study))
    records = [json.loads(line) for line in (tmp_path / "run" / "study.journal").read_text().splitlines()]
    assert replace(settings(), study="toy").study == records[0]["study_name"]
    assert all("op_code" in record for record in records)
