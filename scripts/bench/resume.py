#!/usr/bin/env python
"""How long it takes to go on with a large study: from opening it to the first launch, by part.

    python scripts/bench/resume.py [--trials N] [--strategy NAME] [--space NAME] [--storage journal|sqlite|URL] [--sampled]

The study is made first, of trials that the strategy proposes and that are pretended to be evaluated (with `--sampled` of random
ones: quicker). The second resume finds what the first one left, such as a snapshot of what a controller has learnt. Targets for
10,000 trials: evolution on the journal 10 s, on SQLite 40 s; rl 120 s by replay.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from nas import spaces, strategies
from nas.budget import Budget
from nas.engine.driver import Driver
from nas.engine.lanes import Candidate
from nas.engine.snapshot import remembered
from nas.evaluators import Fidelity, Outcome
from nas.spaces import Space
from nas.strategies import Proposal, Strategy, Trial
from nas.study import Recorder, Settings, create_study, resume_study
from nas.study.study import Study
from nas.testing.pretend import PretendedLanes

LATER = 10**9  # trials that the budget allows


def make(folder: Path, settings: Settings, space: Space, strategy: Strategy | None, trials: int) -> None:
    """A study of so many finished trials."""
    with create_study(folder, settings, space) as study:
        for first in range(0, trials, 100):
            with study.batch():
                for number in range(first, min(trials, first + 100)):
                    proposal = Proposal(space.sample(random.Random(number))) if strategy is None else strategy.ask(number)
                    architecture = space.decode(proposal.decisions)
                    study.start(proposal, architecture, seed=number, fidelity=Fidelity().to_dict())
                    value = int(architecture.digest[:8], 16) / 2**32
                    study.finish(number, Outcome("complete", {"accuracy": value}, None, 600.0, first_seconds=600.0), value, 600.0, 0)
                    if strategy is not None:
                        strategy.tell(Trial(number, proposal.decisions, value))


class Stop(Exception):
    """The first candidate was launched."""


class OneLaunch(PretendedLanes):
    """Ends at the first launch."""

    def submit(self, lane: int, candidate: Candidate) -> None:
        raise Stop


def resume(folder: Path, space: Space, name: str, url: str | None) -> dict[str, float]:
    """Seconds of processor time by part, and of the wall."""
    marks = [(time.process_time(), time.perf_counter())]

    def mark() -> None:
        marks.append((time.process_time(), time.perf_counter()))

    study: Recorder = resume_study(folder, storage=url)
    mark()
    strategy = remembered(lambda: strategies.create(name, study.space, 0), folder, study.settings, print)
    driver = Driver(study, strategy, OneLaunch(1), Budget(trials=LATER), Fidelity(), show_best=study.write_best)
    mark()
    try:
        driver.run()
    except Stop:
        mark()
    finally:
        study.close()
    names = ("open", "replay", "first launch")
    parts = {part: after[0] - before[0] for part, before, after in zip(names, marks, marks[1:], strict=False)}
    return parts | {"all": marks[-1][0] - marks[0][0], "wall": marks[-1][1] - marks[0][1]}


def reading(folder: Path, url: str | None) -> float:
    """Processor seconds to read all trials, as `nas status` does."""
    from nas.study import open_study

    start = time.process_time()
    study: Study = open_study(folder, storage=url)
    _ = study.ledger(), study.best
    return time.process_time() - start


def main() -> None:
    """Make, resume and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--strategy", default="evolution")
    parser.add_argument("--space", default="nasnet-cell")
    parser.add_argument("--storage", default="journal", help="journal, sqlite or a URL")
    parser.add_argument("--sampled", action="store_true", help="random trials: quicker to make, as long to take in")
    asked = parser.parse_args()
    space = spaces.load(asked.space)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / f"resume-{time.time():.0f}"
        url = {"journal": None, "sqlite": f"sqlite:///{name}/study.db"}.get(asked.storage, asked.storage)
        settings = Settings(folder.name, space.to_yaml(), asked.strategy, 0, f"{LATER}trials", "accuracy", storage=url)
        start = time.process_time()
        made = None if asked.sampled else strategies.create(asked.strategy, space, 0)
        make(folder, settings, space, made, asked.trials)
        took = time.process_time() - start
        print(f"{asked.trials} trials of {asked.strategy} on {asked.space}, {asked.storage}: made in {took:.1f} s of processor time")
        for attempt in ("first", "second"):
            parts = resume(folder, space, asked.strategy, url)
            print(f"{attempt} resume: " + ", ".join(f"{part} {seconds:.2f} s" for part, seconds in parts.items()), flush=True)
        print(f"reading it, as `nas status` does: {reading(folder, url):.2f} s")


if __name__ == "__main__":
    main()
