"""`nas.train` and `nas.resume_training`: a network, a data set and a recipe in, a trained network in its folder out."""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import data as datasets
from nas.arch import Architecture
from nas.engine.devices import core_count, gpu_count
from nas.engine.versions import versions
from nas.ensembles import Ensemble
from nas.errors import ArchitectureError, NasError
from nas.loading import load
from nas.repeatable import check_seed
from nas.trainer import folder
from nas.trainer.result import TrainResult
from nas.trainer.settings import Settings
from nas.trainer.watcher import Watcher
from nas.training import recipes
from nas.training.execution import COMPILE, compile_pays
from nas.training.recipe import Recipe, without_effect

if TYPE_CHECKING:
    from nas.data import Dataset

MAX_SIDE = 4096  # pixels
Shape = tuple[int, int, int]


def train(
    network: str | Path | Architecture | Ensemble,
    *,
    dataset: str = "digits",
    recipe: str | Path | Recipe | None = None,
    epochs: int | None = None,
    changes: Mapping[str, Any] | None = None,
    input: Shape | None = None,
    validation: float = 0.1,
    weights: str | Path | None = None,
    from_torchvision: str | Path | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    workers: int = 1,
    compile: str = "auto",
    checkpoint_seconds: float = 300.0,
    watcher: Watcher | None = None,
) -> TrainResult:
    """Train `network` on `dataset` by `recipe`, in the new folder `out` (default: `runs/train-NETWORK-TIME`).

    network: a name, a file, a run folder, an architecture or an ensemble; it is given the data set's classes and input.
    recipe: a name of `nas.training.recipes`, a file, or a `Recipe`; by default the plain one for short runs, 30 epochs.
    epochs and changes (`{"lr": 0.05}`) override its fields. input: (channels, rows, columns) where images are to be
    resampled. validation: the fraction of the training images that judges epochs; the weights of the epoch that validated
    best are kept, with 0 those of the last; the test images are looked at once, at the end.
    weights: a file, or the folder of a training, that the parameters start from; from_torchvision: the same with
    torchvision's or timm's of the network of that name, where a classifier for other classes starts at random.
    device: auto, cpu or cuda. threads: of each worker on a CPU. workers: processes that share each batch, by Ray Train;
    a GPU each where there are some. compile: on, off, or auto: where the training is long enough to win back the minutes that
    torch.compile takes at its start. checkpoint_seconds: how often a checkpoint is written besides at every epoch's end.

    On a CPU the same arguments give the same weights. Raises `NasError` and its kinds on bad input, before anything is
    written, and `TrainingFailure` when the loss is no finite number. Ctrl-C or a kill leave what `resume_training` goes
    on from.
    """
    name = network.name if isinstance(network, Architecture | Ensemble) else str(network)
    made = network if isinstance(network, Architecture | Ensemble) else load(network)
    changes = {**({} if epochs is None else {"epochs": epochs}), **(changes or {})}
    plan = None if recipe is None else _recipe(recipe, changes)
    if compile not in COMPILE:
        raise NasError(f"compile={compile!r:.60}; allowed: {', '.join(COMPILE)}")
    _check(seed, validation, threads, workers, checkpoint_seconds, weights, from_torchvision)
    found = datasets.load(dataset, data_dir=None if data_dir is None else Path(data_dir))
    plan = plan or _recipe(Recipe.default(len(found.x_train), min(found.input[1:])), changes)
    kind = _device(device, workers, plan)
    made = _fitted(made, found, plan, input)
    _check_held_out(found, validation, plan)
    directory = folder.check_new(out if out is not None else _default_folder(made.name))
    settings = Settings(
        network=name,
        digest=made.digest,
        dataset=datasets.absolute(dataset),
        recipe=plan.to_dict(),
        recipe_name="from Python" if isinstance(recipe, Recipe) else str(recipe or ""),
        data_dir=None if data_dir is None else os.path.abspath(os.path.expanduser(data_dir)),
        validation=float(validation),
        checkpoint_seconds=float(checkpoint_seconds),
        seed=seed,
        device=kind,
        threads=threads or max(1, _threads() // workers),
        workers=workers,
        compile=compile == "on" or (compile == "auto" and compile_pays(plan.epochs * len(found.x_train), kind)),
        weights=None if weights is None else os.path.abspath(os.path.expanduser(weights)),
        reference=None if from_torchvision is None else os.path.abspath(os.path.expanduser(from_torchvision)),
        versions=versions(),
        command=list(sys.argv),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    _check_start(settings, made)
    with folder.make(directory, settings, made):
        return _run(directory, settings, watcher or Watcher())


def resume_training(directory: str | Path, *, watcher: Watcher | None = None) -> TrainResult:
    """Go on with the training in `directory` from its checkpoint; one that is finished is returned as it is.

    Everything is as it was started. Raises as `train` does, and `CheckpointError` where the checkpoint is damaged.
    """
    path, settings = folder.opened(directory)
    if folder.read_result(path) is not None:
        return TrainResult.read(path)
    with folder.acquire(path):
        return _run(path, settings, watcher or Watcher())


def _run(directory: Path, settings: Settings, watcher: Watcher) -> TrainResult:
    """What is missing of a training whose folder is locked."""
    import torch

    from nas.trainer.finish import finish
    from nas.trainer.job import Job, device_of
    from nas.trainer.project import Project

    with _torch_threads(settings.threads * settings.workers):
        project, device = Project.open(directory, settings), device_of(settings.device)
        try:
            if settings.workers == 1:
                Job(project, device, watcher)()
            else:
                from nas.engine.ray_train import train_on_ray

                train_on_ray(project, watcher)
            return finish(project, device)
        finally:
            watcher.close()
            if device.type == "cuda":
                torch.cuda.empty_cache()


@contextlib.contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """So many threads of torch: on a CPU the bits depend on them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _threads() -> int:
    """Threads that torch would take here: all cores, or what the environment says."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) > 0 else core_count()


def _recipe(recipe: str | Path | Recipe, changes: Mapping[str, Any]) -> Recipe:
    """With the changes made. Raises `NasError`, also where a change would have no effect."""
    plan = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
    plan = Recipe.from_dict({**plan.to_dict(), **changes}) if changes else plan
    if (idle := without_effect(changes, plan)) is not None:
        raise NasError(f"recipe.{idle[0]} has no effect here; allowed: with {idle[1]}")
    return plan


def _fitted(network: Architecture | Ensemble, dataset: Dataset, recipe: Recipe, input: Shape | None) -> Any:
    """The network at the input and classes of its task. Raises `NasError`, with what to do where the shapes do not fit."""
    if input is not None and (len(input) != 3 or not all(type(side) is int and 1 <= side <= MAX_SIDE for side in input)):
        raise NasError(f"input={'x'.join(map(str, input))}; allowed: CxHxW from 1 to {MAX_SIDE}, such as 3x224x224")
    shape = recipe.shape(dataset.input) if input is None else input
    if shape[0] != dataset.input[0] != 1:
        raise NasError(f"input has {shape[0]} channels, images of {dataset.name} {dataset.input[0]}; allowed: {dataset.input[0]}")
    made = network.with_input(shape, dataset.classes)
    try:
        made.cost()
    except ArchitectureError as error:
        own = "x".join(map(str, network.input))
        hint = f"; `--input {own}` resamples them to its own" if network.input != made.input else ""
        raise ArchitectureError(f"{made.name} does not fit images of {'x'.join(map(str, made.input))}: {error}{hint}") from None
    return made


def _check(
    seed: int, validation: float, threads: int | None, workers: int, checkpoint_seconds: float, weights: Any, reference: Any
) -> None:
    check_seed(seed)
    for name, value in (("threads", 1 if threads is None else threads), ("workers", workers)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise NasError(f"{name}={value!r}; allowed: a whole number from 1")
    if isinstance(validation, bool) or not isinstance(validation, int | float) or not 0 <= validation < 1:
        raise NasError(f"validation={validation!r}; allowed: a fraction from 0, which holds nothing out, to below 1")
    number = isinstance(checkpoint_seconds, int | float) and not isinstance(checkpoint_seconds, bool)
    if not number or not checkpoint_seconds >= 0:
        raise NasError(f"checkpoint_seconds={checkpoint_seconds!r}; allowed: seconds from 0")
    if weights is not None and reference is not None:
        raise NasError("--weights and --from-torchvision are both given; allowed: one of them")


def _check_held_out(dataset: Dataset, validation: float, recipe: Recipe) -> None:
    """Raise `NasError` where the images cannot be split so, or the recipe looks at images that nobody holds out."""
    if validation > 0:
        dataset.split(validation, 0)
    elif recipe.schedule == "plateau" or recipe.early_stop > 0:
        which = "schedule='plateau'" if recipe.schedule == "plateau" else f"early_stop={recipe.early_stop}"
        raise NasError(f"validation=0 with recipe.{which}, which looks at images held out; allowed: some held out, or another recipe")


def _check_start(settings: Settings, network: Architecture | Ensemble) -> None:
    """Raise `WeightsError` before anything is written where the weights to start from cannot be used."""
    if settings.weights is None and settings.reference is None:
        return
    from nas.trainer.project import starting_module

    starting_module(network, settings, Recipe.from_dict(settings.recipe))


def _device(device: str, workers: int, recipe: Recipe) -> str:
    """`cpu` or `cuda`. Raises `NasError` where that cannot be had, or not for so many workers."""
    from nas.trainer.job import device_of

    kind = device_of(device).type
    room = gpu_count() if kind == "cuda" else max(2, core_count())
    what = "GPUs" if kind == "cuda" else "processes for the cores here"
    if workers > room:
        raise NasError(f"workers={workers} are more than there is room for; allowed: at most {room} {what}")
    if workers > recipe.batch:
        raise NasError(f"workers={workers} with recipe.batch={recipe.batch}; allowed: an image or more a step for each")
    return kind


def _default_folder(name: str) -> Path:
    return Path("runs") / datetime.datetime.now().strftime(f"train-{name}-%Y%m%d-%H%M%S")
