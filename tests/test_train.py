"""`nas train`: its folder, checkpoints that survive a kill at any moment, and what a person sees."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from scipy.stats import binomtest

import nas
from nas.errors import NasError
from nas.report.training import TrainingScreen
from nas.trainer import checkpoint
from nas.trainer.folder import Row, acquire, best_of, read_history
from nas.trainer.result import TrainResult, wilson
from nas.trainer.start import from_reference
from nas.trainer.watcher import Watcher
from nas.training.recipe import Recipe
from nas.weights import WeightsError, read_weights
from tests.cli import Run
from tests.cli import nas as call_nas

# Batch norm, dropout, drop path, and in the recipe an average of the weights and mixing: all that has a state or draws.
NETWORK = """
name: tiny-net
input: [1, 8, 8]
classes: 10
stem: [{block: conv3x3, width: 8}]
stages: [{block: residual_basic, width: 8}, {block: residual_basic, width: 16, stride: 2}]
head: [global_pool, dropout, {block: linear, width: classes}]
"""
LINEAR = """
name: linear-net
input: [1, 8, 8]
classes: 10
stem: [flatten]
stages: [{block: linear, width: 32}, {block: linear, width: 32}]
head: [{block: linear, width: classes}]
"""
FILES = {"checkpoint.pt", "history.csv", "network.yaml", "result.json", "tb", "train.lock", "train.yaml", "weights.pt"}
HOW: dict[str, Any] = {"dataset": "digits", "recipe": "modern", "epochs": 2, "changes": {"batch": 128}, "threads": 1, "device": "cpu"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """The training that others are held against."""
    return nas.train(network(), out=tmp_path_factory.mktemp("undisturbed") / "run", **HOW)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    """The command line in a folder with the network's file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(NETWORK)
    return partial(call_nas, capsys, monkeypatch)


def network(text: str = NETWORK) -> nas.Architecture:
    return nas.Architecture.from_yaml(text)


def same(one: Path, other: Path) -> None:
    """Weights to the bit, and the epochs but for their seconds."""
    mine, theirs = read_weights(one), read_weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert [str(timeless(row)) for row in read_history(one)] == [str(timeless(row)) for row in read_history(other)]  # NaN is not NaN


def timeless(row: Row) -> Row:
    return dataclasses.replace(row, images_per_second=0.0, seconds=0.0)


class Doing(Watcher):
    """Does something after an epoch."""

    def __init__(self, epoch: int, action: Callable[[], None]) -> None:
        self.at, self.action = epoch, action

    def epoch(self, row: Row) -> None:
        if row.epoch == self.at:
            self.action()


# the folder ---------------------------------------------------------------------------------------------------------


def test_the_folder_holds_all_and_its_weights_reach_the_accuracy_that_it_states(undisturbed: TrainResult) -> None:
    path = undisturbed.directory
    assert {entry.name for entry in path.iterdir()} == FILES
    assert TrainResult.read(path) == undisturbed == nas.resume_training(path)
    assert nas.load(path) == network() == undisturbed.network
    digits, module = nas_data(), undisturbed.load()
    images = torch.from_numpy(digits.x_train[digits.split(0.1, 0)[0]]).double()
    normal = (torch.from_numpy(digits.x_test).double() - images.mean((0, 1, 2))) / images.std((0, 1, 2), correction=0)
    with torch.no_grad():
        right = module(normal.float().permute(0, 3, 1, 2)).argmax(1) == torch.from_numpy(digits.y_test)
    assert undisturbed.test_accuracy == pytest.approx(float(right.double().mean()), abs=0.003)
    assert undisturbed.test_interval == wilson(undisturbed.test_accuracy or 0.0, len(digits.y_test))
    history = undisturbed.history
    assert [row.epoch for row in history] == [1, 2]
    assert undisturbed.accuracy == max(row.accuracy for row in history) == history[undisturbed.best_epoch - 1].accuracy
    assert undisturbed.settings.recipe == Recipe.from_dict(undisturbed.settings.recipe).to_dict()
    assert undisturbed.settings.versions["torch"] == torch.__version__


def nas_data() -> Any:
    from nas import data

    return data.load("digits")


def test_tensorboard_reads_a_point_a_curve_an_epoch(undisturbed: TrainResult) -> None:
    from tensorboardX.proto.event_pb2 import Event

    (file,) = (undisturbed.directory / "tb").iterdir()
    data, points = file.read_bytes(), []
    while data:  # length, its sum, event, its sum: the format of TensorFlow's records
        length = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + length])
        points += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        data = data[16 + length :]
    accuracies = [(step, value) for name, step, value in points if name == "validation/accuracy"]
    assert accuracies == [(row.epoch, pytest.approx(row.accuracy)) for row in undisturbed.history]
    assert {name for name, _, _ in points} == {
        "train/loss", "train/rate", "train/images_per_second", "validation/accuracy", "validation/loss",
    }  # fmt: skip


def test_training_learns_digits(tmp_path: Path) -> None:
    result = nas.train(network(), dataset="digits", epochs=4, out=tmp_path / "run", threads=1)
    assert result.test_accuracy is not None
    assert result.test_accuracy > 0.9


def test_an_ensemble_trains(tmp_path: Path) -> None:
    result = nas.train(nas.ensemble([network(), network()]), out=tmp_path / "run", **{**HOW, "epochs": 1})
    assert {name.split(".")[1] for name in read_weights(result.directory)} == {"0", "1"}
    assert nas.load(result.directory) == result.network


def test_early_stop_keeps_the_best_epoch(tmp_path: Path) -> None:
    result = nas.train(
        network(LINEAR), out=tmp_path / "run", **{**HOW, "recipe": None, "epochs": 60, "changes": {"early_stop": 1, "lr": 0.3}}
    )
    assert result.epochs < 60
    assert result.best_epoch == best_of(result.history).epoch < result.epochs + 1  # type: ignore[union-attr]


def test_without_validation_all_images_are_trained_on_and_the_last_weights_kept(call: Callable[..., Run]) -> None:
    words = ("train", "net.yaml", "--validation", 0, "--batch", 256)
    run = call(*words, "--epochs", 2, "--out", "run")
    lines = run.out.splitlines()
    assert lines[0].endswith("on cpu; 1438 images of digits, all there are")
    assert "validation" not in "".join(lines[1:4])
    assert "; nothing was held out, epoch 2 of 2, " in lines[4]
    data, status = TrainResult.read("run").to_dict(), json.loads(call("status", "run", "--json").out)
    assert (data["accuracy"], data["best_epoch"]) == (None, 2)
    assert data["test_accuracy"] == status["test_accuracy"] > 0.2
    assert [row["accuracy"] for row in status["history"]] == [None, None]
    kept = checkpoint.load(Path("run/checkpoint.pt"), network().digest, torch.device("cpu"))["state"]["module"]
    assert all(torch.equal(tensor, kept[name]) for name, tensor in read_weights("run").items())
    assert "nothing is held out, the last weights are kept" in call("status", "run").out
    assert call("resume", "run").out.splitlines() == lines[4:]
    with pytest.raises(KeyboardInterrupt):
        nas.train(
            network(), validation=0, epochs=2, changes={"batch": 256}, device="cpu", threads=1, out="again", watcher=Doing(1, interrupted)
        )
    assert call("resume", "again").status == 0
    same(Path("again"), Path("run"))


def interrupted() -> None:
    raise KeyboardInterrupt


def test_other_sizes_and_channels(tmp_path: Path) -> None:
    result = nas.train(network(), input=(3, 12, 10), out=tmp_path / "run", **{**HOW, "epochs": 1})
    assert result.network.input == (3, 12, 10)


# killed, interrupted, resumed ---------------------------------------------------------------------------------------

KILLS = """
import os, random, signal, sys, time
import nas
from nas.trainer import finish, job

def die_at(name, count):
    real, left = getattr(os, name), [count]
    def call(*arguments):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)
    setattr(os, name, call)

def live(seconds=None, name=None, count=0):
    pid = os.fork()  # nothing was computed yet in this process
    if pid == 0:
        try:
            if name:
                die_at(name, count)
            if os.path.exists(folder + "/train.yaml"):
                nas.resume_training(folder)
            else:
                nas.train(network, out=folder, checkpoint_seconds=0, **how)
        except BaseException as error:
            print(type(error), error, flush=True)
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

folder, how = sys.argv[1], eval(sys.argv[3])
network = nas.Architecture.from_yaml(sys.argv[2])
ends = [live(name=name, count=count) for name, count in (
    ("fsync", 1), ("replace", 1), ("replace", 4), ("fsync", 5), ("replace", 5), ("replace", 6), ("replace", 7),
)]
assert ends == [-signal.SIGKILL] * len(ends), ends
rng = random.Random(1)
while (end := live(seconds=rng.uniform(0.1, 0.5))) == -signal.SIGKILL and not os.path.exists(folder + "/result.json"):
    ends.append(end)
    if len(ends) > 10:
        end = live()
        break
assert end in (0, -signal.SIGKILL), end
"""


@pytest.mark.slow
def test_kills_at_any_moment_change_nothing(undisturbed: TrainResult, tmp_path: Path) -> None:
    """At moments within the writing of files, and at others; with a checkpoint before every step."""
    folder = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    script = [sys.executable, "-W", "error", "-c", KILLS, str(folder), NETWORK, repr(HOW)]
    run = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    same(folder, undisturbed.directory)
    assert {entry.name for entry in folder.iterdir()} <= FILES | {".checkpoint.pt.part", ".weights.pt.part", ".history.csv.part"}
    assert nas.resume_training(folder).test_accuracy == undisturbed.test_accuracy


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_ctrl_c_and_a_polite_kill_end_with_a_checkpoint(
    sent: signal.Signals, status: int, undisturbed: TrainResult, call: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingScreen, "epoch", lambda self, row: os.kill(os.getpid(), sent) if row.epoch == 1 else None)
    run = call("train", "net.yaml", "--recipe", "modern", "--epochs", 2, "--batch", 128, "--threads", 1, "--out", "run")
    assert run.status == status
    if sent == signal.SIGINT:
        assert run.err == "interrupted; `nas resume run` goes on\n"
    assert not (tmp_path / "run" / "result.json").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    run = call("resume", "run")
    assert run.status == 0
    assert "goes on after epoch 1" in run.out
    same(tmp_path / "run", undisturbed.directory)


def test_a_full_disk_is_one_line_and_leaves_the_checkpoint_before(undisturbed: TrainResult, tmp_path: Path) -> None:
    """A limit on the size of files fails writes as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "run"

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))

    try:
        with pytest.raises(checkpoint.CheckpointError, match=r"checkpoint .*checkpoint\.pt cannot be written: File too large"):
            nas.train(network(), out=path, watcher=Doing(1, fill), **HOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [entry.name for entry in path.iterdir() if entry.name.endswith(".part")]
    nas.resume_training(path)
    same(path, undisturbed.directory)


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    path = tmp_path / "run"
    errors: list[str] = []

    def another() -> None:
        with pytest.raises(NasError) as caught:
            nas.resume_training(path)
        errors.append(str(caught.value))

    nas.train(network(), out=path, watcher=Doing(1, another), **{**HOW, "epochs": 1})
    assert errors == [f"{path}: another `nas train` or `nas resume` is at work here"]
    acquire(path).release()


def test_a_loss_that_is_not_finite_ends_with_status_3_and_keeps_the_checkpoint(call: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "linear.yaml").write_text(LINEAR)
    run = call(
        "train", "linear.yaml", "--epochs", 3, "--lr", 100, "--set", "clip=0", "--set", "warmup=0.9", "--checkpoint-seconds", 0,
        "--out", "run", "--quiet",
    )  # fmt: skip
    assert run.status == 3, run.out
    assert "training loss is nan in epoch 1; no epoch was finished; allowed: a new training with a lower --lr" in run.err
    assert len(run.err.splitlines()) == 1
    kept = checkpoint.load(tmp_path / "run" / "checkpoint.pt", network(LINEAR).digest, torch.device("cpu"))
    assert kept["state"]["step"] > 0
    assert all(bool(tensor.isfinite().all()) for tensor in kept["state"]["module"].values())


# what cannot be gone on with ----------------------------------------------------------------------------------------


def broken(undisturbed: TrainResult, folder: Path) -> Path:
    """A training whose end is missing."""
    folder.mkdir()
    for name in ("train.yaml", "network.yaml", "checkpoint.pt", "weights.pt", "history.csv"):
        (folder / name).write_bytes((undisturbed.directory / name).read_bytes())
    return folder


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("checkpoint.pt", flip, r"checkpoint .* is damaged \("),
        ("checkpoint.pt", lambda data: data[:5000], r"checkpoint .* is damaged \("),
        ("checkpoint.pt", lambda data: b"", r"checkpoint .* is damaged \("),
        ("train.yaml", lambda data: data.replace(b"format: 1", b"format: 2"), r"format 2, written by a newer nas"),
        ("train.yaml", lambda data: data.replace(b"seed: 0", b"seed: x"), r"seed='x' is of the wrong type; allowed: int"),
        ("train.yaml", lambda data: data.replace(b"seed: 0", b"sed: 0"), r"'sed' is unknown; allowed: network, digest"),
        ("train.yaml", lambda data: data.replace(b"seed: 0\n", b""), r"seed is missing"),
        ("train.yaml", lambda data: data.replace(b"seed: 0", b"seed: 1"), r"seed=0; allowed: the run's own, 1"),
        ("train.yaml", lambda data: b"{", r"damaged"),
        ("network.yaml", lambda data: data.replace(b"16", b"24"), r"network.yaml was changed: its digest is"),
        ("network.yaml", lambda data: b"{", r"network.yaml: not YAML"),
    ],
)
def test_what_is_damaged_is_one_line(
    undisturbed: TrainResult, tmp_path: Path, name: str, change: Callable[[bytes], bytes], message: str
) -> None:
    path = broken(undisturbed, tmp_path / "run")
    (path / name).write_bytes(change((path / name).read_bytes()))
    before = {entry.name: entry.read_bytes() for entry in path.iterdir()}
    with pytest.raises(NasError, match=message):
        nas.resume_training(path)
    assert {name: (path / name).read_bytes() for name in before} == before


def test_a_checkpoint_of_another_network_or_of_a_newer_version_is_refused(undisturbed: TrainResult, tmp_path: Path) -> None:
    path = broken(undisturbed, tmp_path / "run") / "checkpoint.pt"
    content = checkpoint.load(path, network().digest, torch.device("cpu"))
    checkpoint.save(path, "0" * 64, content)
    with pytest.raises(checkpoint.CheckpointError, match="is of another network"):
        nas.resume_training(path.parent)
    torch.save({"format": 99}, path)
    with pytest.raises(checkpoint.CheckpointError, match="format 99, of a newer nas"):
        nas.resume_training(path.parent)
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(checkpoint.CheckpointError, match="is no checkpoint of `nas train`"):
        nas.resume_training(path.parent)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["net.yaml", "--recipe", "nope"], "unknown recipe 'nope'"),
        (["net.yaml", "--dataset", "nope"], "unknown data set 'nope'"),
        (["nope"], "unknown network 'nope'"),
        (["alexnet"], "`--input 3x224x224` resamples them to its own"),
        (["net.yaml", "--epochs", "0"], "recipe.epochs=0; allowed: a whole number from 1"),
        (["net.yaml", "--set", "lr"], "--set 'lr'; allowed: FIELD=VALUE"),
        (["net.yaml", "--set", "lrr=1"], "unknown recipe field 'lrr'"),
        (["net.yaml", "--set", "every=2"], "recipe.every has no effect here; allowed: with schedule exponential"),
        (["net.yaml", "--input", "3x8"], "--input '3x8'; allowed: CxHxW"),
        (["net.yaml", "--validation", "1"], "validation=1.0; allowed: a fraction from 0, which holds nothing out, to below 1"),
        (["net.yaml", "--validation", "0", "--early-stop", "3"], "validation=0 with recipe.early_stop=3, which looks at images held out"),
        (["net.yaml", "--validation", "0", "--recipe", "lecture-resnet"], "validation=0 with recipe.schedule='plateau'"),
        (["net.yaml", "--seed", str(2**64)], f"seed={2**64}; allowed: a whole number from 0 to {2**63 - 1}"),
        (["net.yaml", "--weights", "nope.pt"], "nope.pt: No such file or directory; allowed: a file of torch.save"),
        (["net.yaml", "--weights", "net.yaml"], "net.yaml holds no weights"),
        (["net.yaml", "--from-torchvision", "net.yaml"], "no other package has network 'tiny-net'"),
        (["net.yaml", "--weights", "a", "--from-torchvision", "b"], "--weights and --from-torchvision are both given"),
        (["net.yaml", "--workers", "5000"], "workers=5000 are more than there is room for; allowed: at most"),
        (["net.yaml", "--workers", "2", "--batch", "1"], "workers=2 with recipe.batch=1"),
        (["net.yaml", "--out", "."], "is not an empty folder"),
        (["net.yaml", "--out", "net.yaml"], "is not an empty folder"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(call: Callable[..., Run], tmp_path: Path, words: list[str], message: str) -> None:
    run = call("train", *words)
    assert run.status == 2
    assert message in run.err
    assert len(run.err.splitlines()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.yaml"]


def test_a_folder_that_is_in_use_is_left_alone(undisturbed: TrainResult, call: Callable[..., Run]) -> None:
    run = call("train", "net.yaml", "--out", undisturbed.directory)
    assert run.status == 2
    assert f"has a training already; `nas resume {undisturbed.directory}` goes on with it" in run.err
    run = call("resume", undisturbed.directory, "--workers", 2)
    assert run.status == 2
    assert "which goes on as it was started" in run.err
    run = call("status", undisturbed.directory, "--storage", "sqlite:///x.db")
    assert run.status == 2
    assert "is a training, whose record is in its folder" in run.err


# weights to start from ----------------------------------------------------------------------------------------------


def test_training_starts_from_weights(undisturbed: TrainResult, call: Callable[..., Run]) -> None:
    run = call("train", undisturbed.directory, "--weights", undisturbed.directory, "--epochs", 1, "--out", "run", "--lr", 1e-8, "--json")
    assert run.status == 0
    assert f"all parameters start from {undisturbed.directory}" in run.err
    moved, start = read_weights("run"), read_weights(undisturbed.directory)
    assert torch.allclose(moved["head.2.linear.weight"], start["head.2.linear.weight"], atol=1e-4)
    run = call("train", "resnet20", "--weights", undisturbed.directory)
    assert run.status == 2
    assert "do not fit: stem.0.conv.weight is (8, 1, 3, 3); allowed: (16, 1, 3, 3)" in run.err


def test_reference_weights_start_all_but_what_has_another_shape(tmp_path: Path) -> None:
    original = nas.load("shufflenet_v2_x0_5")
    assert isinstance(original, nas.Architecture)
    torch.manual_seed(0)
    theirs = {f"layer{number}.{name}": tensor for number, (name, tensor) in enumerate(original.build().state_dict().items())}
    torch.save(theirs, tmp_path / "theirs.pt")  # the same tensors in the same order, under other names
    smaller = original.with_input((3, 32, 32), 10)
    module = smaller.build()
    left = from_reference(module, smaller, str(tmp_path / "theirs.pt"))
    assert left == [name for name in module.state_dict() if module.state_dict()[name].shape[:1] == (10,)]
    whole = original.build()
    nas.baselines.load_reference(whole, theirs)
    first = next(iter(module.state_dict()))
    assert torch.equal(module.state_dict()[first], whole.state_dict()[first])
    with pytest.raises(WeightsError, match="does not fit"):
        from_reference(nas.load("resnet18").build(), nas.load("resnet18"), str(tmp_path / "theirs.pt"))  # type: ignore[arg-type]


# what a person sees -------------------------------------------------------------------------------------------------


def test_a_line_an_epoch_where_nobody_looks_at_a_screen(call: Callable[..., Run]) -> None:
    run = call("train", "net.yaml", "--epochs", 2, "--batch", 256, "--out", "run")
    lines = run.out.splitlines()
    assert lines[0].startswith("run: tiny-net, 5122 parameters, on cpu; 1294 images of digits, 144 more to validate on")
    assert [line.split()[:2] for line in lines[2:4]] == [["epoch", "1"], ["epoch", "2"]]
    assert lines[4].startswith("test accuracy ")
    assert len(lines) == 6
    with open("run/history.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert call("resume", "run").out.splitlines() == lines[4:]


def test_status_of_a_training_that_runs_is_broken_off_and_is_finished(call: Callable[..., Run], undisturbed: TrainResult) -> None:
    seen: list[Run] = []

    def look_and_stop() -> None:
        seen.append(call("status", "run"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nas.train(network(), out="run", watcher=Doing(1, look_and_stop), **HOW)
    accuracy = f"{read_history(Path('run'))[0].accuracy:.2%}"
    lines = [" ".join(line.split()) for line in seen[0].out.splitlines()]
    assert lines[:3] == ["network tiny-net", "data set digits", "recipe modern"]
    assert lines[3].startswith("epochs 1 of 2, ")
    assert lines[4:] == [f"validation best {accuracy} in epoch 1, last {accuracy}", "state running"]
    before = {entry.name: entry.read_bytes() for entry in Path("run").iterdir() if entry.is_file()}
    assert "broken off; `nas resume run` goes on" in call("status", "run").out
    assert before == {entry.name: entry.read_bytes() for entry in Path("run").iterdir() if entry.is_file()}
    ended = call("status", undisturbed.directory)
    assert f"{undisturbed.test_accuracy:.2%} (95% interval" in ended.out
    assert "finished; weights: " in ended.out
    data = json.loads(call("status", undisturbed.directory, "--json").out)
    assert (data["state"], data["test_accuracy"], data["epochs"]) == ("finished", undisturbed.test_accuracy, undisturbed.epochs)
    assert [Row(**row) for row in data["history"]] == list(undisturbed.history)


@pytest.mark.parametrize("verb", ["status", "resume"])
@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nope", "nope: no such folder; allowed: a folder that `nas search` or `nas train` made"),
        (".", "neither a search nor a training (it has no run.yaml and no train.yaml)"),
        ("net.yaml", "neither a search nor a training"),
    ],
)
def test_a_folder_that_no_verb_made_is_one_line(call: Callable[..., Run], verb: str, folder: str, message: str) -> None:
    run = call(verb, folder)
    assert run.status == 2
    assert message in run.err
    assert len(run.err.splitlines()) == 1


def test_json_is_the_result_and_quiet_is_quiet(call: Callable[..., Run]) -> None:
    run = call("train", "net.yaml", "--epochs", 1, "--batch", 256, "--out", "run", "--json")
    assert json.loads(run.out) == TrainResult.read("run").to_dict()
    assert run.err == ""
    run = call("train", "net.yaml", "--epochs", 1, "--batch", 256, "--out", "quiet", "--quiet")
    assert run.out == "quiet/weights.pt\n"


def test_the_live_table_is_drawn_on_a_terminal_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    screen = TrainingScreen(out=Console(file=out, force_terminal=True, width=120))
    nas.train(network(), out=tmp_path / "run", watcher=screen, **{**HOW, "epochs": 15})  # longer than from one tick to the next
    assert "images/s, about" in out.getvalue()
    assert "train loss" in out.getvalue().rpartition("\x1b[?25h")[2]  # after the cursor was given back


def test_the_best_epoch_is_the_first_of_equals() -> None:
    def row(epoch: int, accuracy: float, val_loss: float) -> Row:
        return Row(epoch, 0.0, val_loss, accuracy, 0.0, 0.0, 0.0)

    assert best_of([]) is None
    rows = [row(1, 0.5, 1.0), row(2, 0.9, 2.0), row(3, 0.9, 1.0), row(4, 0.9, 1.0), row(5, 0.8, 0.1)]
    assert best_of(rows) is rows[2]


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (7, 10), (359, 360), (10, 10)])
def test_wilson_interval_is_that_of_scipy(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)
