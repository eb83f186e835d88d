"""Networks at a phi: by the law of compound scaling, and as published where there is a published one."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from nas import baselines
from nas.arch import Architecture
from nas.errors import ArchitectureError, NasError
from nas.scale.law import PAPER, Coefficients, blocks, compound

Rule = Literal["published", "powers"]
RULES: tuple[Rule, ...] = ("published", "powers")
MAX_PARAMS = 10**12


@dataclass(frozen=True)
class Choice:
    """A network scaled from a base. `factors` are those asked for; what rounding made of them stands in the network."""

    rule: Literal["base", "published", "powers", "width"]
    phi: float
    factors: Coefficients
    architecture: Architecture


def base_of(architecture: Architecture) -> Choice:
    """The network itself."""
    return Choice("base", 0.0, Coefficients(), architecture)


def law_of(architecture: Architecture) -> Coefficients:
    """Alpha, beta and gamma of the family that begins with this network; the paper's for any other."""
    family = baselines.scaled_from(architecture)
    return PAPER if family is None else Coefficients(*family.coefficients)


def choices(
    architecture: Architecture, phi: float, law: Coefficients | None = None, rule: Rule | None = None, force: bool = False
) -> tuple[Choice, ...]:
    """The network at `phi` by each rule there is, that which is the answer first.

    Unless a `rule` is asked for that is the published variant where there is one, else the powers of `law`, by default the family's
    own or the paper's. A law that is given leaves no published variant. Raises `NasError` for a phi that makes no network, or (without
    `force`) one of no channels, no pixels, or more than 10^12 parameters.
    """
    variant = published(architecture, phi) if law is None else None
    if rule == "published" and variant is None:
        raise NasError(f"rule=published of {architecture.name} at phi={phi:g}; allowed: {_allowed(architecture, law)}")
    try:
        made = [powers(architecture, phi, law or law_of(architecture), force)]
    except NasError:
        if rule == "powers" or variant is None:
            raise
        made = []
    if variant is not None:
        made.insert(1 if rule == "powers" else 0, variant)
    return tuple(made)


def scaled(architecture: Architecture, phi: float, rule: Rule | None = None) -> Architecture:
    """The network at `phi`; see `choices`."""
    return choices(architecture, phi, rule=rule)[0].architecture


def published(architecture: Architecture, phi: float) -> Choice | None:
    """The published variant of that phi where the network is the base of a family, with its number of classes."""
    family = baselines.scaled_from(architecture)
    if family is None or phi not in range(len(family.variants)):
        return None
    variant = family.variants[int(phi)]
    factors = Coefficients(variant.depth, variant.width, variant.side / family.variants[0].side)
    return Choice("published", phi, factors, baselines.get(variant.baseline).make(classes=architecture.classes))


def powers(architecture: Architecture, phi: float, law: Coefficients, force: bool = False) -> Choice:
    """The network by alpha^phi, beta^phi, gamma^phi. Raises as `choices` does."""
    return at(architecture, phi, law.power(phi), force)


def at(architecture: Architecture, phi: float, factors: Coefficients, force: bool = False, tidy: bool = True) -> Choice:
    """The network by these factors, which are near `phi`, named after it; `tidy` as in `compound`. Raises as `choices` does."""
    where = f"phi={phi:g}"
    if not all(1e-3 <= each <= 1e3 for each in factors):
        text = ", ".join(f"{name} {each:.3g}" for name, each in zip(factors._fields, factors, strict=True))
        raise NasError(f"{where} makes factors of {text}; allowed: 0.001 to 1000 each")
    if not force:
        _refuse_nothing(architecture, factors, where)
    try:
        made = compound(architecture, factors, tidy)
        params = made.cost().params if made is not architecture else 0
    except ArchitectureError as error:
        raise ArchitectureError(f"{where}: {error}") from None
    if params > MAX_PARAMS and not force:
        raise NasError(f"{where} makes a network of {params:.3g} parameters; allowed: {MAX_PARAMS:.0e}, or any with --force")
    if made is not architecture:
        made = dataclasses.replace(made, name=f"{architecture.name}_phi{round(phi, 4):g}")
    return Choice("powers", phi, factors, made)


def _refuse_nothing(architecture: Architecture, factors: Coefficients, where: str) -> None:
    """Raise where a width or side comes to less than half a channel or pixel, which the least one would stand for."""
    widths = [block.width for block in blocks(architecture) if isinstance(block.width, int)]
    width, side = min(widths, default=math.inf), min(architecture.input[1:])
    for what, size, factor in (("width", width, factors.width), ("side", side, factors.resolution)):
        if size * factor < 0.5:
            made = f"{where} makes the {what} {size} times {factor:.3g} = {size * factor:.2g}"
            raise NasError(f"{made}, which is zero; allowed: 0.5 and more, or the least there is with --force")


def _allowed(architecture: Architecture, law: Coefficients | None) -> str:
    family = None if law is not None else baselines.scaled_from(architecture)
    return "rule powers" if family is None else f"rule powers, or a whole phi from 0 to {len(family.variants) - 1}"
