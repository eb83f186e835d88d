"""Every baseline that torchvision or timm has is the same network as theirs, weight for weight and number for number."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas import baselines
from nas.arch import Architecture
from nas.baselines import Reference
from nas.build import Network
from nas.errors import ArchitectureError
from tests import references
from tests.networks import small

PAIRS = [(name, reference) for name in baselines.names() for reference in baselines.get(name).references]
# Numbers are compared at half the side from LARGE multiply-adds on, where the network has the same weights there or its
# constructor is told the side, and those of a second reference on as few pixels as the network takes (tests/networks.py). Of
# those with HEAVY parameters the second, and with GIANT the first, is compared by structure alone where a smaller network of
# its kind has its weights in the same order.
LARGE, HEAVY, GIANT = 1e9, 50_000_000, 250_000_000
SIZES = {"ti", "s", "b", "l", "h", "tiny", "small", "base", "large"}
# Whose constructors are told the rows and columns of an image, because weights depend on them.
SIZED = {("vit", "torchvision")} | {(family, "timm") for family in ("vit", "mixer", "resmlp", "gmlp")}
# Always on the whole image: Swin's windows must divide its maps.
WHOLE = {"swin"}
# A prime number of them: no row of a matrix is like another.
DRAWN = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0))


def each(pairs: list[tuple[str, Reference]]) -> Any:
    """Run for every baseline and each of its references."""
    return pytest.mark.parametrize(("name", "reference"), pairs, ids=[f"{name}-{reference.package}" for name, reference in pairs])


def needed(reference: Reference) -> None:
    if references.absent(reference):
        pytest.skip(f"{reference.package} is not installed; ./scripts/test installs it")


def without_memory(architecture: Architecture) -> Network:
    with torch.device("meta"):
        return architecture.build().eval()


@each(PAIRS)
def test_same_structure(name: str, reference: Reference) -> None:
    """The whole network at its own size: tensors in order, parameters, and operations by torch's count."""
    needed(reference)
    theirs, architecture = references.create_without_memory(reference), nas.load(name)
    with torch.no_grad():
        baselines.load_reference(without_memory(architecture), theirs.state_dict())
        with FlopCounterMode(display=False) as counter:
            theirs(torch.empty(1, *architecture.input, device="meta"))
    assert sum(p.numel() for p in theirs.parameters()) in {architecture.cost(aux=aux).params for aux in (True, False)}
    assert 2 * architecture.cost(aux=False).macs == pytest.approx(counter.get_total_flops(), rel=1e-9)


def pixels(name: str, reference: Reference) -> tuple[int, int]:
    """Rows and columns to compare the numbers on."""
    architecture = nas.load(name)
    family, (channels, rows, columns) = name.partition("_")[0], architecture.input
    if architecture.cost().macs <= LARGE or family in WHOLE:
        return rows, columns
    if reference != baselines.get(name).references[0]:
        return small(name).input[1:]
    for less in (rows // 2, rows // 2 + 16):  # patches of 14 or 16 pixels divide the first, of 32 the second
        half = architecture.with_input((channels, less, less), architecture.classes)
        with contextlib.suppress(ArchitectureError):
            if half.cost().params == architecture.cost().params or (family, reference.package) in SIZED:
                return less, less
    return rows, columns


def by_structure_alone(name: str, reference: Reference) -> bool:
    """Whether its numbers are left to a smaller network that differs from it in size alone."""
    params = nas.load(name).cost().params
    if params < (GIANT if reference == baselines.get(name).references[0] else HEAVY):
        return False
    return params > min(nas.load(other).cost().params for other, its in PAIRS if its.package == reference.package and kin(other, name))


def kin(one: str, other: str) -> bool:
    words = [[word for word in re.findall("[a-z]+", name) if word not in SIZES] for name in (one, other)]
    return words[0] == words[1]


@pytest.mark.slow
@each([pair for pair in PAIRS if not by_structure_alone(*pair)])
def test_same_output(name: str, reference: Reference) -> None:
    needed(reference)
    torch.manual_seed(0)
    rows, columns = pixels(name, reference)
    architecture = nas.load(name).with_input((3, rows, columns), 1000)
    family = name.partition("_")[0]
    sized = {"timm": {"img_size": (rows, columns)}, "torchvision": {"image_size": rows}}[reference.package]
    theirs = references.create(reference, **sized if (family, reference.package) in SIZED else {})
    ours = without_memory(architecture).to_empty(device="cpu")
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            # Nothing may be zero or one, or a wrong place would not show; variances stay positive, and signals in range.
            if tensor.is_floating_point():
                tensor.copy_(_random_like(tensor))
        baselines.load_reference(ours, theirs.state_dict())
        images = torch.randn(1, *architecture.input)
        expected, got = theirs(images), ours(images)
    assert torch.isfinite(expected).all()
    assert expected.std() > 0
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


def _random_like(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.ndim < 2:
        return torch.rand_like(tensor) * 0.5 + 0.75
    # The gain is 1: with half as much again, the rounding of float32 grows to a tenth of the output of 150 layers. Large ones
    # are pieces of one draw from different places on, since drawing takes longer than running.
    start = int(torch.randint(len(DRAWN), ()))
    made = DRAWN.roll(start).repeat(tensor.numel() // len(DRAWN) + 1)[: tensor.numel()]
    return made.view(tensor.shape).div_(max(tensor[0].numel(), 1) ** 0.5)


def test_first_mismatch_is_named() -> None:
    module = nas.load("resnet50").build()
    state = {key: tensor for key, tensor in module.state_dict().items() if "num_batches" not in key}
    state["stem.0.conv.weight"] = torch.zeros(64, 3, 5, 5)
    with pytest.raises(ArchitectureError, match=r"stem\.0\.conv\.weight"):
        baselines.load_reference(module, state)
