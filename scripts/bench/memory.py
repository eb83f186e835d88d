"""Memory of a worker over many candidates: `python scripts/bench/memory.py [--space nasnet-cell] [--candidates 1000]`.

Trains so many tiny candidates one after another in this process, through the evaluator that searches use, and prints the
resident memory after 50, 100, 250, ... of them, beyond what the process had with torch imported and the data read.
`--lane` does it in a process of Ray's, as a lane of a search is.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from pathlib import Path

MARKS = (1, 10, 50, 100, 250, 500, 750, 1000, 1500, 2000)


def resident() -> float:
    """MB of this process."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Vm"))
    return float(fields["VmRSS"].split()[0]) / 1e3


def measured(space: str, dataset: str, candidates: int, samples: float, inside: bool = False) -> dict[str, object]:
    """Resident MB by candidates done, and what there was before the first."""
    import torch

    from nas.evaluators import Clock, Evaluation, Fidelity
    from nas.evaluators.training import TrainingEvaluator
    from nas.spaces import load

    torch.set_num_threads(1)
    evaluator = TrainingEvaluator(dataset, recipe={"batch": 32}, validation=0.02)  # little to train, much to build
    evaluator.task()
    searched, rng, begun = load(space), random.Random(0), resident()
    fidelity = Fidelity(epochs=1, width=0.25, depth=0.5, samples=samples)
    marks, failed, start, most = {}, 0, time.perf_counter(), 0.0
    for number in range(1, candidates + 1):
        candidate = searched.decode(searched.sample(rng))
        try:
            evaluator.evaluate(candidate, fidelity, Evaluation(number, "cpu", Clock(600.0)))
        except Exception:  # some do not fit the input: that is remembered, too
            failed += 1
        most = max(most, resident())
        if number in MARKS or number == candidates:
            marks[number] = round(resident() - begun, 1)
            if not inside:
                print(f"{number:5d} candidates: {marks[number]:7.1f} MB more, {resident():7.1f} in all, "
                      f"{(time.perf_counter() - start) / number:.2f} s each", flush=True)  # fmt: skip
    objects = len(gc.get_objects())
    return {"begun": round(begun, 1), "more": marks, "most": round(most, 1), "failed": failed, "objects": objects}


def in_a_lane(*args: object) -> dict[str, object]:
    """The same in a worker of Ray's."""
    import ray

    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        found: dict[str, object] = ray.get(ray.remote(measured).remote(*args, inside=True))
        return found
    finally:
        ray.shutdown()


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nasnet-cell")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--samples", type=float, default=0.03, help="fraction of the training images of each")
    parser.add_argument("--lane", action="store_true")
    given = parser.parse_args()
    run = in_a_lane if given.lane else measured
    print(json.dumps(run(given.space, given.dataset, given.candidates, given.samples)))


if __name__ == "__main__":
    main()
