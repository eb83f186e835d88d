"""Every reader of what a person, a file or a storage may hand in, and inputs that are nearly right.

An input is a valid one with a few edits drawn by hypothesis, so that what fails is shrunk and can be repeated. A reader may
return, or raise a `NasError` of one line; it may take 5 s of processor time and 1 GB of memory. `scripts/fuzz` is the long form.
"""

from __future__ import annotations

import functools
import gzip
import io
import random
import re
import resource
import shutil
import signal
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas.errors import NasError

SECONDS = 5.0  # of processor time an input
BYTES = 10**9  # of memory an input
LONGEST = 1000  # characters of the one line that a person reads

Edit = tuple[str, int, int]
READERS: dict[str, Reader] = {}


class TooSlow(BaseException):
    """An input took more than `SECONDS`; no reader may catch it."""


@dataclass(frozen=True)
class Reader:
    """`seeds` are valid inputs; `read` reads an input, for which it has an empty folder; `tear` finds what to edit in a seed."""

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes, Path], Any]
    edit: Callable[[bytes, list[Edit]], bytes]


# What has broken readers before: numbers beyond every bound, words that YAML and JSON read as something else, lone marks.
TOKENS = [
    b"-1", b"0", b"1", b"2", b"1e309", b"-0.0", b"nan", b".nan", b".inf", b"1e-320", b"99999999999", b"9" * 40, b"1e6", b"65536",
    b"4294967296", b"9223372036854775808", b"NaN", b"Infinity", b"null", b"~", b"true", b"no", b"[]", b"{}", b"[[]]", b"''", b'""', b"*a",
    b"&a", b"&a [*a, *a]", b"!!python/object/apply:os.system ['true']", b"!!set {}", b"<<", b"? x", b"---", b"...", b"%YAML 9", b"\t",
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", "é".encode(), "\u2028".encode(), "\U0001f600".encode(), b"../../etc/passwd", b"/dev/zero", b"|",
    b">", b"#", b":", b": ", b"- ", b",", b"(", b")", b"=", b"'", b'"', b"\\", b"\n", b"\r\n", b" " * 70, b"[" * 200, b"{a: " * 100,
    b"2021-01-01", b"0x7f", b"0o17", b"1_000", b"12:30:45", b"%s%n", b"$(true)", b"a" * 2000,
]  # fmt: skip
KINDS = ("number", "word", "token", "delete", "double", "flip", "cut", "line", "swap")
_NUMBER, _WORD = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?"), re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


def edit_text(text: bytes, edits: list[Edit]) -> bytes:
    """The text with each edit (its kind, a place, a choice) made, one after another."""
    for kind, place, choice in edits:
        at = place % (len(text) + 1)
        token = TOKENS[choice % len(TOKENS)]
        found = list((_NUMBER if kind == "number" else _WORD).finditer(text)) if kind in ("number", "word", "swap") else []
        if kind in ("number", "word") and found:
            start, end = found[place % len(found)].span()
            text = text[:start] + token + text[end:]
        elif kind == "swap" and found:
            start, end = found[place % len(found)].span()
            text = text[:start] + found[choice % len(found)].group() + text[end:]
        elif kind == "token":
            text = text[:at] + token + text[at:]
        elif kind == "delete":
            text = text[:at] + text[at + 1 + choice % 40 :]
        elif kind == "double":
            text = text[:at] + text[at : at + choice % 200] * 2 + text[at + choice % 200 :]
        elif kind == "flip" and text:
            at %= len(text)
            text = text[:at] + bytes([text[at] ^ (1 << choice % 8)]) + text[at + 1 :]
        elif kind == "cut":
            text = text[:at]
        elif kind == "line":
            lines = text.split(b"\n")
            lines[place % len(lines)], lines[choice % len(lines)] = lines[choice % len(lines)], lines[place % len(lines)]
            text = b"\n".join(lines)
    return text


def edit_zip(data: bytes, edits: list[Edit]) -> bytes:
    """The archive with one of its members edited and packed again, so that its sums agree; or its bytes edited as they are."""
    if edits[0][2] % 3 == 0:
        return edit_text(data, edits)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(item.filename, item.compress_type, archive.read(item)) for item in archive.infolist()]
    which, packed = edits[0][1] % len(members), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, (name, kind, content) in enumerate(members):
            if number == which and len(edits) == 1 and edits[0][0] == "delete":
                continue
            archive.writestr(name, edit_text(content, edits) if number == which else content, kind)
    return packed.getvalue()


def edit_gzip(data: bytes, edits: list[Edit]) -> bytes:
    """What is packed, edited and packed again; or the bytes as they are."""
    return edit_text(data, edits) if edits[0][2] % 2 == 0 else gzip.compress(edit_text(gzip.decompress(data), edits), 1)


def reader(name: str, seeds: Callable[[], list[bytes]], edit: Callable[[bytes, list[Edit]], bytes] = edit_text) -> Any:
    """Register the function below as the reader of that name."""

    def register(read: Callable[[bytes, Path], Any]) -> Callable[[bytes, Path], Any]:
        READERS[name] = Reader(functools.cache(seeds), read, edit)
        return read

    return register


def fuzz(name: str, inputs: int, seed: int, each: Callable[[], None] = lambda: None) -> None:
    """Hand the reader so many inputs. Fails by the first, shrunk, that is not met as it should be; `each` is called for every input."""
    item = READERS[name]
    valid = item.seeds()
    with tempfile.TemporaryDirectory(prefix="nas-fuzz-") as scratch:
        for place, data in enumerate(valid):  # what is edited must be right before
            item.read(data, _empty(Path(scratch) / f"valid{place}"))

        @settings(max_examples=inputs, database=None, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck))
        @given(st.integers(0, len(valid) - 1), st.lists(_EDIT, min_size=1, max_size=4))
        def meet(which: int, edits: list[Edit]) -> None:
            data = item.edit(valid[which], edits)
            met(item, data, _empty(Path(scratch) / "input"))
            each()

        import hypothesis

        hypothesis.seed(seed)(meet)()


_EDIT = st.tuples(st.sampled_from(KINDS), st.integers(0, 2**20), st.integers(0, 2**12))


def met(item: Reader, data: bytes, folder: Path) -> str:
    """What the person is told, empty where the input was read. Raises `AssertionError` where it is not met as it should be."""
    before = _peak()
    try:
        with _timed():
            item.read(data, folder)
        line = ""
    except NasError as error:
        line = str(error)
        assert line.strip(), "an error without a word"
        assert "\n" not in line, f"several lines: {line!r}"
        assert len(line) <= LONGEST, f"{len(line)} characters"
    grown = _peak() - before
    assert grown <= BYTES, f"{grown / 1e9:.1f} GB"
    return line


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def _timed() -> Iterator[None]:
    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _file(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# ---- networks and spaces -------------------------------------------------------------------------------------------------


def _networks() -> list[bytes]:
    import nas
    from nas import baselines

    names = ("lenet5", "resnet20", "darts_v2", "mobilenet_v2", "vit_tiny", "mixer_s16", "googlenet", "densenet_bc_100_12")
    texts = [nas.load(name).to_yaml().encode() for name in names if baselines.find(name) is not None]
    return [*texts, nas.ensemble(["lenet5", "lenet5"]).to_yaml().encode()]


@reader("architecture", _networks)
def _(data: bytes, folder: Path) -> None:
    from nas.loading import load_file

    load_file(_file(data, folder, "network.yaml")).cost()


def _spaces() -> list[bytes]:
    from nas.spaces.files import folder

    return [path.read_bytes() for path in sorted(folder().glob("*.yaml")) if path.stat().st_size < 20_000]


@reader("space", _spaces)
def _(data: bytes, folder: Path) -> None:
    from nas import spaces

    space = spaces.load(_file(data, folder, "space.yaml"))
    decisions = space.sample(random.Random(0))
    space.decode(decisions)


def _recipes() -> list[bytes]:
    import nas.training.recipes as recipes

    return [path.read_bytes() for path in sorted(Path(recipes.__file__).parent.glob("*.yaml"))]


@reader("recipe", _recipes)
def _(data: bytes, folder: Path) -> None:
    from nas.training import recipes

    recipes.load(_file(data, folder, "recipe.yaml"))


# ---- runs ------------------------------------------------------------------------------------------------------------------


@functools.cache
def _run() -> dict[str, bytes]:
    """The files of a small run, several objectives, with a network it began with."""
    import nas

    with tempfile.TemporaryDirectory(prefix="nas-fuzz-") as scratch:
        nas.search(
            "nas-bench-201", evaluator="zero-cost:naswot", objectives="naswot,params", budget="8trials", engine="local", seed=1,
            strategy="nsga2", out=Path(scratch) / "run",
        )  # fmt: skip
        return {path.name: path.read_bytes() for path in (Path(scratch) / "run").iterdir() if path.is_file()}


def _read_run(name: str, data: bytes, folder: Path) -> None:
    from nas.study import open_study, resume_study

    for other, content in _run().items():
        (folder / other).write_bytes(data if other == name else content)
    study = open_study(folder)
    _, _, _, _ = study.ledger(), study.front, study.history(), study.space
    if (best := study.best) is not None:
        best.architecture.cost()
        study.lineage(best.number)
    for trial in study.trials:
        if trial.decisions:
            study.space.decode(trial.decisions)
    with resume_study(folder) as recorder:
        recorder.unfinished()


@reader("run.yaml", lambda: [_run()["run.yaml"]])
def _(data: bytes, folder: Path) -> None:
    _read_run("run.yaml", data, folder)


@reader("journal", lambda: [_run()["study.journal"]])
def _(data: bytes, folder: Path) -> None:
    _read_run("study.journal", data, folder)


@functools.cache
def _training() -> dict[str, bytes]:
    import nas

    with tempfile.TemporaryDirectory(prefix="nas-fuzz-") as scratch:
        nas.train("lenet5", dataset="digits", input=(1, 32, 32), epochs=1, out=Path(scratch) / "run")
        return {path.name: path.read_bytes() for path in (Path(scratch) / "run").iterdir() if path.is_file()}


def _read_training(name: str, data: bytes, folder: Path) -> None:
    from nas.trainer.folder import read_network
    from nas.trainer.status import Status

    for other in ("train.yaml", "network.yaml", "result.json", "history.csv"):
        (folder / other).write_bytes(data if other == name else _training()[other])
    status = Status.read(folder)
    read_network(folder, status.settings)
    status.to_dict()


for _name in ("train.yaml", "network.yaml", "result.json", "history.csv"):
    reader(_name, functools.partial(lambda name: [_training()[name]], _name))(functools.partial(_read_training, _name))


# ---- weights ---------------------------------------------------------------------------------------------------------------


def _saved(*, old: bool = False) -> bytes:
    import torch

    made = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)).state_dict()
    buffer = io.BytesIO()
    torch.save(made, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


@reader("weights", lambda: [_saved()], edit_zip)
def _(data: bytes, folder: Path) -> None:
    from nas.weights import read_weights

    read_weights(_file(data, folder, "weights.pt"))


@reader("old weights", lambda: [_saved(old=True)])
def _(data: bytes, folder: Path) -> None:
    from nas.weights import read_weights

    read_weights(_file(data, folder, "weights.pt"))


@reader("kept weights", lambda: [_saved()], edit_zip)
def _(data: bytes, folder: Path) -> None:
    from nas.bank import from_bytes
    from nas.evaluators.handover import read_parts

    read_parts(data)
    from_bytes(data)


def _checkpoint() -> list[bytes]:
    import torch

    from nas.trainer import checkpoint

    with tempfile.TemporaryDirectory(prefix="nas-fuzz-") as scratch:
        path = Path(scratch) / "checkpoint.pt"
        checkpoint.save(path, "0" * 64, {"epoch": 3, "module": {"w": torch.zeros(3, 4)}, "losses": [0.5, 0.25]})
        return [path.read_bytes()]


@reader("checkpoint", _checkpoint, edit_zip)
def _(data: bytes, folder: Path) -> None:
    import torch

    from nas.trainer import checkpoint

    checkpoint.load(_file(data, folder, "checkpoint.pt"), "0" * 64, torch.device("cpu"))


# ---- data ------------------------------------------------------------------------------------------------------------------


def _arrays(**arrays: Any) -> bytes:
    import numpy

    buffer = io.BytesIO()
    numpy.savez(buffer, **arrays)
    return buffer.getvalue()


def _npz() -> list[bytes]:
    import numpy

    x, y = numpy.arange(6 * 8 * 8, dtype=numpy.uint8).reshape(6, 8, 8), numpy.array([0, 1, 2, 0, 1, 2])
    return [
        _arrays(x_train=x, y_train=y, x_test=x, y_test=y, classes=3, flip=False),
        _arrays(x_train=x[..., None] / 255.0, y_train=y, class_names=numpy.array(["a", "b", "c"])),
    ]


@reader("npz data", _npz, edit_zip)
def _(data: bytes, folder: Path) -> None:
    from nas.data.npz import read_npz

    read_npz(_file(data, folder, "data.npz"), name="npz")


def _tables() -> list[bytes]:
    import numpy

    from nas.evaluators.table import EDGES, OPERATIONS, REQUIRED

    names = numpy.array(list(OPERATIONS))
    made: dict[str, Any] = {"op_names": names, "ops": numpy.eye(3, len(EDGES), dtype=numpy.uint8)}
    return [_arrays(**made, **{name: numpy.full(3, 50.0 + place) for place, name in enumerate(REQUIRED) if name not in made})]


@reader("table", _tables, edit_zip)
def _(data: bytes, folder: Path) -> None:
    from nas.evaluators.table import Table

    Table.load(_file(data, folder, "table.npz"))


def _idx() -> list[bytes]:
    return [gzip.compress(b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (2, 4, 4)) + bytes(32))]


@reader("idx data", _idx, edit_gzip)
def _(data: bytes, folder: Path) -> None:
    from nas.data.mnist import read_idx

    read_idx(_file(data, folder, "data.gz"))


def _tar() -> list[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("cifar/data_batch_1.bin", "../../outside.bin", "/absolute.bin"):
            member = tarfile.TarInfo(name)
            member.size = 100
            archive.addfile(member, io.BytesIO(bytes(100)))
    return [buffer.getvalue()]


@reader("tar data", _tar, edit_gzip)
def _(data: bytes, folder: Path) -> None:
    from nas.data.archive import read_tar

    read_tar(_file(data, folder, "data.tar.gz"), ("data_batch_1.bin", "outside.bin", "absolute.bin"))
    assert [path.name for path in folder.iterdir()] == ["data.tar.gz"]  # nothing is unpacked


def _pictures() -> list[bytes]:
    from PIL import Image

    made = []
    for kind in ("PNG", "JPEG", "GIF", "BMP"):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (10, 200, 30)).save(buffer, kind)
        made.append(buffer.getvalue())
    return made


@reader("picture", _pictures)
def _(data: bytes, folder: Path) -> None:
    from nas.data.folder import read_folder

    for label in ("a", "b"):
        (folder / label).mkdir()
        _file(_pictures()[0], folder / label, "right.png")
        _file(data, folder / label, "edited.png")
    read_folder(f"{folder}?size=8")


# ---- words on the command line -----------------------------------------------------------------------------------------------


def _word(name: str, seeds: list[str], read: Callable[[str], Any]) -> None:
    def read_bytes(data: bytes, folder: Path) -> None:
        read(data.decode("utf-8", "surrogateescape"))

    reader(name, lambda: [seed.encode() for seed in seeds])(read_bytes)


def _budget(text: str) -> Any:
    from nas.budget import Budget

    budget = Budget.parse(text)
    return str(budget), budget.describe(), Budget.parse(str(budget))


def _objectives(text: str) -> Any:
    from nas.objectives import parse

    return parse(text)


def _wish(text: str) -> Any:
    from nas.study.wish import Wish

    return Wish.parse(text)


def _latency(text: str) -> Any:
    from nas.latency import Setting

    return Setting.parse(text)


def _strategy(text: str) -> Any:
    from nas import spaces, strategies
    from nas.strategies.specs import parse, read

    parse(text)
    spec = read(text)
    return strategies.create(spec.name, spaces.load("tiny"), 0, **spec.options)


def _evaluator(text: str) -> Any:
    from nas import evaluators

    name, options = evaluators.parse(text)
    return evaluators.create(name, **options) if name == "zero-cost" else None


def _filter(text: str) -> Any:
    from nas.engine.screening import parse_filter

    return parse_filter(text)


def _ladder(text: str) -> Any:
    from nas.evaluators.fidelity import parse_ladder

    return parse_ladder(text)


def _amount(text: str) -> Any:
    from nas.units import parse_count

    return parse_count(text, where="limit")


def _memory(text: str) -> Any:
    from nas.units import parse_bytes

    return parse_bytes(text, where="keep")


def _shape(text: str) -> Any:
    from nas.cli.show import parse_shape

    return parse_shape(text)


def _network_name(text: str) -> Any:
    import nas

    return nas.load(text)


def _space_name(text: str) -> Any:
    from nas import spaces

    return spaces.load(text)


_word("budget", ["100gpuh", "2h,500trials", "90m", "1.5d", "20s"], _budget)
_word("objectives", ["accuracy,params", "min:val_loss,max:accuracy", "accuracy,latency_ms"], _objectives)
_word("confirm", ["3x3", "10x2", "3"], _wish)
_word("latency", ["batch=8,threads=2,device=cpu,backend=onnx", "batch=1"], _latency)
_word("strategy", ["evolution(population=10,sample=3)", "asha:evolution", "random"], _strategy)
_word("evaluator", ["zero-cost:naswot", "shared(sampling=fair)", "training"], _evaluator)
_word("filter", ["naswot:0.5", "naswot:0.5,params:0.1"], _filter)
_word("ladder", ["epochs,samples,resolution", "cells,channels"], _ladder)
_word("amount", ["600M", "1.8G", "42"], _amount)
_word("memory", ["600MB", "1.8GiB", "42"], _memory)
_word("shape", ["3x32x32", "1x8x8"], _shape)
_word("network name", ["resnet50", "lenet5"], _network_name)
_word("space name", ["nasnet-cell", "tiny"], _space_name)
