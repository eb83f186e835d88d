"""`--results`: where several machines find a run's weights, and a copy of what a person wants of it.

    PLACE/NAME/weights           what candidates leave for later ones
    PLACE/NAME/run.yaml, best.yaml, best.svg, front/, confirmed.yaml, study.journal
    PLACE/NAME/trials.jsonl, trials.csv     the record of all trials
    PLACE/NAME/confirm, control, correlate, baselines  the files and weights of what follows the search

The copy of a run whose record is the journal file is itself a run folder: fetched to another machine, it can be resumed.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas import strategies
from nas.engine.phases import shares_weights
from nas.errors import NasError, StudyError
from nas.evaluators import Evaluator, Store
from nas.evaluators.store import FOLDER
from nas.places import Folder, Place, check_place, place_of, reason_of
from nas.study import Settings, Study, open_study
from nas.study.baselines import BASELINES
from nas.study.confirmation import CONFIRM, CONTROL
from nas.study.correlation import CORRELATE
from nas.study.rows import json_lines, row, table
from nas.study.settings import RUN_FILE, read_settings, write_settings
from nas.study.storage import JOURNAL

FILES = (RUN_FILE, "best.yaml", "best.svg", "confirmed.yaml", JOURNAL)
FRONT = "front"
NESTED = (CONFIRM, CORRELATE, BASELINES, CONTROL)
EVERY_SECONDS = 60.0  # from one copy to the next,
PATIENCE = 20.0  # or so many times what the last one took: a large record shall not keep the driver busy
LAST_SECONDS = 120.0  # that the last copy may take


def checked(results: str | None, engine: str) -> str:
    """The place as it is recorded, once something could be written there; empty for none.

    Raises `PlaceError` (`NasError`) in one line where nothing can.
    """
    if results is None or results == "":
        return ""
    place = place_of(results)
    if engine == "ray" and str(place).startswith("memory:"):
        raise NasError(f"results={results!r:.60}: that lies in one process, and workers on Ray are others; allowed: a folder, s3://...")
    check_place(place)
    return str(place) if isinstance(place, Folder) else results.rstrip("/")


def home_of(settings: Settings) -> Place | None:
    """Where the results of a run go; None where nothing was said."""
    return place_of(settings.results).inside(*settings.study.split("/")) if settings.results else None


def store_of(directory: Path, settings: Settings) -> Store:
    """Where the weights of a run are kept. What is correlated with a search reads those of the search."""
    shared = settings.role == CORRELATE
    if settings.results:
        names = settings.study.split("/")
        return Store(place_of(settings.results).inside(*(names[:-1] if shared else names), FOLDER), shared=True)
    return Store.at((directory.parent if shared else directory) / FOLDER)


def check_free(results: str, name: str) -> None:
    """Raise `StudyError` where the place has a run of that name, which a new one would write over."""
    if results and (place := place_of(results).inside(name)).read(RUN_FILE) is not None:
        raise StudyError(f"{place}: has a run already; choose another --out, whose name it takes, or another --results")


def moved(directory: Path, results: str) -> None:
    """Record another place for a run and all that follows it."""
    for folder in (directory, *_nested(directory)):
        if (folder / RUN_FILE).exists() and (settings := read_settings(folder)).results != results:
            write_settings(folder, replace(settings, results=results))


def advice(settings: Settings, evaluator: Evaluator, nodes: int) -> str:
    """What to tell whoever searches on `nodes` machines, which may not see each other's weights; empty where there is nothing."""
    needs = _needs(settings, evaluator)
    if nodes < 2 or settings.results or not needs:
        return ""
    return (
        f"{nodes} machines, and {needs}: unless all see the run's folder, those that find no weights there begin anew; "
        "--results URL keeps them where all find them"
    )


def _needs(settings: Settings, evaluator: Evaluator) -> str:
    """What of a search begins with what was trained before."""
    if strategies.find(settings.strategy).phase or shares_weights(evaluator):
        return "candidates are judged by weights that others train"
    if settings.inherit:
        return "children inherit their parents' weights"
    if strategies.rungs(settings.strategy, **settings.strategy_options):
        return "promotions go on with what was trained before"
    return ""


def nodes() -> int:
    """Machines of the cluster that this process is connected to; 1 without one."""
    ray: Any = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return 1
    return sum(bool(node["Alive"]) for node in ray.nodes())


class Copies:
    """Puts what has changed in a run's folder to its place. Used by one thread at a time."""

    def __init__(self, directory: Path, storage: str | None = None) -> None:
        self._directory, self._storage = directory, storage
        self._there: dict[str, tuple[int, int]] = {}  # what was put there, by path: when it was written, and its bytes
        self._study: Study | None = None
        self._rows: dict[int, dict[str, Any]] = {}  # of finished trials, which do not change
        self._told = ""

    def put(self) -> None:
        """All that has changed. Raises whatever the place raises; what was put before stays."""
        if self._study is None:
            self._study = open_study(self._directory, storage=self._storage)
        home = home_of(self._study.settings)
        if home is None:
            return
        if not (isinstance(home, Folder) and _same(home.path, self._directory)):
            self._files(home)
        self._record(home, self._study)

    def _files(self, home: Place) -> None:
        for folder in (self._directory, *(path for path in _nested(self._directory) if path.is_dir())):
            place = home.inside(*folder.relative_to(self._directory).parts)
            for name in FILES:
                self._file(place, folder / name)
            self._front(place.inside(FRONT), folder / FRONT)

    def _file(self, place: Place, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            seen, key = (found.st_mtime_ns, found.st_size), str(path)
            if self._there.get(key) != seen:
                place.write(path.name, path.read_bytes())
                self._there[key] = seen

    def _front(self, place: Place, folder: Path) -> None:
        here = {path.name for path in folder.glob("*.yaml")}
        for name in sorted(here):
            self._file(place, folder / name)
        before = {path for path in self._there if Path(path).parent == folder}
        for gone in before - {str(folder / name) for name in here}:
            place.remove(Path(gone).name)
            del self._there[gone]

    def _record(self, home: Place, study: Study) -> None:
        for trial in study.trials:
            if trial.finished and trial.number not in self._rows:
                self._rows[trial.number] = row(trial)
        told = str(len(self._rows))
        if told != self._told:
            rows = [self._rows[number] for number in sorted(self._rows)]
            home.write("trials.jsonl", json_lines(rows).encode())
            home.write("trials.csv", table(rows).encode())
            self._told = told


@contextlib.contextmanager
def copied(directory: Path, settings: Settings, note: Callable[[str], None], storage: str | None = None) -> Iterator[None]:
    """Copy the results of a run at intervals while it runs, and at its end, whatever ends it. Failures are noted, once."""
    if not settings.results:
        yield
        return
    courier = _Courier(Copies(directory, storage), note, str(home_of(settings)))
    courier.start()
    try:
        yield
    finally:
        courier.end()


class _Courier(threading.Thread):
    def __init__(self, copies: Copies, note: Callable[[str], None], where: str) -> None:
        super().__init__(name="results", daemon=True)
        self._copies, self._note, self._where = copies, note, where
        self._over, self._said = threading.Event(), False

    def run(self) -> None:
        """Until `end`, and then once more."""
        pause = EVERY_SECONDS
        while not self._over.wait(pause):
            begun = time.monotonic()
            self._put()
            pause = max(EVERY_SECONDS, PATIENCE * (time.monotonic() - begun))
        self._said = False  # what is not there at the end is said again
        self._put()

    def end(self) -> None:
        """The last copy, as far as it is done in `LAST_SECONDS`."""
        self._over.set()
        self.join(LAST_SECONDS)
        if self.is_alive():
            self._note(f"results: {self._where} does not answer; the run's folder has all")

    def _put(self) -> None:
        try:
            self._copies.put()
        except Exception as error:  # a copy that fails takes nothing from the search
            if not self._said:
                self._note(f"results cannot be put to {self._where} ({reason_of(error)}); the search goes on")
            self._said = True


def _nested(directory: Path) -> list[Path]:
    return [directory / name for name in NESTED] + [directory / CONTROL / CONFIRM]


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False
