"""How steps are run: chosen by measurement, recorded, recorded steps and what stands against them."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

import nas
from nas import data as datasets
from nas import spaces
from nas.errors import NasError, UnknownNameError
from nas.evaluators import Evaluation, Fidelity, create, run
from nas.evaluators.training import TrainingEvaluator
from nas.ops.modules import ConcatModule, DropPathModule, Mean
from nas.training.dataset import TrainingData
from nas.training.execution import COMPILE_PAYS, Execution, compile_pays, fixed_of, usual
from nas.training.graphs import WARM, Graphed, obstacle
from nas.training.layout import Layout
from nas.training.loop import train
from nas.training.once import Once
from nas.training.recipe import Recipe
from nas.training.run import Run, TrainingFailure
from nas.training.tuning import GAIN, Choice, Tuning
from nas.training.watch import Watch

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.of(datasets.load("digits"), 0.2, 0, CPU).part(0.3, 0)


class Small(nn.Module):
    """Two paths side by side, whose gradients come back as views."""

    def __init__(self, drop: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right = (nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)) for _ in range(2))
        self.join, self.mean, self.drop = ConcatModule(1), Mean((2, 3)), DropPathModule(drop)
        self.last = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.last(self.mean(self.drop(self.join(self.left(x), self.right(x)).relu())))
        return made


def weights(module: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


# plain values --------------------------------------------------------------------------------------------------------


def test_an_execution_is_plain_data() -> None:
    made = Execution("contiguous", "bfloat16", True, False, 4)
    assert Execution(**json.loads(json.dumps(made.to_dict()))) == made
    assert made.words() == "contiguous, bfloat16, CUDA graphs, 4 threads"
    assert fixed_of(made) == made.to_dict()
    assert fixed_of(" precision=bfloat16, graphs=off,threads=2 ") == {"precision": "bfloat16", "graphs": False, "threads": 2}
    assert fixed_of(None) == fixed_of("") == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("precision=int8", "execution precision='int8'; allowed: float32, bfloat16, float16"),
        ("layout=nchw", "execution layout='nchw'; allowed: channels_last, contiguous"),
        ("threads=0", "execution threads=0; allowed: a whole number from 1 to 1024"),
        ("threads=on", "execution threads=True; allowed: a whole number from 1 to 1024"),
        ("graphs=2", "execution graphs=2; allowed: on or off"),
        ("precision", "execution 'precision' has no value; allowed: such as precision=float32,threads=2"),
        ("threads=1,threads=2", "execution threads is given twice; allowed: once"),
        (7, "execution=7; allowed: fields and values, such as precision=float32,threads=2"),
        ({"precision": None}, "execution precision=None; allowed: float32, bfloat16, float16"),
    ],
)
def test_bad_values_are_one_line(given: Any, message: str) -> None:
    with pytest.raises(NasError) as raised:
        fixed_of(given)
    assert str(raised.value) == message
    with pytest.raises(UnknownNameError, match="precision"):
        fixed_of("precison=float32")


def test_the_usual_way_is_deterministic_and_the_recipes_precision_wins() -> None:
    assert usual(CPU, "auto") == Execution()
    assert usual(CPU, "auto", {"precision": "bfloat16"}).precision == "bfloat16"
    assert usual(CPU, "float16", {"precision": "bfloat16"}).precision == "float16"


def test_compiling_is_for_long_trainings_where_it_was_measured() -> None:
    assert not compile_pays(COMPILE_PAYS - 1, "cpu")
    assert not compile_pays(10**9, "cuda")


# the layout of gradients ---------------------------------------------------------------------------------------------


def test_gradients_keep_the_layout_of_what_they_are_of() -> None:
    module, seen = Small().to(memory_format=torch.channels_last), []
    x = torch.randn(4, 1, 8, 8)
    for part in (module.left[1], module.right[1]):
        part.register_full_backward_hook(lambda part, grads, outputs: seen.append(outputs[0]))  # type: ignore[arg-type]

    def gradient() -> Tensor:
        module.zero_grad()
        module(x).sum().backward()
        return torch.cat([parameter.grad.flatten() for parameter in module.parameters() if parameter.grad is not None])

    plain = gradient()
    assert not any(each.is_contiguous(memory_format=torch.channels_last) for each in seen)
    seen.clear()
    with Layout(module, "channels_last"):
        torch.testing.assert_close(gradient(), plain)
    assert len(seen) == 2
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in seen)
    seen.clear()
    assert torch.equal(gradient(), plain)  # its hooks are gone


@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_way_trains_and_repeats_its_bits(data: TrainingData, layout: str, precision: str) -> None:
    way = Execution(layout, precision)
    ends = []
    for _ in range(2):
        module = Small()
        metrics = train(module, data, Recipe(batch=64), 2, seed=3, execution=way, built=5.0)
        assert math.isfinite(metrics["train_loss"])
        assert metrics["once_seconds"] >= 5.0
        ends.append(weights(module))
    assert torch.equal(*ends)


# recorded steps ------------------------------------------------------------------------------------------------------


class FakeCapture:
    """Stands for a GPU: recording does nothing, a replay does it all."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.warmed, self.recorded, self.replayed = fails, 0, 0, 0
        self.generators: Sequence[torch.Generator] = ()

    def warm(self, action: Callable[[], None]) -> None:
        self.warmed += 1
        action()

    def record(self, action: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        if self.fails:
            for generator in generators:  # as a recording that was broken off may leave it
                generator.manual_seed(99)
            raise RuntimeError(self.fails)
        self.recorded, self.generators = self.recorded + 1, generators

        def replay() -> None:
            self.replayed += 1
            action()

        return replay


def graphed(data: TrainingData, capture: FakeCapture, epochs: int = 3, **recipe: Any) -> Run:
    made = Run(
        Small(), data, Recipe(batch=32, **recipe), epochs, 1, lambda: None, execution=Execution(graphs=True), capture=capture
    )
    while made.epochs < epochs:
        made.epoch()
    return made


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("mixed", [0.0, 0.2])
def test_a_recorded_step_ends_with_the_bits_of_the_eager_one(data: TrainingData, optimizer: str, mixed: float) -> None:
    recipe: dict[str, Any] = {"optimizer": optimizer, "nesterov": True, "lr": 0.01, "mixup": mixed, "ema": 0.9}
    works, fails = FakeCapture(), FakeCapture("operation not permitted\nwhen stream is capturing")
    recorded, eager = graphed(data, works, **recipe), graphed(data, fails, **recipe)
    assert torch.equal(weights(recorded.module), weights(eager.module))
    assert torch.equal(weights(recorded.judged), weights(eager.judged))
    assert works.recorded == 1
    assert works.warmed == WARM
    assert works.replayed == recorded.steps - 9 - WARM  # batch norm has its own momentum from the tenth step on
    assert works.generators == (recorded.generator,)
    assert recorded.graphed is not None
    assert recorded.graphed.reason is None
    assert recorded.graphed.replays
    assert eager.graphed is not None
    assert eager.graphed.reason == "it cannot be recorded: operation not permitted when stream is capturing"
    assert not eager.graphed.replays
    plain = Run(Small(), data, Recipe(batch=32, **recipe), 3, 1, lambda: None)
    while plain.epochs < 3:
        plain.epoch()
    torch.testing.assert_close(weights(recorded.module), weights(plain.module), rtol=1e-4, atol=1e-5)  # a rate of 32 bits


def test_after_a_restore_the_step_is_recorded_anew(data: TrainingData) -> None:
    first, second = FakeCapture(), FakeCapture()
    whole = graphed(data, first)
    half = Run(Small(), data, Recipe(batch=32), 3, 1, lambda: None, execution=Execution(graphs=True), capture=second)
    half.epoch()
    half.epoch()
    half.restore(json_free(half.state()))
    half.epoch()
    assert second.recorded == 2
    assert torch.equal(weights(whole.module), weights(half.module))


def json_free(state: dict[str, Any]) -> dict[str, Any]:
    """A copy that shares nothing, as a file would be."""
    import copy

    return copy.deepcopy(state)


def test_what_stands_against_recording_is_said() -> None:
    cuda, way = torch.device("cuda"), Execution(graphs=True)
    assert obstacle(Small(), way, cuda, False) is None
    assert obstacle(Small(), way, CPU, False) == "there is no GPU"
    assert obstacle(Small(), way, cuda, True) == "several processes train it"
    assert "drop path" in str(obstacle(Small(0.1), way, cuda, False))
    assert "float16" in str(obstacle(Small(), Execution(precision="float16", graphs=True), cuda, False))


def test_without_a_gpu_graphs_fall_back(data: TrainingData) -> None:
    ends = []
    for way in (Execution(graphs=True), Execution()):
        made = Run(Small(), data, Recipe(batch=64), 1, 0, lambda: None, execution=way)
        made.epoch()
        ends.append(weights(made.module))
        reason = made.graphed.reason if isinstance(made.graphed, Graphed) else None
        assert reason == ("there is no GPU" if way.graphs else None)
    assert torch.equal(*ends)


# compiling -----------------------------------------------------------------------------------------------------------


def test_what_is_compiled_is_the_settled_network(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def compiled(module: nn.Module, dynamic: bool) -> Callable[[Tensor], Tensor]:
        assert all(part.momentum == 0.1 for part in module.modules() if isinstance(part, nn.BatchNorm2d))

        def forward(x: Tensor) -> Tensor:
            calls.append(len(x))
            made: Tensor = module(x)
            return made

        return forward

    monkeypatch.setattr(torch, "compile", compiled)
    ends = []
    for way in (Execution(compile=True), Execution()):
        module = Small()
        train(module, data, Recipe(batch=32), 2, seed=0, execution=way)
        ends.append(weights(module))
    assert torch.equal(*ends)
    assert len(calls) == 2 * (len(data.train) // 32) - 9


def test_without_a_compiler_training_goes_on(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(x: Tensor) -> Tensor:
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr(torch, "compile", lambda module, dynamic: fails)
    made = Run(Small(), data, Recipe(batch=32), 2, 0, lambda: None, execution=Execution(compile=True))
    made.epoch()
    made.epoch()
    assert made.learning.reason == "it cannot be compiled: no C++ compiler found"


# what is looked at ---------------------------------------------------------------------------------------------------


def test_an_exploding_gradient_fails_with_its_reason(data: TrainingData) -> None:
    class Cliff(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
            return gradient * math.inf

    class Falls(Small):
        steps = 0

        def forward(self, x: Tensor) -> Tensor:
            self.steps += self.training
            made: Tensor = Cliff.apply(super().forward(x)) if self.steps == 3 and self.training else super().forward(x)
            return made

    with pytest.raises(TrainingFailure) as raised:
        train(Falls(), data, Recipe(batch=64), 3, seed=0)
    assert raised.value.epoch == 1
    assert str(raised.value).startswith("the gradient exploded: its norm is not finite in epoch 1, at a learning rate near ")


def test_a_watch_on_a_cpu_looks_at_once() -> None:
    watch = Watch(CPU)
    assert watch.look(torch.tensor([1.5, 0.0])) == [1.5, 0.0]
    watch.forget()


def test_once_is_what_slow_steps_take_more_than_others() -> None:
    once = Once(CPU, 3.0)
    rows = torch.zeros(1)

    def slow(rows: Tensor) -> Tensor:
        time.sleep(0.2)
        return rows

    for action in (slow, lambda rows: rows, lambda rows: rows):
        once.step(action, rows)
    assert 3.19 <= once.seconds(0.2) <= 4.5
    assert once.seconds(0.2 + 2 * 0.2) < once.seconds(0.2)  # ordinary steps were as slow


# the choice ----------------------------------------------------------------------------------------------------------


class Timed(Tuning):
    """Ways take the seconds that it is told."""

    def __init__(self, seconds: dict[str, float], **settings: Any) -> None:
        data = TrainingData.of(datasets.load("digits"), 0.2, 0, CPU)
        settings = {"end": math.inf, "recipe": Recipe(), **settings}
        super().__init__([], data=data, seed=0, **settings)
        self.told = seconds

    def _compare(self, ways: list[Execution], wall: bool = False) -> dict[Execution, float]:
        self.count = 1
        return {way: self.told[way.words()] for way in ways if way.words() in self.told}


ALL = {"channels_last, float32": 2.0, "contiguous, float32": 3.0, "channels_last, bfloat16": 1.0}


def test_the_fastest_way_is_taken_if_it_gains_enough() -> None:
    made = Timed(ALL).choose()
    assert made.execution == Execution(precision="bfloat16")
    assert (made.gain, made.faster) == (3.0, 2.0)
    assert made.line().startswith("steps: channels_last, bfloat16; 3.0 times float32 contiguous (1 networks measured in ")
    slower = {**ALL, "channels_last, bfloat16": 2.0 / GAIN["precision"] + 0.01}
    assert Timed(slower).choose().execution == Execution()
    assert Timed({**ALL, "contiguous, float32": 1.5, "contiguous, bfloat16": 9.0}).choose().execution.layout == "contiguous"


def test_what_is_fixed_is_not_chosen() -> None:
    assert Timed(ALL, fixed={"precision": "float32"}).choose().execution == Execution()
    assert Timed(ALL, recipe=Recipe(precision="float32")).choose().execution == Execution()
    whole = {"layout": "contiguous", "precision": "float32", "threads": 1, "graphs": False}
    assert Timed({}, fixed=whole).choose() == Choice(Execution("contiguous"), remark="nothing is left to choose")


def test_threads_are_taken_where_there_are_cores_and_they_help() -> None:
    told = {**ALL, "channels_last, bfloat16, 2 threads": 0.6, "channels_last, bfloat16, 4 threads": 0.58}
    assert Timed(told, cores=1).choose().execution.threads == 1
    made = Timed(told, cores=4).choose()
    assert made.execution.threads == 2
    assert made.faster == pytest.approx(2.0 / 0.6)
    assert Timed({**told, "channels_last, bfloat16, 2 threads": 0.9}, cores=2).choose().execution.threads == 1


def test_without_time_it_is_as_usual(data: TrainingData) -> None:
    made = Tuning([(Small, None)], data, Recipe(), 0, time.monotonic() - 1).choose()
    assert made.execution == Execution()
    assert made.line() == "steps: channels_last, float32; as usual, nothing was measured"


def test_ways_are_measured_and_those_that_fail_are_out(data: TrainingData) -> None:
    class Picky(Small):
        def forward(self, x: Tensor) -> Tensor:
            if torch.is_autocast_enabled("cpu"):
                raise RuntimeError("not implemented for BFloat16")
            return super().forward(x)

    made = Tuning([(Small, None)], data, Recipe(), 0, time.monotonic() + 30).choose()
    assert made.networks == 1
    assert made.gain > 0
    fixed = {"layout": "channels_last"}
    assert Tuning([(Picky, None)], data, Recipe(), 0, time.monotonic() + 30, fixed=fixed).choose().execution == Execution()


# in a search ---------------------------------------------------------------------------------------------------------


def test_a_search_records_what_was_chosen_and_a_resume_takes_it(tmp_path: Path) -> None:
    study = nas.search(
        "tiny", budget="1trials", engine="local", workers=1, strategy="random", out=tmp_path / "run",
        evaluator_options={"execution": "precision=bfloat16,threads=1"},
    )  # fmt: skip
    options = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["evaluator_options"]
    assert options["execution"] == study.settings.evaluator_options["execution"]
    assert {"precision": "bfloat16", "threads": 1}.items() <= options["execution"].items()
    assert set(options["execution"]) == set(Execution().to_dict())
    again = create("training", **options)
    assert again.settings() == options  # type: ignore[attr-defined]
    assert "once_seconds" in study.trials[0].metrics


def test_results_depend_on_it_and_nothing_else() -> None:
    space = spaces.load("tiny")
    made = space.decode(space.sample(random.Random(0)))
    found = []
    for precision in ("float32", "bfloat16", "bfloat16"):
        evaluator = TrainingEvaluator(execution={"precision": precision})
        outcome = run(evaluator, made, Fidelity(1, samples=0.2), Evaluation(seed=4))
        assert outcome.state == "complete", outcome.reason
        found.append(outcome.metrics["train_loss"])
    assert found[1] == found[2] != found[0]


def test_an_execution_against_the_recipe_is_refused() -> None:
    with pytest.raises(NasError, match=r"execution precision='bfloat16'; allowed with recipe.precision='float32': that"):
        TrainingEvaluator(recipe={"precision": "float32"}, execution="precision=bfloat16")
    assert TrainingEvaluator(recipe={"precision": "float32"}, execution="precision=float32").settings()["execution"]
