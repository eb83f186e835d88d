"""Strategies against each other: runs, marks, ties, budgets, statistics, toy functions, the command line."""

from __future__ import annotations

import json
import random
import statistics
import time
from pathlib import Path
from typing import Any

import numpy
import pytest

from nas import bench, spaces
from nas.bench.problems import Source, TableProblem
from nas.bench.report import summarise
from nas.bench.run import Best, Run, run
from nas.bench.significance import holm, wilcoxon
from nas.bench.toys import TOYS
from nas.errors import NasError
from nas.evaluators.synthetic import columns
from nas.evaluators.table import EDGES, Table
from nas.strategies import STRATEGIES, Entry, Proposal
from nas.strategies.random_search import RandomOptions
from tests.cli import nas as call

SPACE = spaces.load("nas-bench-201")
COLUMNS = columns()
TABLE = Table(COLUMNS, "synthetic")


class Scripted:
    """Proposes what it is given, and keeps what it is told."""

    def __init__(self, *proposals: Any) -> None:
        self.proposals, self.told = proposals, []

    def ask(self, number: int) -> Proposal:
        return self.proposals[number % len(self.proposals)]

    def tell(self, trial: Any) -> None:
        self.told.append(trial)


def cell(row: int) -> Proposal:
    return Proposal(TABLE.decisions(row))


class Worths:
    """A problem of given (signal, worth, seconds) by the operation on the first edge."""

    full, mean_seconds = False, 10.0

    def __init__(self, **found: tuple[float | None, float, float]) -> None:
        self.found = found

    def look(self, decisions: Any, fraction: float) -> tuple[float | None, float, float]:
        signal, worth, seconds = self.found[decisions["x"]]
        return signal, worth, seconds * fraction

    def optimum(self) -> float | None:
        return None


def x(name: str, fraction: float = 1.0) -> Proposal:
    return Proposal({"x": name}, fraction=fraction)


def made(name: str, *steps: tuple[float, float, float], seed: int = 0, evaluations: float = 100, optimum: float | None = 1.0) -> Run:
    return Run(name, seed, steps, evaluations, evaluations * 10, int(evaluations), 0.5, optimum)


# ---- one run -----------------------------------------------------------------------------------------------------


def test_the_best_is_chosen_by_the_signal_and_judged_by_the_truth() -> None:
    problem = Worths(a=(0.5, 90.0, 10), b=(0.7, 80.0, 20), c=(0.6, 99.0, 30))
    searcher = Scripted(x("a"), x("b"), x("c"))
    found = run(searcher, problem, name="s", seed=0, trials=3)
    assert found.steps == ((1, 10, 90.0), (2, 30, 80.0))
    assert (found.evaluations, found.seconds, found.asks) == (3, 60, 3)
    assert [trial.value for trial in searcher.told] == [0.5, 0.7, 0.6]


def test_ties_count_as_their_mean_and_the_same_candidate_once() -> None:
    problem = Worths(a=(0.7, 90.0, 1), b=(0.7, 80.0, 1), c=(0.7, 70.0, 1), d=(0.8, 10.0, 1))
    found = run(Scripted(x("a"), x("a"), x("b"), x("a"), x("c"), x("d")), problem, name="s", seed=0, trials=6)
    assert found.steps == ((1, 1, 90.0), (3, 3, 85.0), (5, 5, 80.0), (6, 6, 10.0))


def test_what_overruns_the_budget_counts_not() -> None:
    problem = Worths(a=(0.1, 1.0, 10), b=(0.9, 9.0, 15))
    found = run(Scripted(x("a"), x("b")), problem, name="s", seed=0, seconds=34)
    assert (found.steps, found.evaluations, found.seconds) == (((1, 10, 1.0), (2, 25, 9.0)), 2, 25)
    assert run(Scripted(x("a")), problem, name="s", seed=0, seconds=40).evaluations == 4  # to the second


def test_parts_of_an_evaluation_count_as_parts_and_are_outdone_by_larger_ones() -> None:
    problem = Worths(a=(0.9, 1.0, 8), b=(0.5, 5.0, 8), c=(0.6, 6.0, 8))
    found = run(Scripted(x("a", 0.25), x("b", 0.5), x("c", 0.25)), problem, name="s", seed=0, trials=1)
    assert found.steps == ((0.25, 2, 1.0), (0.75, 6, 5.0))
    assert (found.evaluations, found.asks) == (1.0, 3)


def test_a_failed_trial_is_told_and_counts() -> None:
    data = {name: column if name == "op_names" else column[:2000] for name, column in COLUMNS.items()}
    problem = TableProblem(Table(data, "part"))
    searcher = Scripted(cell(15000), cell(1999))
    found = run(searcher, problem, name="s", seed=0, trials=2)
    assert [trial.value for trial in searcher.told] == [None, TABLE.signal[1999] / 100]
    assert found.steps == ((2, pytest.approx(problem.mean_seconds + TABLE.seconds[1999]), TABLE.test[1999]),)


def test_values_after_evaluations_and_at_seconds() -> None:
    found = made("s", (2, 20.0, 5.0), (7, 65.0, 6.0))
    assert [found.after(n) for n in (2, 6, 7, 99)] == [5.0, 5.0, 6.0, 6.0]
    assert [found.at(s) for s in (20, 64.9, 65, 1e9)] == [5.0, 5.0, 6.0, 6.0]
    assert numpy.isnan([found.after(1), found.at(19.9)]).all()


def test_the_best_of_a_random_history_is_that_of_looking_at_all_of_it() -> None:
    rng, best, seen, last = random.Random(0), Best(), {}, None
    for _ in range(300):
        name, signal = rng.randrange(40), 0
        signal = name % 13
        worth = float(name * 7 % 31)
        seen[name] = (signal, worth)
        last = best.add({"x": name}, 1.0, signal, worth) or last
        top = max(value[0] for value in seen.values())
        assert last == pytest.approx(statistics.fmean(value[1] for value in seen.values() if value[0] == top))


# ---- reports -----------------------------------------------------------------------------------------------------


def test_means_spread_regret_and_tests_at_marks() -> None:
    first = [made("a", (1, 10.0, 0.2), (60, 600.0, 0.5 + seed / 100), seed=seed) for seed in range(8)]
    second = [made("b", (1, 10.0, 0.3), (90, 900.0, 0.7 + seed / 100), seed=seed, evaluations=95) for seed in range(8)]
    report = summarise([*first, *second], ["a", "b"], [50, 100], float("inf"), {})
    a, b = report.results
    assert a.evaluations.mean == {50: pytest.approx(0.2), 100: pytest.approx(0.535)}
    assert b.evaluations.mean == {50: pytest.approx(0.3)}  # it never came to 100
    assert a.evaluations.std[100] == pytest.approx(statistics.stdev(0.5 + seed / 100 for seed in range(8)))
    assert a.evaluations.regret[100] == pytest.approx(0.465)
    assert b.evaluations.p == {50: pytest.approx(2 / 2**8)}
    assert b.evaluations.difference == {50: pytest.approx(0.1)}
    assert list(a.seconds.mean) == [95.0 * (i + 1) for i in range(10)]
    assert (list(a.end.mean), list(b.end.mean)) == ([100], [95])
    assert b.end.p[95] == pytest.approx(2 / 2**8)
    assert a.cost == 0.005


def test_an_optimum_that_is_not_known_is_the_best_that_was_found() -> None:
    runs = [made("a", (1, 1.0, 0.5), optimum=None), made("b", (1, 1.0, 0.8), optimum=None)]
    report = summarise(runs, ["a", "b"], [10], float("inf"), {})
    assert report.settings["optimum"] == "best of all runs"
    assert [result.evaluations.regret[10] for result in report.results] == [pytest.approx(0.3), 0.0]


@pytest.mark.parametrize("size", [3, 12, 60, 61, 200])
def test_the_signed_rank_test_is_that_of_scipy(size: int) -> None:
    from scipy.stats import wilcoxon as reference

    rng = random.Random(size)
    a = [rng.gauss(0.1, 1) for _ in range(size)]
    b = [rng.gauss(0, 1) for _ in range(size)]
    exact = size <= 60
    expected = reference(a, b, method="exact" if exact else "approx", correction=False).pvalue
    assert wilcoxon(a, b) == pytest.approx(expected)
    assert wilcoxon(b, a) == pytest.approx(expected)


def test_ties_and_equal_pairs_of_the_signed_rank_test() -> None:
    from scipy.stats import wilcoxon as reference

    a = [float(n % 5) for n in range(150)]
    b = [float(n * n % 7) for n in range(150)]
    assert wilcoxon(a, b) == pytest.approx(reference(a, b, method="approx", correction=False).pvalue)
    assert wilcoxon(a, a) == 1.0
    assert wilcoxon([1.0, 2.0, 3.0, 9.0], [0.0, 1.0, 2.0, 9.0]) == pytest.approx(0.25)  # three of one sign


def test_holm_corrects_as_in_the_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


# ---- many runs ---------------------------------------------------------------------------------------------------


def measured(**options: Any) -> bench.Report:
    given: dict[str, Any] = {"table": "synthetic", "trials": 60, "seeds": 5, "workers": 1, **options}
    return bench.measure("nas-bench-201", given.pop("strategies", ["evolution(population=10,sample=3)", "random"]), **given)


def results(report: bench.Report) -> Any:
    """All but the time that it took."""
    return [{key: value for key, value in result.to_dict().items() if key != "seconds"} for result in report.results]


def test_results_depend_on_neither_processes_nor_other_strategies() -> None:
    one, two = measured(), measured(workers=2)
    assert results(one) == results(two)
    assert one.settings == two.settings
    alone = measured(strategies="random")
    assert alone.results[0].evaluations.mean == one.results[1].evaluations.mean


def test_all_strategies_start_from_the_same_candidates() -> None:
    report = measured(strategies="random,evolution(population=20)", trials=20)
    assert report.results[0].evaluations.mean == report.results[1].evaluations.mean
    assert report.results[1].evaluations.p == {20: 1.0}


def test_a_budget_in_simulated_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    report = measured(trials=None, seconds=4000.0)
    assert all(run.seconds <= 4000 for run in report.runs)
    assert all(run.seconds > 4000 - max(TABLE.seconds) for run in report.runs)
    assert list(report.results[0].seconds.mean) == [400.0 * (i + 1) for i in range(10)]
    first = report.runs[0]
    assert report.results[0].seconds.mean[4000] == pytest.approx(
        statistics.fmean(run.steps[-1][2] for run in report.runs if run.strategy == first.strategy)
    )


@pytest.mark.parametrize(
    ("trials", "marks", "expected"),
    [(30, None, [30]), (50, None, [50]), (120, None, [50, 100, 120]), (300, None, [50, 100, 200, 300]), (60, [5, 7, 60, 7], [5, 7, 60])],
)
def test_marks(trials: int, marks: list[int] | None, expected: list[int]) -> None:
    report = measured(strategies="random", trials=trials, marks=marks, seeds=2)
    assert list(report.results[0].evaluations.mean) == expected


# Without importing torch or optuna; those with phases train networks together, which no table knows.
QUICK = [name for name, entry in STRATEGIES.items() if not name.startswith(("rl", "optuna")) and not entry.phase]


@pytest.mark.parametrize("name", [*QUICK, "asha:evolution", "hyperband:random"])
def test_every_strategy_can_be_measured(name: str) -> None:
    """On a toy function, for it may ask for parts of evaluations."""
    report = measured(table=None, toy="graph", strategies=name, trials=25, seeds=2)
    (result,) = report.results
    assert list(result.evaluations.mean) == [25]  # whole ones, however many parts that were
    assert all(run.asks >= run.evaluations >= 25 - 1e-6 for run in report.runs)
    assert result.cost > 0


def test_evolution_is_better_than_chance_and_every_mean_grows_on_a_signal_without_noise() -> None:
    report = bench.measure("nas-bench-201", "evolution,random", toy="separable", trials=100, seeds=12, workers=1)
    evolution, chance = (result.evaluations for result in report.results)
    assert evolution.mean[100] > chance.mean[100]
    assert chance.p[100] < 0.01
    assert evolution.mean[50] <= evolution.mean[100] <= 100
    assert report.settings["optimum"] == "known"


def test_features_are_columns_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.npz"
    numpy.savez(path, **COLUMNS, score=numpy.arange(15625) * 2, other=numpy.zeros(15625))
    known = Source(SPACE.to_yaml(), str(path), None, ("other", "score")).known(TABLE.decisions(77))
    assert known == (0.0, 154.0)
    assert measured(table=path, features=["score"], strategies="predictor", seeds=1).settings["features"] == ["score"]


class Parts:
    """Asks for a third of an evaluation."""

    def __init__(self, space: Any, seed: int, options: Any, context: Any) -> None:
        self.space, self.seed, self.trials = space, seed, context.trials

    def ask(self, number: int) -> Proposal:
        if number == 4:
            raise ValueError("broken\nhere")
        return Proposal(self.space.sample(random.Random(number)), fraction=1 / 3)

    def tell(self, trial: Any) -> None: ...


def test_a_strategy_that_fails_or_asks_for_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES._items, "parts", Entry(Parts, RandomOptions))
    with pytest.raises(NasError, match=r"strategy parts proposes 0.333333 of an evaluation, and a table has whole ones only"):
        measured(strategies="parts")
    with pytest.raises(NasError, match=r"strategy parts failed at trial 4 of seed 0: ValueError: broken here"):
        measured(strategies="parts", table=None, toy="pairs")


# ---- specs and toys ----------------------------------------------------------------------------------------------


def test_strategies_with_options_are_read() -> None:
    specs = bench.parse("random, evolution( population=10 , sample=3),rl:reinforce(rate=1e-3),x(a=true,b=tpe)")
    assert [(spec.name, spec.options) for spec in specs] == [
        ("random", {}), ("evolution", {"population": 10, "sample": 3}), ("rl:reinforce", {"rate": 0.001}), ("x", {"a": True, "b": "tpe"}),
    ]  # fmt: skip
    assert specs[1].text == "evolution(population=10,sample=3)"


@pytest.mark.parametrize("text", ["", ",", "a(", "a)", "a(b)", "a(b=1", "a(b=1)c", "a(b=1,b=2)", "a,a", "a(b=1),a(b=1)", "a(b=(1))", "a b"])
def test_strategies_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(NasError, match="allowed"):
        bench.parse(text)


@pytest.mark.parametrize("name", TOYS.names())
def test_a_toy_function_is_the_same_every_time_and_another_for_every_seed(name: str) -> None:
    one, again, other = (TOYS.get(name)(SPACE, seed) for seed in (0, 0, 1))
    cells = [SPACE.sample(random.Random(n)) for n in range(60)]
    assert [one.look(c, 1.0) for c in cells] == [again.look(dict(reversed(c.items())), 1.0) for c in cells]
    assert [one.look(c, 1.0) for c in cells] != [other.look(c, 1.0) for c in cells]
    assert all(0 <= one.value(c) <= 1 for c in cells)
    best = one.optimum()
    assert best is not None
    assert best >= 100 * max(map(one.value, cells))
    whole, third = (statistics.fmean(abs(one.look(c, f)[0] - one.value(c)) for c in cells) for f in (1.0, 1 / 3))
    assert third > whole
    assert one.look(cells[0], 0.25)[2] == pytest.approx(one.look(cells[0], 1.0)[2] / 4)


@pytest.mark.parametrize("name", ["separable", "pairs"])
def test_toy_functions_take_any_space(name: str) -> None:
    report = bench.measure("nasnet-cell", "random", toy=name, trials=10, seeds=2, workers=1)
    assert report.settings["optimum"] == "best of all runs"


def test_the_graph_toy_knows_paths() -> None:
    toy = TOYS.get("graph")(SPACE, 3)
    none = dict.fromkeys(EDGES, "none")
    assert toy.value(none) == toy.value({**none, "0>1": "nor_conv_3x3"}) == 0.0
    long = {**none, "0>1": "nor_conv_3x3", "1>3": "skip_connect"}
    assert toy.value(long) == toy.value({**none, "0>3": "nor_conv_3x3"}) > 0


# ---- the command line --------------------------------------------------------------------------------------------

FIRST = ("bench", "--table", "synthetic", "--trials", "20", "--seeds", "3", "--workers", "1")


def test_json_has_the_shape_that_is_promised(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = call(capsys, monkeypatch, *FIRST, "--strategies", "evolution,random", "--marks", "10,20", "--json", "--out", tmp_path / "r.json")
    assert (out.status, out.err) == (0, "")
    data = json.loads(out.out)
    assert data == json.loads((tmp_path / "r.json").read_text())
    assert [each["strategy"] for each in data["results"]] == ["evolution", "random"]
    for each in data["results"]:
        assert set(each["mean"]) == set(each["std"]) == set(each["regret"]) == {"10", "20"}
        assert all(10 <= value <= 95 for value in each["mean"].values())
        assert 0 < each["seconds"] < 1
    assert set(data["results"][1]["p"]) == {"10", "20"}


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html"])
def test_tables_and_plots(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str) -> None:
    words = (*FIRST, "--strategies", "random,evolution(population=5)", "--plot", tmp_path / f"p{suffix}")
    out = call(capsys, monkeypatch, *words)
    assert (out.status, out.err) == (0, "")
    assert "3 seeds of 20 evaluations each" in out.out
    assert "evolution(population=5)" in out.out
    first = (tmp_path / f"p{suffix}").read_bytes()
    assert len(first) > 10_000
    call(capsys, monkeypatch, *words)
    assert (tmp_path / f"p{suffix}").read_bytes() == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--toy", "pairs"), "both a table and a toy function are given"),
        (("--strategies", "evolutio"), "unknown strategy 'evolutio'; nearest: evolution"),
        (("--strategies", "evolution(pop=1)"), "strategy evolution: unknown option 'pop'; allowed: identity, population"),
        (("--strategies", "evolution(population=0)"), "strategy evolution: population=0; allowed: a whole number >= 1"),
        (("--strategies", "evolution(population=x)"), "strategy evolution: population='x'"),
        (("--strategies", "random,random"), "strategy random stands twice"),
        (("--strategies", "asha:random"), "strategy asha:random proposes 0.111111 of an evaluation, and a table has whole ones only"),
        (("--marks", "5,x"), "--marks='5,x'; allowed: whole numbers"),
        (("--marks", "5,21"), "mark 21; allowed: evaluations from 1 to 20"),
        (("--seconds", "-1"), "--seconds"),
        (("--space", "tiny"), "has the cells of nas-bench-201, not of space 'tiny'"),
        (("--space", "tinny"), "unknown space 'tinny'"),
        (("--features", "zen"), "synthetic: has no column zen"),
        (("--plot", "p.pdf"), "--plot='p.pdf'; allowed: a file that ends in .svg, .png, .html"),
        (("--out", "nowhere/r.json"), "cannot write nowhere/r.json: no such folder"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    out = call(capsys, monkeypatch, *FIRST, *options)
    assert out.status == 2
    assert message in out.err
    assert out.err.count("\n") == 1
    assert out.out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "neither a table nor a toy function is given; allowed: one of --table FILE"),
        (("--toy", "pair"), "unknown toy function 'pair'; nearest: pairs"),
        (("--toy", "graph", "--space", "tiny"), "toy graph: space 'tiny' has the decision"),
        (("--toy", "pairs", "--features", "zen"), "features zen are columns of a table"),
    ],
)
def test_bad_toys_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    out = call(capsys, monkeypatch, "bench", "--seeds", "1", *options)
    assert out.status == 2
    assert message in out.err


def test_ctrl_c_ends_the_processes_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        measured(workers=2, seeds=500, progress=stop)
    for process in set(multiprocessing.active_children()) - before:
        deadline = time.monotonic() + 20
        # Not `join` alone: the executor's own thread may be the one that collects the process, and says so a moment later.
        while process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not process.is_alive()
