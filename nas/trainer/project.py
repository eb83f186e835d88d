"""What the settings of a training mean: its network as a module, its data as tensors, its recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from nas import data as datasets
from nas.arch import Architecture
from nas.data import Dataset
from nas.ensembles import Ensemble
from nas.errors import NasError
from nas.repeatable import parameters_from
from nas.trainer import start
from nas.trainer.channels import with_channels
from nas.trainer.folder import read_network
from nas.trainer.settings import Settings
from nas.training.dataset import TrainingData
from nas.training.recipe import Recipe

SPLIT_SEED = 0  # which images are held out, whatever the seed: trainings of one network are compared on the same


@dataclass(frozen=True)
class Project:
    """The training in a folder, ready to be run; every process that takes part makes its own."""

    directory: Path
    settings: Settings
    network: Architecture | Ensemble
    recipe: Recipe
    dataset: Dataset

    @staticmethod
    def open(directory: Path, settings: Settings) -> Project:
        """Reads the network and the data set. Raises `NasError`."""
        network = read_network(directory, settings)
        data_dir = None if settings.data_dir is None else Path(settings.data_dir)
        dataset = datasets.load(settings.dataset, data_dir=data_dir)
        return Project(directory, settings, network, Recipe.from_dict(settings.recipe), with_channels(dataset, network.input[0]))

    def data(self, device: torch.device) -> TrainingData:
        """The training images on the device, in two parts; the second empty where nothing is held out."""
        if self.settings.validation == 0:
            return TrainingData.whole(self.dataset, device)
        return TrainingData.of(self.dataset, self.settings.validation, SPLIT_SEED, device)

    def module(self, note: Callable[[str], None] = lambda line: None) -> nn.Module:
        """The network with the parameters that it starts from; see `starting_module`."""
        return starting_module(self.network, self.settings, self.recipe, note)

    def bare(self) -> nn.Module:
        """The network with parameters of no meaning, to read others into."""
        module: nn.Module = self.network.build()
        return module


def starting_module(
    network: Architecture | Ensemble, settings: Settings, recipe: Recipe, note: Callable[[str], None] = lambda line: None
) -> nn.Module:
    """The network with the parameters that a training starts from; `note` hears what was not taken over.

    Raises `WeightsError` where the weights to start from do not fit.
    """
    with parameters_from(settings.seed):
        module: nn.Module = network.build(drop_path=recipe.drop_path)
        if settings.reference is not None:
            note(_taken(settings.reference, _reference(module, network, settings.reference)))
    if settings.weights is not None:
        start.from_file(module, settings.weights)
        note(f"all parameters start from {settings.weights}")
    return module


def _reference(module: nn.Module, network: Architecture | Ensemble, path: str) -> list[str]:
    if isinstance(network, Ensemble):
        raise NasError("an ensemble cannot start from another package's weights; allowed: --weights, or a single network")
    return start.from_reference(module, network, path)


def _taken(path: str, left: list[str]) -> str:
    """What a person reads of weights that were taken over."""
    if not left:
        return f"all parameters start from {path}"
    shown = ", ".join(left[:6]) + (f" and {len(left) - 6} more" if len(left) > 6 else "")
    return f"parameters start from {path}, but these, which have another shape there and start at random: {shown}"
