"""The evaluator that trains, and the proxy that it fits to a budget."""

from __future__ import annotations

import math
import pickle
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas import spaces
from nas.arch import Architecture
from nas.errors import NasError, UnknownNameError
from nas.evaluators import Clock, Evaluation, Fidelity, create, run
from nas.evaluators.fit import sizes, spread
from nas.evaluators.proxy import EFFORTS, LEAST, SIZES, SLOWER, Seconds, affords, plan, wanted
from nas.evaluators.training import TrainingEvaluator
from nas.scale import resize
from nas.training.recipe import Recipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a worker; other tests get their number of threads back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def candidate(space: str = "tiny", seed: int = 0) -> Architecture:
    made = spaces.load(space)
    return made.decode(made.sample(random.Random(seed)))


def timeless(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if "second" not in name}


# the evaluator ------------------------------------------------------------------------------------------------------


def test_a_tiny_candidate_learns_digits() -> None:
    evaluation = Evaluation(seed=1)
    outcome = run(create("training"), candidate(), Fidelity(epochs=3), evaluation)
    assert outcome.state == "complete", outcome.reason
    assert outcome.metrics["accuracy"] > 0.9
    assert [metrics["epochs"] for _, metrics in evaluation.reports] == [1, 2, 3]
    assert evaluation.reports[-1][1] == outcome.metrics
    names = ("val_loss", "train_loss", "train_seconds", "images_per_second", "first_validation_seconds")
    assert all(math.isfinite(outcome.metrics[name]) for name in names)
    cost = candidate().with_input((1, 8, 8), 10).cost(aux=False)
    assert (outcome.metrics["params"], outcome.metrics["macs"]) == (cost.params, cost.macs)


def test_nasnet_cell_with_auxiliary_head_and_drop_path_trains_at_proxy_size() -> None:
    evaluator = TrainingEvaluator(recipe={"batch": 64, "drop_path": 0.2})
    fidelity = Fidelity(1, 0.25, 0.17, 0.2)
    outcome = run(evaluator, candidate("nasnet-cell"), fidelity, Evaluation())
    assert outcome.state == "complete", outcome.reason
    assert outcome.metrics["params"] > 1e6  # of the candidate, not of its proxy


SCRIPT = """
import json, random, sys, torch
from nas import spaces
from nas.evaluators import Evaluation, Fidelity, create
if sys.argv[1] == "many":
    torch.set_num_threads(2)
    torch.rand(7)
space = spaces.load("tiny")
made = space.decode(space.sample(random.Random(0)))
metrics = create("training", recipe={"drop_path": 0.1}).evaluate(made, Fidelity(2, samples=0.5), Evaluation(seed=3))
print(json.dumps({name: value for name, value in metrics.items() if "second" not in name}))
"""


@pytest.mark.slow
def test_same_bits_in_other_processes_with_other_threads_and_hash_seeds() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, threads], capture_output=True, text=True, check=True, env=_environment(seed)
        ).stdout
        for threads, seed in (("one", "1"), ("many", "2"))
    ]
    assert said[0] == said[1]
    assert "accuracy" in said[0]


def _environment(hash_seed: str) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parent.parent)}


def test_seeds_differ_and_the_order_of_candidates_does_not_matter() -> None:
    evaluator, fidelity = create("training"), Fidelity(1, samples=0.3)
    alone = [evaluator.evaluate(candidate(), fidelity, Evaluation(seed=seed)) for seed in (0, 1)]
    evaluator.evaluate(candidate(seed=5), fidelity, Evaluation(seed=9))
    again = evaluator.evaluate(candidate(), fidelity, Evaluation(seed=0))
    assert timeless(dict(again)) == timeless(dict(alone[0])) != timeless(dict(alone[1]))


def test_threads_of_one_process_get_the_results_of_one() -> None:
    evaluator, fidelity = create("training"), Fidelity(1, samples=0.3)
    expected = [timeless(dict(evaluator.evaluate(candidate(seed=i), fidelity, Evaluation(seed=i)))) for i in range(4)]
    found: dict[int, Any] = {}

    def work(lane: int) -> None:
        for i in (lane, lane + 2):
            found[i] = timeless(dict(evaluator.evaluate(candidate(seed=i), fidelity, Evaluation(seed=i))))

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(4)] == expected


class Ticking:
    """Each reading is a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_a_candidate_cut_off_after_a_validation_counts_at_what_it_reached() -> None:
    seconds, ticking = 60.0, Ticking()  # an epoch is 17 steps and 3 batches; two checks come before
    evaluation = Evaluation(clock=Clock(seconds, now=ticking))
    outcome = run(create("training"), candidate(), Fidelity(20), evaluation)
    assert outcome.state == "complete"
    assert outcome.cut
    assert len(evaluation.reports) == 2
    assert outcome.metrics["accuracy"] == max(metrics["accuracy"] for _, metrics in evaluation.reports)
    assert ticking.now <= seconds + 4  # its readings on the way out


def test_a_candidate_cut_off_before_its_first_validation_fails() -> None:
    outcome = run(create("training"), candidate(), Fidelity(20), Evaluation(clock=Clock(8.0, now=Ticking())))
    assert (outcome.state, outcome.reason) == ("fail", "budget")


def test_a_diverging_candidate_fails_with_its_epoch() -> None:
    recipe = {"lr": 100.0, "clip": 0, "warmup": 0, "momentum": 0.99, "batch": 8, "weight_decay": 1.0}
    outcome = run(TrainingEvaluator(recipe=recipe), candidate(), Fidelity(3), Evaluation())
    assert outcome.state == "fail"
    assert outcome.reason is not None
    assert outcome.reason.startswith("TrainingFailure: ")
    assert " in epoch " in outcome.reason


def test_bad_settings_are_typed_errors() -> None:
    with pytest.raises(NasError, match=r"validation=1\.0; allowed"):
        TrainingEvaluator(validation=1.0)
    with pytest.raises(NasError, match=r"device='tpu'; allowed: auto, cpu, cuda"):
        TrainingEvaluator(device="tpu")
    with pytest.raises(NasError, match=r"split_seed=-1; allowed"):
        TrainingEvaluator(split_seed=-1)
    with pytest.raises(NasError, match=r"recipe\.lr=0"):
        TrainingEvaluator(recipe={"lr": 0})
    outcome = run(TrainingEvaluator("digit"), candidate(), Fidelity(), Evaluation())
    assert outcome.reason is not None
    assert UnknownNameError.__name__ in outcome.reason


def test_settings_make_the_same_evaluator_and_only_they_travel() -> None:
    evaluator = TrainingEvaluator(recipe=Recipe(lr=0.05), validation=0.3, split_seed=4)
    assert TrainingEvaluator(**evaluator.settings()).settings() == evaluator.settings()
    expected = evaluator.evaluate(candidate(), Fidelity(1, samples=0.1), Evaluation())
    packed = pickle.dumps(evaluator)
    assert len(packed) < 2000
    arrived = pickle.loads(packed).evaluate(candidate(), Fidelity(1, samples=0.1), Evaluation())
    assert timeless(arrived) == timeless(expected)


def test_paths_hold_in_any_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.arange(60) % 3
    images = (labels[:, None, None] * 80 + np.random.default_rng(0).integers(0, 40, (60, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "own.npz", x_train=images, y_train=labels)
    monkeypatch.chdir(tmp_path)
    evaluator = TrainingEvaluator("npz:own.npz", data_dir="cache")
    assert evaluator.settings()["data_dir"] == str(tmp_path / "cache")
    monkeypatch.chdir("/")
    outcome = run(evaluator, candidate(), Fidelity(2), Evaluation())
    assert outcome.state == "complete", outcome.reason


def test_importing_evaluators_imports_no_torch() -> None:
    code = "import sys, nas.evaluators, nas.evaluators.proxy, nas.training.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=_environment("0")).returncode == 0


# the fit ------------------------------------------------------------------------------------------------------------


def flat(train: float, validate: float = 0.0, once: float = 0.0, count: int = 4) -> list[Seconds]:
    return [Seconds(once, train, validate)] * count


def test_wanted_grows_with_the_square_root_and_is_five_at_least() -> None:
    assert [wanted(seconds) for seconds in (-1.0, 0.0, 1.0, 100.0, 400.0)] == [5, 5, 5, 20, 40]
    assert [wanted(seconds, 1000) for seconds in (1.0, 100.0, 400.0)] == [5, 10, 20]


@pytest.mark.parametrize("seconds", [10.0, 60.0, 300.0, 3600.0, 1e6])
def test_what_is_planned_fits_and_what_is_next_does_not(seconds: float) -> None:
    costs = {size: flat(1e-4 * 4**index, 3e-5 * 4**index, 0.1) for index, size in enumerate(SIZES)}
    made = plan(costs, 1000, 200, seconds)
    seen = 1000 * made.fidelity.samples * made.fidelity.epochs
    each = costs[made.fidelity.width, made.fidelity.depth][0].of(made.fidelity, 1000, 200)
    assert made.fits
    assert wanted(seconds, seen) * each * SLOWER <= seconds
    assert made.candidates >= LEAST
    place = EFFORTS.index((made.fidelity.samples, made.fidelity.epochs))
    if place + 1 < len(EFFORTS):
        samples, epochs = EFFORTS[place + 1]
        more = Fidelity(epochs, made.fidelity.width, made.fidelity.depth, samples)
        cost = costs[made.fidelity.width, made.fidelity.depth][0].of(more, 1000, 200)
        assert wanted(seconds, 1000 * samples * epochs) * cost * SLOWER > seconds
    larger = SIZES.index((made.fidelity.width, made.fidelity.depth)) + 1
    assert larger == len(SIZES) or not affords(costs[SIZES[larger]], 1000, 200, seconds)


def test_a_plan_is_capped_at_twenty_epochs_in_full() -> None:
    made = plan({size: flat(1e-9) for size in SIZES}, 1000, 200, math.inf)
    assert made.fidelity == Fidelity(20, 1.0, 1.0, 1.0)


def test_a_heavy_tail_must_leave_room_for_five() -> None:
    even = plan({SIZES[0]: flat(1e-3, count=50)}, 1000, 0, 60)
    tailed = plan({SIZES[0]: [*flat(1e-3, count=49), Seconds(0, 20e-3, 0)]}, 1000, 0, 60)
    worst = Seconds(0, 20e-3, 0).of(tailed.fidelity, 1000, 0)
    assert LEAST * worst * SLOWER <= 60
    assert (tailed.fidelity.samples, tailed.fidelity.epochs) < (even.fidelity.samples, even.fidelity.epochs)


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 0.01])
def test_when_nothing_fits_the_smallest_is_planned_and_said_to_be_too_much(seconds: float) -> None:
    made = plan({SIZES[0]: flat(1.0), SIZES[1]: flat(4.0)}, 1000, 200, seconds)
    assert made.fidelity == Fidelity(1, *SIZES[0], EFFORTS[0][0])
    assert not made.fits
    assert "too small for 5 candidates" in made.line()


def test_spread_follows_the_macs_by_half() -> None:
    made = spread([Seconds(1.0, 2.0, 4.0)], [100, 300])
    assert made == [Seconds(1.0, 2.0, 4.0), Seconds(2.0, 4.0, 8.0), Seconds(1.0, 2.0, 4.0)]


def test_sizes_that_make_searched_repeats_equal_are_left_out() -> None:
    def candidates(name: str) -> list[Architecture]:
        return [candidate(name, seed) for seed in range(20)]

    assert sizes(candidates("nasnet-cell")) == list(SIZES)
    tiny = sizes(candidates("tiny"))
    assert tiny == [(1.0, 1.0)]
    shrunk = {resize(made, depth=0.17).stages[0][0].repeat for made in candidates("tiny")}
    assert shrunk == {1}  # which is why


def test_prepare_measures_briefly_and_what_it_says_holds() -> None:
    evaluator, space = TrainingEvaluator(), spaces.load("tiny")
    evaluator.prepare(space, 20.0, 0)  # reads the data, warms torch up
    start = time.monotonic()
    fidelity = evaluator.prepare(space, 40.0, 0)
    spent = time.monotonic() - start
    found = evaluator.plan
    assert found is not None
    assert found.fidelity == fidelity
    assert found.fits
    assert found.measured >= 1
    assert 0 < found.spent <= spent
    assert spent < 40.0 * 0.05 + 8.0  # a measurement that has begun is finished, here under two seconds on a machine of its own
    outcome = run(evaluator, candidate(seed=3), fidelity, Evaluation())
    assert outcome.seconds < 40.0 / 5
    assert found.line().startswith("proxy: ")


class FakeMachine:
    """Stands for `measure`: as slow as a network has MACs, and with memory for networks of `room` parameters."""

    def __init__(self, room: float = math.inf) -> None:
        self.room = room

    def __call__(self, build: Any, data: Any, recipe: Recipe, seed: int, *others: Any) -> tuple[float, float, float]:
        with torch.device("meta"):  # nothing is computed
            params = sum(parameter.numel() for parameter in build().parameters())
        if params > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return 0.05, params * 1e-9, params * 3e-10


@pytest.mark.parametrize("room", [2e5, 1e6, math.inf])
def test_a_size_for_which_there_is_no_memory_is_not_taken(room: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.evaluators.fit.measure", FakeMachine(room))
    evaluator = TrainingEvaluator(execution={"layout": "channels_last", "precision": "float32", "graphs": False, "threads": 1})
    space = spaces.load("nasnet-cell")
    fidelity = evaluator.prepare(space, 1e6, 0)
    rng, shape = random.Random(1), (1, 8, 8)
    made = [space.decode(space.sample(rng)).with_input(shape, 10) for _ in range(5)]
    params = [resize(one, width=fidelity.width, depth=fidelity.depth).cost().params for one in made]
    assert sum(params) / 5 < room
    expected = {2e5: (0.25, 0.17), 1e6: (0.5, 0.34), math.inf: (1.0, 1.0)}
    assert (fidelity.width, fidelity.depth) == expected[room]


def test_prepare_for_a_budget_that_is_too_small_gives_the_smallest() -> None:
    evaluator = TrainingEvaluator()
    fidelity = evaluator.prepare(spaces.load("tiny"), 0.5, 0)
    assert (fidelity.epochs, fidelity.samples) == EFFORTS[0][::-1]
    assert evaluator.plan is not None
    assert not evaluator.plan.fits


def test_prepare_survives_a_space_in_which_nothing_fits_the_data() -> None:
    class Nothing:
        def sample(self, rng: random.Random) -> dict[str, Any]:
            return {}

        def decode(self, decisions: dict[str, Any]) -> Architecture:
            from nas.errors import ArchitectureError

            raise ArchitectureError("does not fit")

    fidelity = TrainingEvaluator().prepare(Nothing(), 60.0, 0)  # type: ignore[arg-type]
    assert fidelity.epochs == 1
