"""How much memory of its device the training of a candidate takes at most: predicted by its cost, and measured on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.training.recipe import Recipe

if TYPE_CHECKING:
    import torch

    from nas.arch import Architecture

WORKSPACE = 64 * 2**20  # bytes of kernels' work space and of what an allocator rounds up
CONTEXT = {"cuda": 600 * 2**20, "cpu": 400 * 2**20}  # bytes that a process takes with torch before it holds a tensor
COPIES = 3  # of a batch's images as floats: gathered, augmented, and as the network reads them
STATES = {"sgd": 1, "rmsprop": 2, "adamw": 2}  # numbers that an optimiser has for each weight


def training_bytes(network: Architecture, recipe: Recipe, images: int, half: bool = False) -> float:
    """Peak bytes of training `network` by `recipe` on `images` images, of which a smaller batch is made where they are few.

    Weights, gradients, the optimiser's state, the average of the weights, what the backward pass needs, the batch itself
    and a constant for work space. half: whether forward passes compute in 16 bits, which halves what they keep but adds
    copies of the weights. Validation takes twice the batch, but keeps nothing.
    Raises `ArchitectureError` when the shapes do not fit.
    """
    cost, batch = network.cost(), min(recipe.batch, images)
    channels, rows, columns = network.input
    averages = 4 * cost.params if recipe.ema > 0 else 0
    copies = 2 * cost.params if half else 0
    kept = batch * cost.saved_bytes * (0.5 if half else 1.0)
    weights = cost.training_bytes(0, STATES[recipe.optimizer]) + averages + copies
    return weights + kept + 4.0 * COPIES * batch * channels * rows * columns + WORKSPACE


def is_half(precision: str, device: str) -> bool:
    """Whether a recipe's `precision` computes forward passes in 16 bits there; where it leaves that open, only if it is sure."""
    if precision != "auto":
        return precision != "float32"
    if not device.startswith("cuda"):
        return False
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()


class Peak:
    """Bytes of a GPU that this process reserved at most for one training, beyond what it had before; none on a CPU.

    What the allocator reserved, and not what tensors took of it, is what others on the GPU can't have. crowded: where
    other threads train on the GPU meanwhile nothing can be said of one of them.
    """

    def __init__(self, device: torch.device, crowded: bool = False) -> None:
        self._device = device if device.type == "cuda" and not crowded else None
        self._before = 0
        if self._device is not None:
            import torch

            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_reserved(self._device)

    def of(self, metrics: dict[str, float]) -> dict[str, float]:
        """The metrics with `peak_memory_bytes` so far in the place of what the training said; without where it is not known."""
        others = {name: value for name, value in metrics.items() if name != "peak_memory_bytes"}
        if self._device is None:
            return others
        import torch

        return {**others, "peak_memory_bytes": float(max(0, torch.cuda.max_memory_reserved(self._device) - self._before))}
