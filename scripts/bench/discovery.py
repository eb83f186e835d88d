"""Does the search find something? A found network beside hand-designed ones of the same size, trained by the same recipe.

    python scripts/bench/discovery.py --out DIR --dataset digits --budget 60s --params 100k
    python scripts/bench/discovery.py --out DIR --dataset npz:cifar10_small.npz --budget 4m --train-budget 8m --params 150k
    until python scripts/bench/discovery.py --out DIR --dataset cifar10 --budget 10m --minutes 8.5; do [ $? = 75 ] || break; done

1. a search, and random search under the same budget in the same space as its control;
2. the best of each and the hand-designed networks are brought to `--params` parameters by their widths, in single channels;
3. confirmation: the `--confirm KxR` K best of either, R seeds each, judged by held-out training images; with 1x1 there is none;
4. training: all on all training images, by one recipe without dropout and auxiliary heads, for equally many epochs, `--seeds`
   seeds each; the test images are looked at once a training, at its end, and choose nothing;
5. a table, a figure, and what can be said: report.md, report.csv, report.json, figure.svg, figure.png in DIR.

All that is known lies in DIR. A call goes on where the last one ended, however that ended; after `--minutes` it says what is left
and exits with 75. Options are those of the first call; only --minutes, --workers and --train-workers may change.

On a machine without a network: `--engine local` imports no Ray (it is the default where Ray is not installed), the record needs
Optuna. Beside Python 3.11 or newer, torch >= 2.8 (which brings typing_extensions and filelock), numpy and this project on PYTHONPATH
these wheels are enough, 2.3 MB in all: optuna (0.44 MB), colorlog (0.01), tqdm (0.08), packaging (0.13), pyyaml (0.81), tensorboardX
(0.09), protobuf (0.34), platformdirs (0.09), rich (0.31). Without matplotlib everything but the figure is written, and the same call
on DIR draws it where there is one; its wheels are 25 MB. Not needed: ray, sqlalchemy, alembic, click, pooch (with --data-dir or npz:).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from _discovery_jobs import Job, train_all
from _discovery_report import write_report

import nas
from nas import data as datasets
from nas.arch import Architecture
from nas.budget import Budget
from nas.engine.devices import core_count, gpu_count
from nas.engine.observer import Finished, Observer, Progress
from nas.errors import NasError
from nas.evaluators import Fidelity
from nas.files import write_durably
from nas.scale import match
from nas.study import Study, open_study
from nas.study.confirmation import finalists
from nas.study.settings import RUN_FILE
from nas.trainer.result import TrainResult
from nas.training import recipes
from nas.training.recipe import Recipe
from nas.units import format_seconds, parse_count

MORE = 75  # exit status: time is up, call again
BASELINES = "resnet20,resnet56,wrn_16_4,densenet_bc_100_12,mobilenet_v2_cifar,nasnet_a_cifar"
DEFAULTS: dict[str, Any] = {
    "dataset": "digits", "data_dir": None, "budget": "10m", "train_budget": None, "params": "2M", "space": None, "strategy": "auto",
    "baselines": BASELINES, "seeds": 3, "seed": 0, "confirm": None, "epochs": None, "search_epochs": None, "recipe": None,
    "batch": None, "engine": None,
}  # fmt: skip
SMALL_BUDGET = 3600.0  # device-seconds of a CPU below which NASNet's space is too large to see much of
FINALISTS = ("search", "control")
HELD_OUT = 0.2  # of the training images, by which a confirmation judges


class Left(Exception):
    """The time of this call is over; says what is left."""


class Discovery:
    """One comparison in its folder."""

    def __init__(self, folder: Path, options: dict[str, Any], until: float, workers: int | None, train_workers: int | None) -> None:
        self.folder, self.options, self.until = folder, options, until
        self.gpus = gpu_count()
        self.workers = workers or self.gpus or core_count()
        self.train_workers = train_workers or (min(4, core_count()) if self.gpus else core_count())
        self.wanted = int(parse_count(options["params"], where="--params"))

    def run(self) -> None:
        """All that is left. Raises `Left`."""
        study = self.search()
        self.networks(study)
        self.confirm()
        self.train()
        write_report(self.folder, self.options, study, self.rows(), self.read("chosen.json"), note)

    # ---- search and control --------------------------------------------------------------------------------------

    def search(self) -> Study:
        """The finished search with its control."""
        path, options = self.folder / "search", self.options
        if (self.folder / "searched.json").exists():
            return open_study(path)
        watcher = Until(self.until)
        share = self.gpus / self.workers if self.gpus else None
        try:
            if (path / RUN_FILE).exists():
                study = nas.resume(
                    path, workers=self.workers, gpus_per_trial=share, engine=options["engine"], dashboard=False, observer=watcher
                )
            else:
                study = nas.search(
                    options["space"], strategy=options["strategy"], evaluator_options=self.evaluator(), dataset=options["dataset"],
                    budget=options["budget"], control=options["strategy"] != "random", seed=options["seed"], out=path,
                    engine=options["engine"], workers=self.workers, gpus_per_trial=share,
                    fidelity=Fidelity(options["search_epochs"]) if options["search_epochs"] else None, dashboard=False, observer=watcher,
                )  # fmt: skip
        except KeyboardInterrupt:
            if not watcher.over:
                raise
            raise Left(f"the {watcher.role} ({watcher.left}), and what follows it") from None
        self.write("searched.json", {"seconds": study.ledger().seconds})
        return study

    def evaluator(self) -> dict[str, Any]:
        given: dict[str, Any] = {"recipe": self.recipe().to_dict()}
        return given if self.options["data_dir"] is None else {**given, "data_dir": self.options["data_dir"]}

    def recipe(self) -> Recipe:
        """The same for every training, in the search too: no dropout, for networks bring different ones."""
        if self.options["recipe"] is not None:
            made = recipes.load(self.options["recipe"])
        else:
            known = datasets.load(self.options["dataset"], data_dir=self.data_dir())
            made = Recipe.default(len(known.x_train), min(known.input[1:]))
        made = replace(made, dropout=0.0, early_stop=0)
        return made if self.options["batch"] is None else replace(made, batch=int(self.options["batch"]))

    def data_dir(self) -> Path | None:
        return None if self.options["data_dir"] is None else Path(self.options["data_dir"])

    # ---- networks of one size ------------------------------------------------------------------------------------

    def networks(self, study: Study) -> None:
        """Write all networks at the wanted number of parameters."""
        if (self.folder / "networks.json").exists():
            return
        known = datasets.load(self.options["dataset"], data_dir=self.data_dir())
        sources: list[tuple[str, str, str, Architecture]] = [
            (name, "hand-designed", name, nas.load(name)) for name in self.options["baselines"].split(",") if name
        ]
        for kind, run in zip(FINALISTS, (study, study.control), strict=True):
            for place, trial in enumerate(finalists(run, self.confirmed[0]) if run is not None else []):
                sources.append((f"{kind}_{place + 1}", kind, f"trial {trial.number}", trial.architecture))
        rows = []
        for name, kind, source, architecture in sources:
            made = match(bare(architecture, known, name), self.wanted)
            cost = made.architecture.cost()
            path = self.folder / "networks" / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            write_durably(path, made.architecture.to_yaml().encode())
            rows.append({
                "name": name, "kind": kind, "source": source, "digest": made.architecture.digest,
                "params": cost.params, "macs": cost.macs, "difference": made.difference,
            })  # fmt: skip
            note(f"{name}: {cost.params:,} parameters, {100 * made.difference:+.2f}% of {self.wanted:,}, {cost.macs / 1e6:.1f}M MACs")
        self.write("networks.json", rows)

    # ---- trainings -----------------------------------------------------------------------------------------------

    @property
    def confirmed(self) -> tuple[int, int]:
        """Networks and seeds of the confirmation."""
        networks, _, seeds = self.options["confirm"].partition("x")
        return int(networks), int(seeds)

    def confirm(self) -> None:
        """Choose one network of the search and one of its control, by held-out training images."""
        if (self.folder / "chosen.json").exists():
            return
        rows, (networks, seeds) = self.read("networks.json"), self.confirmed
        chosen: dict[str, Any] = {}
        found = [row for row in rows if row["kind"] in FINALISTS]
        tried = [row["name"] for row in found] if networks > 1 else []
        jobs = {name: self.jobs("confirm", name, seeds, max(1, self.epochs() // 2), HELD_OUT) for name in tried}
        self.do("confirmation", [job for each in jobs.values() for job in each])
        for kind in FINALISTS:
            means = {row["name"]: _mean(jobs.get(row["name"], []), "accuracy") for row in found if row["kind"] == kind}
            if means:
                chosen[kind] = max(means, key=lambda name: -1.0 if means[name] is None else means[name])
        seconds = sum(result.seconds for each in jobs.values() for result in results(each)) * self.share
        self.write("chosen.json", {**chosen, "seconds": seconds, "trainings": sum(map(len, jobs.values()))})

    def train(self) -> None:
        """All networks of the comparison."""
        self.do("training", [job for each in self.compared().values() for job in each])

    def compared(self) -> dict[str, list[Job]]:
        """The trainings of each network that is compared, seed after seed."""
        chosen = self.read("chosen.json")
        names = [row["name"] for row in self.read("networks.json") if chosen.get(row["kind"], row["name"]) == row["name"]]
        return {name: self.jobs("train", name, self.options["seeds"], self.epochs(), 0.0) for name in names}

    def jobs(self, stage: str, name: str, seeds: int, epochs: int, validation: float) -> list[Job]:
        options = {
            "dataset": self.options["dataset"], "data_dir": self.options["data_dir"], "epochs": epochs, "validation": validation,
            "recipe": self.recipe(), "threads": 1,
        }  # fmt: skip
        first = self.options["seed"] + (1000 if stage == "confirm" else 0)
        return [
            Job(self.folder / "networks" / f"{name}.yaml", self.folder / stage / f"{name}-s{seed}", {**options, "seed": first + seed})
            for seed in range(seeds)
        ]

    def do(self, what: str, jobs: list[Job]) -> None:
        """Raises `Left` where the time does not suffice."""
        # Seed after seed, so that one that is broken off has looked at all networks.
        order = sorted(jobs, key=lambda job: job.folder.name.rpartition("-s")[2])
        for job in order:
            job.folder.parent.mkdir(exist_ok=True)
        if left := train_all(order, self.train_workers, self.until, note):
            raise Left(f"{left} of {len(jobs)} trainings of the {what}" + ("" if what == "training" else ", and what follows it"))

    def epochs(self) -> int:
        """For every network alike: as many as the budget of the training affords, from a few measured steps of each."""
        if self.options["epochs"] is not None:
            return int(self.options["epochs"])
        if not (self.folder / "epochs.json").exists():
            if time.time() >= self.until:
                raise Left("measuring steps, training")
            self.write("epochs.json", self.measured())
        return int(self.read("epochs.json")["epochs"])

    def measured(self) -> dict[str, Any]:
        """Seconds of an epoch of each network, and how many epochs these afford."""
        import torch

        from nas.training.dataset import TrainingData
        from nas.training.measure import measure

        torch.set_num_threads(1)
        device = torch.device("cuda" if self.gpus else "cpu")
        data = TrainingData.of(datasets.load(self.options["dataset"], data_dir=self.data_dir()), 0.1, 0, device)
        images = len(data.train) + len(data.validation)
        once, epoch = {}, {}
        for row in (rows := self.read("networks.json")):
            if row["kind"] in FINALISTS and not row["name"].endswith("_1"):
                continue  # about as the first of them
            network = nas.load(str(self.folder / "networks" / f"{row['name']}.yaml"))
            first, each, _ = measure(network.build, data, self.recipe(), 0)
            once[row["name"]], epoch[row["name"]] = first, each * images
        budget = Budget.parse(self.options["train_budget"]).seconds
        budget *= 1 if self.gpus else min(self.train_workers, core_count())
        seeds = self.options["seeds"]
        epochs = max(1, math.floor((budget / seeds - sum(once.values())) / sum(epoch.values())))
        note(f"{epochs} epochs each: one of all {len(epoch)} networks takes {format_seconds(sum(epoch.values()))} of a device")
        return {"epochs": epochs, "seconds_an_epoch": epoch, "networks": len(rows)}

    # ---- what came of it -----------------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """A row a network that was compared, with its trainings."""
        facts, rows = {row["name"]: row for row in self.read("networks.json")}, []
        for name, jobs in self.compared().items():
            done = results(jobs)
            rows.append({
                **facts[name], "epochs": self.epochs(), "failed": len(jobs) - len(done),
                "test": [result.test_accuracy for result in done],
                "seconds": [result.seconds * self.share for result in done],
            })  # fmt: skip
        return rows

    @property
    def share(self) -> float:
        """Device-seconds to the seconds of one of several trainings side by side, which share the first GPU where there is one."""
        return 1.0 / self.train_workers if self.gpus else 1.0

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def write(self, name: str, data: Any) -> None:
        write_durably(self.folder / name, (json.dumps(data, indent=2) + "\n").encode())


class Until(Observer):
    """Ends a search when the time is over, as Ctrl-C does: what has finished is kept, what runs is run again."""

    def __init__(self, until: float) -> None:
        self.until, self.over, self.role, self.left = until, False, "search", "not begun"

    def note(self, line: str) -> None:
        note(line)

    def begin(self, start: Any) -> None:
        self.role = start.role
        note(f"{start.role}: {start.budget}, {start.workers} workers, {start.fidelity}")

    def finished(self, finished: Finished) -> None:
        value = "failed" if finished.value is None else f"{100 * finished.value:.2f}%"
        note(f"{self.role}: trial {finished.number}, {value}")

    def tick(self, progress: Progress) -> None:
        if time.time() >= self.until and not self.over:
            self.over = True
            self.left = f"{100 * (1 - progress.budget.used(progress.ledger)):.0f}% of its budget"
            raise KeyboardInterrupt


def bare(architecture: Architecture, known: datasets.Dataset, name: str) -> Architecture:
    """The network for a data set, without auxiliary heads, which not all have."""
    return replace(architecture.with_input(known.input, known.classes), name=name, aux=())


def results(jobs: list[Job]) -> list[TrainResult]:
    """Of the trainings that did not fail."""
    return [TrainResult.read(job.folder) for job in jobs if (job.folder / "result.json").exists()]


def _mean(jobs: list[Job], field: str) -> float | None:
    values = [getattr(result, field) for result in results(jobs)]
    return sum(values) / len(values) if values else None


def note(line: str) -> None:
    """Say what happens."""
    print(line, flush=True)


def settled(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The options of the first call, which are kept in the folder. Raises `NasError` where these are others."""
    path = folder / "settings.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name, value in given.items():
            if kept[name] != value:
                option = f"--{name.replace('_', '-')}"
                raise NasError(f"{folder} was begun with {option} {kept[name]}, not {value}; allowed: leave it out, or another --out")
        return kept
    if folder.exists() and any(folder.iterdir()):
        raise NasError(f"--out={folder} is not empty, and none of mine; allowed: a new folder")
    made = checked({**DEFAULTS, **given})
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(path, (json.dumps(made, indent=2) + "\n").encode())
    return made


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """With what follows from the others filled in. Raises `NasError`."""
    budget, made = Budget.parse(options["budget"]), dict(options)
    made["dataset"] = datasets.absolute(options["dataset"])
    known = datasets.load(made["dataset"], data_dir=None if options["data_dir"] is None else Path(options["data_dir"]))
    if known.x_test is None:
        raise NasError(f"{options['dataset']} has no test images; allowed: a data set with some, for networks are judged by them")
    if not 0 < parse_count(options["params"], where="--params") <= 1e9:
        raise NasError(f"--params={options['params']}; allowed: above 0, up to 1G")
    made["train_budget"] = options["train_budget"] or (options["budget"] if math.isfinite(budget.seconds) else "10m")
    if not math.isfinite(Budget.parse(made["train_budget"]).seconds):
        raise NasError(f"--train-budget={made['train_budget']}; allowed: wall time, such as 10m")
    small = not gpu_count() and not SMALL_BUDGET < min(budget.seconds * core_count(), budget.device_seconds) < math.inf
    made["space"] = options["space"] or ("nas-bench-201" if small else "nasnet-cell")
    nas.spaces.load(made["space"])
    for name in filter(None, options["baselines"].split(",")):
        bare(nas.load(name), known, name).cost()
    made["confirm"] = options["confirm"] or ("3x1" if gpu_count() else "1x1")
    networks, _, seeds = made["confirm"].partition("x")
    if not (networks.isdecimal() and seeds.isdecimal() and int(networks) and int(seeds)):
        raise NasError(f"--confirm={made['confirm']}; allowed: networks x seeds, such as 3x1")
    made["engine"] = options["engine"] or ("ray" if importlib.util.find_spec("ray") else "local")
    return made


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("--out", required=True, type=Path, help="the folder that everything lies in")
    parser.add_argument("--dataset", help="digits, cifar10, npz:FILE, folder:DIR (default: digits)")
    parser.add_argument("--data-dir")
    parser.add_argument("--budget", help="of the search, and of its control: 10m of wall time, 0.1gpuh, 40trials (default: 10m)")
    parser.add_argument("--train-budget", help="of all final trainings together, by which epochs are chosen (default: as --budget)")
    parser.add_argument("--params", help="that all networks are brought to (default: 2M)")
    parser.add_argument("--space", help="default: nasnet-cell; nas-bench-201 for less than an hour of a CPU")
    parser.add_argument("--strategy", help="default: auto")
    parser.add_argument("--baselines", help=f"default: {BASELINES}")
    parser.add_argument("--seeds", type=int, help="trainings of each network (default: 3)")
    parser.add_argument("--seed", type=int, help="of the search, and the first of the trainings (default: 0)")
    parser.add_argument("--confirm", help="KxR (default: 3x1 on a GPU, else 1x1)")
    parser.add_argument("--epochs", type=int, help="default: what --train-budget affords")
    parser.add_argument("--search-epochs", type=int, help="of a candidate (default: a proxy of each, as the budget affords)")
    parser.add_argument("--recipe", help="of all trainings (default: the plain one for short runs)")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--engine", choices=("ray", "local"), help="default: ray where it is installed")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which a call ends, with 75 if something is left")
    parser.add_argument("--workers", type=int, default=None, help="of the search (default: a core each, or one on a GPU)")
    parser.add_argument("--train-workers", type=int, default=None, help="trainings side by side (default: a core each, 4 on a GPU)")
    return parser


def main() -> int:
    given = vars(arguments().parse_args())
    folder: Path = given.pop("out").absolute()
    minutes, workers, train_workers = given.pop("minutes"), given.pop("workers"), given.pop("train_workers")
    until = time.time() + 60 * minutes
    try:
        Discovery(folder, settled(folder, given), until, workers, train_workers).run()
    except Left as left:
        note(f"time is up; left: {left}; go on: python scripts/bench/discovery.py --out {folder}")
        return MORE
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NasError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same --out goes on")
