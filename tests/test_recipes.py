"""Recipes: their files, optimisers, schedules, averages; and runs that are broken off and gone on with."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.errors import NasError, UnknownNameError
from nas.evaluators.training import TrainingEvaluator
from nas.training import recipes
from nas.training.ema import Average
from nas.training.loop import Metrics, Run, judge, train
from nas.training.optimisers import AdamW, RmsProp, optimiser
from nas.training.ranks import Ranks
from nas.training.recipe import Recipe
from nas.training.schedule import Plateau, Rate
from tests.test_training import FAST, convnet, dropping, timeless, toy, training_data


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# a run that is broken off ------------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for the end of the process."""


def noisy() -> nn.Sequential:
    """A network with every source of noise."""
    module = convnet(classes=3, width=4)
    module.insert(3, dropping(0.2))
    module.insert(4, nn.Dropout(0.2))
    return module


def bits(run: Run) -> list[Tensor]:
    """Everything that a run has learnt."""
    buffers = [tensor for own in run.optimiser.state() for tensor in own.values()]
    return [tensor.clone() for tensor in (*run.module.state_dict().values(), *run.judged.state_dict().values(), *buffers)]


def reported(run: Run) -> Metrics:
    """The metrics of an epoch, and the rate of its last step."""
    return {**timeless(run.epoch()), "rate": run.optimiser.param_groups[0]["lr"]}


def straight(recipe: Recipe, epochs: int, shard: tuple[int, int] | None) -> tuple[list[Tensor], list[Metrics], int]:
    """Bits and metrics of an undisturbed run, and how often it was asked whether it may go on."""
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1

    run = Run(noisy(), training_data(toy()), recipe, epochs, 5, check, shard=shard)
    metrics = [reported(run) for _ in range(epochs)]
    return bits(run), metrics, asked


def broken(recipe: Recipe, epochs: int, every: int, shard: tuple[int, int] | None) -> tuple[list[Tensor], list[Metrics]]:
    """The same of a run that is killed again and again, at each `every`-th question, and goes on from its file."""
    saved: bytes | None = None
    asked, metrics = 0, []
    run: Run

    def check() -> None:
        nonlocal asked, saved
        asked += 1
        if asked == every:
            file = io.BytesIO()
            torch.save(run.state(), file)
            saved = file.getvalue()
            raise Killed

    while True:
        torch.rand(3)  # whatever else happens in the process
        asked, run = 0, Run(noisy(), training_data(toy()), recipe, epochs, 5, check, shard=shard)
        if saved is not None:
            run.restore(torch.load(io.BytesIO(saved), weights_only=True))
        try:
            while run.epochs < epochs:
                metrics.append(reported(run))
        except Killed:
            continue
        return bits(run), metrics


RICH: dict[str, dict[str, Any]] = {
    "default": {},
    "sgd": {"optimizer": "sgd", "schedule": "plateau", "patience": 1, "ema": 0.9, "dropout": 0.3},
    "rmsprop": {"optimizer": "rmsprop", "lr": 0.001, "schedule": "exponential", "ema": 0.99, "random_augment": 2, "crop": 0.3},
    "adamw": {"optimizer": "adamw", "lr": 0.001, "schedule": "steps", "mixup": 0.4, "cutmix": 1.0, "cutout": 0.3},
    "half": {"precision": "float16", "mixup": 0.2},
}


@pytest.mark.parametrize("name", RICH)
@pytest.mark.parametrize("every", [3, 7])
def test_a_run_broken_off_at_any_step_ends_with_the_same_bits(name: str, every: int) -> None:
    """4 training steps and 1 validation batch an epoch: it is broken at every place of an epoch, validation too."""
    recipe, shard = Recipe(batch=16, translate=0.2, drop_path=0.2, **RICH[name]), (0, 1) if every == 7 else None
    expected, metrics, asked = straight(recipe, 3, shard)
    assert asked == 15
    found, again = broken(recipe, 3, every, shard)
    assert again == metrics
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_a_run_goes_on_only_as_what_it_was() -> None:
    run = Run(noisy(), training_data(toy()), Recipe(batch=16), 2, 5, lambda: None)
    run.epoch()
    state = run.state()
    for other, what in (
        (Run(noisy(), training_data(toy()), Recipe(batch=16, lr=0.2), 2, 5, lambda: None), "lr=0.1"),
        (Run(noisy(), training_data(toy()), Recipe(batch=16), 3, 5, lambda: None), "steps=8"),
        (Run(noisy(), training_data(toy()), Recipe(batch=16), 2, 6, lambda: None), "seed=5"),
    ):
        with pytest.raises(NasError, match=rf"{what}; allowed: the run's own"):
            other.restore(state)


def test_an_undisturbed_run_is_what_train_does() -> None:
    """And asking for the state changes nothing."""
    recipe = Recipe(batch=16, drop_path=0.2)
    module = noisy()
    metrics = timeless(train(module, training_data(toy()), recipe, 3, seed=5))
    run = Run(noisy(), training_data(toy()), recipe, 3, 5, lambda: run.state() and None)
    assert [timeless(run.epoch()) for _ in range(3)][-1] == metrics
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), run.module.state_dict().values(), strict=True))


# several processes ---------------------------------------------------------------------------------------------------

TWO = """
import json, sys, torch
from torch import distributed
from nas.training.loop import Run
from nas.training.recipe import Recipe
from tests.test_training import convnet, toy, training_data

rank, file = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)


def averaged(module):  # what DistributedDataParallel does, without the minute that its import takes on a busy machine
    def mean(gradient):
        gradient = gradient.clone()
        distributed.all_reduce(gradient)
        return gradient / 2

    for parameter in module.parameters():
        parameter.register_hook(mean)
    return module


distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
recipe = Recipe(batch=16, translate=0.2, ema=0.9, mixup=0.2, schedule="plateau", patience=1)
run = Run(convnet(classes=3, width=4), training_data(toy()), recipe, 2, 5, lambda: None, shard=(rank, 2), wrap=averaged)
kept = run.epoch()
again = Run(convnet(classes=3, width=4), training_data(toy()), recipe, 2, 5, lambda: None, shard=(rank, 2), wrap=averaged)
states = [run.state() if rank == 0 else None]
distributed.broadcast_object_list(states)
again.restore(states[0])
metrics = again.epoch()
facts = [kept[name] for name in ("accuracy", "val_loss", "train_loss")] + [metrics[name] for name in ("accuracy", "val_loss", "train_loss")]
whole = again.validation_step(again.data.validation) / len(again.data.validation)
weights = torch.cat([tensor.flatten().double() for tensor in again.judged.state_dict().values()])
print(json.dumps([facts, whole.tolist(), weights.tolist()]))
distributed.destroy_process_group()
"""


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    """They end with the same weights, and the metrics are those of the whole validation set."""
    command = [sys.executable, "-c", TWO]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path), "GLOO_SOCKET_IFNAME": "lo"}
    both = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meet")], stdout=subprocess.PIPE, env=environment, text=True)
        for rank in (0, 1)
    ]
    first, second = (json.loads(process.communicate(timeout=120)[0]) for process in both)
    assert first == second
    facts, (right, loss), _ = first
    assert facts[3:5] == pytest.approx([right, loss])


def test_the_order_of_the_images_is_that_of_records_or_of_all_processes() -> None:
    """Without `shard` it is the second draw from the seed, so that the trials of a search can be done again."""
    runs = [Run(convnet(classes=3), training_data(toy()), FAST, 1, 5, lambda: None, shard=shard) for shard in (None, (0, 1), (1, 2))]
    orders = []
    for run in runs:
        with run.noise:
            orders.append(run._order())
    drawn = torch.Generator().manual_seed(5)
    torch.randint(2**62, (1,), generator=drawn)
    assert torch.equal(orders[0], runs[0].data.train[torch.randperm(len(runs[0].data.train), generator=drawn)])
    assert torch.equal(orders[1], orders[2])
    assert not torch.equal(orders[0], orders[1])


def test_shares_are_of_one_order_and_make_up_the_batch() -> None:
    rows = torch.arange(11)
    shares = [Ranks(rank, 3).share(rows) for rank in range(3)]
    assert torch.equal(torch.cat(shares).sort().values, rows)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert Ranks(0, 1).share(rows) is rows
    for rank, world in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(NasError, match=rf"shard=\({rank}, {world}\); allowed"):
            Ranks(rank, world)
    with pytest.raises(NasError, match=r"batch=4 for 5 processes; allowed"):
        Run(convnet(classes=3), training_data(toy()), Recipe(batch=4), 1, 0, lambda: None, shard=(0, 5))


# optimisers ----------------------------------------------------------------------------------------------------------


def steps(module: nn.Module, optimiser: Any, count: int, rates: tuple[float, ...] = (0.01,)) -> list[Tensor]:
    """The parameters after `count` steps on one batch, the rate changing from step to step."""
    for step in range(count):
        for group in optimiser.param_groups:
            group["lr"] = rates[step % len(rates)]
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(torch.linspace(0, 1, 256).view(4, 1, 8, 8)), torch.arange(4)).backward()
        optimiser.step()
    return [parameter.detach() for parameter in module.parameters()]


def grouped(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    kernels = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in module.parameters() if parameter.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def test_adamw_is_torchs_to_the_bit() -> None:
    ours, theirs = convnet(width=4), convnet(width=4)
    reference = torch.optim.AdamW(grouped(theirs, 0.05), betas=(0.8, 0.99), eps=1e-6, fused=True)
    made = steps(ours, AdamW(ours, 0.8, 0.99, 1e-6, 0.05), 5, (0.01, 0.001))
    assert all(torch.equal(a, b) for a, b in zip(made, steps(theirs, reference, 5, (0.01, 0.001)), strict=True))


def test_rmsprop_is_tensorflows() -> None:
    """Against its three lines, written down one parameter at a time in double precision."""
    ours, theirs = convnet(width=4), convnet(width=4)

    class Slow:
        param_groups = grouped(theirs, 0.01)
        squares = {p: torch.ones_like(p).double() for p in theirs.parameters()}
        momenta = {p: torch.zeros_like(p).double() for p in theirs.parameters()}

        def zero_grad(self) -> None:
            theirs.zero_grad()

        def step(self) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    g = p.grad.double() + group["weight_decay"] * p.detach().double()
                    self.squares[p] = 0.9 * self.squares[p] + 0.1 * g**2
                    self.momenta[p] = 0.8 * self.momenta[p] + group["lr"] * g / (self.squares[p] + 0.001).sqrt()
                    p.data = (p.detach().double() - self.momenta[p]).float()

    made = steps(ours, RmsProp(ours, 0.8, 0.9, 0.001, 0.01), 6, (0.01, 0.002))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(made, steps(theirs, Slow(), 6, (0.01, 0.002)), strict=True))


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adamw"])
def test_optimisers_skip_what_has_no_gradient_and_go_on_from_their_state(name: str) -> None:
    module = convnet(width=4)
    module.register_parameter("idle", nn.Parameter(torch.ones(3, 3)))
    recipe = Recipe(optimizer=name, nesterov=False)
    first = optimiser(module, recipe)
    steps(module, first, 2)
    assert torch.equal(module.idle.detach(), torch.ones(3, 3))  # type: ignore[operator]
    copy = convnet(width=4)
    copy.register_parameter("idle", nn.Parameter(torch.ones(3, 3)))
    copy.load_state_dict(module.state_dict())
    second = optimiser(copy, recipe)
    second.restore(first.state())
    assert all(torch.equal(a, b) for a, b in zip(steps(module, first, 2), steps(copy, second, 2), strict=True))


def test_what_decays_is_the_recipes_choice() -> None:
    module = convnet(width=4)
    for decay, names in (("kernels", 5), ("all", 14)):
        groups = optimiser(module, Recipe(decay=decay)).param_groups
        assert [group["weight_decay"] for group in groups] == [5e-4, 0.0]
        assert len(groups[0]["params"]) == names
        assert len(groups[0]["params"]) + len(groups[1]["params"]) == 14


# the rate ------------------------------------------------------------------------------------------------------------


def test_rates_of_all_schedules() -> None:
    base = {"lr": 1.0, "warmup": 0.0}
    drops = Rate(Recipe(schedule="steps", milestones=(0.25, 0.5), drop=0.1, **base), 100, 10, 32)
    assert [drops.at(step) for step in (0, 24, 25, 49, 50, 99)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    falling = Rate(Recipe(schedule="exponential", every=2.4, drop=0.97, **base), 100, 10, 32)  # 10 steps an epoch
    assert [falling.at(step) for step in (0, 23, 24, 47, 48)] == pytest.approx([1, 1, 0.97, 0.97, 0.97**2])
    constant = Rate(Recipe(schedule="constant", **base), 100, 10, 32)
    assert {constant.at(step) for step in range(100)} == {1.0}
    rising = Rate(Recipe(schedule="constant", lr=1.0, warmup=0.1), 100, 10, 32)
    assert [rising.at(step) for step in (0, 4, 9, 10)] == pytest.approx([1 / 11, 5 / 11, 10 / 11, 1.0])


def test_a_rate_for_a_batch_is_scaled_to_another() -> None:
    recipe = Recipe(lr=0.4, lr_batch=256, schedule="constant", warmup=0.0)
    assert [Rate(recipe, 10, 1, batch).at(0) for batch in (256, 128, 1024)] == pytest.approx([0.4, 0.2, 1.6])
    assert Rate(Recipe(lr=0.4, schedule="constant", warmup=0.0), 10, 1, 64).at(0) == 0.4
    run = Run(convnet(classes=3), training_data(toy()), recipe, 1, 0, lambda: None)  # all 72 images are one batch
    assert run.rate.at(0) == pytest.approx(0.4 * 72 / 256)


def test_a_plateau_drops_once_for_each_patience() -> None:
    plateau = Plateau(2)
    drops = []
    for accuracy in (0.5, 0.6, 0.6, 0.55, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7):
        plateau.tell(accuracy)
        drops.append(plateau.drops)
    assert drops == [0, 0, 0, 1, 1, 1, 1, 2, 2, 3]
    assert (plateau.best, plateau.stale) == (0.7, 4)
    never = Plateau(0)
    for _ in range(10):
        never.tell(0.5)
    assert (never.drops, never.stale) == (0, 9)


class Constant(nn.Module):
    """Always of the same opinion: nothing that it learns changes its accuracy."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([1.0, 0, 0]).expand(len(x), 3) + 0 * self.weight


def test_early_stop_and_plateau_see_the_validation_accuracy() -> None:
    reported: list[Metrics] = []
    recipe = Recipe(batch=16, early_stop=3, schedule="plateau", patience=2, warmup=0.0, lr=1.0)
    train(Constant(), training_data(toy()), recipe, 20, seed=0, report=reported.append)
    assert len(reported) == 4  # the first is the best; three no better
    run = Run(Constant(), training_data(toy()), recipe, 20, 0, lambda: None)
    rates = []
    for _ in range(6):
        run.epoch()
        rates.append(run.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])
    assert run.stopped
    assert not Run(Constant(), training_data(toy()), Recipe(), 20, 0, lambda: None).stopped


# the average of the weights --------------------------------------------------------------------------------------------


def test_the_average_follows_with_its_decay() -> None:
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2))
    average = Average(module, 0.5)
    expected, weight = module[0].weight.detach().clone(), module[0].weight
    for step in range(20):
        with torch.no_grad():
            weight += 1.0
            module[1].running_mean += 2.0  # type: ignore[operator]
            module[1].num_batches_tracked += 1  # type: ignore[operator]
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight.detach()
        average.update(step)
    assert torch.allclose(average.module[0].weight, expected)  # type: ignore[index]
    assert average.module[1].num_batches_tracked == 20  # type: ignore[index]
    assert 36 < float(average.module[1].running_mean[0]) < 40  # type: ignore[index]
    assert not any(parameter.requires_grad for parameter in average.module.parameters())


def test_the_average_is_judged_and_kept() -> None:
    recipe = Recipe(batch=16, translate=0.0, ema=0.5)
    run = Run(convnet(classes=3, width=4), training_data(toy()), recipe, 2, 0, lambda: None)
    metrics = [run.epoch(), run.epoch()][-1]
    assert run.judged is not run.module
    right, loss = (run.validation_step(run.data.validation) / len(run.data.validation)).tolist()
    assert (metrics["accuracy"], metrics["val_loss"]) == pytest.approx((right, loss))
    module = convnet(classes=3, width=4)
    assert train(module, training_data(toy()), recipe, 2, seed=0)["val_loss"] == metrics["val_loss"]
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), run.judged.state_dict().values(), strict=True))
    plain = Run(convnet(classes=3, width=4), training_data(toy()), Recipe(), 2, 0, lambda: None)
    assert plain.judged is plain.module


# what the recipe says of the network and its images --------------------------------------------------------------------


def test_dropout_is_overridden_where_there_is_one() -> None:
    for rate, expected in ((None, [0.2, 0.0]), (0.4, [0.4, 0.0]), (0.0, [0.0, 0.0])):
        module = nn.Sequential(nn.Dropout(0.2), nn.Dropout(0.0), nn.Flatten(), nn.Linear(64, 3))
        Run(module, training_data(toy()), Recipe(dropout=rate), 1, 0, lambda: None)
        assert [module[0].p, module[1].p] == expected


class Seen(nn.Module):
    """Notes the sizes that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.sizes = convnet(classes=3, width=4), set[tuple[int, ...]]()

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.add(tuple(x.shape[2:]))
        assert x.is_contiguous(memory_format=torch.channels_last) or x.shape[1] == 1
        return self.net(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("extra", [{}, {"random_augment": 1, "crop": 0.5, "cutout": 0.3, "cutmix": 1.0}])
def test_images_are_brought_to_the_size_that_is_asked_for(extra: dict[str, Any]) -> None:
    data = training_data(toy())
    for recipe, size, expected in (
        (Recipe(batch=16, **extra), None, (8, 8)),
        (Recipe(batch=16, image=12, **extra), None, (12, 12)),
        (Recipe(batch=16, image=12, **extra), (10, 9), (10, 9)),
    ):
        module = Seen()
        train(module, data, recipe, 1, seed=0, size=size)
        judge(module, data, recipe, size=size)
        assert module.sizes == {expected}
        assert recipe.shape(data.shape) == (1, recipe.image or 8, recipe.image or 8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_everything_at_once_learns(dtype: type, channels: int) -> None:
    recipe = Recipe(
        batch=16, translate=0.1, crop=0.8, random_augment=1, magnitude=2.0, cutout=0.2, mixup=0.1, cutmix=0.1, ema=0.9, optimizer="adamw",
        lr=0.01, weight_decay=0.01,
    )  # fmt: skip
    data = training_data(toy(channels=channels, dtype=dtype))
    metrics = train(convnet(channels=channels, classes=3, width=8), data, recipe, 6, seed=0)
    assert metrics["accuracy"] > 0.5
    assert math.isfinite(metrics["train_loss"])


# the files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recipes.names())
def test_recipes_say_where_they_are_from_and_train(name: str) -> None:
    text = (recipes.FOLDER / f"{name}.yaml").read_text()
    comment = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    for part in ("Source: ", "For: ", "Expect: "):
        assert part in comment
    assert len(recipes.about(name)) < 120
    recipe = recipes.load(name)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert recipes.load(recipes.FOLDER / f"{name}.yaml") == recipe
    metrics = train(noisy(), training_data(toy()), dataclasses.replace(recipe, batch=16), 3, seed=0)
    assert math.isfinite(metrics["train_loss"])


def test_the_lectures_recipes_are_the_lectures() -> None:
    alexnet, resnet = (recipes.load(f"lecture-{name}").to_dict() for name in ("alexnet", "resnet"))
    fields = ("batch", "momentum", "lr", "drop", "weight_decay", "dropout", "schedule")
    assert [alexnet[name] for name in fields] == [128, 0.9, 0.01, 0.1, 5e-4, 0.5, "plateau"]
    assert [resnet[name] for name in fields] == [256, 0.9, 0.1, 0.1, 1e-4, 0.0, "plateau"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: fast", r"recipe\.lr='fast'; allowed: a number from 1e-08 to 100"),
        ("learning: 1", "unknown recipe field 'learning'"),
        ("optimizer: adam", r"recipe\.optimizer='adam'; allowed: sgd, rmsprop, adamw"),
        ("optimizer: [sgd]", r"recipe\.optimizer=\['sgd'\]; allowed"),
        ("schedule: linear", r"recipe\.schedule='linear'; allowed: cosine, plateau"),
        ("milestones: [0.5, 0.2]", r"recipe\.milestones=\[0\.5, 0\.2\]; allowed: rising fractions"),
        ("milestones: 30", r"recipe\.milestones=30; allowed: rising fractions"),
        ("patience: 3", "recipe.patience has no effect here; allowed: with schedule plateau"),
        ("{optimizer: adamw, nesterov: true}", "recipe.nesterov has no effect here; allowed: with optimizer sgd"),
        ("dropout: 1", r"recipe\.dropout=1; allowed: a number from 0 to 0.99"),
        ("image: 0", r"recipe\.image=0; allowed: a whole number from 1 to 4096"),
        ("epochs: null", r"recipe\.epochs=None; allowed: a whole number"),
        ("magnitude: 11", r"recipe\.magnitude=11; allowed: a number from 0 to 10"),
        ("- lr", "is not a table"),
        ("lr: [", "not YAML at line"),
        ("lr: 1\nlr: 2", "'lr' stands twice"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it_and_the_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(NasError, match=message) as caught:
        recipes.load(str(path))
    assert re.match(re.escape(str(path)), str(caught.value))
    assert "\n" not in str(caught.value)


def test_recipes_by_name_and_by_path(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown recipe 'modrn'; nearest: modern"):
        recipes.load("modrn")
    with pytest.raises(NasError, match=r"cannot read .*none\.yaml"):
        recipes.load(tmp_path / "none.yaml")
    with pytest.raises(NasError, match="cannot read"):
        recipes.load(tmp_path)
    (tmp_path / "mine.yaml").write_text("")
    assert recipes.load(tmp_path / "mine.yaml") == Recipe()


def test_old_records_are_read() -> None:
    """Fields that came later keep their defaults."""
    old = {"batch": 96, "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "warmup": 0.1, "clip": 1.0}
    assert Recipe.from_dict(old) == Recipe(batch=96, lr=0.05)


def test_recipes_are_read_without_torch() -> None:
    code = "import sys; from nas.training import recipes; [recipes.load(name) for name in recipes.names()]; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_search_takes_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{batch: 48, image: 10, optimizer: adamw, lr: 0.001}")
    evaluator = TrainingEvaluator("digits", recipe=str(tmp_path / "mine.yaml"))
    assert evaluator.recipe == Recipe(batch=48, image=10, optimizer="adamw", lr=0.001)
    assert TrainingEvaluator(**evaluator.settings()).recipe == evaluator.recipe
    assert evaluator.task() == ((1, 10, 10), 10)
    with pytest.raises(UnknownNameError, match="unknown recipe"):
        TrainingEvaluator("digits", recipe="mordern")
