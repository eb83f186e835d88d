"""Networks side by side: what each costs and what it reaches, published or measured, never one for the other."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from nas.errors import NasError
from nas.loading import find_baseline, load

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.baselines import Facts
    from nas.ensembles import Ensemble
    from nas.study import Study, Trial

# Field: the heading of its column. `fidelity` says how closely a measurement looked.
HEADINGS = {
    "name": "name", "family": "family", "input": "input", "params": "parameters", "macs": "MACs", "activations": "activations",
    "top1": "top-1", "top5": "top-5", "source": "source", "extra": "extra",
    "measured": "measured", "objective": "objective", "run": "run", "dataset": "data set", "fidelity": "fidelity", "front": "front",
}  # fmt: skip
MEASURED = ("measured", "objective", "run", "dataset", "fidelity")
# The best of these stand first when sorted.
BETTER_IF_MORE = ("top1", "top5", "measured", "front")
FILE = "file"


@dataclass(frozen=True)
class Entry:
    """One network. `top1` and `top5` are published ImageNet accuracies of the weights that `source` names, at that `input`.

    `measured` is what a search of this project found, and is never filled from what is published. `front`: no network of the same
    kind (published; or measured on the same data set at the same fidelity) has fewer MACs and is as accurate.
    """

    name: str
    family: str
    input: tuple[int, int, int]
    params: int
    macs: int
    activations: int
    top1: float | None = None
    top5: float | None = None
    source: str | None = None
    extra: str | None = None
    measured: float | None = None
    objective: str | None = None
    run: str | None = None
    dataset: str | None = None
    fidelity: str | None = None
    front: bool = False
    less: bool = False  # less of what was measured is better

    def value(self, column: str) -> Any:
        """What a column is sorted by."""
        found = getattr(self, column)
        if column == "measured" and self.less and found is not None:
            return -found
        return found[1] * found[2] if column == "input" else found


def published(names: Sequence[str] = (), top: int = 1) -> list[Entry]:
    """The networks of those names (baselines, YAML files, run folders), each once; all with published accuracy if none is named.

    Of several sets of weights the one with the best top-`top` accuracy counts, and the cost is that at the input it was measured at.
    Raises `NasError`.
    """
    from nas import baselines

    made: dict[str, Entry] = {}
    for name in names or [known for known in baselines.names() if baselines.get(known).facts]:
        found = find_baseline(name)
        if found is None:
            made.setdefault(name, _entry(name, FILE, load(name)))
            continue
        facts = best_facts(found.facts, top)
        architecture = found.make()
        if facts is not None:
            architecture = architecture.with_input((architecture.input[0], facts.image, facts.image), architecture.classes)
        entry = _entry(found.name, found.family, architecture)
        known = {} if facts is None else {key: getattr(facts, key) for key in ("top1", "top5", "source", "extra")}
        made.setdefault(found.name, replace(entry, **known))
    return list(made.values())


def best_facts(facts: Iterable[Facts], top: int) -> Facts | None:
    """The weights of the best top-`top` accuracy; those where it was not published come last."""
    return max(facts, key=lambda item: (item.top1 if top == 1 else item.top5 or 0.0, item.top1), default=None)


def _entry(name: str, family: str, network: Architecture | Ensemble) -> Entry:
    cost = network.cost(aux=False)
    return Entry(name, family, network.input, cost.params, cost.macs, cost.activations)


def measured(runs: Iterable[str], every: bool = False) -> list[Entry]:
    """The best network of each run folder, or every finished one, best first. Raises `NasError`, also where none is finished."""
    from nas.study import open_study

    made: list[Entry] = []
    for run in dict.fromkeys(runs):
        study = open_study(run)
        ranked = study.ranked()
        if not ranked:
            raise NasError(f"{run}: no trial has finished, so nothing is measured; allowed: a run that `nas status` shows a best trial of")
        made += [_measured(study, run, trial) for trial in (ranked if every else ranked[:1])]
    return made


def _measured(study: Study, run: str, trial: Trial) -> Entry:
    settings = study.settings
    entry = _entry(f"{study.name} trial {trial.number}", study.name, trial.architecture)
    fidelity = fidelity_text(trial.fidelity or settings.fidelity) + (", cut off" if trial.cut else "")
    return replace(
        entry, measured=trial.value, run=run, dataset=settings.dataset or "own evaluator", fidelity=fidelity, objective=settings.objective,
        less=not study.goals[0].maximise,
    )  # fmt: skip


def fidelity_text(fidelity: dict[str, Any]) -> str:
    """`{"epochs": 3, "width": 0.5, "depth": 1.0}` as `3 epochs, width 0.5`."""
    epochs = fidelity.get("epochs")
    parts = [f"{epochs} epoch{'' if epochs == 1 else 's'}"] if epochs is not None else []
    parts += [f"{name} {value:.3g}" for name, value in fidelity.items() if name != "epochs" and value != 1.0]
    return ", ".join(parts) or "full"


def comparable(entry: Entry) -> tuple[str | None, ...]:
    """Accuracies are held against each other only where this is equal."""
    if entry.measured is None:
        return ("published",)
    return (entry.objective, entry.dataset, (entry.fidelity or "").removesuffix(", cut off"))


def with_fronts(entries: Sequence[Entry], top: int = 1) -> list[Entry]:
    """The entries with `front` set; published ones by their top-`top` accuracy."""
    groups: dict[tuple[str | None, ...], list[Entry]] = {}
    for entry in entries:
        if reached(entry, top) is not None:
            groups.setdefault(comparable(entry), []).append(entry)
    best = {id(entry) for group in groups.values() for entry in front(group, lambda entry: (entry.macs, worth(entry, top)))}
    return [replace(entry, front=id(entry) in best) for entry in entries]


def reached(entry: Entry, top: int = 1) -> float | None:
    """What it was measured at, or else its published top-`top` accuracy."""
    if entry.measured is not None:
        return entry.measured
    return entry.top1 if top == 1 else entry.top5


def worth(entry: Entry, top: int = 1) -> float:
    """What it reached, larger for better."""
    value = reached(entry, top) or 0.0
    return -value if entry.less else value


def front(entries: Iterable[Entry], key: Callable[[Entry], tuple[float, float]]) -> list[Entry]:
    """Those that no other beats: `key` gives what is to be small and what is to be large. By the first, smallest first."""
    made: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: (key(entry)[0], -key(entry)[1])):
        if not made or key(entry)[1] > key(made[-1])[1] or key(entry) == key(made[-1]):
            made.append(entry)
    return made


def sort(entries: Iterable[Entry], column: str) -> list[Entry]:
    """By a column: smallest first, accuracies best first, the other way with `-` before it; what is missing stands last.

    Raises `NasError` with the names of the columns.
    """
    name = find_column(column)
    more = (name in BETTER_IF_MORE) != column.startswith("-")
    known = [entry for entry in entries if entry.value(name) is not None]
    missing = [entry for entry in entries if entry.value(name) is None]
    return sorted(known, key=lambda entry: entry.value(name), reverse=more) + missing


def find_column(text: str) -> str:
    """The field that a column's name or heading means, case and punctuation ignored. Raises `NasError`."""
    plain = {re.sub(r"\W", "", word.lower()): name for name, heading in HEADINGS.items() for word in (name, heading)}
    found = plain.get(re.sub(r"\W", "", text.lower()))
    if found is None:
        raise NasError(f"--sort={text!r:.60}; allowed: {', '.join(HEADINGS)}, or one with - before it for the other way round")
    return found


def columns(entries: Iterable[Entry]) -> list[str]:
    """The fields worth a column: those of measurements only if there is one."""
    some = any(entry.measured is not None for entry in entries)
    return [name for name in HEADINGS if some or name not in MEASURED]


def to_dicts(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Plain data, a row a network, with the fields of `columns`."""
    shown = columns(entries)
    return [{name: _plain(value) for name, value in asdict(entry).items() if name in shown} for entry in entries]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def to_csv(entries: Sequence[Entry]) -> str:
    """As CSV with a header; what is missing is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [item.name for item in fields(Entry) if item.name in columns(entries)], lineterminator="\n")
    writer.writeheader()
    for row in to_dicts(entries):
        writer.writerow({**row, "input": "x".join(map(str, row["input"])), "front": int(row["front"])})
    return out.getvalue()
