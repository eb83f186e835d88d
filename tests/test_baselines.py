"""Every registered baseline under the shipped contract, its published numbers, and golden costs of all of them.

`python tests/test_baselines.py` writes tests/golden/costs.json anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import nas
from nas.build import Outputs, build
from nas.errors import ArchitectureError, UnknownNameError
from nas.scale import resize
from nas.testing import architectures as kit

torch.set_num_threads(1)
GOLDEN = Path(__file__).parent / "golden" / "costs.json"
NAMES = nas.baselines.names()
# A smaller input that each network fits, so that a real forward and backward pass is quick.
SMALL = {
    "googlenet": (3, 64, 64),
    "mixer_b16": (3, 32, 48),
    "nasnet_a_large": (3, 97, 97),
    "nasnet_a_mobile": (3, 96, 96),
    "vit_b16": (3, 32, 48),
}
# Parameters with and without auxiliary heads: torchvision's and timm's published counts.
PARAMETERS = {
    "densenet121": (7_978_856, 7_978_856),
    "googlenet": (13_004_888, 6_624_904),
    "mixer_b16": (59_880_472, 59_880_472),
    "mobilenet_v2": (3_504_872, 3_504_872),
    "nasnet_a_large": (None, 88_753_150),
    "nasnet_a_mobile": (None, 5_289_978),
    "resnet50": (25_557_032, 25_557_032),
    "se_resnet50": (28_088_024, 28_088_024),
    "vit_b16": (86_567_656, 86_567_656),
}
# Published multiply-adds in billions (the model cards of torchvision; the papers for Mixer, NASNet and SENet).
GMACS = {
    "densenet121": 2.834,
    "googlenet": 1.498,
    "mixer_b16": 12.62,
    "mobilenet_v2": 0.301,
    "nasnet_a_large": 23.8,
    "nasnet_a_mobile": 0.564,
    "resnet50": 4.089,
    "vit_b16": 17.564,
}


def golden():
    """Costs of all baselines."""
    made = {}
    for name in NAMES:
        architecture = nas.load(name)
        costs = {"all": architecture.cost(), "inference": architecture.cost(aux=False)}
        made[name] = {"digest": architecture.digest}
        made[name] |= {key: {field: getattr(c, field) for field in ("params", "macs", "activations")} for key, c in costs.items()}
    return made


@pytest.mark.parametrize("name", NAMES)
def test_contract(name):
    kit.check(nas.load(name), train=False)


@pytest.mark.parametrize("name", NAMES)
def test_trains_when_narrow_at_a_small_input_and_other_classes(name):
    small = resize(nas.load(name).with_input(SMALL.get(name, (3, 32, 32)), 7), width=0.25)
    kit.check_training(small)


@pytest.mark.parametrize("name", NAMES)
def test_golden_costs(name):
    recorded = json.loads(GOLDEN.read_text())
    assert golden()[name] == recorded[name]
    assert sorted(recorded) == sorted(NAMES)


@pytest.mark.parametrize(("name", "counts"), PARAMETERS.items())
def test_published_parameters(name, counts):
    architecture = nas.load(name)
    with_aux, without = counts
    assert architecture.cost(aux=False).params == without
    if with_aux is not None:
        assert architecture.cost().params == with_aux


@pytest.mark.parametrize(("name", "billions"), GMACS.items())
def test_published_multiply_adds_within_half_a_percent(name, billions):
    assert nas.load(name).cost(aux=False).macs == pytest.approx(billions * 1e9, rel=0.005)


def test_every_baseline_has_published_numbers_or_is_a_small_form_of_one_that_has():
    assert set(NAMES) - set(PARAMETERS) == {"nasnet_a_cifar"}
    # "6 @ 768": 3.3M parameters (arXiv 1707.07012, table 1).
    assert nas.load("nasnet_a_cifar").cost(aux=False).params == pytest.approx(3.3e6, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("input", "classes"), [((3, 256, 192), 10), ((1, 224, 224), 1), ((4, 160, 160), 100)])
def test_any_input_shape_and_number_of_classes(name, input, classes):
    architecture = nas.load(name).with_input(input, classes)
    cost = architecture.cost()
    with torch.device("meta"):
        network = build(architecture)
    assert cost.params == sum(p.numel() for p in network.parameters())
    outputs = network.train()(torch.empty(2, *input, device="meta"))
    main = outputs.main if isinstance(outputs, Outputs) else outputs
    assert main.shape == (2, classes)


def test_an_input_that_does_not_fit_is_a_typed_error():
    with pytest.raises(ArchitectureError, match=r"stem\[0\].patches: .* size=16 do not divide a map 3x100x100; allowed: 1, 2, 4, 5, 10"):
        nas.load("vit_b16").with_input((3, 100, 100), 10).cost()
    with pytest.raises(ArchitectureError, match=r"does not fit a map"):
        nas.load("nasnet_a_large").with_input((3, 1, 1), 10).cost()


@pytest.mark.parametrize("alias", ["resnet50", "ResNet-50", "RESNET_50", "res.net50"])
def test_names_ignore_case_and_punctuation(alias):
    assert nas.load(alias) == nas.baselines.resnet50()


@pytest.mark.parametrize("alias", ["mixer_b16_224", "vit_base_patch16_224", "vit_b_16", "seresnet50", "mobilenetv2_100", "nasnetalarge"])
def test_names_of_other_libraries(alias):
    assert nas.load(alias).name in NAMES


@pytest.mark.parametrize("name", ["resnet5", "vgg-bogus", "", "x" * 10_000, "rés\0net", "?"])
def test_unknown_names_are_typed_errors(name):
    with pytest.raises((UnknownNameError, ArchitectureError)) as caught:
        nas.load(name)
    assert len(str(caught.value)) < 400


def test_an_unknown_name_tells_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown network 'resnet5'; nearest: .*resnet50"):
        nas.load("resnet5")


def test_costs_need_neither_torch_nor_numpy():
    program = "import sys, nas; [nas.load(n).cost().layers for n in nas.baselines.names()]; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_digests_are_the_same_in_other_processes():
    every = [nas.load(name) for name in NAMES]
    kit.check_digests_elsewhere(every, 1)
    kit.check_digests_elsewhere(every, 4242)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n")
    print(f"wrote {GOLDEN}")
