"""How a network is trained: plain numbers, checked once, the same for every network that is compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from nas.errors import NasError, unknown

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
OPTIMIZERS = ("sgd", "rmsprop", "adamw")
SCHEDULES = ("cosine", "plateau", "steps", "exponential", "constant")
DECAYED = ("kernels", "all")
SMALL_DATA = 10_000  # images; below this an epoch has so few steps that smaller batches learn more
SMALL_SIDE = 16  # pixels
_WHOLE = {  # field: smallest, largest; all inclusive
    "epochs": (1, 100_000),
    "image": (1, 4096),
    "batch": (1, 65_536),
    "lr_batch": (1, 65_536),
    "patience": (1, 10_000),
    "early_stop": (0, 10_000),
    "random_augment": (0, 14),
}
_REAL = {
    "lr": (1e-8, 100.0),
    "momentum": (0.0, 0.999),
    "square_decay": (0.0, 0.99999),
    "eps": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "clip": (0.0, 1e6),
    "warmup": (0.0, 1.0),
    "drop": (1e-6, 1.0),
    "every": (1e-3, 1e4),
    "ema": (0.0, 0.999999),
    "label_smoothing": (0.0, 0.99),
    "drop_path": (0.0, 0.99),
    "dropout": (0.0, 0.99),
    "auxiliary": (0.0, 10.0),
    "translate": (0.0, 0.5),
    "crop": (0.0, 1.0),
    "cutout": (0.0, 1.0),
    "magnitude": (0.0, 10.0),
    "mixup": (0.0, 100.0),
    "cutmix": (0.0, 100.0),
}
_SWITCH = ("nesterov", "flip")
_NAME = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "decay": DECAYED, "precision": PRECISIONS}
_OPTIONAL = ("image", "lr_batch", "dropout")  # None where the data set's or the network's own holds
# Fields that only some values of another field read; in a file they may not stand beside others.
_READ_BY: dict[str, tuple[str, tuple[str, ...]]] = {
    "nesterov": ("optimizer", ("sgd",)),
    "square_decay": ("optimizer", ("rmsprop", "adamw")),
    "eps": ("optimizer", ("rmsprop", "adamw")),
    "drop": ("schedule", ("plateau", "steps", "exponential")),
    "patience": ("schedule", ("plateau",)),
    "milestones": ("schedule", ("steps",)),
    "every": ("schedule", ("exponential",)),
}


@dataclass(frozen=True)
class Recipe:
    """How to train. The default, for short runs: SGD with Nesterov momentum, one cosine, a shift and a flip.

    Raises `NasError` on a bad value. By default weight decay acts on matrices and kernels only: on the scales and
    offsets of a normalisation, and on biases, it changes the effective learning rate instead of the function, and with
    few epochs it only slows them.
    """

    # how long, on what
    epochs: int = 30  # passes over the training images; a search has its own, and fits them to its budget
    image: int | None = None  # side in pixels that images are brought to; None: as the data set has them
    batch: int = 128  # images a step
    # the optimiser
    optimizer: str = "sgd"  # sgd, rmsprop (TensorFlow's form), adamw (Loshchilov & Hutter, arXiv 1711.05101)
    lr: float = 0.1  # peak learning rate, for the mean loss of a batch
    lr_batch: int | None = None  # batch that `lr` is for: scaled in proportion to `batch` (arXiv 1706.02677); None: as it is
    momentum: float = 0.9  # of adamw: beta1
    nesterov: bool = True  # of sgd
    square_decay: float = 0.999  # decay of the mean squared gradient: rmsprop's rho, adamw's beta2
    eps: float = 1e-8  # added to the mean square (rmsprop) or to its root (adamw)
    weight_decay: float = 5e-4  # coupled, as in SGD's gradient; of adamw: apart from it, times the rate
    decay: str = "kernels"  # what decays: kernels (and matrices), or all parameters
    clip: float = 1.0  # largest norm of the gradient; 0 switches it off
    # the learning rate over time
    schedule: str = "cosine"  # cosine, plateau, steps, exponential, constant
    warmup: float = 0.1  # fraction of all steps with a linear rise of the rate
    drop: float = 0.1  # what the rate is multiplied by at each drop of plateau, steps, exponential
    patience: int = 5  # plateau: epochs without a better validation accuracy before a drop
    milestones: tuple[float, ...] = (0.5, 0.75)  # steps: fractions of all steps after which the rate drops
    every: float = 1.0  # exponential: epochs from one drop to the next
    early_stop: int = 0  # epochs without a better validation accuracy before training ends; 0: never
    # what is kept, and how the network is disturbed
    ema: float = 0.0  # decay a step of the average of the weights, which is then judged and kept; 0: none
    label_smoothing: float = 0.1
    drop_path: float = 0.0  # of the deepest path at the last step; rises linearly from 0 (NASNet)
    dropout: float | None = None  # rate of all dropouts of the network; None: as the network has them
    auxiliary: float = 1.0  # factor on the weight that the network states for an auxiliary head's loss (NASNet: 0.4)
    # the images
    flip: bool = True  # mirror half of the images, where the data set says that a mirrored image keeps its class
    translate: float = 0.125  # largest shift, as a fraction of the side (4 of 32 pixels), the border reflected
    crop: float = 0.0  # smallest area of a random crop that is blown up to the image, as a fraction; 0: no crop
    random_augment: int = 0  # operations an image of RandAugment (Cubuk et al., arXiv 1909.13719); 0: none
    magnitude: float = 9.0  # of these operations, 0 to 10
    cutout: float = 0.0  # side of the blanked square, as a fraction of the image's side
    mixup: float = 0.0  # alpha of mixup (Zhang et al., arXiv 1710.09412); 0: none
    cutmix: float = 0.0  # alpha of CutMix (Yun et al., arXiv 1905.04899), every other batch if mixup is on, too; 0: none
    precision: str = "auto"  # auto: bfloat16 on a GPU that has it, otherwise float32

    def __post_init__(self) -> None:
        for name, (least, most) in _WHOLE.items():
            value = getattr(self, name)
            if not (value is None and name in _OPTIONAL) and (type(value) is not int or not least <= value <= most):
                raise _bad(name, value, f"a whole number from {least} to {most}")
        for name, (low, high) in _REAL.items():
            value = getattr(self, name)
            if not (value is None and name in _OPTIONAL):
                object.__setattr__(self, name, _real(name, value, low, high))
        for name in _SWITCH:
            if type(getattr(self, name)) is not bool:
                raise _bad(name, getattr(self, name), "true or false")
        for name, allowed in _NAME.items():
            if getattr(self, name) not in allowed:
                raise _bad(name, getattr(self, name), ", ".join(allowed))
        object.__setattr__(self, "milestones", _milestones(self.milestones))
        if self.optimizer == "sgd" and self.nesterov and self.momentum == 0:
            raise _bad("momentum", self.momentum, "above 0 with nesterov=true")

    def to_dict(self) -> dict[str, object]:
        """The fields as plain values, in order."""
        return {**dataclasses.asdict(self), "milestones": list(self.milestones)}

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

    def shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) that a network reads where the data set's images are `shape`."""
        return shape if self.image is None else (shape[0], self.image, self.image)


def without_effect(fields: Mapping[str, object], recipe: Recipe) -> tuple[str, str] | None:
    """The first of `fields` that `recipe`'s optimiser or schedule does not read, and what would read it."""
    for name in fields:
        if name in _READ_BY and getattr(recipe, _READ_BY[name][0]) not in _READ_BY[name][1]:
            return name, f"{_READ_BY[name][0]} {' or '.join(_READ_BY[name][1])}"
    return None


def _milestones(value: object) -> tuple[float, ...]:
    """Rising fractions between 0 and 1."""
    allowed = "rising fractions of the run between 0 and 1, such as [0.5, 0.75]"
    if not isinstance(value, list | tuple) or len(value) > 100:
        raise _bad("milestones", value, allowed)
    for before, each in zip((0.0, *value), value, strict=False):
        if isinstance(each, bool) or not isinstance(each, int | float) or not before < each < 1:
            raise _bad("milestones", value, allowed)
    return tuple(map(float, value))


def _real(name: str, value: object, low: float, high: float) -> float:
    """`value` as a finite float in [low, high]."""
    if not (isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high):
        raise _bad(name, value, f"a number from {low:g} to {high:g}")
    return float(value)


def _bad(name: str, value: object, allowed: str) -> NasError:
    text = repr(value)
    return NasError(f"recipe.{name}={text if len(text) <= 60 else text[:57] + '...'}; allowed: {allowed}")
