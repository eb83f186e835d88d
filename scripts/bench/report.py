"""What `nas report` costs: seconds to make the page of a search, and how large it is; and a look of `nas watch` at a grown record.

    python scripts/bench/report.py [--trials 5000] [--space nasnet-cell] [--run FOLDER]

Makes a search of so many trials with a made-up evaluator first (half a minute for 5,000), unless a run is given.
Targets: 5,000 trials in less than 8 MB, plotly's script included. A look without a change costs less than a first one, since
costs, importances and pictures are kept.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nas
from nas.report.page.data import Reading, page_data
from nas.report.page.render import plotly, render, to_json
from nas.study import open_study


def evaluate(architecture: nas.Architecture, fidelity: object) -> dict[str, float]:
    """Made up: what a record of real trainings holds, without training."""
    cost = architecture.cost(aux=False)
    noise = int(architecture.digest[:4], 16) / 2**18
    return {"accuracy": 0.6 + 0.2 * math.tanh(cost.params / 5e6) + noise, "params": cost.params, "macs": cost.macs}


def timed(what: str, call: Callable[[], Any]) -> Any:
    """Print how long it took."""
    begun = time.perf_counter()
    made = call()
    print(f"{what:48} {time.perf_counter() - begun:7.2f} s")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--space", default="nasnet-cell")
    parser.add_argument("--run", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = given.run or Path(folder) / "run"
        if given.run is None:
            budget = f"{given.trials}trials"
            nas.search(given.space, strategy="evolution", evaluator=evaluate, budget=budget, engine="local", out=out, seed=0)
        study = open_study(out)
        print(f"{len(study.trials)} trials of {study.space.name}, {len(study.space.choices)} decisions")
        data = timed("the data of the page", lambda: page_data(study))
        text = timed("the page of that", lambda: render(data))
        reading = Reading(study)
        timed("a first look of nas watch", lambda: reading.data(running=False))
        timed("a further look", lambda: reading.data(running=False))
        sizes = f"{len(text.encode()) / 1e6:.2f} MB: plotly {len(plotly()) / 1e6:.2f}, data {len(to_json(data).encode()) / 1e6:.2f}"
        print(f"size {sizes} (target 8)")


if __name__ == "__main__":
    main()
