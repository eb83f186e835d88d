"""Shells: modules made without their constructors, which is some ten times faster."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nas.ops import Leaf, Shape
from nas.repeatable import parameters_from

MAX_KEPT = 1024  # input shapes a leaf
_CONSTANT = (type(None), bool, int, float, str, torch.device, torch.dtype)
_FRESH = (dict, OrderedDict, set, list)
_NOTHING: dict[str, nn.Parameter] = {}


class Shell:
    """Makes modules like `pattern`, which is not changed after it.

    A module that is nothing but constants, parameters, buffers and empty containers is copied by hand; any other, as a
    user's leaf may have, by `copy.deepcopy`.
    """

    def __init__(self, pattern: nn.Module) -> None:
        state = pattern.__dict__
        self._pattern = None if _simple(pattern) else pattern
        self._kind = type(pattern)
        self._constants = {name: item for name, item in state.items() if type(item) not in _FRESH}
        self._dicts = [name for name, item in state.items() if type(item) is dict]
        self._others = [(name, type(item)) for name, item in state.items() if type(item) in _FRESH and type(item) is not dict]
        self._names = tuple(pattern._parameters)
        self._buffers = list(pattern._buffers.items())

    def around(self, parameters: Mapping[str, nn.Parameter] = _NOTHING) -> nn.Module:
        """A new module in training mode with these parameters, and buffers as they begin."""
        if self._pattern is not None:
            memo: dict[int, Any] = {id(item): parameters[name] for name, item in self._pattern.named_parameters()}
            return copy.deepcopy(self._pattern, memo)
        state: dict[str, Any] = self._constants.copy()
        for name in self._dicts:
            state[name] = {}
        for name, kind in self._others:
            state[name] = kind()
        if self._names:
            state["_parameters"] = {name: parameters.get(name) for name in self._names}
        if self._buffers:
            state["_buffers"] = {name: item if item is None else item.clone() for name, item in self._buffers}
        made = self._kind.__new__(self._kind)
        object.__setattr__(made, "__dict__", state)
        return made


class LeafShell(Shell):
    """The shell of a leaf at its input shapes, and its signature there."""

    def __init__(self, op: Leaf, shapes: tuple[Shape, ...], device: torch.device) -> None:
        self.signature = op.signature(*shapes)
        with parameters_from(0):  # these only stand for others, but nobody else's draws may change by it
            super().__init__(op.module(*shapes).to(device))


class Shells:
    """The shells of leaves on a device, each made once and kept with its leaf, which saves hashing the leaf."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._name = f"_shells_{device}"

    def of(self, op: Leaf, shapes: tuple[Shape, ...]) -> LeafShell:
        """The shell of a leaf."""
        kept: dict[tuple[Shape, ...], LeafShell] | None = op.__dict__.get(self._name)
        if kept is None or len(kept) > MAX_KEPT:
            kept = op.__dict__[self._name] = {}
        shell = kept.get(shapes)
        if shell is None:
            shell = kept[shapes] = LeafShell(op, shapes, self.device)
        return shell


def _simple(module: nn.Module) -> bool:
    """Whether all that its state holds is constants, parameters, buffers, and empty containers."""
    held = [item for name, item in module.__dict__.items() if name not in ("_parameters", "_buffers")]
    return all(not item if type(item) in _FRESH else _constant(item) for item in held)


def _constant(item: Any) -> bool:
    return all(map(_constant, item)) if isinstance(item, tuple) else isinstance(item, _CONSTANT)
