"""Hand-designed networks in the language. `nas.baselines.resnet50()` is an `Architecture`, like any network found."""

from __future__ import annotations

import importlib

from nas.baselines.reference import load_reference
from nas.baselines.registry import Baseline, Facts, Maker, Reference, Scaled, Variant, baseline, find, get, names, scaled_from

# One file a family; importing it registers its networks, in this order.
FAMILIES = (
    "lenet",
    "alexnet",
    "zfnet",
    "vgg",
    "resnet",
    "preact",
    "senet",
    "densenet",
    "googlenet",
    "inception",
    "squeezenet",
    "mobilenet",
    "shufflenet",
    "mnasnet",
    "efficientnet",
    "regnet",
    "convnext",
    "vit",
    "swin",
    "mixer",
    "resmlp",
    "gmlp",
    "s2mlp",
    "cyclemlp",
    "nasnet",
    "pnasnet",
    "amoebanet",
    "enas",
    "darts",
)
for _family in FAMILIES:
    importlib.import_module(f"nas.baselines.{_family}")
    # A network may have the name of its family's file (`googlenet`); the name then means the network.
    globals().pop(_family, None)

__all__ = [
    "Baseline", "Facts", "Reference", "Scaled", "Variant", "baseline", "find", "get", "load_reference", "names", "scaled_from",
]  # fmt: skip


def __getattr__(name: str) -> Maker:
    found = find(name)
    if found is None or found.name != name:
        raise AttributeError(f"module 'nas.baselines' has no attribute {name!r}")
    return found.make


def __dir__() -> list[str]:
    return sorted([*__all__, *names()])
