"""Weights of the same network from another package, so that a user can start from pretrained ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas.baselines.registry import Reference, find, get, names
from nas.errors import ArchitectureError

if TYPE_CHECKING:
    from torch import Tensor

    from nas.build import Network

# Counters of batch norm, which no output depends on.
_IGNORED = "num_batches_tracked"


def load_reference(module: Network, state_dict: Mapping[str, Tensor]) -> None:
    """Copy the weights of torchvision's or timm's network of the same name into `module`, in place.

    Checked by structure and shape: both must have the same tensors in the same order, once the reference's are arranged as
    its family says. Raises `ArchitectureError` that names the first mismatch; then nothing was copied.
    """
    name = module.architecture.name
    found = find(name)
    if found is None or not found.references:
        known = ", ".join(item for item in names() if get(item).references)
        raise ArchitectureError(f"no reference weights are known for network {name!r}; allowed: {known}")
    errors = []
    for reference in found.references:
        try:
            pairs = _pairs(module, state_dict, reference)
        except ArchitectureError as error:
            errors.append(f"as {reference.package}'s {reference.model}: {error}")
            continue
        for ours, theirs in pairs:
            ours.copy_(theirs.reshape(ours.shape))
        return
    raise ArchitectureError(f"the state dict does not fit {name!r}; " + "; ".join(errors))


def _pairs(module: Network, state_dict: Mapping[str, Tensor], reference: Reference) -> list[tuple[Tensor, Tensor]]:
    mine = {key: tensor for key, tensor in module.state_dict().items() if not key.endswith(_IGNORED)}
    keys = [key for key in state_dict if not key.endswith(_IGNORED)]
    if reference.arrange is not None:
        try:
            keys = reference.arrange(keys)
        except (KeyError, IndexError, ValueError) as error:
            raise ArchitectureError(f"it has other keys ({error})") from None
    # A reference without auxiliary heads leaves ours as they are.
    trunk = {key: tensor for key, tensor in mine.items() if not key.startswith("aux.")}
    mine = trunk if len(keys) == len(trunk) else mine
    for (ours, tensor), theirs in zip(mine.items(), keys, strict=False):
        other = state_dict[theirs]
        if not _same_numbers(tuple(tensor.shape), tuple(other.shape)):
            raise ArchitectureError(f"{ours} is {tuple(tensor.shape)}, but {theirs} is {tuple(other.shape)}")
    if len(mine) != len(keys):
        raise ArchitectureError(f"it has {len(keys)} tensors, the network {len(mine)}")
    return [(tensor, state_dict[key]) for tensor, key in zip(mine.values(), keys, strict=True)]


def _same_numbers(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    """Whether tensors of these shapes can hold the same numbers in the same order.

    A linear layer of a vector can be a 1x1 convolution, and of a flattened map a convolution as large as the map.
    """
    if [n for n in ours if n != 1] == [n for n in theirs if n != 1]:
        return True
    linear = 2 in (len(ours), len(theirs))
    return linear and ours[0] == theirs[0] and math.prod(ours) == math.prod(theirs)
