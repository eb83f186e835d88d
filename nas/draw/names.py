"""Short human names of operations, and the family that gives each its colour."""

from __future__ import annotations

from typing import Any

from nas.arch import Primitive
from nas.draw.text import clean

_FAMILY = {
    "conv": "conv", "factorized_conv": "conv", "patches": "conv", "merge_patches": "conv",
    "sep_conv": "separable", "depthwise_separable": "separable",
    "max_pool": "pool", "avg_pool": "pool", "adaptive_pool": "pool", "global_pool": "pool", "factorized_reduction": "pool",
    "skip_connect": "identity",
    "attention": "attention", "transformer": "attention", "window_transformer": "attention",
    "mixer": "attention", "mixer_block": "attention", "gated_mlp": "attention", "spatial_shift": "attention", "cycle_mlp": "attention",
    "state_space": "attention", "state_space_block": "attention",
    "linear": "plain", "dropout": "plain", "activation": "plain", "norm": "plain", "flatten": "plain", "class_head": "plain",
    "local_response_norm": "plain", "none": "plain",
    "cell": "cell", "use": "cell", "layers": "cell",
}  # fmt: skip

_SHORT = {
    "sep_conv": "sep",
    "depthwise_separable": "depthwise sep",
    "skip_connect": "identity",
    "factorized_reduction": "factorised reduction",
    "residual_basic": "residual",
    "squeeze_excite": "squeeze-excite",
    "mixer_block": "mixer",
    "dense_layers": "dense",
    "class_head": "class token",
}


def family(op: Primitive) -> str:
    """The operation's family, a key of `style.FAMILIES`: that of its parts where they are of one. What is not known is a block."""
    if op.name in ("sequential", "narrow"):
        parts = {family(part) for part in ([step.op for step in op.ops] if op.name == "sequential" else [op.op])}  # type: ignore[attr-defined]
        return parts.pop() if len(parts) == 1 else "block"
    return _FAMILY.get(op.name, "block")


def short_name(op: Primitive) -> str:
    """A few words for a box, such as `sep 3x3`, `max pool 3x3`, `bottleneck SE`.

    Written from the fields that most operations share, so that a new one has a name at once.
    """
    special = _SPECIAL.get(op.name)
    if special is not None:
        return clean(special(op))
    parts = [_SHORT.get(op.name, op.name.replace("_", " "))]
    if getattr(op, "dilation", 1) not in (1, (1, 1)):
        parts.insert(0, "dilated")
    if getattr(op, "kernel", None) is not None:
        parts.append(_size(op.kernel))  # type: ignore[attr-defined]
    if getattr(op, "se", None):
        parts.append("SE")
    return clean(" ".join(parts))


def _size(kernel: Any) -> str:
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return f"{rows}x{columns}"


def _counted(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


_SPECIAL: dict[str, Any] = {
    "use": lambda op: op.cell,
    "factorized_conv": lambda op: f"conv 1x{op.kernel} {op.kernel}x1",
    "inverted_residual": lambda op: f"mbconv{op.expansion} {_size(op.kernel)}" + (" SE" if op.se else ""),
    "residual_basic": lambda op: "residual" + ("" if op.kernel == 3 else f" {_size(op.kernel)}") + (" SE" if op.se else ""),
    "bottleneck": lambda op: "bottleneck" + (f" x{op.groups}" if op.groups > 1 else "") + (" SE" if op.se else ""),
    "activation": lambda op: op.kind,
    "adaptive_pool": lambda op: f"avg pool to {_size(op.size)}",
    "global_pool": lambda op: "global avg pool",
    "linear": lambda op: "linear" + (f" + {op.activation}" if op.activation else ""),
    "patches": lambda op: f"patches {_size(op.size)}",
    "transformer": lambda op: f"transformer, {_counted(op.heads, 'head')}",
    "layers": lambda op: _counted(len(op.layers), "layer"),
    "dense_layers": lambda op: f"dense, {_counted(op.layers, 'layer')}",
    "narrow": lambda op: f"narrow {short_name(op.op)}",
    "mixed": lambda op: f"mixture of {len(op.ops)}",
    "sequential": lambda op: _listed("sequence of", op.ops),
    "branches": lambda op: f"{len(op.branches)} branches, {op.combine}",
    "residual": lambda op: _listed("residual of", op.body),
}


def _listed(lead: str, steps: Any) -> str:
    """Up to three names, how many where all have one name, else their number."""
    names = [short_name(step.op) for step in steps]
    if len(names) > 1 and len(set(names)) == 1:
        return f"{lead.removesuffix('sequence of')} {len(names)} × {names[0]}"
    if len(names) > 3 or any(step.op.name in ("sequential", "branches", "residual") for step in steps):
        return f"{lead} {_counted(len(names), 'operation')}"
    return f"{lead} {', '.join(names)}"
