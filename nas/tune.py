"""For people who run Ray Tune themselves: our strategies as its search algorithm, our training as its class trainable.

    from ray import tune
    from nas.tune import Searcher, Trainable

    tune.Tuner(
        Trainable,
        param_space={"dataset": "cifar10", "epochs": 20},
        tune_config=tune.TuneConfig(search_alg=Searcher("nasnet-cell", "evolution"), metric="accuracy", mode="max", num_samples=100),
    ).fit()

See docs/ray-tune.md. Importing this imports Ray.
"""

from __future__ import annotations

from nas.engine.tune_searcher import StrategySearcher as Searcher
from nas.engine.tune_trainable import Trainable

__all__ = ["Searcher", "Trainable"]
