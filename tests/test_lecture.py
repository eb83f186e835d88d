"""The numbers that a lecture on hand-designed networks derives, from the networks themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import nas as package
from nas.arch import Architecture, Block
from nas.cost import Layer
from nas.ops import Map
from nas.primitives import (
    AveragePooling,
    Branches,
    ConvNormAct,
    GlobalPooling,
    Inception,
    LinearLayer,
    MaxPooling,
    Residual,
    Step,
)
from nas.report.network import rows, to_dict
from tests.cli import Run, nas

Call = Callable[..., Run]
HEAD = (Block(GlobalPooling()), Block(LinearLayer(), "classes"))
PLAIN = ConvNormAct(norm=False, bias=False)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch)


def network(*blocks: Block, input: tuple[int, int, int] = (8, 64, 64)) -> Architecture:
    """One stage of these blocks."""
    return Architecture("example", input, 10, (blocks,), head=HEAD)


def stage(architecture: Architecture) -> list[Layer]:
    """The layers without the head."""
    return [layer for layer in architecture.cost().layers if layer.place.startswith("stages")]


# VGG and AlexNet ----------------------------------------------------------------------------------------------------


def test_rows_of_vgg16_without_biases(call: Call) -> None:
    shown = json.loads(call("show", "vgg16", "--no-biases", "--by", "layer", "--json").out)
    weights = [row["params"] for row in shown["layers"] if row["params"]]
    assert weights[:2] == [1_728, 36_864]
    assert weights[-3:] == [102_760_448, 16_777_216, 4_096_000]
    assert sum(weights) == shown["params"] == shown["inference"]["params"] == 138_344_128
    assert shown["biases"] is False


def test_vgg16_as_built(call: Call) -> None:
    shown = json.loads(call("show", "vgg16", "--json").out)
    assert (shown["params"], shown["biases"]) == (138_357_544, True)
    assert shown == json.loads(call("show", "vgg16", "--biases", "--json").out)


def test_the_header_says_that_biases_are_left_out(call: Call) -> None:
    title = "vgg16: input 3x224x224, 1000 classes, by layer"
    assert call("show", "vgg16").out.splitlines()[0] == title
    assert call("show", "vgg16", "--no-biases").out.splitlines()[0] == f"{title}, without biases"
    assert "138,344,128" in call("show", "vgg16", "--no-biases").out


@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "resnet50", "vit_b16", "nasnet_a_cifar"])
def test_biases_are_those_of_the_module(name: str) -> None:
    architecture = package.load(name).resized(width=0.25, depth=0.3)
    bare = architecture.cost().without_biases()
    module = architecture.build()
    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None]
    assert architecture.cost().params - bare.params == sum(part.bias.numel() for part in parts)
    assert bare.params == sum(layer.params for layer in bare.layers)
    assert bare.without_biases() == bare


def test_alexnets_volumes() -> None:
    _, made = rows(package.load("alexnet_two_tower"), package.load("alexnet_two_tower").cost(), "layer")
    assert (made[0].shape, made[0].params) == (Map(96, 55, 55), 34_944)
    assert [row.shape for row in made if "pool" in row.place] == [Map(96, 27, 27), Map(256, 13, 13), Map(256, 6, 6)]


# one inception module, depthwise convolution ------------------------------------------------------------------------


def test_the_naive_inception_module() -> None:
    convs = [Step(ConvNormAct(kernel, norm=False), width) for kernel, width in ((1, 128), (3, 192), (5, 96))]
    module = Branches((*convs, Step(MaxPooling(3), "input")))
    layers = stage(network(Block(module), input=(256, 28, 28)))
    assert layers[-1].shape == Map(672, 28, 28)
    assert sum(layer.macs for layer in layers) == 854_196_224


def test_the_bottlenecked_inception_module() -> None:
    layers = stage(network(Block(Inception((128, 64, 192, 64, 96, 64))), input=(256, 28, 28)))
    assert layers[-1].shape == Map(480, 28, 28)
    total = sum(layer.macs for layer in layers)
    assert total == 271_351_808
    third = next(layer.macs for layer in layers if layer.text == "conv 3x3")
    assert round(third / 1e6, 1) == 86.7
    assert round((total + third) / 1e6) == 358, "the lecture's figure"


@pytest.mark.parametrize(("width", "rows", "columns"), [(64, 14, 14), (256, 7, 9)])
def test_depthwise_against_standard(width: int, rows: int, columns: int) -> None:
    shape = (width, rows, columns)
    standard = stage(network(Block(PLAIN), input=shape))
    depthwise = ConvNormAct(norm=False, groups=width)
    separated = stage(network(Block(depthwise), Block(ConvNormAct(1, norm=False)), input=shape))
    assert sum(layer.macs for layer in standard) == 9 * width**2 * rows * columns
    assert sum(layer.macs for layer in separated) == (9 * width + width**2) * rows * columns


# receptive fields ---------------------------------------------------------------------------------------------------


def test_three_3x3_see_as_far_as_one_7x7() -> None:
    three, one = stage(network(Block(PLAIN, repeat=3))), stage(network(Block(ConvNormAct(7, norm=False, bias=False))))
    assert three[-1].field == one[-1].field == (7, 7)
    assert sum(layer.params for layer in three) == 27 * 8**2
    assert sum(layer.params for layer in one) == 49 * 8**2


FIELDS = {
    "strides": [Block(PLAIN, stride=2), Block(PLAIN), Block(AveragePooling(2), None, 2), Block(PLAIN)],
    "dilation": [Block(ConvNormAct(3, norm=False, dilation=3)), Block(ConvNormAct((1, 5), norm=False))],
    "branches": [Block(Branches((Step(ConvNormAct(5, norm=False)), Step(ConvNormAct((1, 7), norm=False))))), Block(PLAIN)],
    "shortcut": [Block(Residual((Step(PLAIN), Step(PLAIN)))), Block(AveragePooling(3), None, 2), Block(PLAIN)],
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_where_the_gradient_goes(name: str) -> None:
    """A pixel in the middle has a gradient exactly there: with all weights positive nothing cancels and no ReLU is off.

    (A max pool would pass on the gradient of its maximum only.)
    """
    torch.manual_seed(0)
    architecture = network(*FIELDS[name], input=(2, 49, 49))
    layers = architecture.cost().layers
    last = max(index for index, layer in enumerate(layers) if isinstance(layer.shape, Map))
    module = architecture.build()
    for parameter in module.parameters():
        parameter.data.abs_()
    kept: list[torch.Tensor] = []
    inner = dict(module.named_modules())[layers[last - 1 if layers[last].kind == "activation" else last].place]
    inner.register_forward_hook(lambda _module, _inputs, output: kept.append(output.clone()))
    image = torch.rand(1, 2, 49, 49, requires_grad=True)
    module(image)
    rows, columns = kept[0].shape[2:]
    kept[0][0, :, rows // 2, columns // 2].sum().backward()
    assert image.grad is not None
    seen = image.grad.abs().sum((0, 1)).nonzero()
    assert layers[last].field == tuple((seen.max(0).values - seen.min(0).values + 1).tolist())


def test_fields_of_known_networks() -> None:
    """VGG-16's 212 before the linear layers; ResNet-50's 427 on the convolutions, 483 with the stride in the first of a block."""
    made = {layer.place: layer.field for layer in package.load("vgg16").cost().layers}
    assert made["stages.4.3.max_pool"] == (212, 212)
    assert made["head.2.linear"] is None
    assert max(layer.field for layer in package.load("resnet50").cost().layers if layer.field) == (427, 427)


@pytest.mark.parametrize(("name", "place"), [("vit_b16", "stages.0.0"), ("mixer_b16", "stages.0.0"), ("se_resnet50", "stages.0.0")])
def test_attention_mixing_and_squeezing_see_everything(name: str, place: str) -> None:
    layers = package.load(name).cost().layers
    assert layers[0].field is not None
    assert [layer for layer in layers if layer.place.startswith(place)][-1].field is None


def test_fields_in_table_and_data(call: Call) -> None:
    architecture = package.load("vgg16")
    assert to_dict(architecture, architecture.cost())["layers"][0]["field"] == [3, 3]
    table = call("show", "vgg16").out.splitlines()
    assert " field " in table[1]
    assert " 212x212 " in next(line for line in table if "stages.4.3" in line)
    assert " all " in next(line for line in table if "head.4" in line)
