"""The recipe, the loop, augmentation, and the evaluator that trains."""

from __future__ import annotations

import json
import math
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas import data as datasets
from nas.data import Dataset
from nas.errors import NasError, UnknownNameError
from nas.evaluators import Clock, CutOff
from nas.ops.modules import DropPathModule
from nas.training.augment import Augmentation, Normalisation, cut_out, gather, to_input
from nas.training.dataset import TrainingData
from nas.training.loop import Run, TrainingFailure, losses, train
from nas.training.noise import Noise
from nas.training.optimisers import Sgd
from nas.training.recipe import Recipe
from nas.training.schedule import DropPathSchedule, NormWarmUp, learning_rate

CPU = torch.device("cpu")
FAST = Recipe(batch=16, translate=0.0)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a worker; other tests get their number of threads back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def convnet(channels: int = 1, classes: int = 10, width: int = 16, seed: int = 0) -> nn.Sequential:
    """Four convolutions: 95% on digits after one epoch."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    widths = ((channels, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 4 * width, 1))
    for width_in, width_out, stride in widths:
        layers += [nn.Conv2d(width_in, width_out, 3, stride, 1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))


def toy(
    count: int = 96, side: int = 8, channels: int = 1, classes: int = 3, dtype: type = np.uint8, flip: bool = False
) -> Dataset:
    """Images whose brightness is their class, with noise; no test part."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = labels[:, None, None, None] * 60.0 + rng.integers(0, 40, (count, side, side, channels))
    names = tuple(str(label) for label in range(classes))
    return Dataset("toy", images.astype(dtype), labels.astype(np.int64), None, None, classes, names, flip)


def training_data(dataset: Dataset, validation: float = 0.25) -> TrainingData:
    return TrainingData.of(dataset, validation, 0, CPU)


def check_after(calls: int) -> tuple[Clock, Callable[[], float]]:
    """A clock whose every reading is a second later, and that is over after `calls` checks."""
    ticks = iter(range(10**6))
    return Clock(calls + 0.5, now=lambda: float(next(ticks))), lambda: float(next(ticks))


# the recipe ---------------------------------------------------------------------------------------------------------


def test_recipe_goes_through_json_unchanged() -> None:
    recipe = Recipe(batch=96, lr=0.05, cutout=0.5, precision="float32", nesterov=False)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch", 0), ("batch", 12.0), ("batch", True), ("batch", "64"), ("lr", 0.0), ("lr", -1), ("lr", math.nan),
        ("lr", math.inf), ("lr", None), ("momentum", 1.0), ("momentum", 0.0), ("weight_decay", -1e-4), ("warmup", 1.5),
        ("label_smoothing", 1.0), ("drop_path", 1.0), ("auxiliary", -0.4), ("clip", -1), ("translate", 0.6),
        ("cutout", 2), ("flip", 1), ("nesterov", "yes"), ("precision", "float64"),
    ],
)  # fmt: skip
def test_recipe_names_the_bad_field_and_what_is_allowed(field: str, value: object) -> None:
    with pytest.raises(NasError, match=rf"recipe\.{field}=.*; allowed: "):
        Recipe.from_dict({field: value})


def test_recipe_rejects_unknown_fields_and_what_is_no_table() -> None:
    with pytest.raises(UnknownNameError, match="learning_rate"):
        Recipe.from_dict({"learning_rate": 0.1})
    with pytest.raises(NasError, match="not a table"):
        Recipe.from_dict([("lr", 0.1)])  # type: ignore[arg-type]


def test_learning_rate_rises_linearly_then_falls_as_a_cosine() -> None:
    rates = [learning_rate(step, 100, 0.2, 0.1) for step in range(100)]
    assert max(rates) == rates[10] == 0.2
    assert np.allclose(np.diff(rates[:11]), 0.2 / 11)
    assert rates[55] == pytest.approx(0.1)
    assert 0 < rates[-1] < 1e-3
    assert all(np.diff(rates[10:]) < 0)
    assert learning_rate(0, 1, 0.2, 0.1) == 0.2


# augmentation -------------------------------------------------------------------------------------------------------


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_gather_keeps_shape_and_dtype_and_is_seeded(dtype: torch.dtype) -> None:
    images = torch.randint(0, 255, (10, 9, 7, 3)).to(dtype)
    rows = torch.tensor([3, 3, 9, 0])
    how = Augmentation.of(True, 0.25, 0.0, 9, 7)
    first, again, other = (gather(images, rows, how, generator(seed)) for seed in (1, 1, 2))
    assert first.shape == (4, 9, 7, 3)
    assert first.dtype == dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(gather(images, rows, Augmentation(), generator()), images[rows])


def test_gather_equals_reflection_padding_and_crop() -> None:
    images = torch.arange(2 * 6 * 5).reshape(2, 6, 5, 1).float()
    how = Augmentation(shift=(2, 1))
    padded = nn.functional.pad(images.permute(0, 3, 1, 2), (1, 1, 2, 2), mode="reflect").permute(0, 2, 3, 1)
    crops = {
        (row, dy, dx): padded[row, dy : dy + 6, dx : dx + 5] for row in (0, 1) for dy in range(5) for dx in range(3)
    }
    rows = torch.arange(2).repeat(300)
    seen = set()
    for row, image in zip(rows.tolist(), gather(images, rows, how, generator()), strict=True):
        matches = [place for place, crop in crops.items() if place[0] == row and torch.equal(crop, image)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert seen == set(crops)  # each of 30 places is missed with odds below 30 * (14/15)^300 = 3e-8


def test_flip_mirrors_half_of_the_images_whole() -> None:
    images = torch.rand(1, 4, 4, 1)
    rows = torch.zeros(2000, dtype=torch.int64)
    out = gather(images, rows, Augmentation(flip=True), generator())
    mirrored = (out == images.flip(2)).flatten(1).all(1)
    assert (mirrored | (out == images).flatten(1).all(1)).all()
    assert 850 < int(mirrored.sum()) < 1150  # 6.7 deviations: odds of a false alarm 2e-11, and the seed is fixed


def test_cutout_blanks_one_square_of_each_image() -> None:
    out = cut_out(torch.ones(500, 8, 8, 3), (4, 4), generator())
    blank = (out == 0).all(-1)
    assert torch.equal(blank, (out == 0).any(-1))  # all channels alike
    areas = blank.flatten(1).sum(1)
    assert areas.max() == 16
    assert areas.min() >= 4
    assert blank.any(0).all()
    assert cut_out(out, (0, 0), generator()) is out


def test_shift_stays_inside_small_images() -> None:
    assert Augmentation.of(False, 0.125, 0.0, 32, 32).shift == (4, 4)
    assert Augmentation.of(False, 0.5, 0.0, 1, 28).shift == (0, 14)
    tall = torch.rand(2, 1, 3, 1)
    assert gather(tall, torch.tensor([0, 1]), Augmentation.of(True, 0.5, 0, 1, 3), generator()).shape == tall.shape


def test_normalisation_is_by_channel_over_the_rows_given() -> None:
    images = torch.randint(0, 255, (50, 4, 4, 3), dtype=torch.uint8)
    images[..., 2] = 7  # constant
    rows = torch.arange(30)
    normalised = Normalisation.of(images, rows)(images[rows])
    assert normalised.dtype == torch.float32
    assert torch.allclose(normalised.mean((0, 1, 2)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(normalised[..., :2].std((0, 1, 2), correction=0), torch.ones(2), atol=1e-5)
    assert normalised[..., 2].abs().max() == 0


def test_input_is_channels_last_without_a_copy() -> None:
    images = torch.rand(2, 8, 8, 3)
    out = to_input(images)
    assert out.shape == (2, 3, 8, 8)
    assert out.data_ptr() == images.data_ptr()
    assert out.is_contiguous(memory_format=torch.channels_last)


# data ---------------------------------------------------------------------------------------------------------------


def test_training_data_is_a_stratified_cut_of_the_training_images() -> None:
    dataset = datasets.load("digits")
    data = TrainingData.of(dataset, 0.2, 0, CPU)
    together = torch.cat([data.train, data.validation])
    assert torch.equal(together.sort().values, torch.arange(len(dataset.x_train)))
    share = torch.bincount(data.labels[data.validation]) / torch.bincount(data.labels)
    assert ((share - 0.2).abs() < 0.01).all()
    assert data.shape == dataset.input == (1, 8, 8)


def test_a_part_keeps_every_class_and_the_validation_rows() -> None:
    data = TrainingData.of(datasets.load("digits"), 0.2, 0, CPU)
    part = data.part(0.25, 3)
    assert set(part.train.tolist()) < set(data.train.tolist())
    assert torch.equal(part.validation, data.validation)
    share = torch.bincount(part.labels[part.train]) / torch.bincount(data.labels[data.train])
    assert ((share - 0.25).abs() < 0.01).all()
    assert torch.equal(part.train, data.part(0.25, 3).train)
    assert not torch.equal(part.train, data.part(0.25, 4).train)
    assert torch.bincount(data.labels[data.part(1e-9, 0).train]).tolist() == [2] * 10
    assert data.part(1.0, 3) is data


# the loop -----------------------------------------------------------------------------------------------------------


def test_learns_digits_above_nine_tenths_in_three_epochs() -> None:
    data = TrainingData.of(datasets.load("digits"), 0.2, 0, CPU)
    begun = time.perf_counter()
    metrics = train(convnet(), data, Recipe.default(len(data.train), 8), 3, seed=0)
    spent = time.perf_counter() - begun
    assert metrics["accuracy"] > 0.93
    assert metrics["epochs"] == 3
    assert 0 < metrics["first_validation_seconds"] < spent
    assert 0 < metrics["train_seconds"] < spent
    assert metrics["val_loss"] < 0.5
    assert metrics["images_per_second"] == pytest.approx(3 * (len(data.train) // 64) * 64 / metrics["train_seconds"])


def test_one_epoch_is_judged_by_warmed_up_statistics() -> None:
    """With the usual momentum of batch norm the same epoch gives about 0.75, for statistics that are still starting."""
    data = TrainingData.of(datasets.load("digits"), 0.2, 0, CPU)
    metrics = train(convnet(), data, Recipe.default(len(data.train), 8), 1, seed=0)
    assert metrics["accuracy"] > 0.9


def timeless(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if "second" not in name}


def test_same_seed_same_bits_and_another_seed_others() -> None:
    data = training_data(toy(flip=True))
    recipe = Recipe(batch=16, translate=0.25, cutout=0.25, drop_path=0.2)
    reports: list[list[dict[str, float]]] = [[], [], []]
    states = []
    for reported, seed in zip(reports, (5, 5, 6), strict=True):
        module = convnet(classes=3, width=4)
        module.insert(3, dropping(0.2))
        module.insert(4, nn.Dropout(0.2))
        torch.rand(seed)  # whatever happened in the process before
        train(module, data, recipe, 2, seed=seed, report=lambda metrics, to=reported: to.append(timeless(metrics)))
        states.append(torch.cat([tensor.flatten().double() for tensor in module.state_dict().values()]))
    assert reports[0] == reports[1]
    assert torch.equal(states[0], states[1])
    assert reports[0] != reports[2]


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    train(convnet(classes=3, width=4, seed=11), training_data(toy()), FAST, 1, seed=0)
    torch.manual_seed(11)
    assert torch.rand(1) == expected


@pytest.mark.parametrize("calls", range(14))
def test_the_clock_is_asked_before_every_step_and_batch(calls: int) -> None:
    """72 training rows in 4 steps of 16, 24 validation rows in one batch: 5 checks an epoch."""
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked > calls:
            raise CutOff("budget")

    reported: list[dict[str, float]] = []
    module = convnet(classes=3, width=4)
    before = module[0].weight.detach().clone()
    with pytest.raises(CutOff):
        train(module, training_data(toy()), FAST, 5, seed=0, check=check, report=reported.append)
    assert [metrics["epochs"] for metrics in reported] == list(range(1, calls // 5 + 1))
    assert torch.equal(module[0].weight, before) == (calls == 0)


class Diverging(nn.Module):
    """Its output is NaN from the `at`-th forward pass of its life on."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.net, self.passes, self.at = convnet(classes=3, width=4), 0, at

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.net(x) * (math.nan if self.passes >= self.at else 1.0)


@pytest.mark.parametrize(("at", "epoch", "part"), [(1, 1, "training"), (5, 1, "validation"), (8, 2, "training")])
def test_a_loss_that_is_not_finite_is_a_typed_failure_with_its_epoch(at: int, epoch: int, part: str) -> None:
    with pytest.raises(TrainingFailure, match=rf"{part} loss is nan in epoch {epoch}") as caught:
        train(Diverging(at), training_data(toy()), FAST, 3, seed=0)
    assert caught.value.epoch == epoch


class Outputs(NamedTuple):
    main: Tensor
    aux: tuple[Tensor, ...]


class TwoHeads(nn.Module):
    """A main and an auxiliary head on the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.aux, self.aux_weights = nn.Linear(64, 3), nn.Linear(64, 3), (0.4,)

    def forward(self, x: Tensor) -> Tensor | Outputs:
        flat = x.flatten(1)
        return Outputs(self.main(flat), (self.aux(flat),)) if self.training else self.main(flat)


def test_auxiliary_heads_are_trained_by_their_weight() -> None:
    def change(weight: float) -> float:
        torch.manual_seed(0)
        module = TwoHeads()
        before = module.aux.weight.detach().clone()
        recipe = Recipe(batch=16, translate=0.0, auxiliary=weight, weight_decay=0.0, clip=0.0)
        train(module, training_data(toy()), recipe, 1, seed=0)
        return float((module.aux.weight.detach() - before).norm())

    assert change(0.0) == 0.0 < change(0.25) < change(1.0)


def test_losses_are_the_main_head_and_the_weighted_sum() -> None:
    labels = torch.tensor([0, 2])
    first, second, third = (torch.randn(2, 3) for _ in range(3))
    entropy = lambda logits: nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)  # noqa: E731
    main, total = losses(Outputs(first, (second, third)), labels, 0.1, (0.4, 0.3))
    assert main == entropy(first)
    assert total == pytest.approx(float(entropy(first) + 0.4 * entropy(second) + 0.3 * entropy(third)))
    alone, same = losses(first, labels, 0.1, ())
    assert alone == same == entropy(first)


def dropping(rate: float) -> DropPathModule:
    module = DropPathModule()
    module.rate = rate
    return module


def test_drop_path_rises_to_the_built_rates_of_each_depth() -> None:
    module = nn.Sequential(dropping(0.1), nn.ReLU(), dropping(0.2), dropping(0.0))
    schedule = DropPathSchedule(module)
    rates = lambda: [path.rate for path in module if isinstance(path, DropPathModule)]  # noqa: E731
    schedule.set(0.0)
    assert rates() == [0.0, 0.0, 0.0]
    schedule.set(0.5)
    assert rates() == pytest.approx([0.05, 0.1, 0.0])
    schedule.set(1.0)
    assert rates() == [0.1, 0.2, 0.0]


class OwnNoise(nn.Module):
    """Draws from the generator that it is lent."""

    def __init__(self) -> None:
        super().__init__()
        self.rate, self.generator = 0.5, None

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.empty_like(x).bernoulli_(0.5, generator=self.generator) if self.training else x


def test_noise_comes_from_the_runs_generator_and_the_global_one_is_left_alone() -> None:
    def draw(module: nn.Module, state: int) -> Tensor:
        torch.manual_seed(state)
        with Noise(module, generator(5)):
            drawn = module(torch.ones(1000))
        assert torch.get_rng_state().equal(torch.manual_seed(state).get_state())
        return drawn

    for module in (OwnNoise(), nn.Dropout(0.5), nn.Sequential(dropping(0.5))):
        assert torch.equal(draw(module, 1), draw(module, 2))
    own = OwnNoise()
    with Noise(own, generator(5)):
        torch.manual_seed(3)  # as another thread may, while it builds
        assert torch.equal(own(torch.ones(1000)), draw(OwnNoise(), 1))
    assert own.generator is None


def test_norm_statistics_are_the_plain_mean_of_the_first_batches() -> None:
    norm = nn.BatchNorm2d(2)
    warm = NormWarmUp(norm)
    batches = [torch.randn(8, 2, 4, 4) + 3 for _ in range(4)]
    for step, batch in enumerate(batches):
        warm.set(step)
        norm(batch)
    expected = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    assert torch.allclose(norm.state_dict()["running_mean"], expected)
    for step in range(4, 30):
        warm.set(step)
    assert norm.momentum == 0.1


def test_only_kernels_and_matrices_decay() -> None:
    run = Run(convnet(classes=3), training_data(toy()), FAST, 1, 0, lambda: None)
    decayed, others = run.optimiser.param_groups
    assert decayed["weight_decay"] == FAST.weight_decay
    assert others["weight_decay"] == 0
    assert {parameter.ndim for parameter in decayed["params"]} == {2, 4}
    assert {parameter.ndim for parameter in others["params"]} == {1}


@pytest.mark.parametrize("late", [False, True])
def test_sgd_is_torchs_to_the_bit(late: bool) -> None:
    """Also where a parameter gets its first gradient late, which torch's fused form refuses."""
    ours, theirs = convnet(width=4), convnet(width=4)
    kernels = [parameter for parameter in theirs.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in theirs.parameters() if parameter.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": 0.01}, {"params": others}]
    reference = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True, fused=not late)
    own = Sgd(ours, 0.9, True, 0.01)
    for group in own.param_groups:
        group["lr"] = 0.1
    for step in range(3):
        for module, optimiser in ((ours, own), (theirs, reference)):
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(torch.ones(4, 1, 8, 8)), torch.arange(4)).backward()
            if late and step == 0:
                module[0].weight.grad = None
            optimiser.step()
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    assert all(torch.allclose(a, b, rtol=1e-6, atol=1e-7) if late else torch.equal(a, b) for a, b in pairs)


def test_gradients_are_clipped() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False))
    with torch.no_grad():
        module[1].weight.mul_(1000)  # type: ignore[operator]
    before = module[1].weight.detach().clone()  # type: ignore[operator]
    recipe = Recipe(batch=72, translate=0.0, clip=0.01, lr=1.0, momentum=0.0, nesterov=False, weight_decay=0, warmup=0)
    train(module, training_data(toy()), recipe, 1, seed=0)
    assert float((module[1].weight.detach() - before).norm()) == pytest.approx(0.01, rel=0.02)  # type: ignore[operator]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_too(precision: str) -> None:
    recipe = Recipe(batch=16, translate=0.0, precision=precision)
    assert train(convnet(classes=3, width=4), training_data(toy()), recipe, 4, seed=0)["accuracy"] > 0.9


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    data = training_data(toy(count=24))
    metrics = train(convnet(classes=3, width=4), data, Recipe(batch=512, translate=0.0), 2, seed=0)
    assert metrics["epochs"] == 2


class Untouchable(Dataset):
    """A data set whose test part must not be looked at."""

    def __getattribute__(self, name: str) -> Any:
        if name.endswith("_test") and object.__getattribute__(self, "__dict__").get("sealed"):
            raise AssertionError(f"{name} was read")
        return object.__getattribute__(self, name)


def sealed() -> Dataset:
    whole = toy()
    dataset = Untouchable(
        "sealed", whole.x_train, whole.y_train, whole.x_train, whole.y_train, 3, whole.class_names, False
    )
    object.__setattr__(dataset, "sealed", True)
    return dataset


def test_the_test_images_are_never_read() -> None:
    dataset = sealed()
    with pytest.raises(AssertionError, match="x_test was read"):
        _ = dataset.x_test
    train(convnet(classes=3, width=4), training_data(dataset), FAST, 1, seed=0)


def test_float_and_grey_archives_train(tmp_path: Any) -> None:
    whole = toy(dtype=np.float32, count=120)
    np.savez(tmp_path / "grey.npz", x_train=whole.x_train[..., 0] / 255, y_train=whole.y_train)
    data = TrainingData.of(datasets.load(f"npz:{tmp_path / 'grey.npz'}"), 0.25, 0, CPU)
    assert data.images.dtype == torch.float32
    assert data.shape == (1, 8, 8)
    assert train(convnet(classes=3, width=4), data, FAST, 4, seed=0)["accuracy"] > 0.9


def test_data_survive_a_pickle_of_plain_recipes() -> None:
    assert pickle.loads(pickle.dumps(Recipe(batch=32))) == Recipe(batch=32)
