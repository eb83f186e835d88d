"""The hand-designed networks at few pixels, for tests that run them."""

from __future__ import annotations

import nas

# A network of more parameters is run at a quarter of its width: the same operations in the same places.
HEAVY = 5_000_000
# Few pixels, so that a real forward and backward pass is quick: 32x48 where nothing is said.
SMALL = {
    "alexnet": (64, 80),
    "alexnet_two_tower": (67, 83),
    "zfnet": (64, 80),
    "googlenet": (64, 80),
    "inception_v3": (75, 91),
    "inception_v4": (75, 91),
    "inception_resnet_v2": (75, 91),
    "vit_s32": (32, 64),
    "vit_b32": (32, 64),
    "vit_l32": (32, 64),
    "vit_h14": (28, 42),
    "mixer_s32": (32, 64),
    "mixer_b32": (32, 64),
    "mixer_l32": (32, 64),
    "mixer_h14": (28, 42),
    "cyclemlp_b1": (32, 64),
    "cyclemlp_b2": (32, 64),
    "cyclemlp_b3": (32, 64),
    "cyclemlp_b4": (32, 64),
    "cyclemlp_b5": (32, 64),
    "nasnet_a_large": (97, 113),
    "nasnet_a_mobile": (96, 112),
    "pnasnet_5_large": (97, 113),
    "amoebanet_a": (97, 113),
    "amoebanet_b": (97, 113),
}


def small(name: str) -> nas.Architecture:
    """The real network for few pixels, other than its own, and seven classes."""
    return nas.load(name).with_input((3, *SMALL.get(name, (32, 48))), 7)


def slim(name: str) -> nas.Architecture:
    """The same, narrower where the real network has many parameters: drawing them takes longer than running it."""
    architecture = small(name)
    return architecture.resized(width=0.25) if architecture.cost().params > HEAVY else architecture
