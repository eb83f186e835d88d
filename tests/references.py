"""Imports torchvision's and timm's models beside a CPU build of torch whose torchvision extension does not load."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import torch

from nas.baselines import Reference

_LIBRARY: list[Any] = []


def _define_operators() -> None:
    """Name the operators of the compiled part, which its Python part registers shapes for when imported."""
    spec = importlib.util.find_spec("torchvision")
    if _LIBRARY or spec is None or spec.origin is None:
        return
    text = (Path(spec.origin).parent / "_meta_registrations.py").read_text()
    names = set(re.findall(r'register_meta\("(\w+)"', text)) | set(re.findall(r"torchvision::(\w+)", text))
    library = torch.library.Library("torchvision", "DEF")
    for name in sorted(names):
        library.define(f"{name}(Tensor x) -> Tensor")
    _LIBRARY.append(library)


def absent(reference: Reference) -> bool:
    """Whether the package of a reference is not installed."""
    return importlib.util.find_spec(reference.package) is None or importlib.util.find_spec("torchvision") is None


def create(reference: Reference, **options: Any) -> torch.nn.Module:
    """The reference network with random weights, nothing downloaded."""
    _define_operators()
    settings = {**dict(reference.options), **options}
    if reference.package == "torchvision":
        import torchvision.models

        made: torch.nn.Module = torchvision.models.get_model(reference.model, weights=None, **settings)
        return made
    import timm

    network: torch.nn.Module = timm.create_model(reference.model, pretrained=False, **settings)
    return network
