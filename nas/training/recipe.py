"""How a network is trained: plain numbers, checked once, the same for every network that is compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from nas.errors import NasError, unknown

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
SMALL_DATA = 10_000  # images; below this an epoch has so few steps that smaller batches learn more
SMALL_SIDE = 16  # pixels
_WHOLE = {"batch": (1, 65_536)}
_REAL = {  # field: smallest, largest; all inclusive
    "lr": (1e-8, 100.0),
    "momentum": (0.0, 0.999),
    "weight_decay": (0.0, 1.0),
    "warmup": (0.0, 1.0),
    "label_smoothing": (0.0, 0.99),
    "drop_path": (0.0, 0.99),
    "auxiliary": (0.0, 10.0),
    "clip": (0.0, 1e6),
    "translate": (0.0, 0.5),
    "cutout": (0.0, 1.0),
}
_SWITCH = ("nesterov", "flip")


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum, one cosine with a linear warm-up, and augmentation. Raises `NasError` on a bad value.

    Weight decay acts on matrices and kernels only: on the scales and offsets of a normalisation, and on biases, it
    changes the effective learning rate instead of the function, and with few epochs it only slows them.
    """

    batch: int = 128  # images a step
    lr: float = 0.1  # peak learning rate, for the mean loss of a batch
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4  # coupled, as in SGD's gradient
    warmup: float = 0.1  # fraction of all steps with a linear rise of the rate
    label_smoothing: float = 0.1
    drop_path: float = 0.0  # of the deepest path at the last step; rises linearly from 0 (NASNet)
    auxiliary: float = 1.0  # factor on the weight that the network states for an auxiliary head's loss (NASNet: 0.4)
    clip: float = 1.0  # largest norm of the gradient; 0 switches it off
    flip: bool = True  # mirror half of the images, where the data set says that a mirrored image keeps its class
    translate: float = 0.125  # largest shift, as a fraction of the side (4 of 32 pixels), the border reflected
    cutout: float = 0.0  # side of the blanked square, as a fraction of the image's side
    precision: str = "auto"  # auto: bfloat16 on a GPU that has it, otherwise float32

    def __post_init__(self) -> None:
        for name, (low, high) in _WHOLE.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise _bad(name, value, f"a whole number from {low} to {high}")
        for name, bounds in _REAL.items():
            object.__setattr__(self, name, _real(name, getattr(self, name), *bounds))
        for name in _SWITCH:
            if type(getattr(self, name)) is not bool:
                raise _bad(name, getattr(self, name), "true or false")
        if self.precision not in PRECISIONS:
            raise _bad("precision", self.precision, ", ".join(PRECISIONS))
        if self.nesterov and self.momentum == 0:
            raise _bad("momentum", self.momentum, "above 0 with nesterov=true")

    def to_dict(self) -> dict[str, object]:
        """The fields as plain values, in order."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(fields: Mapping[str, object]) -> Recipe:
        """The inverse of `to_dict`; fields that are left out keep their defaults.

        Raises `NasError` (`UnknownNameError` for a field that there is not).
        """
        if not isinstance(fields, Mapping):
            raise NasError(f"recipe={fields!r} is not a table; allowed: fields and values")
        known = [field.name for field in dataclasses.fields(Recipe)]
        for name in fields:
            if name not in known:
                raise unknown("recipe field", name, known, where="recipe")
        return Recipe(**fields)  # type: ignore[arg-type]  # __post_init__ checks every type

    @staticmethod
    def default(images: int, side: int) -> Recipe:
        """The recipe for short runs on so many training images of `side` pixels; tuned on short runs of small data.

        A shift by one pixel of eight is too much: on digits it cost three points of accuracy after three epochs.
        """
        return Recipe(
            batch=64 if images < SMALL_DATA else 128, translate=Recipe.translate if side >= SMALL_SIDE else 0.0
        )


def _real(name: str, value: object, low: float, high: float) -> float:
    """`value` as a finite float in [low, high]."""
    if not (isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high):
        raise _bad(name, value, f"a number from {low:g} to {high:g}")
    return float(value)


def _bad(name: str, value: object, allowed: str) -> NasError:
    text = repr(value)
    return NasError(f"recipe.{name}={text if len(text) <= 60 else text[:57] + '...'}; allowed: {allowed}")
