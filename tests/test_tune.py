"""Our strategies and training as Ray Tune sees them, without a cluster: proposals, tells, state, checkpoints."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from ray import cloudpickle
from ray.tune.search import ConcurrencyLimiter

import nas
from nas import spaces, strategies
from nas.errors import NasError
from nas.trainer.checkpoint import CheckpointError
from nas.tune import Searcher, Trainable

SMALL = {"architecture": "resnet20", "width": 0.25, "epochs": 3, "dataset": "digits"}
EVOLUTION = {"population": 4, "sample": 2}


def value_of(config: dict[str, Any]) -> float:
    """Something to be maximised that depends on the decisions alone."""
    return sum(len(str(option)) for option in config["decisions"].values()) / 100


def played(searcher: Searcher, count: int, sign: float = 1.0) -> list[dict[str, Any]]:
    made = []
    for _ in range(count):
        name = f"t{searcher.get_state()['next']}"
        config = searcher.suggest(name)
        searcher.on_trial_complete(name, {"score": sign * value_of(config)})
        made.append(config)
    return made


def searcher(**changes: Any) -> Searcher:
    return Searcher(**{"space": "tiny", "strategy": "evolution", "seed": 3, "metric": "score", "mode": "max", **EVOLUTION, **changes})


# ---- the searcher ------------------------------------------------------------------------------------------------


def test_it_proposes_what_the_strategy_does_and_min_is_max_turned_round() -> None:
    space = spaces.load("tiny")
    strategy = strategies.create("evolution", space, 3, **EVOLUTION)
    for config in (made := played(searcher(), 12)):
        assert config["decisions"] == strategy.ask(config["number"]).decisions
        strategy.tell(strategies.Trial(config["number"], config["decisions"], value_of(config)))
        assert nas.Architecture.from_yaml(config["architecture"]) == space.decode(config["decisions"])
    assert played(searcher(mode="min"), 12, sign=-1.0) == made


@pytest.mark.parametrize("strategy", ["evolution", "rl", "predictor", "optuna:tpe", "local", "random"])
def test_restored_it_goes_on_as_if_nothing_had_been(tmp_path: Path, strategy: str) -> None:
    options = {} if strategy != "evolution" else EVOLUTION
    whole, broken = (Searcher("tiny", strategy, seed=1, metric="score", **options) for _ in range(2))
    expected = played(whole, 14)
    assert played(broken, 8) == expected[:8]
    pending = broken.suggest("pending")
    broken.save(str(tmp_path / "state"))
    json.loads((tmp_path / "state").read_text())
    for again in (Searcher("tiny", strategy, seed=1, **options), cloudpickle.loads(cloudpickle.dumps(broken))):
        again.restore(str(tmp_path / "state"))
        again.on_trial_complete("pending", {"score": value_of(pending)})
        assert played(again, 5) == expected[9:]


def test_failures_foreign_trials_and_odd_values_are_taken() -> None:
    made = searcher()
    for number, result in enumerate((None, {}, {"score": math.nan}, {"score": "x"}, {"score": 10**400}, {"score": None})):
        made.suggest(f"t{number}")
        made.on_trial_complete(f"t{number}", result)
    made.suggest("error")
    made.on_trial_complete("error", {"score": 1.0}, error=True)
    made.on_trial_complete("unknown", {"score": 1.0})
    made.on_trial_result("t0", {"score": math.inf})
    assert [value for _, _, value in made.get_state()["told"]] == [None] * 7
    assert made.suggest("t9")["number"] == 7


def test_known_networks_and_given_ones_come_first() -> None:
    first, second, third = (config["decisions"] for config in played(Searcher("tiny", "random", metric="score"), 3))
    made = searcher(start=[first], evaluated=[(second, 0.5), (third, None)])
    assert made.get_state()["told"] == [[0, second, 0.5], [1, third, None]]
    assert made.suggest("a")["decisions"] == first
    made.set_state(json.loads(json.dumps(made.get_state())))
    assert made.suggest("b")["number"] == 3
    made.add_evaluated_point({"decisions": first, "lr": 0.1}, 0.7)
    assert made.get_state()["told"][-1][2] == 0.7
    with pytest.raises(NasError, match=r"decision 'normal.nodes\[0\]\[0\].op' is missing"):
        made.add_evaluated_point({"decisions": {"nothing": 1}}, 0.7)


def test_a_limiter_of_tune_holds_it() -> None:
    limited = ConcurrencyLimiter(searcher(), max_concurrent=2)
    first, second, third = (limited.suggest(name) for name in "abc")
    assert first
    assert second
    assert third is None
    limited.on_trial_complete("a", {"score": 1.0})
    assert limited.suggest("c")["number"] == 2


def test_goals_come_from_tune_too() -> None:
    made = Searcher("tiny", "random")
    with pytest.raises(NasError, match="has no metric; allowed"):
        made.suggest("a")
    assert made.set_search_properties("accuracy", "min", {"lr": 0.1})
    made.suggest("a")
    made.on_trial_complete("a", {"accuracy": 0.25})
    assert made.get_state()["told"][0][2] == -0.25
    with pytest.raises(NasError, match="was told values by 'min'"):
        made.set_search_properties("accuracy", "max", {})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "asha:random"}, "with a scheduler of Tune's such as ASHAScheduler"),
        ({"strategy": "darts"}, "it trains candidates together"),
        ({"strategy": "evolutoin"}, "nearest: evolution"),
        ({"nothing": 1}, "nothing"),
        ({"mode": "most"}, "mode='most'; allowed: min, max"),
        ({"metric": ["a"]}, "allowed: the name of one metric"),
        ({"seed": -1}, "seed"),
        ({"space": "tny"}, "tiny"),
    ],
)
def test_what_it_does_not_take(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError, match=said):
        searcher(**changes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "damaged"), ("[1]", "damaged or of another version"), ('{"format": 2}', "allowed: format 1"), ("[" * 100_000, "damaged"),
        ('{"format": 1}', "another space"),
    ],
)  # fmt: skip
def test_a_state_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "state").write_text(text)
    with pytest.raises(NasError, match=said):
        searcher().restore(str(tmp_path / "state"))
    state = {**searcher().get_state(), "told": [[0]]}
    (tmp_path / "state").write_text(json.dumps(state))
    with pytest.raises(NasError, match="state: state of a searcher: damaged"):
        searcher().restore(str(tmp_path / "state"))
    with pytest.raises(NasError, match="another seed: '3'; allowed: '4'"):
        searcher(seed=4).set_state(searcher().get_state())


# ---- the trainable -----------------------------------------------------------------------------------------------


def trainable(**changes: Any) -> Trainable:
    return Trainable({**SMALL, **changes})


def steps(made: Trainable, count: int) -> list[float]:
    return [made.step()["train_loss"] for _ in range(count)]


def test_steps_are_epochs_and_a_checkpoint_gives_the_same_bits(tmp_path: Path) -> None:
    whole = trainable()
    losses = steps(whole, 3)
    result = whole.step()  # nothing is left to do
    assert result["done"]
    assert result["train_loss"] == losses[-1]
    assert {"accuracy", "params", "macs", "epochs"} <= result.keys()
    broken = trainable()
    assert steps(broken, 1) == losses[:1]
    broken.save_checkpoint(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    torch.load(tmp_path / "state.pt", weights_only=True)
    again = trainable()
    again.load_checkpoint(str(tmp_path))
    assert steps(again, 2) == losses[1:]


def test_a_reset_leaves_nothing_of_the_trial_before() -> None:
    expected = steps(trainable(lr=0.02, seed=1), 1)
    reused = trainable(lr=0.2, epochs=1, ema=0.9, architecture="resnet32")
    reused.step()
    data = reused._data
    assert reused.reset_config({**SMALL, "lr": 0.02, "seed": 1})
    assert steps(reused, 1) == expected
    assert reused._data is data


def test_a_member_takes_over_another_with_its_own_recipe(tmp_path: Path) -> None:
    good = trainable(lr=0.1)
    steps(good, 1)
    good.save_checkpoint(str(tmp_path))
    other = trainable(lr=0.05, batch=32, label_smoothing=0.0, seed=5)
    other.load_checkpoint(str(tmp_path))
    assert other._run.epochs == 1
    assert other._run.step == len(other._run.data.train) // 32
    assert other._run.recipe.lr == 0.05
    for own, theirs in zip(other._run.module.parameters(), good._run.module.parameters(), strict=True):
        assert torch.equal(own, theirs)
    result = other.step()
    assert result["epochs"] == 2.0
    rate = float(other._run.optimiser.param_groups[0]["lr"])
    assert 0 < rate < 0.05
    for changes, said in (
        ({"optimizer": "adamw"}, "optimizer='sgd'; allowed: the run's own, 'adamw'"),
        ({"ema": 0.9}, "averages its weights"),
        ({"validation": 0.5}, "images="),
    ):
        with pytest.raises(NasError, match=said):
            trainable(**changes).load_checkpoint(str(tmp_path))
    with pytest.raises(CheckpointError, match="of another network"):
        trainable(architecture="resnet32").load_checkpoint(str(tmp_path))
    (tmp_path / "state.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        trainable().load_checkpoint(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": None}, "has no architecture"),
        ({"learning_rate": 0.1}, "unknown key 'learning_rate'"),
        ({"lr": "fast"}, "recipe.lr='fast'"),
        ({"width": 2}, "width=2; allowed"),
        ({"device": "tpu"}, "device='tpu'"),
        ({"dataset": "digts"}, "digits"),
        ({"architecture": "resnet21"}, "resnet20"),
        ({"architecture": "a:\n  b"}, "."),
    ],
)
def test_a_configuration_that_is_none(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError, match=said):
        trainable(**changes)
