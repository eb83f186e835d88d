"""Imports torchvision's and timm's models beside a CPU build of torch whose torchvision extension does not load."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from nas.baselines import Reference

_LIBRARY: list[Any] = []


class _WithoutDraws(TorchFunctionMode):
    """Weights are zero and not random, because the caller sets them: drawing them takes a large network most of a minute."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0].zero_()
        return func(*args, **(kwargs or {}))


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
    """The reference network in evaluation, nothing downloaded. Its weights are not random: set them all."""
    _define_operators()
    settings = {**dict(reference.options), **options}
    with _WithoutDraws():
        if reference.package == "torchvision":
            from torchvision.models import get_model

            theirs: torch.nn.Module = get_model(reference.model, weights=None, **settings)
        else:
            from timm import create_model

            theirs = create_model(reference.model, pretrained=False, **settings)
    return theirs.eval()


def create_without_memory(reference: Reference) -> torch.nn.Module:
    """The same of shapes alone."""
    try:
        with torch.device("meta"):
            return create(reference)
    except NotImplementedError:  # some constructors read numbers out of tensors
        return create(reference).to("meta")
