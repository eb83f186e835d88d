"""The end of a training: its kept weights on the test images, once."""

from __future__ import annotations

import torch

from nas.trainer.folder import best_of, read_history, write_result
from nas.trainer.project import Project
from nas.trainer.result import TrainResult, wilson
from nas.training.loop import judge
from nas.weights import load_weights, read_weights


def finish(project: Project, device: torch.device) -> TrainResult:
    """Measure the weights that validated best on the test images, where there are any, and write `result.json`.

    Raises `NasError`.
    """
    path, rows = project.directory, read_history(project.directory)
    best = best_of(rows)
    assert best is not None, "a training has an epoch at least"
    accuracy, interval = _tested(project, device)
    cost = project.network.cost(aux=False)
    result = TrainResult(
        path, best.accuracy if best.judged else None, accuracy, interval, best.epoch, len(rows), rows[-1].seconds, cost.params, cost.macs
    )
    write_result(path, {name: value for name, value in result.to_dict().items() if name != "directory"})
    return result


def _tested(project: Project, device: torch.device) -> tuple[float | None, tuple[float, float] | None]:
    data = project.data(device).tested_on(project.dataset)
    if data is None:
        return None, None
    module = project.bare()
    load_weights(module, read_weights(project.directory), str(project.directory))
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    accuracy = judge(module, data, project.recipe, size=project.network.input[1:])
    return accuracy, wilson(accuracy, len(data.validation))
