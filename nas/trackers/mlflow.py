"""MLflow: a run a candidate, in an experiment of the search's name. A server, or a database or folder on this machine."""

from __future__ import annotations

import re
import time
from typing import Any, ClassVar

from nas.trackers.base import TRACKERS, Entry, Run

MOST_PARAMS, MOST_METRICS = 100, 1000  # MLflow's limits of one `log_batch`
LONGEST = 500  # characters of a value
KEY = "nas.trial"  # the tag by which a trial is found again


@TRACKERS.register("mlflow")
class MLflow:
    """`target` is the tracking URI, such as `http://host:5000` or `sqlite:///mlflow.db` (default: MLFLOW_TRACKING_URI)."""

    name: ClassVar[str] = "mlflow"
    package: ClassVar[str] = "mlflow"
    install: ClassVar[str] = "'nas[mlflow]'"
    metavar: ClassVar[str] = "[URI]"
    help: ClassVar[str] = "A run a candidate in MLflow, at this tracking URI (default: MLFLOW_TRACKING_URI)."

    def __init__(self, target: str) -> None:
        self.target = target
        self._client: Any = None
        self._experiment = ""
        self._run: Run | None = None

    def check(self) -> None:
        """Nothing can be told without a connection, which may come later."""

    def open(self, run: Run) -> None:
        """Find or make the experiment. Raises what MLflow raises."""
        from mlflow.tracking import MlflowClient

        self._client, self._run = MlflowClient(tracking_uri=self.target or None), run
        found = self._client.get_experiment_by_name(run.search)
        self._experiment = found.experiment_id if found else self._client.create_experiment(run.search)

    def add(self, entry: Entry) -> None:
        """Raises what MLflow raises."""
        from mlflow.entities import Metric, Param

        now, of = int(time.time() * 1000), self._run
        assert of is not None
        client, number = self._client, f"{of.key}-{entry.number}"
        began = now - int(1000 * (entry.curve[-1][2] if entry.curve else entry.device_seconds))
        tags = {KEY: number, "nas.study": of.study, "nas.digest": entry.digest}
        known = client.search_runs([self._experiment], f"tags.`{KEY}` = '{number}'", max_results=1)
        run = known[0] if known else client.create_run(self._experiment, began, tags, of.title(entry))
        params = {"digest": entry.digest, **of.settings, **entry.facts, **entry.decisions}
        said = [Param(_key(name), str(value)[:LONGEST]) for name, value in params.items()]
        for first in range(0, len(said), MOST_PARAMS):
            client.log_batch(run.info.run_id, params=said[first : first + MOST_PARAMS])
        points = [
            Metric(name, value, began + int(1000 * seconds), round(epoch))
            for epoch, reached, seconds in entry.curve
            for name, value in ((_key(entry.objective), reached), ("seconds", seconds))
        ]
        last = round(entry.curve[-1][0]) if entry.curve else 0
        points += [Metric(_key(name), value, now, last) for name, value in entry.numbers().items()]
        for first in range(0, len(points), MOST_METRICS):
            client.log_batch(run.info.run_id, metrics=points[first : first + MOST_METRICS])
        client.set_terminated(run.info.run_id, "FAILED" if entry.failed else "FINISHED", now)

    def close(self) -> None:
        """Nothing is held open."""


def _key(name: str) -> str:
    """As MLflow allows it: `nodes[0][1].op` becomes `nodes.0.1.op`."""
    return re.sub(r"[^\w\-. /]", "_", re.sub(r"\[(\w+)\]", r".\1", name))[:250]
