"""Names of the hand-designed networks. Look-up ignores case, `_`, `-` and `.`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from nas.arch import Architecture
from nas.errors import UnknownNameError


class Maker(Protocol):
    """A function that returns the network for any input shape (channels, rows, columns) and number of classes."""

    def __call__(self, input: tuple[int, int, int] = ..., classes: int = ...) -> Architecture: ...


M = TypeVar("M", bound=Maker)


class Facts(NamedTuple):
    """Published ImageNet accuracy of one set of weights, as fractions; `image` is the side in pixels it was measured at.

    `extra` is what it took beyond the training images of ImageNet-1k and one crop of the image that is judged.
    """

    top1: float
    top5: float | None
    source: str
    image: int = 224
    extra: str | None = None


# The reference's keys brought into the order of our `state_dict`, those that we have no use for left out.
Arrange = Callable[[list[str]], list[str]]


class Reference(NamedTuple):
    """The same network in another package, whose weights can be loaded: see `nas.baselines.load_reference`."""

    package: str
    model: str
    arrange: Arrange | None = None
    options: tuple[tuple[str, object], ...] = ()


class Baseline(NamedTuple):
    """A hand-designed network: how to make it, where it was published, what it is known to reach."""

    name: str
    make: Maker
    paper: str
    aliases: tuple[str, ...] = ()
    facts: tuple[Facts, ...] = ()
    references: tuple[Reference, ...] = ()

    @property
    def family(self) -> str:
        """The name of the file that defines it, such as `resnet`."""
        return str(getattr(self.make, "__module__", None) or "").rpartition(".")[2]


class Variant(NamedTuple):
    """A published member of a scaled family: its baseline, factors of depth and width, and the side of its images in pixels."""

    baseline: str
    depth: float
    width: float
    side: int


class Scaled(NamedTuple):
    """Networks that were published as one scaled up: `variants[phi]` for phi 0, 1, ..., of which the first is the base.

    `coefficients` are the paper's alpha, beta and gamma; the variants need not be their powers.
    """

    coefficients: tuple[float, float, float]
    variants: tuple[Variant, ...]


_SCALED: list[Scaled] = []
_BASELINES: dict[str, Baseline] = {}
_LOOKUP: dict[str, str] = {}
# Names without any punctuation; None where two networks would be meant.
_LOOSE: dict[str, str | None] = {}


def plain(name: str) -> str:
    """The form that look-up compares first: punctuation is dropped, but between digits, where 1.6 is not 16."""
    between_digits = re.sub(r"(?<=\d)[_\-.]+(?=\d)", "_", name.lower())
    return re.sub(r"(?<!\d)[_\-.]+|[_\-.]+(?!\d)", "", between_digits)


def loose(name: str) -> str:
    """The form that look-up compares next: no punctuation at all."""
    return plain(name).replace("_", "")


def torchvision(model: str, arrange: Arrange | None = None, **options: object) -> Reference:
    """The network of that name in torchvision, made with `options`."""
    return Reference("torchvision", model, arrange, tuple(options.items()))


def timm(model: str, arrange: Arrange | None = None, **options: object) -> Reference:
    """The network of that name in timm, made with `options`."""
    return Reference("timm", model, arrange, tuple(options.items()))


def baseline(
    name: str, paper: str, *aliases: str, facts: tuple[Facts, ...] = (), references: tuple[Reference, ...] = ()
) -> Callable[[M], M]:
    """Decorator: register a function under a name, torchvision's and timm's own names as aliases."""

    def decorate(make: M) -> M:
        for known in (name, *aliases):
            key = plain(known)
            if _LOOKUP.setdefault(key, name) != name:
                raise ValueError(f"baseline name {known!r} is taken by {_LOOKUP[key]!r}")
            if _LOOSE.setdefault(loose(known), name) != name:
                _LOOSE[loose(known)] = None
        _BASELINES[name] = Baseline(name, make, paper, aliases, facts, references)
        return make

    return decorate


def scaled(family: Scaled) -> Scaled:
    """Register a scaled family."""
    _SCALED.append(family)
    return family


def scaled_from(architecture: Architecture) -> Scaled | None:
    """The family whose base is that network, whatever its name and number of classes; None where there is none."""
    for family in _SCALED:
        base = get(family.variants[0].baseline).make(classes=architecture.classes)
        if base.digest == architecture.digest:
            return family
    return None


def names() -> tuple[str, ...]:
    """Names of all baselines, in the order of registration."""
    return tuple(_BASELINES)


def find(name: str) -> Baseline | None:
    """The baseline of that name, or None."""
    known = _LOOKUP.get(plain(name)) or _LOOSE.get(loose(name))
    return _BASELINES[known] if known else None


def get(name: str) -> Baseline:
    """The baseline of that name. Raises `UnknownNameError` with the nearest names."""
    found = find(name)
    if found is None:
        shown = name if len(name) <= 60 else name[:57] + "..."
        near = difflib.get_close_matches(plain(name)[:60], list(_LOOKUP), n=3, cutoff=0.5)
        allowed = f"nearest: {', '.join(dict.fromkeys(_LOOKUP[key] for key in near))}" if near else f"known: {', '.join(_BASELINES)}"
        raise UnknownNameError(f"unknown network {shown!r}; {allowed}; or the path of a YAML file")
    return found
