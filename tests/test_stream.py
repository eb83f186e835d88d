"""Images that are read while they are trained on: the same bits as if they lay in memory, whoever reads them."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import nas.data
from nas.data.base import Dataset
from nas.errors import DataError, NasError
from nas.evaluators import Clock, Evaluation, Fidelity
from nas.evaluators.training import TrainingEvaluator
from nas.spaces import load
from nas.training.dataset import TrainingData
from nas.training.loop import Run, judge, train
from nas.training.recipe import Recipe
from nas.training.stream import Reader, Stream, streams

CPU = torch.device("cpu")
RECIPE = Recipe(batch=8, cutout=0.25, crop=0.5, mixup=0.2, cutmix=1.0, random_augment=1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of three classes, each of a colour, of many sizes and two formats; some below another folder."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 5)):
        for label, name in enumerate(("blue", "green", "red")):
            for number in range(count):
                folder = root / part / name / ("more" if number % 4 == 0 else ".")
                folder.mkdir(parents=True, exist_ok=True)
                height, width = rng.integers(9, 20, 2)
                pixels = rng.integers(0, 90, (height, width, 3), np.uint8)
                pixels[..., 2 - label] += 150
                Image.fromarray(pixels).save(folder / f"{number}.{'png' if number % 2 else 'jpg'}")
    return root


def data(tree: Path, streamed: bool, loaders: int = 0) -> TrainingData:
    made = TrainingData.of(loaded(tree, streamed), 0.2, 0, CPU)
    if isinstance(made.images, Stream):
        made.images.loaders = loaders
    return made


def loaded(tree: Path, streamed: bool) -> Dataset:
    return nas.data.load(f"folder:{tree}?size=12x10" + ("&stream=1" if streamed else ""))


def convnet(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    )


def facts(metrics: dict[str, float]) -> dict[str, float]:
    return {name: metrics[name] for name in ("accuracy", "val_loss", "train_loss")}


def trained(given: TrainingData, epochs: int = 2) -> tuple[dict[str, float], list[Tensor]]:
    module = convnet()
    metrics = train(module, given, RECIPE, epochs, seed=3)
    return facts(metrics), [parameter.detach().clone() for parameter in module.parameters()]


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("loaders", [0, 1, 2])
def test_streamed_training_is_that_of_images_in_memory_to_the_bit(tree: Path, loaders: int) -> None:
    own = data(tree, False)
    streamed = data(tree, True, loaders)
    assert isinstance(own.images, Tensor)
    assert isinstance(streamed.images, Stream)
    assert torch.equal(own.normalisation.mean, streamed.normalisation.mean)
    assert torch.equal(own.images[own.train[:5]], streamed.images[streamed.train[:5]])
    assert own.shape == streamed.shape == (3, 12, 10)
    there, theirs = trained(own)
    here, ours = trained(streamed)
    assert here == there
    assert equal(ours, theirs)
    part, whole = streamed.part(0.5, 0), own.part(0.5, 0)
    assert part.images is streamed.images
    assert facts(train(convnet(), part, RECIPE, 1, seed=0)) == facts(train(convnet(), whole, RECIPE, 1, seed=0))
    unseen, seen = streamed.tested_on(loaded(tree, True)), own.tested_on(loaded(tree, False))
    assert unseen is not None
    assert seen is not None
    assert isinstance(unseen.images, Stream)
    assert judge(convnet(), unseen, RECIPE) == judge(convnet(), seen, RECIPE)


@pytest.mark.parametrize("loaders", [0, 2])
def test_a_streamed_epoch_that_was_broken_off_is_finished_to_the_bit(tree: Path, loaders: int) -> None:
    streamed = data(tree, True, loaders)
    whole, theirs = trained(streamed)
    left = iter([None] * 10)

    class Off(Exception):
        pass

    def check() -> None:
        if next(left, Off) is Off:
            states.append(torch.load(_saved(run.state()), weights_only=True))
            raise Off

    states: list[dict[str, Any]] = []
    run = Run(convnet(), streamed, RECIPE, 2, 3, check)
    run.epoch()
    with pytest.raises(Off):
        run.epoch()
    assert 0 < states[0]["index"] < 6
    assert len(streamed.images._idle) == min(loaders, 1), "whoever reads is free for the next training"  # type: ignore[union-attr]
    module = convnet(seed=5)
    again = Run(module, streamed, RECIPE, 2, 3, lambda: None)
    again.restore(states[0])
    metrics: dict[str, float] = {}
    while again.epochs < 2:
        metrics = again.epoch()
    assert facts(metrics) == whole
    assert equal([parameter.detach() for parameter in module.parameters()], theirs)


def _saved(state: dict[str, Any]) -> Any:
    stream = io.BytesIO()
    torch.save(state, stream)
    stream.seek(0)
    return stream


def test_reading_ahead_is_a_hint(tree: Path) -> None:
    """Whatever is asked for comes, expected or not; and nothing is drawn from torch's own generator."""
    stream = Stream(loaded(tree, True).x_train, CPU, loaders=1)
    before = torch.random.get_rng_state()
    reader = Reader(stream)
    order = torch.tensor([5, 1, 40, 2, 2, 59, 7, 30])
    reader.expect(torch.split(order, 3))
    for rows in (order[:3], order[2:4], order[3:6].clone(), order[3:6], order[:3]):
        images, places = reader.take(rows)
        assert torch.equal(images[places], stream[rows])
    reader.close()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(list(stream.batches([]))) == 0
    assert len(stream._idle) == 1


def test_trainings_side_by_side_share_a_stream(tree: Path) -> None:
    streamed = data(tree, True, 1)
    alone, _ = trained(streamed)
    results: list[dict[str, float]] = []
    with_seed = [threading.Thread(target=lambda: results.append(facts(train(nets.pop(), streamed, RECIPE, 2, seed=3)))) for _ in range(3)]
    nets = [convnet() for _ in with_seed]
    for thread in with_seed:
        thread.start()
    for thread in with_seed:
        thread.join()
    assert results == [alone] * 3
    assert isinstance(streamed.images, Stream)
    assert 1 <= len(streamed.images._idle) <= 3


def _in_a_daemon(tree: Path, queue: Any) -> None:
    torch.set_num_threads(1)
    queue.put(trained(data(tree, True, 2), 1)[0])


def test_a_daemonic_process_reads_in_threads(tree: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=_in_a_daemon, args=(tree, queue), daemon=True)
    process.start()
    assert queue.get() == trained(data(tree, False), 1)[0]
    process.join()


def test_little_shared_memory_means_threads(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(loaded(tree, True).x_train, CPU, loaders=1)
    monkeypatch.setattr(Stream, "_room", lambda self, batch: False)
    monkeypatch.setattr(Stream, "_by_processes", lambda self, rows: pytest.fail("no processes"))
    assert torch.equal(next(stream.batches([torch.tensor([3, 4])])), stream[torch.tensor([3, 4])])


@pytest.mark.parametrize("loaders", [0, 1])
def test_a_corrupt_image_is_one_line_with_its_name(tmp_path: Path, loaders: int) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(8):
            Image.fromarray(np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / name / f"{number}.png")
    stream = Stream(nas.data.load(f"folder:{tmp_path}?stream=1").x_train, CPU, loaders)
    bad = tmp_path / "dog" / "3.png"
    bad.write_bytes(bad.read_bytes()[:3000])
    rows = torch.arange(16).split(2)
    for _ in range(2):
        with pytest.raises(DataError) as error:
            list(stream.batches(rows))
        assert str(error.value).startswith(f"{bad} is damaged")
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="damaged"):
        stream[torch.tensor([11])]
    bad.unlink()
    with pytest.raises(DataError, match=r"is damaged: .*No such file"):
        stream[torch.tensor([11])]
    assert len(list(stream.batches(rows[:4]))) == 4


def test_a_reading_process_that_is_killed_is_an_error_and_not_the_end(tree: Path) -> None:
    before = set(multiprocessing.active_children())
    stream = Stream(loaded(tree, True).x_train, CPU, loaders=1)
    rows = torch.arange(48).split(2)
    batches = stream.batches(rows)
    next(batches)
    (child,) = set(multiprocessing.active_children()) - before
    with contextlib.suppress(RuntimeError):  # torch says so in the main thread, too, wherever that is
        os.kill(child.pid or 0, signal.SIGKILL)
        time.sleep(10)
    with pytest.raises(DataError, match="a process that reads images ended"):
        list(batches)
    assert len(list(stream.batches(rows))) == len(rows)


def test_what_lies_on_a_device_and_what_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((100, 10, 10, 1), np.uint8)
    gpu = torch.device("cuda")
    assert not streams(images, CPU)
    assert not streams(images, gpu, free=20_000)
    assert streams(images, gpu, free=19_999)
    monkeypatch.setenv("NAS_DATA_MEMORY", "9KB")
    assert streams(images, CPU)
    monkeypatch.setenv("NAS_DATA_LOADERS", "two")
    with pytest.raises(NasError, match="NAS_DATA_LOADERS='two'"):
        Stream(images, CPU)
    monkeypatch.setenv("NAS_DATA_LOADERS", "0")
    assert Stream(images, CPU).loaders == 0


def test_a_stream_is_normalised_by_a_sample(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.training.dataset.SAMPLE", 16)
    sampled, whole = data(tree, True), data(tree, False)
    assert torch.allclose(sampled.normalisation.mean, whole.normalisation.mean, rtol=0.1)
    assert not torch.equal(sampled.normalisation.mean, whole.normalisation.mean)
    assert torch.equal(sampled.normalisation.mean, data(tree, True).normalisation.mean)


def test_candidates_of_a_process_share_one_copy_of_the_images(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all fractions, in all threads, and of the test images; each is read once."""
    reads: list[str] = []
    read = nas.data.load
    monkeypatch.setattr("nas.evaluators.training.datasets.load", lambda spec, **rest: reads.append(spec) or read(spec, **rest))
    for dataset in (f"folder:{tree}?size=12", f"folder:{tree}?size=12&stream=1", "digits"):
        reads.clear()
        evaluator = TrainingEvaluator(dataset, recipe=Recipe(batch=8))
        parts: list[TrainingData] = []

        def look(samples: float, found: list[TrainingData] = parts, asked: TrainingEvaluator = evaluator) -> None:
            found.append(asked._part(CPU, samples))

        threads = [threading.Thread(target=look, args=(samples,)) for samples in (0.5, 1.0, 0.25, 0.5, 1.0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(part.images) for part in parts}) == 1
        assert len({id(part.labels) for part in parts}) == 1
        assert evaluator._test(parts[0]) is evaluator._test(parts[1])
        assert len(reads) == 2
    assert not evaluator.__getstate__().keys() & {"_parts", "_tests", "_lock"}


def test_an_evaluation_of_what_does_not_fit(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluated() -> dict[str, float]:
        evaluator = TrainingEvaluator(f"folder:{tree}?size=12", recipe=Recipe(batch=8))
        space = load("tiny")
        candidate = space.decode(space.sample(random.Random(0)))
        fidelity = Fidelity(epochs=1, samples=0.5, test=True)
        return dict(evaluator.evaluate(candidate, fidelity, Evaluation(0, "cpu", Clock(60.0))))

    fits = evaluated()
    monkeypatch.setenv("NAS_DATA_MEMORY", "5KB")
    here = evaluated()
    assert {**facts(here), "test": here["test_accuracy"]} == {**facts(fits), "test": fits["test_accuracy"]}


def test_an_archive_beyond_the_limit_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.integers(0, 256, (60, 8, 8, 3), np.uint8), "y_train": np.arange(60) % 3}
    np.savez(tmp_path / "own.npz", **arrays)
    np.savez_compressed(tmp_path / "packed.npz", **arrays)
    np.savez(tmp_path / "wide.npz", **{**arrays, "x_train": arrays["x_train"].astype(np.float64)})

    def trained_on(name: str) -> tuple[dict[str, float], type]:
        given = TrainingData.of(nas.data.load(f"npz:{tmp_path / name}"), 0.2, 0, CPU)
        return trained(given)[0], type(given.images)

    own = trained_on("own.npz")
    assert own[1] is Tensor
    monkeypatch.setenv("NAS_DATA_MEMORY", "10KB")
    assert trained_on("own.npz") == (own[0], Stream)
    with pytest.raises(DataError, match=r"packed\.npz unpacks to .*; allowed: .*np\.savez"):
        trained_on("packed.npz")
    with pytest.raises(DataError, match="x_train is float64; allowed of images too many for memory: uint8, float32"):
        trained_on("wide.npz")
