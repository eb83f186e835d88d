"""The frozen settings of a run and their file, `run.yaml`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from nas.arch import text as text_of
from nas.errors import NasError, StudyError
from nas.files import write_durably
from nas.latency import Setting
from nas.objectives import Objective, parse
from nas.study.wish import Wish

FORMAT = 1
RUN_FILE = "run.yaml"
MAX_BYTES = 4 * 2**20  # a space has one at most, and may be given with networks to start from
MAX_FAILURES = 2  # a candidate that took three workers down with it has failed


@dataclass(frozen=True)
class Settings:
    """Everything that a run was started with. `space` is YAML; `storage` None for the journal file, else a URL.

    `objective` is the name of the first, `objectives` all in the form that `nas.objectives.parse` reads; empty where the
    one there is is maximised.
    `evaluator` is a registered name, or None for one that was handed in and has to be handed in again to resume.
    `confirm` is empty, or says how many `networks` are trained again with how many `seeds` each for how many `epochs`;
    `latency` says how what is timed is measured, see `nas.latency.Setting`; empty where nothing is, and in old runs.
    `correlate`, in the same way, what is trained alone to be held against accuracies on shared weights.
    `packed`: as many workers share a device as fit, chosen anew when the run is resumed; `memory_per_device`: bytes that
    candidates on one device may take together, 0 for what a GPU has.
    `control` whether a random search follows. `references` are decisions that others are held against: tried first,
    confirmed with the best and never the best; `network` is what the space was made from, as a person named it.
    `inherit`: whether a candidate made from another begins with what of that one's trained parts fits it.
    `ladder` names what parts of the fidelity shrink, in order (empty: epochs, then samples); `stop_early` is the quantile of
    curves below which a candidate is stopped, 0 for none; `keep` is what kept weights may take together, such as `1GB`.
    `max_failures`: how often a candidate whose worker died is run again; `max_workers`: so many workers there may be once
    nodes have joined, 0 for no more than `workers`; `gpu_weights`: what a second on a kind of GPU counts, see
    `nas.engine.weights`.
    `results` is a place (`nas.places`) in whose folder of the study's name weights are kept and the results are copied; empty
    where they lie in the run's folder alone.
    `plugins` are names of the plugins that it was started with, and the SHA-256 of each; they are never loaded from here.
    `baselines` is a space (YAML) of one decision, whose options are networks that are trained as candidates are, to be shown
    beside what was found; empty where there are none.
    `role` is `search`, or what the run is within another: `control`, `confirm`, `correlate`, `baselines`.
    """

    study: str
    space: str
    strategy: str
    seed: int
    budget: str
    objective: str
    evaluator: str | None = None
    evaluator_options: dict[str, Any] = field(default_factory=dict)
    strategy_options: dict[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    fidelity: dict[str, Any] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)  # measures that the strategy is told of candidates
    start: list[dict[str, Any]] = field(default_factory=list)  # decisions of the first trials
    timeout: float | None = None
    storage: str | None = None
    engine: str = "ray"
    workers: int = 1
    gpus_per_trial: float = 0.0
    device: str = "cpu"
    versions: dict[str, Any] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    created: str = ""
    role: str = "search"
    confirm: dict[str, Any] = field(default_factory=dict)
    control: bool = False
    objectives: list[str] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    network: str | None = None
    latency: str = ""
    inherit: bool = False
    keep: str = ""
    correlate: dict[str, Any] = field(default_factory=dict)
    ladder: list[str] = field(default_factory=list)
    stop_early: float = 0.0
    packed: bool = False
    memory_per_device: float = 0.0
    max_failures: int = MAX_FAILURES
    max_workers: int = 0
    gpu_weights: str = ""
    results: str = ""
    plugins: dict[str, Any] = field(default_factory=dict)
    baselines: str = ""

    @property
    def goals(self) -> tuple[Objective, ...]:
        """What trials are judged by, the first of them first."""
        return parse(self.objectives) if self.objectives else (Objective(self.objective),)

    @property
    def timing(self) -> Setting:
        """How what is timed is measured. Raises `NasError` where `latency` is damaged."""
        return Setting.parse(self.latency) if self.latency else Setting()

    @property
    def wish(self) -> Wish | None:
        """What is to be trained again, if anything. Raises `NasError` where `confirm` is damaged."""
        return Wish.from_dict(self.confirm) if self.confirm else None

    @property
    def correlation_wish(self) -> Wish | None:
        """What is to be trained alone, to be held against shared weights. Raises `NasError` where `correlate` is damaged."""
        return Wish.from_dict(self.correlate) if self.correlate else None


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "dict[str, Any]": (dict,),
    "list[str]": (list,),
    "list[dict[str, Any]]": (list,),
}

_SELDOM = (  # not written where there are none
    "objectives", "references", "network", "latency", "inherit", "keep", "ladder", "stop_early", "correlate", "packed",
    "memory_per_device", "max_workers", "gpu_weights", "results", "plugins", "baselines",
)  # fmt: skip


def write_settings(directory: Path, settings: Settings) -> None:
    """Write `run.yaml` whole or not at all. Raises `StudyError` when the folder cannot be written."""
    write_atomically(directory / RUN_FILE, settings_text(settings))


def settings_text(settings: Settings) -> str:
    """What `run.yaml` holds."""
    note = "# The frozen settings of a run of `nas search`; `nas resume` on this folder goes on with it.\n"
    data = {name: value for name, value in asdict(settings).items() if value or name not in _SELDOM}
    if settings.max_failures == MAX_FAILURES:
        del data["max_failures"]
    return note + _dump({"format": FORMAT, **data})


def write_atomically(path: Path, text: str) -> None:
    """Replace the file by `text` in one move. Raises `StudyError`."""
    try:
        write_durably(path, text.encode(), path.with_name(f"{path.name}.{os.getpid()}.tmp"))  # another driver may write it, too
    except OSError as error:
        raise StudyError(f"{path}: cannot be written ({error.strerror or error})") from None


def read_settings(directory: Path) -> Settings:
    """The settings of a run folder. Raises `StudyError` when it is none, of a newer version, or damaged."""
    path = directory / RUN_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if any(directory.glob("driver*.lock")):
            raise StudyError(f"{directory}: its search was killed before it began; start it again, with the same --out") from None
        what = "no such folder" if not directory.exists() else f"not a run folder (it has no {RUN_FILE})"
        raise StudyError(f"{directory}: {what}; allowed: a folder that `nas search` made") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read ({error})") from None
    return parse_settings(text, str(path))


def parse_settings(text: str, path: str) -> Settings:
    """The settings that `settings_text` has written, from `path`. Raises `StudyError` as `read_settings` does."""
    try:
        data = text_of.parse(text, max_bytes=MAX_BYTES, max_text=MAX_BYTES)  # the space is one text in it
    except NasError as error:
        raise StudyError(f"{path}: damaged ({' '.join(str(error).split())[:160]})") from None
    return _check(path, data)


def _check(path: str, data: Any) -> Settings:
    if not isinstance(data, Mapping) or not isinstance(data.get("format"), int):
        raise StudyError(f"{path}: damaged; allowed: a mapping with `format: {FORMAT}`")
    if data["format"] != FORMAT:
        newer = data["format"] > FORMAT
        hint = "written by a newer nas: update nas to open it" if newer else "no such version"
        raise StudyError(f"{path}: format {data['format']}, {hint}; allowed: {FORMAT}")
    values = {key: value for key, value in data.items() if key != "format"}
    known = {item.name: str(item.type) for item in fields(Settings)}
    for key, value in values.items():
        if key not in known:
            raise StudyError(f"{path}: {key!r} is unknown; allowed: {', '.join(known)}")
        if not isinstance(value, _KINDS[known[key]]):
            raise StudyError(f"{path}: {key}={value!r:.60} is of the wrong type; allowed: {known[key]}")
    missing = [name for name in ("study", "space", "strategy", "seed", "budget", "objective") if name not in values]
    if missing:
        raise StudyError(f"{path}: {missing[0]} is missing")
    settings = Settings(**values)
    try:
        named, _, _, _ = [goal.name for goal in settings.goals], settings.wish, settings.correlation_wish, settings.timing
    except NasError as error:
        raise StudyError(f"{path}: {error}") from None
    if named[0] != settings.objective:
        raise StudyError(f"{path}: objectives={settings.objectives!r:.60}; allowed: the first is the objective, {settings.objective!r:.40}")
    return settings


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a person can read the space."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _dump(data: dict[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
