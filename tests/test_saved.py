"""Training memory: what a network is said to keep for its backward pass, against what autograd keeps."""

from __future__ import annotations

import pytest
import torch

import nas
from nas.testing.ops import saved_bytes
from tests.networks import small

# Of every kind: plain, residual, dense, branches, cells, depthwise with gates, tokens, windows, shifts, in-place and not.
VARIED = (
    "lenet5", "alexnet_two_tower", "resnet18", "densenet121", "googlenet", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0",
    "shufflenet_v2_x1_0", "nasnet_a_cifar", "darts_v2", "vit_ti16", "swin_t", "mixer_s32", "gmlp_ti", "cyclemlp_b1", "convnext_tiny",
)  # fmt: skip


@pytest.mark.parametrize("name", VARIED)
def test_memory_for_the_backward_pass_is_what_autograd_keeps(name):
    network = nas.load(name) if name == "lenet5" else small(name)
    module = network.build()
    # What does not grow with the batch, such as the masks of windows, falls away in the difference.
    kept = (saved_bytes(module, (network.shape,), 4) - saved_bytes(module, (network.shape,), 2)) / 2
    assert network.cost().saved_bytes == pytest.approx(kept, rel=0.03)


def test_auxiliary_heads_count_where_they_are_counted():
    network = small("googlenet")
    assert network.cost().saved_bytes > network.cost(aux=False).saved_bytes


def test_weights_gradients_and_optimiser_stand_beside_it():
    cost = nas.load("resnet50").cost()
    assert cost.training_bytes(0) == 3 * 4 * cost.params
    assert cost.training_bytes(0, states=2) == 4 * 4 * cost.params
    assert cost.training_bytes(64) - cost.training_bytes(32) == 32 * cost.saved_bytes


def test_a_step_of_sgd_with_momentum_holds_as_much():
    """Everything that lives between forward and backward pass, after a first step that made the optimiser's numbers."""
    network = nas.load("resnet20")
    module = network.build()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    module(torch.randn(2, *network.input)).sum().backward()
    optimiser.step()
    numbers = sum(p.numel() + p.grad.numel() for p in module.parameters())
    numbers += sum(state["momentum_buffer"].numel() for state in optimiser.state.values())
    held = 4 * numbers + saved_bytes(module, (network.shape,), 16)
    assert network.cost().training_bytes(16) == pytest.approx(held, rel=0.02)
