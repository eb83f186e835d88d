"""The folder of a training: making one, opening one, and keeping two processes out of one. Imports no torch."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.arch import Architecture
from nas.ensembles import Ensemble
from nas.errors import ArchitectureError
from nas.files import write_durably
from nas.loading import NETWORK_FILE, load_file
from nas.trainer.settings import TRAIN_FILE, Settings, TrainingError, read_settings, write_settings

if TYPE_CHECKING:
    from filelock import BaseFileLock

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.pt"
HISTORY = "history.csv"
RESULT = "result.json"
BOARD = "tb"
LOCK = "train.lock"  # of the process that was started
WRITER = "writer.lock"  # of rank 0, where there are several processes
# What a process leaves that was killed before there was a training.
_LEFT = (LOCK, NETWORK_FILE, f".{NETWORK_FILE}.part", f".{TRAIN_FILE}.part")


@dataclass(frozen=True)
class Row:
    """One epoch, counted from 1. `seconds` are of training and validating, over all processes that it took so far.

    `accuracy` and `val_loss` are NaN where no images are held out.
    """

    epoch: int
    train_loss: float
    val_loss: float
    accuracy: float
    rate: float
    images_per_second: float
    seconds: float

    @property
    def judged(self) -> bool:
        """Whether there were images to validate on."""
        return not math.isnan(self.accuracy)

    def better_than(self, other: Row) -> bool:
        """Whether it validated better: accuracy first, the loss where that is equal. Where nothing is held out, any is."""
        return not self.judged or (self.accuracy, -self.val_loss) > (other.accuracy, -other.val_loss)


def best_of(rows: Sequence[Row]) -> Row | None:
    """The epoch whose weights are kept: that which validated best, the first of equals, or the last where none is judged."""
    best: Row | None = None
    for row in rows:
        if best is None or row.better_than(best):
            best = row
    return best


def check_new(directory: str | Path) -> Path:
    """The absolute path of a folder that a new training may use. Raises `TrainingError`; makes nothing."""
    path = Path(directory).expanduser().absolute()
    try:
        if (path / TRAIN_FILE).exists():
            raise TrainingError(f"{path}: has a training already; `nas resume {path}` goes on with it, or choose another --out")
        if path.exists() and (not path.is_dir() or any(entry.name not in _LEFT for entry in path.iterdir())):
            raise TrainingError(f"{path}: is not an empty folder; nothing was written; choose another --out")
    except OSError as error:
        raise TrainingError(f"{path}: cannot be used ({error.strerror or error})") from None
    return path


def make(path: Path, settings: Settings, network: Architecture | Ensemble) -> BaseFileLock:
    """Make the folder with its settings and network, and hold its lock. Raises `TrainingError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be made ({error.strerror or error})") from None
    lock = acquire(path)
    try:
        check_new(path)  # another process may have been faster
        write_text(path / NETWORK_FILE, network.to_yaml())
        write_settings(path, settings)  # last: with it the folder is a training
    except BaseException:
        lock.release()
        raise
    return lock


def acquire(path: Path, name: str = LOCK, wait: float = 0.0) -> BaseFileLock:
    """The lock of the one process that trains here; the system lets go of it when that dies, however it dies.

    wait: seconds for another process to let go of it. Raises `TrainingError`.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path / name)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise TrainingError(f"{path}: another `nas train` or `nas resume` is at work here") from None
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror or error})") from None
    return lock


def at_work(path: Path) -> bool:
    """Whether a process trains here."""
    if not (path / LOCK).exists():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(path / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder of somebody else
        return False


def read_network(path: Path, settings: Settings) -> Architecture | Ensemble:
    """The network that is trained in the folder. Raises `TrainingError` where it is not the one of the settings."""
    try:
        network = load_file(path / NETWORK_FILE)
    except ArchitectureError as error:
        raise TrainingError(f"{error}; it is needed to go on with this training") from None
    if network.digest != settings.digest:
        raise TrainingError(f"{path / NETWORK_FILE} was changed: its digest is {network.digest[:12]}; allowed: {settings.digest[:12]}")
    return network


def write_text(path: Path, text: str) -> None:
    """Replace the file in one move. Raises `TrainingError`."""
    try:
        write_durably(path, text.encode())
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written ({error.strerror or error})") from None


def write_history(path: Path, rows: Sequence[Row]) -> None:
    """Replace `history.csv`: a line an epoch. Raises `TrainingError`."""
    text = io.StringIO()
    table = csv.DictWriter(text, [item.name for item in fields(Row)], lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow(asdict(row))
    write_text(path / HISTORY, text.getvalue())


def read_history(path: Path) -> tuple[Row, ...]:
    """The epochs of `history.csv`; none where there is no such file. Raises `TrainingError` where it is damaged."""
    try:
        with (path / HISTORY).open(encoding="utf-8", newline="") as file:
            return tuple(Row(int(row.pop("epoch")), **{name: float(text) for name, text in row.items()}) for row in csv.DictReader(file))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path / HISTORY}: cannot be read ({error})") from None


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write `result.json`, with which a training is finished. Raises `TrainingError`."""
    write_text(path / RESULT, json.dumps(result, indent=2) + "\n")


def read_result(path: Path) -> dict[str, Any] | None:
    """What `write_result` wrote; None while the training is not finished. Raises `TrainingError` where it is damaged."""
    try:
        data = json.loads((path / RESULT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{path / RESULT}: cannot be read ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(data, dict):
        raise TrainingError(f"{path / RESULT}: damaged; allowed: what `nas train` wrote")
    return data


def opened(directory: str | Path) -> tuple[Path, Settings]:
    """Absolute path and settings of a training's folder. Raises `TrainingError`."""
    path = Path(directory).expanduser().absolute()
    return path, read_settings(path)
