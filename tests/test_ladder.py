"""Fidelities that rungs shrink, and promotions that go on with their training."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import nas
import nas.spaces
from nas.arch import Architecture
from nas.engine import Finished, Observer
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity, Outcome, Store, Task, create, run
from nas.evaluators.fidelity import STEPS, check_rungs, parse_ladder
from nas.evaluators.store import of_trial
from nas.repeatable import one_thread
from nas.training.dataset import TrainingData
from nas.training.recipe import Recipe
from nas.training.run import Run
from nas.training.schedule import learning_rate
from tests.cli import nas as call

FULL = Fidelity(9)


@pytest.fixture(scope="module")
def training() -> Any:
    """The evaluator on digits, which reads the data once."""
    return create("training")


@pytest.fixture(scope="module")
def candidate(training: Any) -> Architecture:
    space = nas.spaces.load("tiny").with_input(*training.task())
    return space.decode(space.sample(random.Random(0)))


# ---- what a ladder shrinks ---------------------------------------------------------------------------------------


def test_a_fraction_of_one_is_the_fidelity_itself_whatever_the_ladder() -> None:
    full = Fidelity(7, 0.5, 0.34, 0.9, resolution=0.75)
    for name in STEPS:
        assert full.part(1.0, (name,)) is full


@pytest.mark.parametrize("epochs", [1, 2, 5, 9, 14])
@pytest.mark.parametrize("samples", [0.05, 0.5, 1.0])
def test_without_a_ladder_epochs_shrink_and_then_samples(epochs: int, samples: float) -> None:
    for fraction in (1 / 27, 1 / 9, 0.1, 1 / 3, 0.5):
        made = Fidelity(epochs, samples=samples).part(fraction)
        fewer = max(1, round(epochs * fraction))
        assert made.epochs == fewer
        assert made.samples == pytest.approx(samples if fewer > 1 else min(1.0, samples * epochs * fraction))
        assert made == Fidelity(epochs, samples=samples).part(fraction, ("epochs", "samples"))


def test_each_step_costs_about_its_fraction() -> None:
    assert FULL.part(1 / 3, ("epochs",)) == Fidelity(3)
    assert FULL.part(1 / 4, ("samples",)) == Fidelity(9, samples=0.25)
    assert FULL.part(1 / 4, ("resolution",)) == Fidelity(9, resolution=0.5)
    assert FULL.part(1 / 4, ("channels",)) == Fidelity(9, width=0.5)
    assert FULL.part(1 / 4, ("cells",)) == Fidelity(9, depth=0.25)


def test_what_one_step_cannot_take_the_next_does() -> None:
    low = FULL.part(1 / 27, ("epochs", "resolution"))
    assert (low.epochs, low.resolution) == (1, pytest.approx(3**-0.5))
    assert FULL.part(1 / 8, ("resolution", "epochs")) == Fidelity(4, resolution=0.5)  # 1/4 by the images, half of the epochs
    assert FULL.part(1 / 16, ("channels", "resolution")) == Fidelity(9, width=0.5, resolution=0.5)
    assert FULL.part(1 / 16, ("resolution",)) == Fidelity(9, resolution=0.25)  # the last takes all


@pytest.mark.parametrize("step", ["resolution", "channels", "cells"])
def test_multiply_adds_of_a_network_go_with_the_fraction(step: str) -> None:
    from nas.evaluators.fit import coarser

    network = nas.load("resnet56").with_input((3, 32, 32), 10)
    fidelity = FULL.part(0.25, (step,))
    made, size = coarser(network.resized(width=fidelity.width, depth=fidelity.depth), None, fidelity.resolution)
    assert made.cost().macs / network.cost().macs == pytest.approx(0.25, abs=0.05)
    assert size == ((16, 16) if step == "resolution" else None)


def test_ladders_are_read_and_bad_ones_named() -> None:
    assert parse_ladder("epochs, resolution") == ("epochs", "resolution")
    assert parse_ladder(["cells"]) == ("cells",)
    assert parse_ladder(None) == ()
    for bad, match in (("epoch", "epochs"), ("", "names nothing"), ("cells,cells", "once")):
        with pytest.raises(NasError, match=match):
            parse_ladder(bad)
    check_rungs(FULL, (1 / 9, 1 / 3, 1.0), ("epochs",))
    with pytest.raises(NasError, match=r"1/9 and 1/3 of the fidelity are both 1 epoch; allowed: .*epochs,samples"):
        check_rungs(Fidelity(3), (1 / 9, 1 / 3, 1.0), ("epochs",))


def test_a_resolution_round_trips_and_is_seldom_written() -> None:
    made = Fidelity(2, resolution=0.5)
    assert Fidelity.from_dict(made.to_dict()) == made
    assert "resolution" not in Fidelity(2).to_dict()
    with pytest.raises(NasError, match=r"fidelity.resolution=0.0; allowed: a fraction in \(0, 1\]"):
        Fidelity(resolution=0.0)


def test_images_are_brought_to_the_resolution_and_costs_stay_those_of_the_whole(training: Any, candidate: Architecture) -> None:
    low, high = (run(training, candidate, Fidelity(1, resolution=part, samples=0.3), Evaluation(seed=1)) for part in (0.5, 1.0))
    assert low.state == high.state == "complete"
    assert low.metrics["macs"] == high.metrics["macs"]
    assert low.metrics["val_loss"] != high.metrics["val_loss"]
    finer = create("training", resample=True)
    assert run(finer, candidate, Fidelity(1, resolution=0.5, samples=0.1), Evaluation(seed=1)).state == "complete"


# ---- going on with a training ------------------------------------------------------------------------------------


class Search:
    """Two evaluations of one search: a candidate, and its promotion."""

    def __init__(self, training: Any, candidate: Architecture, folder: Path) -> None:
        self.training, self.candidate, self.store = training, candidate, Store.at(folder / "weights")

    def low(self, fidelity: Fidelity) -> Outcome:
        task = Task(0, store=self.store, keep=True)
        return run(self.training, self.candidate, fidelity, Evaluation(seed=1, task=task))

    def high(self, fidelity: Fidelity, number: int = 1) -> Outcome:
        task = Task(number, parent=0, how="promotion", store=self.store, go_on=0)
        return run(self.training, self.candidate, fidelity, Evaluation(seed=2, task=task))


@pytest.fixture
def pair(training: Any, candidate: Architecture, tmp_path: Path) -> Search:
    return Search(training, candidate, tmp_path)


def test_a_promotion_trains_the_epochs_that_are_missing(pair: Search) -> None:
    part = 0.3
    low = pair.low(Fidelity(2, samples=part))
    high = pair.high(Fidelity(4, samples=part))
    assert [epoch for epoch, _, _ in low.curve] == [1, 2]
    assert [epoch for epoch, _, _ in high.curve] == [3, 4]
    assert (high.metrics["continued"], high.metrics["epochs"]) == (1.0, 4.0)
    assert "continued" not in low.metrics
    assert high.metrics["accuracy"] > low.metrics["accuracy"] - 0.05
    again = pair.high(Fidelity(4, samples=part))
    assert again.metrics["val_loss"] == high.metrics["val_loss"]


def test_a_part_of_an_epoch_counts_as_such(pair: Search) -> None:
    pair.low(Fidelity(1, samples=0.3))
    high = pair.high(Fidelity(1))
    assert (high.metrics["continued"], high.metrics["epochs"]) == (1.0, 1.0)
    assert high.metrics["train_loss"] > 0


def _cut(store: Store) -> None:
    data = store.read(of_trial(0)) or b""
    store.place.path.joinpath("trial-0.pt").write_bytes(data[: len(data) // 2])


def _garbage(store: Store) -> None:
    store.place.path.joinpath("trial-0.pt").write_bytes(b"no weights")


def _other(store: Store) -> None:
    buffer = io.BytesIO()
    torch.save({"format": 99}, buffer)
    store.write(of_trial(0), buffer.getbuffer())


def _changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Store], None]:
    def spoil(store: Store) -> None:
        data = torch.load(io.BytesIO(store.read(of_trial(0)) or b""), weights_only=True)
        change(data["run"])
        buffer = io.BytesIO()
        torch.save(data, buffer)
        store.write(of_trial(0), buffer.getbuffer())

    return spoil


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda store: store.place.path.joinpath("trial-0.pt").unlink(), "kept no more"),
        (_cut, "cannot be read"),
        (_garbage, "cannot be read"),
        (_other, "format 99"),
        (_changed(lambda state: state["key"].update(device="cuda")), "device='cuda'"),
        (_changed(lambda state: state["key"].update(lr=9.0)), "lr=9.0"),
        (_changed(lambda state: state["optimiser"].pop()), "cannot be read"),
    ],
    ids=["gone", "cut", "garbage", "format", "device", "recipe", "buffers"],
)
def test_what_cannot_be_gone_on_with_is_started_over(pair: Search, spoil: Callable[[Store], None], why: str) -> None:
    part = Fidelity(2, samples=0.1)
    pair.low(Fidelity(1, samples=0.1))
    spoil(pair.store)
    high = pair.high(part)
    assert (high.state, high.metrics["continued"], high.metrics["epochs"]) == ("complete", 0.0, 2.0)
    assert len(high.notes) == 1
    assert high.notes[0].startswith("started over: ")
    assert why in high.notes[0]
    fresh = run(pair.training, pair.candidate, part, Evaluation(seed=2))
    assert high.metrics["val_loss"] == fresh.metrics["val_loss"]


@pytest.mark.parametrize("step", ["resolution", "cells", "channels"])
def test_another_network_or_input_is_started_over(training: Any, tmp_path: Path, step: str) -> None:
    network = nas.load("resnet20").with_input(*training.task())
    pair, full = Search(training, network, tmp_path), Fidelity(1, samples=0.03)
    pair.low(full.part(0.3, (step,)))
    high = pair.high(full)
    assert high.metrics["continued"] == 0.0
    assert "another at this fidelity" in high.notes[0]


def _data() -> TrainingData:
    training: Any = create("training")
    data: TrainingData = training._part(torch.device("cpu"), 0.2)
    return data


RECIPES = [Recipe(ema=0.9, cutout=0.3), Recipe(optimizer="adamw", lr=0.001), Recipe(schedule="plateau", patience=1)]


@pytest.mark.parametrize("recipe", RECIPES)
def test_go_on_takes_everything_over(candidate: Architecture, recipe: Recipe) -> None:
    """Weights, their average, buffers and generators: the same steps from there as a run that was restored in their middle."""
    data = _data()

    def made(epochs: int, seed: int) -> Run:
        torch.manual_seed(seed)
        return Run(candidate.build(), data, recipe, epochs, seed, lambda: None)

    with one_thread():
        short = made(1, 1)
        short.epoch()
        state = short.state()
        one, other = made(3, 2), made(3, 3)
        one.go_on(state)
        other.go_on(state)
        assert (one.epochs, one.step) == (1, short.step)
        for run in (one, other):
            for mine, theirs in zip(run.judged.state_dict().values(), short.judged.state_dict().values(), strict=True):
                assert torch.equal(mine, theirs)
        first, second = [(run.epoch(), run.epoch()) for run in (one, other)]
        assert [each["val_loss"] for each in first] == [each["val_loss"] for each in second]
        with pytest.raises(NasError, match="the state to go on from"):
            made(1, 1).go_on(state)  # as many steps: nothing were left to train


def test_the_schedule_begins_anew_and_a_later_state_remembers_where(candidate: Architecture) -> None:
    recipe, data = Recipe(batch=32), _data()
    short, longer, again = (Run(candidate.build(), data, recipe, epochs, 0, lambda: None) for epochs in (1, 3, 3))
    with one_thread():
        short.epoch()
        longer.go_on(short.state())
        left = longer.steps - longer.step
        rates = [longer.rate.at(longer.step + step) for step in range(left)]
        assert rates == [learning_rate(step, left, recipe.lr, recipe.warmup) for step in range(left)]
        longer.epoch()
        again.restore(longer.state())
    assert again.rate.at(again.step) == longer.rate.at(longer.step) > 0


def test_an_early_stop_of_the_shorter_run_is_none_of_the_longer_one(candidate: Architecture) -> None:
    recipe, data = Recipe(early_stop=1, lr=1e-8, warmup=0.0, ema=0.0), _data()
    with one_thread():
        short = Run(candidate.build(), data, recipe, 3, 0, lambda: None)
        while short.epochs < 3 and not short.stopped:
            short.epoch()
        assert short.stopped
        longer = Run(candidate.build(), data, recipe, 9, 0, lambda: None)
        longer.go_on(short.state())
        assert not longer.stopped



# ---- searches ----------------------------------------------------------------------------------------------------

ASHA: dict[str, Any] = {
    "strategy": "asha:random", "strategy_options": {"eta": 2, "least": 0.25}, "dataset": "digits", "engine": "local",
    "fidelity": Fidelity(4, samples=0.1), "budget": "14trials", "seed": 5, "keep": "0",
}  # fmt: skip


def told(study: nas.Study) -> list[tuple[Any, ...]]:
    """What must not depend on interruptions."""
    return [(t.number, t.value, t.decisions, t.fraction, t.parent, t.metrics.get("continued")) for t in study.history()]


class Interrupt(Observer):
    """Ctrl-C when a trial is launched."""

    def __init__(self, number: int) -> None:
        self.number = number

    def launched(self, number: int, architecture: Any) -> None:
        if number == self.number:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> nas.Study:
    return nas.search("tiny", **ASHA, out=tmp_path_factory.mktemp("ladder") / "whole")


def test_promotions_of_a_search_go_on(undisturbed: nas.Study) -> None:
    promoted = [trial for trial in undisturbed.trials if trial.how == "promotion"]
    assert len(promoted) >= 4
    assert {trial.metrics["continued"] for trial in promoted} == {1.0}
    by_number = {trial.number: trial for trial in undisturbed.trials}
    for trial in promoted:
        assert trial.parent is not None
        assert trial.curve[0][0] == by_number[trial.parent].curve[-1][0] + 1
    assert not list((undisturbed.directory / "weights").glob("*.pt"))  # with a cap of nothing all goes at the end


def test_interrupted_searches_come_to_the_same(undisturbed: nas.Study, tmp_path: Path) -> None:
    promoted = [trial.number for trial in undisturbed.trials if trial.how == "promotion"]
    for number in (promoted[0], promoted[-1]):
        folder = tmp_path / str(number)
        with pytest.raises(KeyboardInterrupt):
            nas.search("tiny", **ASHA, out=folder, observer=Interrupt(number))
        assert told(nas.resume(folder)) == told(undisturbed)


class Said(Observer):
    """What a person reads."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended: list[Finished] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    def finished(self, finished: Finished) -> None:
        self.ended.append(finished)


def test_a_ladder_is_recorded_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    given, said = ASHA | {"ladder": "resolution,samples", "budget": "5trials", "fidelity": Fidelity(1, samples=0.1)}, Said()
    study = nas.search("tiny", **given, out=tmp_path / "run", observer=said)
    assert study.settings.ladder == ["resolution", "samples"]
    assert study.trials[0].fidelity == {"epochs": 1, "width": 1.0, "depth": 1.0, "samples": 0.1, "resolution": 0.5}
    assert sum("started over" in line for line in said.lines) == 1  # the first of its kind
    run = call(capsys, monkeypatch, "status", tmp_path / "run")
    assert "fidelities, by resolution and samples: 1/4 is 1 epoch, samples 0.1, resolution 0.5; 1/2 is" in run.out
    assert "1 is 1 epoch, samples 0.1\n" in run.out
    run = call(capsys, monkeypatch, "status", tmp_path / "run", "--json")
    assert '"shrinks": [' in run.out
    assert nas.resume(tmp_path / "run").settings.ladder == ["resolution", "samples"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"ladder": "epochs", "strategy": "random", "strategy_options": {}}, "no rungs; allowed: asha:STRATEGY"),
        ({"ladder": "pixels"}, "unknown ladder 'pixels'"),
        ({"ladder": "epochs", "fidelity": Fidelity(1)}, "both 1 epoch"),
    ],
)
def test_bad_ladders_are_refused_before_anything_is_written(options: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(NasError, match=match):
        nas.search("tiny", **(ASHA | options), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
