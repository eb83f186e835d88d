"""Shells: modules without parameters of their own, made some ten times faster than by their constructors."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nas.ops import Leaf, Shape
from nas.repeatable import parameters_from

MAX_KEPT = 16384
_CONSTANT = (type(None), bool, int, float, str, torch.device, torch.dtype)
_FRESH = (dict, OrderedDict, set, list)


class Shells:
    """The shell of each leaf at its input shapes, made once; as many as are kept at all."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._kept: dict[tuple[Leaf, tuple[Shape, ...]], Shell] = {}

    def of(self, op: Leaf, shapes: tuple[Shape, ...]) -> Shell:
        """The shell of a leaf."""
        key = (op, shapes)
        shell = self._kept.get(key)
        if shell is None:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            shell = self._kept[key] = Shell(op, shapes, self.device)
        return shell


class Shell:
    """What modules of one leaf have in common, and its signature.

    A module that is nothing but constants, parameters and buffers is copied by hand; any other, as a user's leaf may
    have, by `copy.deepcopy`.
    """

    def __init__(self, op: Leaf, shapes: tuple[Shape, ...], device: torch.device) -> None:
        self.signature = op.signature(*shapes)
        with parameters_from(0):  # they only stand for others, but nobody else's draws may change by it
            pattern = op.module(*shapes).to(device)
        state = pattern.__dict__
        self._kind = type(pattern)
        self._pattern = None if _simple(pattern) else pattern
        self._constants = {name: item for name, item in state.items() if not isinstance(item, _FRESH)}
        self._containers = [(name, type(item)) for name, item in state.items() if isinstance(item, _FRESH)]
        self._names = tuple(pattern._parameters)
        self._buffers: list[tuple[str, Tensor | None]] = list(pattern._buffers.items())

    def around(self, parameters: Mapping[str, nn.Parameter]) -> nn.Module:
        """A new module in training mode with these parameters, and buffers as they begin."""
        if self._pattern is not None:
            memo: dict[int, Any] = {id(item): parameters[name] for name, item in self._pattern.named_parameters()}
            return copy.deepcopy(self._pattern, memo)
        state: dict[str, Any] = self._constants.copy()
        for name, kind in self._containers:
            state[name] = kind()
        if self._names:
            state["_parameters"] = {name: parameters.get(name) for name in self._names}
        if self._buffers:
            state["_buffers"] = {name: item if item is None else item.clone() for name, item in self._buffers}
        made = self._kind.__new__(self._kind)
        object.__setattr__(made, "__dict__", state)
        return made


def _simple(module: nn.Module) -> bool:
    """Whether all that its state holds is constants, parameters, buffers, and empty containers."""
    for name, item in module.__dict__.items():
        if name in ("_parameters", "_buffers"):
            continue
        if isinstance(item, _FRESH) and type(item) in _FRESH and not item:
            continue
        if not _constant(item):
            return False
    return True


def _constant(item: Any) -> bool:
    return all(map(_constant, item)) if isinstance(item, tuple) else isinstance(item, _CONSTANT)
