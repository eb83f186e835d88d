"""Searches that can't be lost: five kills of as many kinds; `scripts/faults` is the long form. Prints its seed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nas.study import Trial
from nas.testing.faults import account, check, plans, tear
from nas.testing.faults.campaign import Campaign, spread
from nas.testing.faults.kinds import FAULTS
from nas.testing.faults.places import Folder, can_mount
from nas.testing.faults.search import Plan, Search

SEED = int(os.environ.get("NAS_FAULTS_SEED", "20"))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """One for all, so that the undisturbed search runs once."""
    return Campaign(SEED, tmp_path_factory.mktemp("faults"), trials=9)


@pytest.mark.parametrize("kind", ["early", "driver", "torn", "worker", "disk" if can_mount() else "frozen"])
def test_a_search_bears_a_kill(kind: str, campaign: Campaign) -> None:
    print(f"seed {SEED}: scripts/faults --seed {SEED} --search {kind}/0")
    row = campaign.run(kind, 1)
    assert not row.wrong, "\n".join(row.wrong)
    assert (row.kills, row.resumed, row.lost, row.doubled) == (1, 1, 0, 0)
    assert row.alike == (FAULTS.get(kind).engine == "local")


def test_a_run_that_was_killed_before_it_was_one_is_begun_again(tmp_path: Path) -> None:
    """At each of its first files."""
    options = ("--space", "tiny", "--evaluator", "timed(seconds=0)", "--engine", "local", "--budget", "2trials")
    for number, moment in enumerate((r"run.yaml\.\d+\.tmp:1:torn", "run.yaml:1:moved", "study.journal:1:torn")):
        search = Search(Plan("first", options, 2), Folder(tmp_path), f"run-{number}", tmp_path / f"account-{number}")
        search.start(moment)
        assert search.wait(60)
        assert search.lives[-1].status == -9, search.output()
        search.start()
        assert search.wait(60)
        assert search.lives[-1].status == 0, search.output()
        assert [trial.state for trial in search.trials(search.directory)] == ["COMPLETE"] * 2


def test_the_account_counts_within_the_lives_of_drivers(tmp_path: Path) -> None:
    writer = account.Writer(tmp_path, "run", 3)
    (entry,) = account.read(tmp_path)
    assert (entry.run, entry.number, entry.pid, entry.end) == ("run", 3, os.getpid(), "")
    writer.close("done")
    assert account.read(tmp_path)[0].end == "done"
    worked = [account.Entry("run", 0, 1, 10.0, 14.0), account.Entry("run", 1, 1, 20.0, 21.0, "done")]
    assert account.seconds(worked, [(0.0, 12.0), (13.0, 30.0)]) == 4.0


def test_a_tear_writes_a_part_of_a_file_at_the_right_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(number))
    torn, path = tear.Tear(r"best\.yaml:2:torn"), tmp_path / "best.yaml"
    for mode in ("rb", "w", "r+b"):
        torn("open", (str(path), mode, 0))
    assert not killed
    assert not path.exists()
    torn("open", (str(path), "wb", 0))
    assert killed == [9]
    assert path.read_bytes() == tear.SCRAP


class Pretended:
    """A search as the checks look at one, of which anything can be pretended."""

    def __init__(self, trials: list[Trial], entries: list[account.Entry]) -> None:
        self.record, self.account = trials, entries

    def folders(self) -> list[Path]:
        return [Path("run")]

    def trials(self, folder: Path) -> list[Trial]:
        return self.record

    def entries(self) -> list[account.Entry]:
        return self.account


def finished(number: int, value: float = 0.5) -> Trial:
    return Trial(number, "COMPLETE", value, {}, "", "", order=number, values=(value,))


def test_the_checks_notice_what_must_not_be() -> None:
    entries = [account.Entry("run", 0, 1, 1.0, 2.0, "done")]
    search = Pretended([finished(0)], entries)

    def look(trials: list[Trial], more: Sequence[account.Entry] = ()) -> str:
        seen = check.Seen()
        assert seen.look(search, 3.0) == []  # type: ignore[arg-type]
        return " ".join(seen.look(Pretended(trials, [*entries, *more]), 9.0))  # type: ignore[arg-type]

    assert look([finished(0), finished(1)], [account.Entry("run", 1, 1, 4.0, 5.0)]) == ""
    assert "changed or lost" in look([])
    assert "changed or lost" in look([finished(0, 0.6)])
    assert "evaluated again" in look([finished(0)], [account.Entry("run", 0, 1, 4.0, 5.0)])
    assert "numbers are [0, 0]" in look([finished(0), finished(0)])
    assert "orders of completion" in look([finished(0), replace(finished(1), order=0)])


def test_plans_and_kinds(tmp_path: Path) -> None:
    assert len({plan.name for plan in plans.alone()}) == len(plans.alone())
    assert spread(5, ("a", "b", "c")) == {"a": 2, "b": 2, "c": 1}
    assert set(Campaign(0, tmp_path).possible()) <= set(FAULTS.names())
