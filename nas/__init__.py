"""Neural architecture search: one architecture language, search on Ray, hand-designed networks in the same language.

    import nas
    network = nas.load("resnet50")            # or "runs/NAME/best.yaml"
    network.cost().params, network.build()
    study = nas.search(space="nasnet-cell", dataset="digits", budget="5m")
    study.best.architecture
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nas import baselines, data, draw, evaluators, export, latency, measures, plugins, scale, spaces, strategies
    from nas.arch import Architecture
    from nas.engine import plan, resume, resume_training, scale_search, search, train
    from nas.ensembles import Ensemble
    from nas.evaluators import Fidelity
    from nas.loading import ensemble, load
    from nas.measures import score
    from nas.mutation import mutate
    from nas.samplers import optuna_sampler, suggest
    from nas.scale import transfer
    from nas.spaces import Space
    from nas.study import open_study

# Each name is imported when it is first used, so that `import nas` and the command line start at once.
_WHERE = {
    "Architecture": "nas.arch",
    "Ensemble": "nas.ensembles",
    "Fidelity": "nas.evaluators",
    "Space": "nas.spaces",
    "baselines": "nas.baselines",
    "data": "nas.data",
    "draw": "nas.draw",
    "evaluators": "nas.evaluators",
    "export": "nas.export",
    "ensemble": "nas.loading",
    "latency": "nas.latency",
    "load": "nas.loading",
    "measures": "nas.measures",
    "mutate": "nas.mutation",
    "open_study": "nas.study",
    "optuna_sampler": "nas.samplers",
    "plan": "nas.engine",
    "plugins": "nas.plugins",
    "resume": "nas.engine",
    "resume_training": "nas.engine",
    "scale": "nas.scale",
    "scale_search": "nas.engine",
    "score": "nas.measures",
    "search": "nas.engine",
    "spaces": "nas.spaces",
    "strategies": "nas.strategies",
    "suggest": "nas.samplers",
    "train": "nas.engine",
    "transfer": "nas.scale",
}

__all__ = [
    "Architecture", "Ensemble", "Fidelity", "Space", "__version__", "baselines", "data", "draw", "ensemble", "evaluators", "export",
    "latency", "load", "measures", "mutate", "open_study", "optuna_sampler", "plan", "plugins", "resume", "resume_training", "scale",
    "scale_search", "score", "search", "spaces", "strategies", "suggest", "train", "transfer",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    module = importlib.import_module(where)
    return module if where == f"nas.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
