"""Limits on the command line, filters by a proxy, features for strategies: honoured, written down, the same after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import nas
from nas import measures, spaces, strategies
from nas.engine.observer import Observer
from nas.engine.screening import Features, parse_filter, screened
from nas.errors import NasError, SpaceError
from nas.spaces import Space
from nas.strategies import Entry, Proposal
from nas.strategies.base import generator
from nas.strategies.random_search import RandomOptions
from tests.cli import nas as call


class Stop(Observer):
    """Ctrl-C once trial 2 is finished."""

    def finished(self, item: Any) -> None:
        if item.number == 2:
            raise KeyboardInterrupt


class Greedy:
    """Of four random candidates the one with the largest features; a strategy that takes any."""

    def __init__(self, space: Any, seed: int, options: Any, context: Any) -> None:
        self.space, self.seed, self.features = space, seed, context.features

    def ask(self, number: int) -> Proposal:
        rng = generator(self.seed, number)
        return Proposal(max((self.space.sample(rng) for _ in range(4)), key=self.features))

    def tell(self, trial: Any) -> None:
        pass


@pytest.fixture
def greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(strategies.STRATEGIES._items, "greedy", Entry(Greedy, RandomOptions, features=True))


def search(out: Path, **options: Any) -> list[Any]:
    """Decisions of the trials of a search without training."""
    study = nas.search("tiny", evaluator="zero-cost:params", engine="local", budget="5trials", out=out, **options)
    return [trial.decisions for trial in study.trials]


def stopped(out: Path, **options: Any) -> list[Any]:
    """The same, with a Ctrl-C and a resume between."""
    with pytest.raises(KeyboardInterrupt):
        search(out, observer=Stop(), **options)
    return [trial.decisions for trial in nas.resume(out).trials]


def test_limits_are_honoured_and_written_down(tmp_path: Path) -> None:
    study = nas.search(
        "tiny", strategy="evolution", evaluator="zero-cost:synflow", engine="local", budget="8trials", out=tmp_path / "run",
        limits={"params": "6K", "macs": {"min": 100_000}}, strategy_options={"population": 2, "sample": 2},
    )  # fmt: skip
    for trial in study.trials:
        cost = trial.architecture.cost(aux=False)
        assert cost.params <= 6000
        assert cost.macs >= 100_000
    frozen = yaml.safe_load(yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["space"])
    assert frozen["limits"] == {"params": {"max": 6000.0}, "macs": {"min": 100_000.0}}


def test_limits_hold_at_the_input_of_the_data(tmp_path: Path) -> None:
    """Grey digits have fewer parameters in the stem than the space's own colour images."""
    study = nas.search(
        "tiny", strategy="random", evaluator="zero-cost:params", dataset="digits", engine="local", budget="3trials", out=tmp_path / "run",
        limits={"params": 3000},
    )  # fmt: skip
    for trial in study.trials:
        assert trial.architecture.input == (1, 8, 8)
        assert trial.architecture.cost(aux=False).params <= 3000


def test_a_given_bound_replaces_that_of_the_space_and_no_other() -> None:
    space = spaces.load("tiny").within({"params": {"min": 1000, "max": 5000}, "grad-norm": {"min": -1}})
    assert space.within({"params": "4K"}).to_data()["limits"] == {"params": {"min": 1000.0, "max": 4000.0}, "grad_norm": {"min": -1.0}}
    with pytest.raises(SpaceError, match="min 1000 is above max 500"):
        space.within({"params": 500})


def test_filter_is_a_limit_that_half_of_all_candidates_keep(tmp_path: Path) -> None:
    notes: list[str] = []
    space = spaces.load("tiny")
    within = screened(space, parse_filter("synflow:0.5"), 0, notes.append)
    (limit,) = within.limits
    assert (limit.measure, limit.least) == ("synflow", True)
    assert "synflow >= " in notes[0]
    assert "quantile 0.5 of 64 random candidates" in notes[0]
    drawn = [space.decode(space.sample(generator(1, number))) for number in range(40)]
    kept = sum(measures.measure(candidate, "synflow") >= limit.bound for candidate in drawn)
    assert 8 < kept < 32  # 20 on the mean; deterministic
    whole = search(tmp_path / "whole", filter="synflow:0.5", strategy="evolution")
    frozen = Space(yaml.safe_load(yaml.safe_load((tmp_path / "whole" / "run.yaml").read_text())["space"]))
    assert frozen.limits == within.limits
    assert all(frozen.fits(decisions) for decisions in whole)
    assert stopped(tmp_path / "stopped", filter="synflow:0.5", strategy="evolution") == whole


def test_features_reach_the_strategy_also_after_a_resume(tmp_path: Path, greedy: None) -> None:
    whole = search(tmp_path / "whole", strategy="greedy", features=["params", "synflow"])
    assert stopped(tmp_path / "stopped", strategy="greedy", features=["params", "synflow"]) == whole
    assert yaml.safe_load((tmp_path / "whole" / "run.yaml").read_text())["features"] == ["params", "synflow"]
    assert whole != search(tmp_path / "other", strategy="greedy", features=["jacov"], control=True)  # the control knows none


def test_features_are_kept_and_zero_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    space = spaces.load("tiny")
    features, decisions = Features(space, ["params", "synflow"]), space.sample(generator(0, 0))
    found = features(decisions)
    assert found == tuple(nas.score(space.decode(decisions), ["params", "synflow"]).values())
    monkeypatch.setattr(measures, "measure", None)
    assert features(dict(reversed(decisions.items()))) == found
    monkeypatch.undo()

    def broken(architecture: Any, name: str) -> float:
        raise NasError("no")

    monkeypatch.setattr(measures, "measure", broken)
    assert features(space.sample(generator(0, 1))) == (0.0, 0.0)


def test_strategies_that_take_no_features_say_so(greedy: None) -> None:
    space = spaces.load("tiny")
    context = strategies.Context(features=lambda decisions: (0.0,))
    with pytest.raises(NasError, match=r"strategy random takes no features; allowed: .*greedy"):
        strategies.create("random", space, 0, context)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--max-params 0", "--max-params='0'; allowed: a number above 0"),
        ("--max-params -5", "--max-params='-5' is not a count"),
        ("--max-macs nan", "--max-macs='nan' is not a count"),
        ("--max-params 100", "the nearest has params 738 where params <= 100 is asked"),
        ("--max-latency-ms 0.0001", "where latency_ms <= 0.0001 is asked"),
        ("--filter naswt:0.5", "unknown measure 'naswt' at filter; nearest: naswot"),
        ("--filter naswot", "allowed: PROXY:QUANTILE"),
        ("--filter naswot:1", "the quantile between 0 and 1"),
        ("--filter naswot:nan", "the quantile between 0 and 1"),
        ("--filter naswot:0.5,naswot:0.6", "names naswot twice"),
        ("--filter latency-ms:0.5", "unknown proxy 'latency_ms' at filter"),
        ("--features naswot", "strategy evolution takes no features"),
        ("--features naswt --strategy random", "unknown measure 'naswt' at features"),
        ("--evaluator zero-cost:latency-ms", "unknown proxy 'latency_ms' at zero-cost"),
        ("--evaluator training:fast", "evaluator training:fast; allowed: "),
        ("--evaluator zerocost", "unknown evaluator 'zerocost'; nearest: zero-cost"),
    ],
)
def test_bad_input(
    options: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if "latency" in options:
        monkeypatch.setattr("nas.spaces.space.CLIMB", 20)  # each try is a measurement
    out = tmp_path / "run"
    words = ("--space", "tiny", "--strategy", "evolution", "--dataset", "digits", "--budget", "2trials", "--engine", "local")
    run = call(capsys, monkeypatch, "search", *words, "--out", out, *options.split())
    assert run.status == 2
    assert message in run.err
    assert run.err.count("\n") == 1
    assert not out.exists()


def test_python_says_the_same(tmp_path: Path) -> None:
    for limits, message in (({"params": 0}, "limits.params.max=0; allowed: a number above 0"), ({"parms": 1}, "nearest: params")):
        with pytest.raises(SpaceError, match=message):
            search(tmp_path / "run", limits=limits)


class SmallImages:
    """Images of 8x8 pixels, which patches of 16 do not divide."""

    objective = "accuracy"

    def task(self) -> tuple[tuple[int, int, int], int]:
        return (3, 8, 8), 10

    def evaluate(self, architecture: Any, fidelity: Any, evaluation: Any) -> dict[str, float]:
        return {"accuracy": 1 / architecture.cost().params}


def test_what_does_not_fit_the_input_is_never_proposed(tmp_path: Path) -> None:
    study = nas.search("vit", evaluator=SmallImages(), budget="20trials", strategy="random", engine="local", out=tmp_path / "run")
    assert {trial.state for trial in study.trials} == {"COMPLETE"}
    assert {trial.decisions["patch"] for trial in study.trials} == {4, 8}
    assert study.space.fitting
    assert not study.space.limits
    assert Space(yaml.safe_load(study.space.to_yaml())).fitting
    with pytest.raises(SpaceError, match="fitting='yes'; allowed: true"):
        Space({**study.space.to_data(), "fitting": "yes"})
