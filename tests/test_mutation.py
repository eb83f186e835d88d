"""Mutations of any network: another one that fits together, and the original as it was."""

from __future__ import annotations

import random

import pytest

import nas
from nas import baselines, spaces
from nas.errors import ArchitectureError, UnknownNameError
from nas.mutation import EDITS, mutate


@pytest.mark.parametrize("name", baselines.names())
def test_a_walk_from_every_baseline(name: str) -> None:
    network = start = nas.load(name)
    before = start.to_yaml()
    rng = random.Random(name)
    for _ in range(8):
        changed = mutate(network, rng)
        assert changed != network
        assert changed.digest != network.digest
        assert type(network).from_yaml(changed.to_yaml()) == changed
        network = changed
    assert start.to_yaml() == before


@pytest.mark.parametrize("kind", EDITS.names())
def test_every_kind_has_a_network_that_it_fits(kind: str) -> None:
    network = nas.load("mobilenet_v2")
    found = {mutate(network, random.Random(seed), (kind,)).digest for seed in range(8)}
    assert len(found) > 1


@pytest.mark.parametrize("name", spaces.names())
def test_samples_of_spaces(name: str) -> None:
    space, rng = spaces.load(name), random.Random(0)
    for _ in range(20):
        mutate(space.decode(space.sample(rng)), rng).cost()


def test_same_seed_same_mutation() -> None:
    network = nas.load("nasnet_a_cifar")
    assert mutate(network, random.Random(3)) == mutate(network, random.Random(3))


def test_a_mutant_builds_and_runs() -> None:
    import torch

    network = nas.load("resnet50").with_input((3, 64, 64), 10)
    for seed in range(4):
        module = mutate(network, random.Random(seed)).build().eval()
        with torch.no_grad():
            assert module(torch.randn(2, 3, 64, 64)).shape == (2, 10)


def test_what_does_not_fit_is_a_typed_error() -> None:
    with pytest.raises(UnknownNameError, match="kernal"):
        mutate(nas.load("resnet50"), random.Random(0), ("kernal",))
    with pytest.raises(ArchitectureError, match="vit_b16"):
        mutate(nas.load("vit_b16"), random.Random(0), ("operation",))
