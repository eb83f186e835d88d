"""A Gaussian process over candidates, its scales chosen by the marginal likelihood, several of them averaged.

The kernel is exp(-sum over groups of w_g * D_g(x, y)): D_g is the squared distance in one group of whole numbers
(decisions as one-hot, operations, paths, sub-graphs, ordered numbers) or in one feature, over its mean in the training
set. What is searched for are the weights w_g and the noise. Equations of Rasmussen & Williams, Gaussian Processes for
Machine Learning, 2006, sections 2.2 and 5.4.1; the scale of the values is set to its optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nas.strategies.encoding import Group

Array = np.ndarray[Any, np.dtype[Any]]

FIRST, ROUNDS, BEST, EACH = 32, 2, 4, 4  # settings drawn at first; then rounds of changes to the best
SPREAD = 1.5  # standard deviation of the logarithm of a weight, before anything is known
NOISE = (-3.0, 1.5)  # of the logarithm of the noise, as a share of the signal's variance: mean, standard deviation
STEP = 0.5  # of a change, as a share of these


@dataclass(frozen=True)
class Table:
    """Candidates as a surrogate sees them: `rows` (n, columns) whole numbers, `features` (n, f) numbers."""

    rows: Array
    features: Array


def targets(values: Sequence[float | None]) -> Array:
    """Values (n) as normal quantiles of their ranks, equal values alike; failures (None) are as bad as the worst.

    Ranks do not care for the scale, nor for how deep a failure falls.
    """
    known = [value for value in values if value is not None]
    low = min(known, default=0.0)
    _, inverse, counts = np.unique([low if value is None else value for value in values], return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    quantiles = (ends - counts / 2.0) / len(values)
    return np.array([NormalDist().inv_cdf(each) for each in quantiles.tolist()])[inverse]


class Distances:
    """Distances to the candidates of a training set, for each group or feature that varies there."""

    def __init__(self, table: Table, groups: Sequence[Group]) -> None:
        rows, count = table.rows.astype(np.float32), len(table.rows)
        self._low, self._scale = table.features.mean(axis=0), table.features.std(axis=0)
        self._features = self._scaled(table.features)
        varying = [group.columns for group in groups if bool((rows[:, group.columns] != rows[:1, group.columns]).any())]
        self._groups = [(columns, rows[:, columns]) for columns in varying]
        self._means = [1.0] * (len(self._groups) + int((self._scale > 0).sum()))
        own = self.to(table)
        self._means = [max(float(each.sum()), 1e-9) / max(1, count * (count - 1)) for each in own]
        self.own = self.to(table)

    def to(self, table: Table) -> Array:
        """Squared distances (groups, m, n) of `m` candidates to those of the training set, over their mean there.

        Products of whole numbers are exact, in whatever order they are summed.
        """
        rows, found = table.rows.astype(np.float32), []
        for columns, known in self._groups:
            mine = rows[:, columns]
            found.append((mine * mine).sum(axis=1)[:, None] + (known * known).sum(axis=1)[None, :] - 2.0 * (mine @ known.T))
        scaled = self._scaled(table.features)
        found += [(scaled[:, i, None] - self._features[None, :, i]) ** 2 for i in np.flatnonzero(self._scale > 0)]
        result = np.zeros((len(found), len(rows), len(self._features)))
        for i, each in enumerate(found):
            np.divide(each, self._means[i], out=result[i])
        return result

    def _scaled(self, features: Array) -> Array:
        scaled = (features - self._low) / np.where(self._scale > 0, self._scale, 1.0)
        return np.asarray(np.clip(scaled, -4.0, 4.0))


@dataclass(frozen=True)
class Setting:
    """Logarithms of the weights and, last, of the noise; `score` says how well it explains a training set."""

    logs: Array
    score: float


def likely(distances: Array, values: Array, rng: np.random.Generator) -> list[Setting]:
    """Settings under which `values` (n) are likely, the likeliest first: random ones, then changes to the best of them.

    distances: (groups, n, n). The score is the logarithm of marginal likelihood times prior.
    """
    size = len(distances) + 1
    middle = np.append(np.full(size - 1, -np.log(max(1, size - 1))), NOISE[0])
    spread = np.append(np.full(size - 1, SPREAD), NOISE[1])

    def scored(steps: Array) -> Setting:
        logs = middle + spread * steps
        return Setting(logs, _likelihood(distances, values, logs) - 0.5 * float(steps @ steps))

    found = [scored(steps) for steps in (np.zeros(size), *rng.standard_normal((FIRST, size)))]
    for _ in range(ROUNDS):
        found.sort(key=lambda setting: -setting.score)
        for setting in found[:BEST]:
            changes = STEP * rng.standard_normal((EACH, size)) * (rng.random((EACH, size)) < 0.5)
            found += [scored((setting.logs - middle) / spread + change) for change in changes]
    return sorted(found, key=lambda setting: -setting.score)


def _kernel(distances: Array, logs: Array) -> Array:
    return np.asarray(np.exp(-np.tensordot(np.exp(logs[:-1]), distances, axes=1)))


def _factor(distances: Array, values: Array, logs: Array) -> tuple[Array, Array, float]:
    """The Cholesky factor of the covariance, the whitened values and the values' variance (algorithm 2.1 there)."""
    covariance = _kernel(distances, logs)
    covariance.flat[:: len(covariance) + 1] += np.exp(logs[-1]) + 1e-6
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, values)
    return factor, white, float(white @ white) / len(values) + 1e-9


def _likelihood(distances: Array, values: Array, logs: Array) -> float:
    """The logarithm of the marginal likelihood but for a constant (equation 5.8 there, at the best variance)."""
    factor, _, variance = _factor(distances, values, logs)
    return float(-0.5 * len(values) * np.log(variance) - np.log(np.diag(factor)).sum())


class Process:
    """The posterior under several settings, weighted by how likely they are."""

    def __init__(self, distances: Distances, values: Array, settings: Sequence[Setting]) -> None:
        self._distances = distances
        scores = np.array([setting.score for setting in settings])
        weights = np.exp(scores - scores.max())
        self._weights = (weights / weights.sum())[:, None]
        self._parts = []
        for setting in settings:
            factor, white, variance = _factor(distances.own, values, setting.logs)
            self._parts.append((setting.logs, np.linalg.inv(factor), white, variance))

    def predict(self, table: Table) -> tuple[Array, Array]:
        """Means and standard deviations (m) of the values of `m` candidates, without noise (equations 2.25, 2.26)."""
        distances = self._distances.to(table)
        means, variances = [], []
        for logs, whiten, white, variance in self._parts:
            across = whiten @ _kernel(distances, logs).T
            means.append(across.T @ white)
            variances.append(variance * np.maximum(1e-9, 1.0 - (across * across).sum(axis=0)))
        several = np.stack(means)
        mean = (self._weights * several).sum(axis=0)
        variance = (self._weights * (np.stack(variances) + (several - mean) ** 2)).sum(axis=0)
        return mean, np.sqrt(variance)

    def hope(self, table: Table, explore: float) -> Array:
        """What may be hoped for (m): the mean and `explore` standard deviations more."""
        mean, spread = self.predict(table)
        return np.asarray(mean + explore * spread)
