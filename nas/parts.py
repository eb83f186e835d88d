"""What one network can take over from another: its trained parts, by the keys of the weight bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from nas.arch import lower
from nas.build import Network
from nas.flat import head_of, trunk_of


def keys(module: nn.Module, source: bool = False) -> dict[str, str]:
    """For each name of the state dict its key: place with the operation, leaf signature, and name within the leaf.

    Parameters have the keys of `nas.bank.Bank`; buffers, such as statistics of batch norm, are named in the same way.
    Only what lies in networks of our own is named. `source` as in `Bank`.
    """
    found: dict[str, str] = {}
    for prefix, network in module.named_modules():
        if isinstance(network, Network):
            leaves = dict(_leaves(network, source))
            for name in network.state_dict():
                place, _, within = name.rpartition(".")
                while place and place not in leaves:  # a leaf may have modules within it
                    place, _, above = place.rpartition(".")
                    within = f"{above}.{within}"
                if place:
                    found[f"{prefix}.{name}" if prefix else name] = f"{leaves[place]} {within}"
    return found


def _leaves(network: Network, source: bool) -> Iterator[tuple[str, str]]:
    """Place and key of each leaf with parameters."""
    lowered = lower(network.architecture)
    heads = [head_of(graph, source, True).steps for graph, _, _ in lowered.aux]
    for steps in (trunk_of(lowered, source, True).steps, *heads):
        for step in steps:
            if (signature := step.op.signature(*step.shapes)) is not None:
                yield step.place, f"{step.shared} {signature}"


@torch.no_grad()
def take(module: nn.Module, parts: Mapping[str, Tensor]) -> float:
    """Copy into `module`, in place, every tensor of `parts` whose key and shape it has; the fraction of its parameters that came.

    `parts` are tensors by key, as `keys` names those of the network that they come from.
    """
    named, state = keys(module), module.state_dict(keep_vars=True)
    came = 0
    for name, item in state.items():
        part = parts.get(named.get(name, ""))
        if part is not None and part.shape == item.shape:
            item.copy_(part)
            came += item.numel() if isinstance(item, nn.Parameter) else 0
    return came / max(1, sum(item.numel() for item in module.parameters()))
