"""Tables, the evaluator that looks up, and simulated time."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import nas
from nas import evaluators, spaces
from nas.engine import Candidate, Observer
from nas.engine.lanes import Done, Event, Ready
from nas.engine.simulated import SimulatedLanes
from nas.errors import DataError, NasError
from nas.evaluators import Clock, CutOff, Evaluation, Fidelity, Outcome, run
from nas.evaluators.synthetic import columns, effective
from nas.evaluators.table import EDGES, OPERATIONS, Table
from tests.cli import nas as call

SPACE = spaces.load("nas-bench-201")
TABLE = Table.load("synthetic")
COLUMNS = columns()


def small(rows: int = 8) -> dict[str, Any]:
    """The first cells of the made-up table, as an archive holds them."""
    return {name: column if name == "op_names" else column[:rows].copy() for name, column in COLUMNS.items()}


def written(path: Path, data: dict[str, Any]) -> Path:
    numpy.savez(path, **data)
    return path


# ---- tables ------------------------------------------------------------------------------------------------------


def test_the_rows_of_a_table_are_found_by_their_decisions(tmp_path: Path) -> None:
    data = small(50)
    data["op_names"] = data["op_names"][::-1]  # another order of codes, and a column that nobody knows
    table = Table.load(written(tmp_path / "t.npz", {**data, "note": numpy.array(["x"])}))
    for row in range(50):
        assert table.row(table.decisions(row)) == row
        assert table.row(dict(reversed(table.decisions(row).items()))) == row
    assert table.decisions(3) == dict(zip(EDGES, (OPERATIONS[4 - code] for code in data["ops"][3]), strict=True))
    assert table.signal == data["val12"].tolist()
    assert table.seconds == [6 * each for each in data["train_s_per_epoch"].tolist()]
    with pytest.raises(DataError, match="has no cell"):
        table.row(TABLE.decisions(0))


def test_numbers_of_single_precision_are_read_as_they_are_written(tmp_path: Path) -> None:
    data = small()
    data["test200"] = numpy.array([94.3733] * 8, dtype="float32")
    assert Table.load(written(tmp_path / "t.npz", data)).test == [94.3733] * 8


def test_optional_columns_are_offered(tmp_path: Path) -> None:
    table = Table.load(written(tmp_path / "t.npz", {**small(), "params": numpy.arange(8), "bad": numpy.full(8, numpy.nan)}))
    assert table.column("params") == list(range(8))
    with pytest.raises(DataError, match=r"bad is nan in row 0; allowed: finite numbers"):
        table.column("bad")
    with pytest.raises(DataError, match=r"no column zen; it has: .*params"):
        table.column("zen")


def changed(name: str, value: Any, row: int | None = None) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        if row is None:
            data[name] = numpy.array(value)
        else:
            data[name][row] = value

    return change


def twice(data: dict[str, Any]) -> None:
    data["ops"][7] = data["ops"][2]


DAMAGES = {
    "column ops": lambda data: data.pop("ops"),
    "column op_names": lambda data: data.pop("op_names"),
    "column val12": lambda data: data.pop("val12"),
    "column test200; required: ops, op_names, val12, test200, train_s_per_epoch": lambda data: data.pop("test200"),
    "column train_s_per_epoch": lambda data: data.pop("train_s_per_epoch"),
    "val12 is nan in row 3": changed("val12", numpy.nan, 3),
    "test200 is inf in row 0": changed("test200", numpy.inf, 0),
    "test200 is 101 in row 5; allowed: percent": changed("test200", 101, 5),
    "val12 is -1 in row 5": changed("val12", -1, 5),
    "train_s_per_epoch is 0 in row 1; allowed: seconds above 0": changed("train_s_per_epoch", 0, 1),
    "train_s_per_epoch is -inf in row 7": changed("train_s_per_epoch", -numpy.inf, 7),
    "val12 has 7 rows and ops 8": changed("val12", [50.0] * 7),
    "test200 has shape (8, 1)": changed("test200", [[50.0]] * 8),
    "val12 has shape (8,) and type <U1": changed("val12", ["a"] * 8),
    "val12 has shape ()": changed("val12", 50.0),
    "ops has shape (8, 5)": changed("ops", [[0] * 5] * 8),
    "ops has shape (0, 6)": changed("ops", numpy.zeros((0, 6), dtype=int)),
    "ops has shape (8, 6) and type float64": changed("ops", [[0.0] * 6] * 8),
    "ops has shape (6,)": changed("ops", [0] * 6),
    "ops has 5 in row 4; allowed: 0 to 4": changed("ops", 5, 4),
    "ops has -1 in row 0": changed("ops", [[-1] * 6] * 8),
    "rows 2 and 7 are one architecture": twice,
    "op_names has 'conv_9x9'; allowed: none, skip_connect": changed("op_names", ["none", "conv_9x9", "a", "b", "c"]),
    "op_names has 'none'; allowed": changed("op_names", ["none", "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"]),
    "op_names has shape (5,) and type int64": changed("op_names", [0, 1, 2, 3, 4]),
    "op_names has shape (1, 5)": changed("op_names", [list(OPERATIONS)]),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_damaged_table_is_refused_in_one_line(tmp_path: Path, message: str) -> None:
    data = small()
    DAMAGES[message](data)
    path = written(tmp_path / "t.npz", data)
    with pytest.raises(DataError) as caught:
        Table.load(path)
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{path}: ")
    assert "\n" not in text


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        numpy.save(file, numpy.zeros(3))


def objects(path: Path) -> None:
    numpy.savez(path, **{**small(), "val12": numpy.array([{}] * 8, dtype=object)})


def cut(path: Path) -> None:
    written(path, small())
    path.write_bytes(path.read_bytes()[:900])


def flipped(path: Path) -> None:
    numpy.savez_compressed(path, **small(4000))
    data = bytearray(path.read_bytes())
    data[300:340] = bytes(40)
    path.write_bytes(data)


FILES: dict[str, Callable[[Path], Any]] = {
    "no such file": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "a text": lambda path: path.write_text("val12\n"),
    "a pickle": lambda path: path.write_bytes(b"\x80\x04K\x01."),
    "a folder": lambda path: path.mkdir(),
    "one array": one_array,
    "objects": objects,
    "cut": cut,
    "flipped": flipped,
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_table_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "t.npz"
    FILES[name](path)
    out = call(capsys, monkeypatch, "bench", "--table", path, "--trials", 5, "--seeds", 1)
    assert out.status == 2
    assert out.err.startswith(f"error: {path}")
    assert out.err.count("\n") == 1


def test_a_table_fits_its_own_space_only() -> None:
    TABLE.check(SPACE)
    with pytest.raises(DataError, match=r"synthetic: has the cells of nas-bench-201, not of space 'tiny'"):
        TABLE.check(spaces.load("tiny"))
    fewer = spaces.Space(without(SPACE.to_data(), "avg_pool_3x3"))
    with pytest.raises(DataError, match=r"op_names has 'avg_pool_3x3', which space 'nas-bench-201' has not"):
        TABLE.check(fewer)


def without(data: Any, option: str) -> Any:
    """The same data with an option less in every choice."""
    if isinstance(data, dict):
        return {key: without(item, option) for key, item in data.items()}
    return [without(item, option) for item in data if item != option] if isinstance(data, list) else data


def test_the_synthetic_table_has_every_cell_and_makes_no_difference_between_equal_networks() -> None:
    assert len(TABLE) == SPACE.count() == 15625
    again = Table(columns(), "again")
    assert (again.signal, again.test, again.seconds) == (TABLE.signal, TABLE.test, TABLE.seconds)
    by_paths: dict[Any, set[tuple[float, float]]] = {}
    for row in range(0, 15625, 7):
        by_paths.setdefault(effective(TABLE.decisions(row)), set()).add((TABLE.signal[row], TABLE.test[row]))
    assert all(len(values) == 1 for values in by_paths.values())
    assert len(by_paths) < 2000
    cut_off = TABLE.row(dict.fromkeys(EDGES, "none"))
    assert (TABLE.signal[cut_off], TABLE.test[cut_off]) == (10.0, 10.0)
    best = sorted(range(15625), key=lambda row: TABLE.signal[row])[-100:]
    assert sum(TABLE.test[row] for row in best) / 100 > sum(TABLE.test) / 15625 + 3


# ---- the evaluator -----------------------------------------------------------------------------------------------


def test_the_evaluator_looks_up_what_the_table_has() -> None:
    judge = evaluators.create("tabular", table="synthetic")
    rng = random.Random(0)
    for _ in range(20):
        decisions = SPACE.sample(rng)
        row = TABLE.row(decisions)
        outcome = run(judge, SPACE.decode(decisions), Fidelity(12), Evaluation(clock=Clock.simulated()))
        assert outcome.metrics == {
            "accuracy": TABLE.signal[row] / 100, "train_seconds": TABLE.seconds[row], "test_accuracy": TABLE.test[row] / 100,
        }  # fmt: skip
        assert outcome.seconds == outcome.first_seconds == TABLE.seconds[row]


def test_what_is_not_in_the_table_is_a_failed_trial(tmp_path: Path) -> None:
    judge = evaluators.create("tabular", table=str(written(tmp_path / "t.npz", small())))
    cell = SPACE.decode(TABLE.decisions(5000))
    assert "has no cell" in str(run(judge, cell, Fidelity(12), Evaluation()).reason)
    assert "12 epochs of the whole network" in str(run(judge, cell, Fidelity(3), Evaluation()).reason)
    assert "does not lie in space" in str(run(judge, nas.load("resnet20"), Fidelity(12), Evaluation()).reason)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "needs a table; allowed: --table FILE, or --table synthetic"),
        (("--table", "nowhere.npz"), "nowhere.npz: no such file"),
        (("--table", "synthetic", "--dataset", "digits"), "evaluator tabular has no option dataset='digits'; allowed: table"),
        (("--table", "synthetic", "--space", "tiny"), "has the cells of nas-bench-201, not of space 'tiny'"),
        (("--table", "synthetic", "--evaluator", "training"), "evaluator training has no option table='synthetic'"),
        (("--table", "synthetic", "--evaluator", "tabula"), "unknown evaluator 'tabula'; nearest: tabular"),
    ],
)
def test_bad_input_of_a_search_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    first = ("--space", "nas-bench-201", "--evaluator", "tabular", "--engine", "local", "--out", tmp_path / "run")
    out = call(capsys, monkeypatch, "search", *first, *options)
    assert out.status == 2
    assert message in out.err
    assert out.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


# ---- simulated time ----------------------------------------------------------------------------------------------


def test_a_simulated_clock_goes_on_by_skips_only_and_never_beyond_its_deadline() -> None:
    clock = Clock.simulated(100, timeout=70)
    clock.skip(30)
    assert (clock.elapsed(), clock.left(), clock.limit) == (30, 40, "timeout")
    clock.allow(20)
    with pytest.raises(CutOff, match="budget"):
        clock.skip(25)
    assert (clock.elapsed(), clock.left()) == (50, 0)
    with pytest.raises(CutOff):
        clock.skip(1)
    assert clock.elapsed() == 50


def search(folder: Path, **options: Any) -> Any:
    given = {"budget": "3000s", "engine": "local", "strategy": "evolution", **options}
    return nas.search("nas-bench-201", evaluator="tabular", evaluator_options={"table": "synthetic"}, out=folder, **given)


def test_a_budget_in_seconds_ends_a_search_as_in_reality(tmp_path: Path) -> None:
    study = search(tmp_path / "run")
    ledger, trials = study.ledger(), study.trials
    assert ledger.device_seconds == pytest.approx(sum(TABLE.seconds[TABLE.row(trial.decisions)] for trial in trials))
    assert ledger.seconds == pytest.approx(ledger.device_seconds)
    longest = max(trial.device_seconds for trial in trials)
    assert 3000 - longest <= ledger.seconds <= 3000
    assert study.settings.fidelity["epochs"] == 12
    assert study.best.metrics["test_accuracy"] == TABLE.test[TABLE.row(study.best.decisions)] / 100


def test_a_trial_that_overruns_the_budget_is_cut(tmp_path: Path) -> None:
    with pytest.raises(NasError, match="no candidate was validated within 20s"):
        search(tmp_path / "run", budget="20s")
    trial = nas.open_study(tmp_path / "run").trials[0]
    assert (trial.state, trial.reason, trial.device_seconds) == ("FAIL", "budget", 20.0)
    study = search(tmp_path / "other", budget="12trials", timeout=80.0)
    late = [trial for trial in study.trials if trial.state == "FAIL"]
    assert late
    assert {trial.device_seconds for trial in late} == {80.0}
    assert {trial.reason for trial in late} == {"timeout after 80.0s"}


def test_workers_share_simulated_time_and_give_the_same_search_every_time(tmp_path: Path) -> None:
    one, other = (search(tmp_path / name, workers=3, budget="0.8gpuh") for name in ("a", "b"))
    rows = [[(t.decisions, t.value, t.device_seconds, t.order, t.parent) for t in study.trials] for study in (one, other)]
    assert rows[0] == rows[1]
    ledger = one.ledger()
    longest = max(trial.device_seconds for trial in one.trials)
    assert ledger.device_seconds <= 2880
    assert ledger.device_seconds / 3 <= ledger.seconds <= ledger.device_seconds / 3 + longest
    assert [trial.number for trial in one.history()] != sorted(trial.number for trial in one.trials)  # a short one overtakes


def test_resuming_goes_on_from_the_simulated_ledger(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole", budget="2500s")
    seen: list[int] = []

    class Stop(Observer):
        def finished(self, finished: Any) -> None:
            seen.append(finished.number)
            if len(seen) == 11:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", budget="2500s", observer=Stop())
    assert nas.open_study(tmp_path / "cut").ledger().seconds < 2000
    resumed = nas.resume(tmp_path / "cut")
    assert [(t.decisions, t.value) for t in resumed.trials] == [(t.decisions, t.value) for t in whole.trials]
    assert resumed.ledger().seconds == pytest.approx(whole.ledger().seconds)
    assert resumed.ledger().device_seconds == pytest.approx(whole.ledger().device_seconds)


@pytest.mark.slow
def test_ray_gives_the_search_that_threads_give(tmp_path: Path) -> None:
    ray, local = (search(tmp_path / engine, engine=engine, workers=2, dashboard=False, budget="700s") for engine in ("ray", "local"))
    assert [(t.decisions, t.value, t.device_seconds) for t in ray.trials] == [
        (t.decisions, t.value, t.device_seconds) for t in local.trials
    ]
    assert ray.ledger().seconds == pytest.approx(local.ledger().seconds)


class Scripted:
    """Lanes that answer as they are told to."""

    count, share, device, grace_seconds, dashboard = 2, 1.0, "cpu", 1.0, None
    apart, entangled = True, False

    def __init__(self, *polls: list[Event]) -> None:
        self.polls = list(polls)

    def start(self) -> None: ...

    def submit(self, lane: int, candidate: Candidate) -> None: ...

    def poll(self, timeout: float) -> list[Event]:
        return self.polls.pop(0) if self.polls else []

    def allow(self, seconds: Any) -> None: ...

    def stop(self) -> None: ...


def done(lane: int, seconds: float, gone: bool = False) -> Done:
    return Done(lane, lane, Outcome("complete", {}, seconds=seconds), gone)


def test_events_come_in_the_order_of_simulated_time() -> None:
    candidate: Any = None
    lanes = SimulatedLanes(Scripted([Ready(1)], [Ready(0)], [done(0, 50.0)], [done(1, 20.0)], [done(1, 5.0)], []))
    assert lanes.poll(0.01) == [Ready(0), Ready(1)]  # both are awaited
    lanes.submit(0, candidate)
    lanes.submit(1, candidate)
    assert [event.lane for event in lanes.poll(0.01)] == [1]
    assert lanes.now() == 20
    lanes.submit(1, candidate)
    assert [event.lane for event in lanes.poll(0.01)] == [1]
    assert lanes.now() == 25
    assert [event.lane for event in lanes.poll(0.01)] == [0]
    assert lanes.now() == 50
    assert lanes.poll(0.01) == []


def test_a_worker_that_dies_costs_no_simulated_time_and_loses_no_answer() -> None:
    candidate: Any = None
    lanes = SimulatedLanes(Scripted([Ready(0), Ready(1)], [done(0, 50.0, True)], [Ready(0)], [Ready(1, 3.0)], [done(1, 60.0)]))
    lanes.poll(0.01)
    lanes.submit(0, candidate)
    lanes.submit(1, candidate)
    assert lanes.poll(0.01) == [Ready(1)]
    lanes.submit(1, candidate)
    assert lanes.poll(0.01) == [done(0, 50.0, gone=False)]
    assert [event.lane for event in lanes.poll(0.01)] == [1]
    assert lanes.now() == 60


def test_what_follows_a_search_has_simulated_time_of_its_own(tmp_path: Path) -> None:
    study = search(tmp_path / "run", budget="1200s", confirm="2x2", control=True)
    control, confirm = (nas.open_study(study.directory / name) for name in ("control", "confirm"))
    for each in (study, control):
        assert 1000 < each.ledger().seconds <= 1200
    assert [trial.value for trial in confirm.trials][:2] == [trial.value for trial in confirm.trials][2:]
    assert confirm.ledger().seconds == pytest.approx(sum(TABLE.seconds[TABLE.row(trial.decisions)] for trial in confirm.trials))
