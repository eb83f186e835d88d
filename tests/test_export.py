"""`nas export`: every leaf in every format, whole networks, the command, and what must not be written.

A run over all baselines takes long: scripts/bench/exports.py. Here each kind of leaf that they and samples of all spaces hold stands
once, in one network that has them side by side, so that one export covers them all, and a new leaf by itself.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import itertools
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

import nas as package
from nas import spaces
from nas.arch import Auxiliary, Graph, place
from nas.errors import ArchitectureError, NasError
from nas.export import FORMATS, export
from nas.export.base import BaseFormat, ExportError
from nas.export.check import TIMES, TOLERANCE, Checked, Rounding, check_file
from nas.export.onnx import to_onnx, translate
from nas.export.source import Source
from nas.export.torch import program
from nas.ops import LEAVES, Leaf, Map, Shape, Tokens, Vector
from nas.repeatable import parameters_from
from nas.scale import resize
from nas.testing import exports as kit
from nas.testing import ops, primitives
from nas.weights import read_weights, write_weights
from tests.cli import Run, nas

torch.set_num_threads(1)
PLAIN = ("activation", "add", "dropout", "drop_path", "scale", "zero")  # written alike for every sort of input


def leaves(graph: Graph, seen: set[int]) -> Iterator[tuple[Leaf, tuple[Shape, ...]]]:
    """Every leaf of a graph with the shapes of its inputs; a sub-graph that stands more than once counts once."""
    for node in graph.nodes:
        shapes = tuple(graph.inputs[i] if i < len(graph.inputs) else graph.nodes[i - len(graph.inputs)].shape for i in node.inputs)
        if not isinstance(node.op, Graph):
            yield node.op, shapes
        elif id(node.op) not in seen:
            seen.add(id(node.op))
            yield from leaves(node.op, seen)


def kind(op: Leaf, shapes: tuple[Shape, ...]) -> tuple[Any, ...]:
    """Leaves of one kind are written alike: texts and switches are the same, and pairs (a shift, a padding) zero or not."""
    values = [getattr(op, field.name) for field in dataclasses.fields(op)]  # type: ignore[arg-type]
    told = [value if isinstance(value, str | bool) else value == (0, 0) for value in values]
    return (op.name, *told, None if op.name in PLAIN else type(shapes[0]).__name__)


class Parade(nn.Module):
    """Leaves side by side: each reads its own part of one long vector, and all outputs lie behind each other."""

    def __init__(self, parts: list[tuple[Leaf, tuple[Shape, ...]]]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(op.module(*shapes) for op, shapes in parts)
        self.shapes = [[tuple(shape) for shape in shapes] for _, shapes in parts]
        self.length = sum(math.prod(shape) for shapes in self.shapes for shape in shapes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, length) to (N, numbers of all outputs)."""
        pieces = iter(x.split([math.prod(shape) for shapes in self.shapes for shape in shapes], 1))
        inputs = [[next(pieces).reshape(-1, *shape) for shape in shapes] for shapes in self.shapes]
        return torch.cat([part(*each).flatten(1) for part, each in zip(self.parts, inputs, strict=True)], 1)


@pytest.fixture(scope="module")
def parade() -> Parade:
    """The first of every kind among the examples of leaves, and of what the examples of primitives hold; with lively weights."""
    found = [example for name in LEAVES.names() for example in ops.examples(LEAVES.get(name))]
    for op, shape in itertools.product(primitives.examples().values(), (Map(16, 8, 12), Tokens(16, 24), Vector(24))):
        with contextlib.suppress(ArchitectureError):  # a primitive takes one sort of input or another
            found += leaves(place(op, (shape,), 8, 1), set())
    parts = list({kind(*part): part for part in reversed(found)}.values())
    assert {op.name for op, _ in parts} == set(LEAVES.names())
    with parameters_from(0):
        made = Parade(parts).eval()
        kit.enliven(made, (made.length,))  # type: ignore[arg-type]
    return made


@pytest.fixture(scope="module")
def traced(parade: Parade) -> ExportedProgram:
    """The parade as torch.export sees it."""
    return program(parade, (parade.length,), None)  # type: ignore[arg-type]


@pytest.mark.slow
def test_every_leaf_in_onnx(parade: Parade, traced: ExportedProgram) -> None:
    from onnxruntime import InferenceSession

    session = InferenceSession(translate(traced).model_proto.SerializeToString())
    agree(parade, lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0]))


@pytest.mark.slow
def test_every_leaf_in_torch_export(parade: Parade, traced: ExportedProgram) -> None:
    agree(parade, traced.module())


def agree(parade: Parade, run: Callable[[Tensor], Tensor]) -> None:
    for batch in (1, 3):
        images = torch.randn(batch, parade.length, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            wanted, made = parade(images), run(images)
        assert made.shape == wanted.shape
        assert float(((made - wanted).abs() / wanted.abs().clamp(min=1.0)).max()) <= TOLERANCE


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Weights of lenet5."""
    module = package.load("lenet5").build()
    write_weights(tmp_path / "given.pt", module)
    return tmp_path / "given.pt"


def test_onnx_by_the_command(call: Callable[..., Run], tmp_path: Path, given: Path) -> None:
    from onnxruntime import InferenceSession

    run = call("export", "lenet5", "--weights", given, "--out", "lenet5.onnx", "--json")
    told = json.loads(run.out)
    assert told["files"] == ["lenet5.onnx"]
    assert told["bytes"] == (tmp_path / "lenet5.onnx").stat().st_size > 4 * told["params"]
    assert (told["weights"], told["seed"], told["batch"]) == (str(given), None, None)
    assert told["difference"] <= TOLERANCE
    assert {path.name for path in tmp_path.iterdir()} == {"lenet5.onnx", "given.pt"}
    session = InferenceSession(tmp_path / "lenet5.onnx")
    (images,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.shape[1:], logits.name, logits.shape[1:]) == ("images", [1, 32, 32], "logits", [10])
    assert str(Path(__file__).parent.parent).encode() not in (tmp_path / "lenet5.onnx").read_bytes(), "a path of this machine"


def test_large_weights_lie_beside_the_onnx_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from nas.export import onnx

    monkeypatch.setattr(onnx, "MOST_WITHIN", 1000)
    made = export(package.load("lenet5"), tmp_path / "net.onnx", batch=2)
    assert [path.name for path in made.files] == ["net.onnx", "net.onnx.data"]
    assert made.files[0].stat().st_size < 4 * made.params < made.files[1].stat().st_size + 1000
    assert made.difference is not None
    with pytest.raises(ExportError, match=r"weights are .* bytes; allowed in one ONNX message: 1,000"):
        to_onnx(package.load("lenet5").build(), (1, 32, 32), 1)


def test_a_second_export_writes_over_the_first_and_its_companion_but_nothing_of_others(tmp_path: Path, given: Path) -> None:
    for _ in range(2):
        made = export(package.load("lenet5"), tmp_path / "net.py", weights=given)
        assert [file.name for file in made.files] == ["net.py", "net.pt"]
        assert all(torch.equal(read_weights(tmp_path / "net.pt")[name], tensor) for name, tensor in read_weights(given).items())
        (tmp_path / "net.pt").write_text("of another time")
    with pytest.raises(NasError, match=r"net.pt would be written over beside net.py"):
        export(package.load("lenet5"), tmp_path / "net.py", weights=tmp_path / "net.pt")
    (tmp_path / "net.py").unlink()
    with pytest.raises(NasError, match=r"net.pt exists already"):
        export(package.load("lenet5"), tmp_path / "net.py", weights=given)
    assert (tmp_path / "net.pt").read_text() == "of another time"


def test_data_of_another_file_stays(tmp_path: Path) -> None:
    (tmp_path / "net.onnx.data").write_text("mine")
    with pytest.raises(NasError, match=r"net.onnx.data exists already"):
        export(package.load("lenet5"), tmp_path / "net.onnx")


def test_torch_file_is_read_without_this_package(call: Callable[..., Run], tmp_path: Path) -> None:
    run = call("export", "lenet5", "--seed", 3, "--out", "lenet5.pt2")
    assert "untrained weights, drawn from seed 3" in run.out
    assert "any number of images of 1x32x32 to 10 logits" in run.out
    with parameters_from(3):
        wanted = package.load("lenet5").build().eval()(torch.ones(3, 1, 32, 32))
    code = """
import sys
sys.modules["nas"] = None
import torch
torch.save(torch.export.load("lenet5.pt2").module()(torch.ones(3, 1, 32, 32)), "made.pt")
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    torch.testing.assert_close(torch.load(tmp_path / "made.pt"), wanted)


def test_auxiliary_heads_are_left_out(tmp_path: Path) -> None:
    lenet = package.load("lenet5")
    network = dataclasses.replace(lenet, aux=(Auxiliary(0, lenet.head),))  # type: ignore[arg-type]
    made = export(network, tmp_path / "net.pt2")
    assert made.params == network.cost(aux=False).params < network.cost().params
    kept = torch.export.load(tmp_path / "net.pt2").state_dict
    assert kept
    assert not [name for name in kept if name.startswith("aux")]


def test_a_searched_cell_and_a_fixed_batch() -> None:
    space = spaces.load("tiny")
    made = kit.check(space.decode(space.sample(random.Random(1))), "torch", batch=2)
    assert made.batch == 2


def test_an_ensemble(tmp_path: Path) -> None:
    two = package.ensemble(["lenet5", "lenet5"])
    assert kit.check(two, "torch").params == 2 * 61706
    with pytest.raises(ExportError, match="python of an ensemble"):
        export(two, tmp_path / "net.py")


def test_a_folder_of_training_brings_network_and_weights(call: Callable[..., Run], tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    network = package.load("lenet5").with_input((1, 20, 20), 3)
    (folder / "network.yaml").write_text(network.to_yaml())
    module = network.build()
    write_weights(folder / "weights.pt", module)
    told = json.loads(call("export", "runs/mine", "--format", "torch", "--out", "net.pt2", "--json").out)
    assert (told["weights"], told["input"], told["classes"]) == ("runs/mine", [1, 20, 20], 3)
    kept = torch.export.load(tmp_path / "net.pt2").state_dict
    assert all(torch.equal(kept[name], tensor) for name, tensor in read_weights(folder).items())
    assert "runs/mine do not fit: head" in call("export", "runs/mine", "--classes", 4, "--out", "other.pt2").err


def test_weights_of_torchvision(tmp_path: Path) -> None:
    from nas.baselines import get
    from tests.references import create

    reference = get("resnet18").references[0]
    torch.save(create(reference).state_dict(), tmp_path / "theirs.pth")
    made = export(package.load("resnet18").with_input((3, 32, 32), 1000), tmp_path / "net.py", reference=tmp_path / "theirs.pth")
    assert (made.files, made.checked is not None) == ((tmp_path / "net.py", tmp_path / "net.pt"), True)
    assert made.weights == str(tmp_path / "theirs.pth")
    with pytest.raises(NasError, match=r"theirs.pth: .* does not fit"):
        export(package.load("resnet34"), tmp_path / "other.pt2", reference=tmp_path / "theirs.pth")


WRONG = {
    "no such network": (("lenet6", "--out", "a.onnx"), "lenet5"),
    "unknown format": (("lenet5", "--format", "tflite", "--out", "a.onnx"), "'onnx', 'torch', 'python'"),
    "no format": (("lenet5", "--out", "a.txt"), "onnx (.onnx), torch (.pt2), python (.py)"),
    "no suffix": (("lenet5", "--out", "a"), "does not tell the format"),
    "another format's name": (("lenet5", "--format", "torch", "--out", "a.onnx"), "is the name of a file of format onnx, not torch"),
    "no such folder": (("lenet5", "--out", "no/a.onnx"), "no such folder"),
    "a folder": (("lenet5", "--format", "onnx", "--out", "folder"), "it is a folder"),
    "below a file": (("lenet5", "--out", "given.pt/a.onnx"), "no such folder"),
    "a long name": (("lenet5", "--format", "torch", "--out", "a" * 300), "cannot write"),
    "no weights": (("lenet5", "--weights", "no.pt", "--out", "a.onnx"), "cannot read weights no.pt"),
    "no weights but text": (("lenet5", "--weights", "text", "--out", "a.onnx"), "holds no weights"),
    "others' weights": (("lenet5", "--weights", "given.pt", "--classes", "9", "--out", "a.onnx"), "given.pt do not fit: head."),
    "both weights": (("lenet5", "--weights", "given.pt", "--from-torchvision", "given.pt", "--out", "a.onnx"), "both given"),
    "no reference": (("lenet5", "--from-torchvision", "given.pt", "--out", "a.onnx"), "no reference weights are known"),
    "batch": (("lenet5", "--batch", "0", "--out", "a.onnx"), "--batch='0'; allowed: dynamic, or 1 to 99999"),
    "input": (("lenet5", "--input", "32x32", "--out", "a.onnx"), "--input='32x32'"),
    "python of one batch": (("lenet5", "--batch", "3", "--out", "a.py"), "any batch"),
    "weights in the way": (("lenet5", "--weights", "given.pt", "--out", "given.py"), "given.pt would be written over beside given.py"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_is_one_line_and_nothing_is_written(call: Callable[..., Run], tmp_path: Path, given: Path, what: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("text")
    before = given.read_bytes()
    words, message = WRONG[what]
    run = call("export", *words)
    assert (run.status, run.out) == (2, "")
    assert message in run.err
    assert len(run.err.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "text", "given.pt"}
    assert not list((tmp_path / "folder").iterdir())
    assert given.read_bytes() == before


class OtherSums(BaseFormat):
    """As if a file were the network with its sums in another order, and its weights wrong by a share."""

    def __init__(self, wrong: float = 0.0) -> None:
        super().__init__("sums")
        self.wrong = wrong

    def run(self, path: Path, source: Source) -> Callable[[Tensor], Tensor]:
        module = copy.deepcopy(source.module).to(memory_format=torch.channels_last)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(1 + self.wrong)

        def call(images: Tensor) -> Tensor:
            with torch.no_grad():
                made: Tensor = module(images.to(memory_format=torch.channels_last))
            return made

        return call


@pytest.fixture(scope="module")
def sensitive() -> Source:
    """A deep sample of amoebanet-cell, whose drawn weights make the last bits of sums 10,000 times larger."""
    space = spaces.load("amoebanet-cell")
    network = resize(space.decode(space.sample(random.Random(0))), width=0.1).with_input((3, 32, 32), 10)
    with parameters_from(0):
        module = network.build()
        kit.enliven(module, network.input)
    return Source(network, module, None)


def test_rounding_that_the_network_enlarges_passes_and_is_told(sensitive: Source) -> None:
    difference, rounding = check_file(OtherSums(), sensitive, Path("net"), None)
    assert rounding is not None
    assert difference > TOLERANCE
    assert TOLERANCE / 2 < rounding.file <= TIMES * rounding.network < 0.1


def test_a_wrong_file_of_such_a_network_fails(sensitive: Source) -> None:
    with pytest.raises(ExportError, match=r"net differs from the network by .*, where the network in 32 bits does by .*; not written"):
        check_file(OtherSums(wrong=1e-4), sensitive, Path("net"), None)


def test_a_wrong_file_of_a_plain_network_fails(given: Path) -> None:
    source = Source.make(package.load("lenet5"), given)
    assert check_file(OtherSums(), source, Path("net"), 2).rounding is None
    with pytest.raises(ExportError, match=r"net differs from the network by .*; not written"):
        check_file(OtherSums(wrong=1e-2), source, Path("net"), 2)


def test_the_command_tells_rounding(call: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.export import check

    monkeypatch.setattr(check, "check_file", lambda *given: Checked(0.018, Rounding(0.014, 0.015)))
    command = ("export", "lenet5", "--out", "net.py")
    told = "check    differs from the network by 1.8e-02, by rounding: 1.5e-02 from 64-bit logits, the network 1.4e-02"
    assert told in call(*command).out
    assert json.loads(call(*command, "--json").out)["rounding"] == {"network": 0.014, "file": 0.015}


@pytest.mark.parametrize("format", FORMATS)
def test_what_fails_the_check_is_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, format: str) -> None:
    from nas.export import check

    path = tmp_path / f"net{FORMATS[format][0]}"
    path.write_text("what was there")
    monkeypatch.setattr(check, "TOLERANCE", -1.0)
    monkeypatch.setattr(check, "TIMES", -1.0)
    with pytest.raises(ExportError, match=r"differs from the network by .*; not written"):
        export(package.load("lenet5"), path)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]
    if format == "torch":
        assert export(package.load("lenet5"), path, check=False).difference is None


def test_missing_packages_are_told_before_any_work(monkeypatch: pytest.MonkeyPatch, call: Callable[..., Run]) -> None:
    from nas.export import base

    found = base.importlib.util.find_spec
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None if name.startswith("onnx") else found(name))
    run = call("export", "lenet5", "--out", "a.onnx")
    assert run.status == 2
    assert run.err == "error: format onnx needs onnx, onnxscript, onnxruntime; to install: pip install 'nas[export]'\n"


def test_help_of_export_imports_no_torch() -> None:
    code = "import sys, nas.cli.export, nas.export; print(sorted({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
