"""The training of a network as a class trainable of Ray Tune: an epoch a step, so that its schedulers can stop, copy and change.

Imported only when used: it needs Ray and torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ray import tune

from nas import data as datasets
from nas import loading
from nas.errors import NasError, unknown
from nas.evaluators.training import DEVICES
from nas.repeatable import check_seed, parameters_from
from nas.trainer import checkpoint
from nas.trainer.checkpoint import CheckpointError
from nas.training import recipes
from nas.training.dataset import TrainingData
from nas.training.inputs import size_of
from nas.training.recipe import Recipe
from nas.training.run import Run

STATE = "state.pt"  # in a checkpoint's folder
OWN: dict[str, Any] = {
    "architecture": None, "dataset": "digits", "data_dir": None, "recipe": None, "validation": 0.2, "split_seed": 0, "seed": 0,
    "device": "auto", "width": 1.0, "depth": 1.0,
}  # fmt: skip
IGNORED = ("decisions", "number")  # for whoever reads a trial's configuration
FIELDS = tuple(field.name for field in dataclasses.fields(Recipe))


class Trainable(tune.Trainable):
    """Trains `architecture` (YAML, as `Searcher` proposes, or a name) on `dataset`; each step is an epoch and its validation.

    Of its configuration: `dataset`, `data_dir`, `device` (auto, cpu, cuda), `seed`, `validation` (fraction of the training
    images that judges) and `split_seed`; `width` and `depth` below 1 train a proxy; `recipe` is a name, a file or its fields,
    and any field of a recipe beside it overrides it: `"lr": 0.05`, `"epochs": 10`. A trial has done `epochs`, or stops early
    where the recipe says so. Population-based training may change all fields of the recipe but the optimiser, the number type
    and whether there is an average of the weights.
    What is reported is that of `nas.training.loop.train`, with `params` and `macs`. Checkpoints hold tensors and plain values.
    Raises `NasError` on a bad configuration.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Make the network, the data and the run."""
        self._data: tuple[Any, TrainingData] | None = None
        self._run: Run
        self._last: dict[str, float]
        self._begin(config)

    def step(self) -> dict[str, Any]:
        """An epoch."""
        if self._over():  # of a checkpoint that had no epoch left
            return {**self._last, "done": True}
        self._last = {**self._run.epoch(), **self._facts}
        return {**self._last, "done": self._over()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write the whole state of the run."""
        checkpoint.save(Path(checkpoint_dir) / STATE, self._digest, {"state": self._run.state(), "last": self._last})

    def load_checkpoint(self, checkpoint_dir: str | dict[str, Any] | None) -> None:
        """Go on from a checkpoint: of this very training, or of another's of the same network by another recipe."""
        if not isinstance(checkpoint_dir, str | Path):
            raise CheckpointError(f"checkpoint {checkpoint_dir!r:.60}; allowed: a folder")
        path = Path(checkpoint_dir) / STATE
        found = checkpoint.load(path, self._digest, self._device)
        try:
            self._run.adopt(found["state"])
            self._last = dict(found["last"])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise CheckpointError(f"{path} does not fit this training ({' '.join(str(error).split())[:120]})") from None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Be another trial in the same process: all but the data set is made anew."""
        self._begin(new_config)
        return True

    def _begin(self, config: Mapping[str, Any]) -> None:
        given = _checked(config)
        device = given["device"] if given["device"] != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(device)
        data = self._loaded(given)
        recipe = _recipe(given["recipe"], config, data)
        data = dataclasses.replace(data, size=size_of(data, recipe))
        network = _network(given["architecture"]).with_input(data.shape, data.classes)
        cost = network.cost(aux=False)
        self._digest = network.digest
        self._facts = {"params": float(cost.params), "macs": float(cost.macs)}
        self._last = {}
        with parameters_from(given["seed"]):
            module: Any = network.resized(width=given["width"], depth=given["depth"]).build(drop_path=recipe.drop_path)
        self._run = Run(module, data, recipe, recipe.epochs, given["seed"], lambda: None)

    def _loaded(self, given: Mapping[str, Any]) -> TrainingData:
        """The data set, read once a process."""
        key = (*(given[name] for name in ("dataset", "data_dir", "validation", "split_seed")), str(self._device))
        if self._data is None or self._data[0] != key:
            folder = None if given["data_dir"] is None else Path(given["data_dir"])
            found = datasets.load(str(given["dataset"]), data_dir=folder)
            self._data = (key, TrainingData.of(found, given["validation"], given["split_seed"], self._device))
        return self._data[1]

    def _over(self) -> bool:
        return self._run.stopped or self._run.epochs >= self._run.recipe.epochs


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration but for the recipe's fields, with what is left out."""
    for name in config:
        if name not in OWN and name not in IGNORED and name not in FIELDS:
            raise unknown("key", str(name), [*OWN, *FIELDS], where="the configuration of nas.tune.Trainable")
    given = {**OWN, **{name: value for name, value in config.items() if name in OWN}}
    if given["architecture"] is None:
        raise NasError("the configuration has no architecture; allowed: search_alg=nas.tune.Searcher(...), or a name such as 'resnet20'")
    check_seed(given["seed"])
    if given["device"] not in DEVICES:
        raise NasError(f"device={given['device']!r:.60}; allowed: {', '.join(DEVICES)}")
    for name in ("width", "depth", "validation"):
        value, most = given[name], 1 if name != "validation" else 0.9
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            raise NasError(f"{name}={value!r:.60}; allowed: a fraction above 0, {most:g} at most")
    return given


def _network(given: Any) -> Any:
    """Of YAML text, or of whatever `nas.load` takes."""
    import nas.primitives  # registers the operations that an architecture names  # noqa: F401
    from nas.arch import Architecture

    if isinstance(given, str) and "\n" in given:
        return Architecture.from_yaml(given)
    return given if isinstance(given, Architecture) else loading.load(given)


def _recipe(given: Any, config: Mapping[str, Any], data: TrainingData) -> Recipe:
    """The recipe of the configuration, the fields beside it in the place of its own."""
    if given is None:
        base = Recipe.default(len(data.train), min(data.shape[1:]))
    elif isinstance(given, Mapping):
        base = Recipe.from_dict(given)
    else:
        base = given if isinstance(given, Recipe) else recipes.load(given)
    return Recipe.from_dict({**base.to_dict(), **{name: value for name, value in config.items() if name in FIELDS}})
