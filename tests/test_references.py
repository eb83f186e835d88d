"""Every baseline that torchvision or timm has gives the same numbers as theirs, with the same weights."""

from __future__ import annotations

import pytest
import torch

import nas
from nas import baselines
from nas.baselines import Reference
from nas.errors import ArchitectureError
from tests import references

PAIRS = [(name, reference) for name in baselines.names() for reference in baselines.get(name).references]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "reference"), PAIRS, ids=[f"{name}-{reference.package}" for name, reference in PAIRS])
def test_same_output(name: str, reference: Reference) -> None:
    if references.absent(reference):
        pytest.skip(f"{reference.package} is not installed; ./scripts/test installs it")
    torch.manual_seed(0)
    theirs = references.create(reference).eval()
    architecture = nas.load(name)
    with torch.device("meta"):
        ours = architecture.build()
    ours = ours.to_empty(device="cpu").eval()
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            # Nothing may be zero or one, or a wrong place would not show; variances stay positive, and signals in range.
            if tensor.is_floating_point():
                tensor.copy_(_random_like(tensor))
        baselines.load_reference(ours, theirs.state_dict())
        images = torch.randn(2, *architecture.input)
        expected, got = theirs(images), ours(images)
    assert torch.isfinite(expected).all()
    assert expected.std() > 0
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


def _random_like(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.ndim < 2:
        return torch.rand_like(tensor) * 0.5 + 0.75
    # The gain is 1: with half as much again, the rounding of float32 grows to a tenth of the output of 150 layers.
    return torch.randn_like(tensor) / max(tensor[0].numel(), 1) ** 0.5


def test_first_mismatch_is_named() -> None:
    module = nas.load("resnet50").build()
    state = {key: tensor for key, tensor in module.state_dict().items() if "num_batches" not in key}
    state["stem.0.conv.weight"] = torch.zeros(64, 3, 5, 5)
    with pytest.raises(ArchitectureError, match=r"stem\.0\.conv\.weight"):
        baselines.load_reference(module, state)
