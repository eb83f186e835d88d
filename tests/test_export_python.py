"""Networks as one plain PyTorch file: the same weights, the same output, formatted, and nothing of ours in it."""

from __future__ import annotations

import ast
import builtins
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nas
from nas import baselines
from nas.arch import Architecture
from nas.build import Outputs, build
from nas.errors import ArchitectureError
from nas.export.python import to_python
from nas.scale import resize
from nas.spaces import RandomChooser, load
from nas.spaces import names as space_names
from tests.networks import small

NAMES = baselines.names()
# Networks of every way to write: loops, cells, branches, tokens, windows, options, auxiliary heads.
FORMATTED = (
    "alexnet_two_tower", "cyclemlp_b1", "darts_v2", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "lenet5",
    "mobilenet_v3_large", "nasnet_a_large", "pnasnet_5_large", "resmlp_12", "resnet50", "shufflenet_v2_x1_0",
    "squeezenet1_1", "swin_t", "vit_b16",
)  # fmt: skip


def tiny(architecture: Architecture) -> Architecture:
    """Narrower and shallower, where it is not small as it is."""
    if architecture.cost().params < 100_000:
        return architecture
    return resize(architecture, width=0.25, depth=0.34)


def exported(text: str) -> type[nn.Module]:
    """The class `Network` of a file that cannot import `nas`."""

    def only_torch(name: str, *rest: Any) -> Any:
        assert name.partition(".")[0] in ("torch", "typing"), name
        return builtins.__import__(name, *rest)

    space: dict[str, Any] = {"__name__": "exported", "__builtins__": {**vars(builtins), "__import__": only_torch}}
    exec(compile(text, "exported.py", "exec"), space)
    return space["Network"]  # type: ignore[no-any-return]


def tensors(made: Any) -> list[torch.Tensor]:
    return [made.main, *made.aux] if isinstance(made, tuple) else [made]


def check_same(architecture: Architecture, drop_path: float = 0.0) -> None:
    """Equal state dicts, in order; equal outputs in evaluation, and in training where there are auxiliary heads."""
    ours, theirs = build(architecture, drop_path), exported(to_python(architecture, drop_path))()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict(), strict=True)
    image = torch.randn(2, *architecture.input, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(image), ours.eval()(image), rtol=1e-5, atol=1e-6)
        if not (architecture.aux or drop_path):
            return
        torch.manual_seed(1)
        mine = ours.train()(image)
        torch.manual_seed(1)
        made = theirs.train()(image)
    assert not architecture.aux or (type(made).__name__ == "Outputs" and made._fields == Outputs._fields)
    torch.testing.assert_close(tensors(made), tensors(mine), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_baseline_takes_the_same_weights_and_gives_the_same_output(name: str) -> None:
    check_same(tiny(small(name)))


@pytest.mark.parametrize("name", NAMES[::6])
def test_baselines_whole_have_the_same_weights_in_the_same_order(name: str) -> None:
    architecture = nas.load(name)
    with torch.device("meta"):
        ours, theirs = build(architecture), exported(to_python(architecture))()
    assert [(key, tensor.shape) for key, tensor in theirs.state_dict().items()] == [
        (key, tensor.shape) for key, tensor in ours.state_dict().items()
    ]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_whole_networks_give_the_same_output(name: str) -> None:
    check_same(nas.load(name))


@pytest.mark.parametrize("name", space_names())
def test_samples_of_every_space(name: str) -> None:
    space, chosen, made = load(name), random.Random(4), 0
    while made < 2:
        architecture = space.decide(RandomChooser(chosen))
        side = min(32, architecture.input[1])
        try:
            architecture = tiny(architecture.with_input((architecture.input[0], side, side), 5))
            architecture.cost()
        except ArchitectureError:
            continue
        check_same(architecture)
        made += 1


@pytest.mark.parametrize("name", ["resnet20", "darts_v2", "swin_t", "efficientnet_b0"])
def test_drop_path_stands_where_the_builder_has_it(name: str) -> None:
    architecture = resize(small(name), width=0.25, depth=0.67)
    assert "DropPath(" in to_python(architecture, 0.3)
    assert "DropPath" not in to_python(architecture)
    check_same(architecture, 0.3)


@pytest.mark.parametrize("name", ["resnet20", "densenet121", "googlenet", "nasnet_a_cifar", "vit_s16", "shufflenet_v2_x1_0"])
def test_gradients_are_those_of_the_network(name: str) -> None:
    architecture = tiny(small(name))
    ours, theirs = build(architecture), exported(to_python(architecture))()
    theirs.load_state_dict(ours.state_dict())
    image = torch.randn(2, *architecture.input, generator=torch.Generator().manual_seed(0))
    for module in (ours, theirs):
        torch.manual_seed(1)
        sum(each.square().sum() for each in tensors(module.train()(image))).backward()  # type: ignore[union-attr]
    for (key, mine), made in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (mine.grad is None) == (made.grad is None), key
        if mine.grad is not None:
            torch.testing.assert_close(made.grad, mine.grad, rtol=1e-3, atol=1e-4 * float(mine.grad.abs().max()) + 1e-7)


@pytest.mark.parametrize("name", ["resnet20", "swin_t"])
def test_tracing_and_exporting_take_it(name: str) -> None:
    architecture = tiny(small(name))
    network, image = exported(to_python(architecture))().eval(), torch.randn(1, *architecture.input)
    wanted = network(image)
    program = torch.export.export(network, (image,)).module()
    torch.testing.assert_close(program(image), wanted, rtol=1e-4, atol=1e-5)


def test_files_are_formatted_and_import_torch_alone(tmp_path: Path) -> None:
    texts = {name: to_python(nas.load(name), 0.2 if name == "darts_v2" else 0.0) for name in FORMATTED}
    for name in space_names():
        texts[name.replace("-", "_")] = to_python(load(name).decide(RandomChooser(random.Random(1))))
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
        imported = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert imported <= {"typing", "torch", "torch.nn.functional"}, name
    for verb in (["format", "--check"], ["check", "--select", "E,F,I,B,UP"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *verb, "--isolated", "--line-length", "100", "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_one_structure_is_one_class() -> None:
    text = to_python(nas.load("resnet50"))
    assert text.count("\nclass ") == 5
    assert len(text.splitlines()) < 130
    assert "*[Bottleneck(width_in=256, inner=64, width=256) for _ in range(2)]" in text


def test_the_top_tells_what_it_is_and_how_to_use_it() -> None:
    first, _, figures, *_ = to_python(nas.load("resnet50")).splitlines()
    assert first == '"""resnet50.'
    assert figures == "Images of 3x224x224, 1,000 classes; 25,557,032 parameters, 4,089,184,256 multiply-adds."
    assert "load_state_dict(weights)" in to_python(nas.load("lenet5"))
    assert 'torch.load("mine.pt", weights_only=True)' in to_python(nas.load("lenet5"), weights="mine.pt")
    exported(to_python(nas.load("lenet5"), weights='x"""\\.pt'))


def test_docstrings_speak_of_what_the_class_has() -> None:
    text = to_python(nas.load("resnet50"))
    assert '"""Conv, batch norm, activation."""' in text
    assert "left out" not in text
    assert "given" not in text


def test_a_name_cannot_break_the_file() -> None:
    architecture = nas.Architecture.from_dict({**nas.load("lenet5").to_dict(), "name": 'x"""\\\nimport os'})
    exported(to_python(architecture))()


def test_an_ensemble_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="ensemble is not written as one file; allowed"):
        to_python(nas.ensemble(["resnet20", "resnet56"]))  # type: ignore[arg-type]
