"""A network with its weights, ready to be written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from nas.arch import Architecture
from nas.baselines.reference import load_reference
from nas.build import Network
from nas.ensembles import Ensemble
from nas.errors import NasError
from nas.repeatable import parameters_from
from nas.weights import load_weights, read_weights


@dataclasses.dataclass(frozen=True)
class Source:
    """`module` has every part, auxiliary heads too, in evaluation mode; `weights` tells where its weights are from, None: drawn."""

    network: Architecture | Ensemble
    module: nn.Module
    weights: str | None
    reference: bool = False

    @classmethod
    def make(
        cls, network: Architecture | Ensemble, weights: str | Path | None = None, reference: str | Path | None = None, seed: int = 0
    ) -> Source:
        """The network with weights of a file (see `nas.export.export`). Raises `NasError` where they do not fit."""
        if weights is not None and reference is not None:
            raise NasError("weights and reference weights are both given; allowed: one of them")
        given = weights if weights is not None else reference
        found = read_weights(given) if given is not None else None  # before the network is built, which can take long
        with parameters_from(seed):
            module = network.build()
        if found is not None and reference is None:
            load_weights(module, found, str(given))
        elif found is not None:
            if not isinstance(module, Network):
                raise NasError("reference weights of an ensemble; allowed: a single network")
            with naming(str(given)):
                load_reference(module, found)
        return cls(network, module.eval(), None if given is None else str(given))

    @property
    def params(self) -> int:
        """Trainable numbers of the network that is used."""
        return self.network.cost(aux=False).params

    def inference(self) -> nn.Module:
        """The network that is used: the module itself, or where it has auxiliary heads one without them, with its weights."""
        lean = without_heads(self.network)
        if lean == self.network:
            return self.module
        with parameters_from(0):
            made = lean.build().eval()
        weights = self.module.state_dict()
        made.load_state_dict({name: weights[name] for name in made.state_dict()})
        return made


def without_heads(network: Architecture | Ensemble) -> Architecture | Ensemble:
    """The same without auxiliary heads."""
    if isinstance(network, Ensemble):
        return dataclasses.replace(network, members=tuple(dataclasses.replace(member, aux=()) for member in network.members))
    return dataclasses.replace(network, aux=())


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Errors within begin with the file."""
    try:
        yield
    except NasError as error:
        raise type(error)(f"{file}: {error}") from None
