"""What the families share."""

from __future__ import annotations

from collections.abc import Callable

from nas.arch import Architecture, Block, Stage
from nas.baselines.registry import Arrange, Facts, Reference, baseline
from nas.primitives import ConvNormAct, DropoutLayer, GlobalPooling, LinearLayer, MaxPooling

Input = tuple[int, int, int]
IMAGENET: Input = (3, 224, 224)


def last(*prefixes: str) -> Arrange:
    """Puts the keys that begin so last: auxiliary heads, which stand behind everything else here."""
    return lambda keys: sorted(keys, key=lambda key: key.startswith(prefixes))


def behind(name: str) -> Arrange:
    """Puts the parts of that name behind the others of their block."""

    def arrange(keys: list[str]) -> list[str]:
        made: list[str] = []
        held: list[str] = []
        block = ""
        for key in keys:
            if not key.startswith(block):
                made, held, block = made + held, [], ""
            parent, found, _ = f"{key}.".partition(f".{name}.")
            if found:
                block = f"{parent}."
            (held if found else made).append(key)
        return made + held

    return arrange


def pooled_head(dropout: float = 0.0) -> Stage:
    """Global average pool, dropout if any, classifier."""
    drop = (Block(DropoutLayer(dropout)),) if dropout else ()
    return (Block(GlobalPooling()), *drop, Block(LinearLayer(), "classes"))


def imagenet_stem(width: int = 64) -> Stage:
    """7x7 convolution of stride 2 and 3x3 max pool of stride 2."""
    return (Block(ConvNormAct(kernel=7), width, 2), Block(MaxPooling(), None, 2))


def variant(
    name: str,
    paper: str,
    about: str,
    make: Callable[[str, Input, int], Architecture],
    *aliases: str,
    input: Input = IMAGENET,
    classes: int = 1000,
    facts: tuple[Facts, ...] = (),
    references: tuple[Reference, ...] = (),
) -> None:
    """Register one of a family's networks, `make(name, input, classes)`, with its own input and classes as defaults.

    `about` becomes the docstring of the function that is registered.
    """
    own_input, own_classes = input, classes

    def made(input: Input = own_input, classes: int = own_classes) -> Architecture:
        return make(name, input, classes)

    made.__name__, made.__doc__, made.__module__ = name, about, make.__module__
    baseline(name, paper, *aliases, facts=facts, references=references)(made)
