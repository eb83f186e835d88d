# An Optuna study of your own, in which our evolution proposes the networks and Optuna the learning rate.
#
#   python examples/optuna_study.py [STORAGE]         about 8 s on one core; STORAGE such as sqlite:///study.db goes on from there
#
# Each of eight trials trains a network on the digits for two epochs. Prints every trial, and the best.

import sys
import tempfile
from pathlib import Path

import optuna

import nas

out = Path(tempfile.mkdtemp(prefix="nas-optuna-"))


def objective(trial: optuna.Trial) -> float:
    """Accuracy on the images held out."""
    network = nas.suggest(trial, "tiny")
    rate = trial.suggest_float("rate", 1e-2, 1.0, log=True)
    result = nas.train(network, dataset="digits", epochs=2, changes={"lr": rate}, out=out / str(trial.number))
    print(f"trial {trial.number}: accuracy {result.accuracy:.3f}, rate {rate:.3f}, {result.params} parameters")
    return result.accuracy


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    study_name="mine", direction="maximize", storage=sys.argv[1] if sys.argv[1:] else None, load_if_exists=True,
    sampler=nas.optuna_sampler("evolution", "tiny", seed=0, population=4, sample=2),
)  # fmt: skip
study.optimize(objective, n_trials=8)
print(f"best: trial {study.best_trial.number}, {study.best_value:.3f}, trained in {out / str(study.best_trial.number)}")
