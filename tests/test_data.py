"""Data sets: the official formats in miniature, the user's own, and everything that can be wrong with them."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas.data
from nas.data import cifar, mnist
from nas.data.base import Dataset
from nas.data.fetch import default_folder, fetch
from nas.data.pictures import Pictures
from nas.data.source import Remote, Source
from nas.errors import DataError, NasError, UnknownNameError

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens, so a connection is refused at once


def images(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def dataset(labels: list[int], **changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "made",
        "x_train": images(len(labels), 4, 5, 3),
        "y_train": np.array(labels, np.int64),
        "x_test": None,
        "y_test": None,
        "classes": 3,
        "class_names": ("a", "b", "c"),
        "flip": True,
    }
    return Dataset(**{**fields, **changes})


def one_line(error: pytest.ExceptionInfo[NasError], *parts: str) -> None:
    """An error for people: one line, no traceback of another hung onto it, and it names what it should."""
    text = str(error.value)
    assert "\n" not in text
    assert error.value.__suppress_context__ or error.value.__context__ is None
    for part in parts:
        assert part in text, text


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach beyond this machine, whatever network it has."""
    monkeypatch.setattr(cifar, "HOST", NOWHERE)
    for name, layout in (("MNIST", mnist.MNIST), ("FASHION", mnist.FASHION)):
        monkeypatch.setattr(mnist, name, type(layout)(**{**vars(layout), "urls": (NOWHERE,)}))
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)


# The data set itself -------------------------------------------------------------------------------------------------


def test_input_is_channels_height_width() -> None:
    assert dataset([0, 1, 2]).input == (3, 4, 5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"x_train": images(3, 4, 5)}, "N x H x W x C"),
        ({"x_train": images(2, 4, 5, 3)}, "shape (2,)"),
        ({"x_train": images(3, 4, 5, 3).astype(np.int32)}, "int32"),
        ({"x_train": np.full((3, 4, 5, 3), np.nan, np.float32)}, "x_train[0] holds NaN"),
        ({"y_train": np.array([0, 1, 3])}, "y_train[2] is 3; allowed: 0..2"),
        ({"y_train": np.array([0, -1, 2])}, "y_train[1] is -1"),
        ({"y_train": np.array([0.0, 1.0, 2.0])}, "float64"),
        ({"x_test": images(2, 4, 5, 3)}, "come together"),
        ({"x_test": images(2, 4, 4, 3), "y_test": np.array([0, 1])}, "test images are 4 x 4 x 3"),
        ({"x_test": images(2, 4, 5, 3).astype(np.float32), "y_test": np.array([0, 1])}, "x_test is float32"),
        ({"classes": 1, "class_names": ("a",)}, "2 or more"),
        ({"class_names": ("a", "b")}, "2 class names for 3 classes"),
    ],
)
def test_dataset_refuses(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError) as error:
        dataset([0, 1, 2], **changes)
    one_line(error, "made", says)


def test_split_is_stratified_disjoint_and_complete() -> None:
    data = dataset([0] * 100 + [1] * 50 + [2] * 10)
    train, validation = data.split(0.2, seed=7)
    assert sorted([*train, *validation]) == list(range(160))
    assert np.bincount(data.y_train[validation]).tolist() == [20, 10, 2]
    assert train.dtype == validation.dtype == np.int64
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()


@pytest.mark.parametrize("fraction", [0.001, 0.1, 1 / 3, 0.5, 0.9, 0.999])
def test_split_has_the_size_asked_for_and_leaves_every_class_in_training(fraction: float) -> None:
    data = dataset([0] * 333 + [1] * 334 + [2] * 334)
    train, validation = data.split(fraction, seed=0)
    assert abs(len(validation) - fraction * 1001) <= 3
    assert set(data.y_train[train]) == {0, 1, 2}
    shares = np.bincount(data.y_train[validation], minlength=3) / np.array([333, 334, 334])
    assert np.ptp(shares) <= 1 / 333 + 1e-9


def test_split_keeps_single_images_for_training() -> None:
    data = dataset([0] * 9 + [1] + [2] * 10)
    train, _ = data.split(0.9, seed=0)
    assert set(data.y_train[train]) == {0, 1, 2}


def test_split_depends_on_the_seed_alone() -> None:
    data = dataset([0, 1, 2] * 40)
    first, again, other = data.split(0.25, seed=1), data.split(0.25, seed=1), data.split(0.25, seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_split_is_the_same_in_every_process() -> None:
    code = "import json, nas.data; print(json.dumps(nas.data.load('digits').split(0.1, 3)[1].tolist()))"
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True
    ).stdout
    assert json.loads(out) == nas.data.load("digits").split(0.1, 3)[1].tolist()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), 0.0001])
def test_split_refuses_a_fraction_that_leaves_a_side_empty(fraction: float) -> None:
    with pytest.raises(DataError) as error:
        dataset([0, 1, 2] * 10).split(fraction, seed=0)
    one_line(error, "made", f"{fraction:g}")


# Names ---------------------------------------------------------------------------------------------------------------


def test_names() -> None:
    assert set(nas.data.names()) == {"digits", "cifar10", "cifar100", "mnist", "fashion-mnist"}


@pytest.mark.parametrize(
    ("spec", "near"), [("cifer10", "cifar10"), ("", "digits"), ("zip:x", "npz:PATH"), ("digits:", "digits")]
)
def test_unknown_name_carries_the_nearest(spec: str, near: str, tmp_path: Path) -> None:
    for ask in (nas.data.load, nas.data.available):
        with pytest.raises(UnknownNameError) as error:
            ask(spec, data_dir=tmp_path)
        one_line(error, repr(spec), near)


def test_a_bare_path_is_told_its_kind(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(b"")
    for path, kind in ((tmp_path, "folder:"), (tmp_path / "mine.npz", "npz:")):
        with pytest.raises(DataError) as error:
            nas.data.load(str(path))
        one_line(error, f"{kind}{path}")


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_a_kind_without_a_path(kind: str) -> None:
    with pytest.raises(DataError) as error:
        nas.data.load(f"{kind}:")
    one_line(error, f"allowed: {kind}:PATH")


def test_a_new_data_set_is_one_function(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nas.data.NAMED, "_items", dict(nas.data.NAMED.items()))

    @nas.data.NAMED.register("mine")
    def mine(data_dir: Path) -> Source:
        return Source(read=lambda: dataset([0, 1, 2], name=f"mine in {data_dir}"))

    assert "mine" in nas.data.names()
    assert nas.data.available("mine", tmp_path)
    assert nas.data.load("mine", data_dir=tmp_path).name == f"mine in {tmp_path}"


def test_import_is_cheap() -> None:
    code = "import sys, nas.data; nas.data.load('digits'); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True
    ).stdout
    assert not {"PIL", "pooch", "requests", "torch", "sklearn"} & set(out.split())


def test_default_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert default_folder() == tmp_path / "nas"
        assert not default_folder().exists()
    assert default_folder().name.lower() == "nas"


# Digits --------------------------------------------------------------------------------------------------------------


def make_digits() -> dict[str, np.ndarray]:
    """What `nas/data/digits.npz` holds: `np.savez_compressed(PATH, **make_digits())` writes it anew."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = np.rint(bunch.images * 255 / 16).astype(np.uint8)
    y = bunch.target.astype(np.int64)
    names = tuple("0123456789")
    train, test = Dataset("digits", x[..., np.newaxis], y, None, None, 10, names, False).split(0.2, seed=0)
    arrays = {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}
    indices = {"index_train": train.astype(np.uint16), "index_test": test.astype(np.uint16)}
    return {**{key: array.astype(np.uint8) for key, array in arrays.items()}, **indices}


def test_digits_are_scikit_learns() -> None:
    made = make_digits()
    with np.load(Path(nas.data.__file__).with_name("digits.npz"), allow_pickle=False) as stored:
        assert set(stored) == set(made)
        for key, array in made.items():
            assert stored[key].dtype == array.dtype, key
            assert np.array_equal(stored[key], array), key
        assert sorted([*stored["index_train"], *stored["index_test"]]) == list(range(1797))


def test_digits() -> None:
    data = nas.data.load("digits", download=False)
    assert nas.data.available("digits")
    assert (data.name, data.input, data.classes, data.flip) == ("digits", (1, 8, 8), 10, False)
    assert data.class_names == tuple("0123456789")
    assert data.x_train.shape == (1438, 8, 8, 1)
    assert data.x_train.dtype == np.uint8
    assert data.x_train.max() == 255
    assert data.x_test is not None
    assert data.y_test is not None
    assert data.x_test.shape == (359, 8, 8, 1)
    assert np.bincount(data.y_test).min() >= 34
    assert np.bincount(data.y_test).max() <= 37


# CIFAR ---------------------------------------------------------------------------------------------------------------


def cifar_files(layout: cifar.Layout, count: int = 6) -> dict[str, bytes]:
    """An official archive in miniature, written record by record as the format's page describes it."""
    rng = np.random.default_rng(1)
    files = {layout.names: "\n".join(f"class{label}" for label in range(layout.classes)).encode() + b"\n\n"}
    for name in (*layout.train, layout.test):
        records = [
            bytes(rng.integers(0, 20 if layout.label_bytes == 2 else 10, 1, np.uint8))
            + (bytes(rng.integers(0, 100, 1, np.uint8)) if layout.label_bytes == 2 else b"")
            + bytes(rng.integers(0, 256, 3072, np.uint8))
            for _ in range(count)
        ]
        files[name] = b"".join(records)
    return files


def tar_gz(folder: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in {"readme.html": b"<html>", **files}.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def place_cifar(layout: cifar.Layout, root: Path, form: str) -> None:
    files = cifar_files(layout)
    folder = {"archive": root, "folder": root / layout.folder, "bare": root, "own": root / layout.name / layout.folder}[
        form
    ]
    folder.mkdir(parents=True, exist_ok=True)
    if form == "archive":
        files = {layout.archive: tar_gz(layout.folder, files)}
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("form", ["archive", "folder", "bare", "own"])
@pytest.mark.parametrize("layout", [cifar.CIFAR10, cifar.CIFAR100], ids=lambda layout: layout.name)
def test_cifar_official_binary(layout: cifar.Layout, form: str, tmp_path: Path) -> None:
    assert not nas.data.available(layout.name, tmp_path)
    place_cifar(layout, tmp_path, form)
    before = sorted(tmp_path.rglob("*"))
    assert nas.data.available(layout.name, tmp_path)
    data = nas.data.load(layout.name, data_dir=tmp_path, download=False)
    assert (data.input, data.classes, data.flip) == ((3, 32, 32), layout.classes, True)
    assert data.class_names[:2] == ("class0", "class1")
    assert len(data.y_train) == 6 * len(layout.train)
    assert data.y_test is not None
    assert len(data.y_test) == 6
    raw = cifar_files(layout)[layout.train[-1]]
    last = raw[-3072 - layout.label_bytes :]
    assert data.y_train[-1] == last[layout.label_bytes - 1]
    for channel, row, column in ((0, 0, 0), (1, 5, 30), (2, 31, 31)):
        assert data.x_train[-1, row, column, channel] == last[layout.label_bytes + channel * 1024 + row * 32 + column]
    assert sorted(tmp_path.rglob("*")) == before, "reading leaves nothing behind"


def test_cifar_without_the_file_of_names_has_numbers(tmp_path: Path) -> None:
    place_cifar(cifar.CIFAR10, tmp_path, "folder")
    (tmp_path / cifar.CIFAR10.folder / cifar.CIFAR10.names).unlink()
    assert nas.data.load("cifar10", data_dir=tmp_path).class_names == tuple("0123456789")


def damaged_cifar(change: str) -> bytes:
    files = cifar_files(cifar.CIFAR10)
    if change == "missing":
        del files["data_batch_4.bin"]
    elif change == "cut":
        files["data_batch_2.bin"] = files["data_batch_2.bin"][:-100]
    elif change == "empty":
        files["test_batch.bin"] = b""
    elif change == "label":
        files["data_batch_3.bin"] = b"\x0a" + files["data_batch_3.bin"][1:]
    content = tar_gz(cifar.CIFAR10.folder, files)
    endings = {"truncated": content[: len(content) // 2], "garbage": b"<html>404</html>", "nothing": b""}
    flipped = content[:4000] + bytes(byte ^ 0xFF for byte in content[4000:4100]) + content[4100:]
    return {**endings, "flipped": flipped}.get(change, content)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", "lacks data_batch_4.bin"),
        ("cut", "data_batch_2.bin has 18,338 bytes; allowed: a multiple of 3,073"),
        ("empty", "test_batch.bin has 0 bytes"),
        ("label", "data_batch_3.bin holds label 10; allowed: 0..9"),
        ("truncated", "damaged"),
        ("garbage", "damaged"),
        ("nothing", "damaged"),
        ("flipped", "damaged"),
    ],
)
def test_cifar_refuses_a_damaged_archive_and_keeps_it(change: str, says: str, tmp_path: Path) -> None:
    archive = tmp_path / cifar.CIFAR10.archive
    content = damaged_cifar(change)  # once: a gzip file holds the time
    archive.write_bytes(content)
    with pytest.raises(DataError) as error:
        nas.data.load("cifar10", data_dir=tmp_path)
    one_line(error, str(archive), says)
    assert archive.read_bytes() == content, "a user's file is never written over"


def test_cifar_archive_that_unpacks_beyond_the_limit(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    member.size = 10**11  # stated in the header; the content needn't be there to be refused
    with gzip.GzipFile(fileobj=buffer, mode="w") as stream:
        stream.write(member.tobuf() + bytes(10240))
    (tmp_path / cifar.CIFAR10.archive).write_bytes(buffer.getvalue())
    with pytest.raises(DataError) as error:
        nas.data.load("cifar10", data_dir=tmp_path)
    one_line(error, "more than 8 GB")


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py", "data_batch_1"])
def test_cifar_python_version_is_told_apart_and_never_opened(name: str, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    for download in (True, False):
        with pytest.raises(DataError) as error:
            nas.data.load("cifar10", data_dir=tmp_path, download=download)
        one_line(error, name, "binary version is wanted", "cifar-10-binary.tar.gz", "--dataset digits")
    assert not (tmp_path / "exploded").exists()


# MNIST ---------------------------------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


def mnist_files(opening: tuple[int, ...] = ()) -> dict[str, bytes]:
    labels = np.array([*opening, *(number % 10 for number in range(20))])
    x_train, x_test = images(len(labels), 28, 28), images(7, 28, 28, seed=1)
    return dict(zip(mnist.FILES, (idx(x_train), idx(labels), idx(x_test), idx(np.arange(7))), strict=True))


def place_mnist(folder: Path, form: str = "gz", opening: tuple[int, ...] = ()) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in mnist_files(opening).items():
        if form == "gz":
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / (name if form == "plain" else name.replace("-idx", ".idx"))).write_bytes(content)


@pytest.mark.parametrize("form", ["gz", "plain", "dotted"])
@pytest.mark.parametrize(
    ("name", "folder", "flip"),
    [
        ("mnist", "mnist", False),
        ("mnist", "MNIST/raw", False),
        ("mnist", "", False),
        ("fashion-mnist", "fashion-mnist", True),
        ("fashion-mnist", "FashionMNIST/raw", True),
        ("fashion-mnist", "", True),
    ],
)
def test_mnist_official_files(name: str, folder: str, flip: bool, form: str, tmp_path: Path) -> None:
    assert not nas.data.available(name, tmp_path)
    place_mnist(tmp_path / folder, form)
    assert nas.data.available(name, tmp_path)
    data = nas.data.load(name, data_dir=tmp_path, download=False)
    assert (data.input, data.classes, data.flip) == ((1, 28, 28), 10, flip)
    assert np.array_equal(data.x_train[..., 0], images(20, 28, 28))
    assert data.y_train.tolist() == [number % 10 for number in range(20)]
    assert data.x_test is not None
    assert np.array_equal(data.x_test[..., 0], images(7, 28, 28, seed=1))


def test_mnist_and_fashion_are_told_apart_by_content(tmp_path: Path) -> None:
    place_mnist(tmp_path, opening=mnist.FASHION.opening)
    assert nas.data.load("fashion-mnist", data_dir=tmp_path).class_names[0] == "t-shirt"
    with pytest.raises(DataError) as error:
        nas.data.load("mnist", data_dir=tmp_path)
    one_line(error, "belongs to fashion-mnist")


@pytest.mark.parametrize(
    ("part", "content", "says"),
    [
        (0, b"", "starts with nothing"),
        (0, b"<html>", "no IDX file"),
        (0, idx(images(20, 28, 28))[:-5], "15,675 bytes of 15,680 stated"),
        (0, idx(images(20, 28, 28)) + b"\0", "holds more bytes"),
        (0, idx(images(19, 28, 28)), "(19, 28, 28) for labels of shape (20,)"),
        (0, b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31), "allowed: 8 GB"),
        (1, idx(np.full(20, 11)), "y_train[0] is 11; allowed: 0..9"),
        (1, idx(images(20, 2)), "labels of shape (20, 2)"),
        (2, idx(images(7, 30, 30)), "test images are 30 x 30 x 1"),
        (3, b"\0\0\x0d\x01" + bytes(100), "no IDX file of bytes"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_refuses_damaged_files(part: int, content: bytes, says: str, packed: bool, tmp_path: Path) -> None:
    place_mnist(tmp_path / "mnist", "gz" if packed else "plain")
    path = tmp_path / "mnist" / (mnist.FILES[part] + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError) as error:
        nas.data.load("mnist", data_dir=tmp_path)
    one_line(error, says)


def test_mnist_refuses_a_truncated_gz(tmp_path: Path) -> None:
    place_mnist(tmp_path / "mnist")
    path = tmp_path / "mnist" / f"{mnist.FILES[0]}.gz"
    for content in (path.read_bytes()[:-500], b"no gzip at all", b""):
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            nas.data.load("mnist", data_dir=tmp_path)
        one_line(error, str(path))


# Downloading ---------------------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; a path under /slow never answers, one under /broken ends early."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        folder, _, name = self.path.strip("/").rpartition("/")
        if folder == "slow":
            server.stop.wait(20)
            return
        content = server.files.get(name)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write((content or b"")[: 50 if folder == "broken" else None])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    web: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.files, web.asked, web.stop = {}, [], threading.Event()
    web.url = f"http://127.0.0.1:{web.server_address[1]}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield web
    web.stop.set()
    web.shutdown()
    web.server_close()
    thread.join()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def test_fetch_puts_a_whole_checked_file_in_place(server: Any, tmp_path: Path) -> None:
    server.files["a.bin"] = content = bytes(images(300_000))
    remote = Remote(tmp_path / "new" / "a.bin", (f"{NOWHERE}/a.bin", f"{server.url}/a.bin"), md5(content))
    fetch([remote])
    assert remote.path.read_bytes() == content
    assert list(remote.path.parent.iterdir()) == [remote.path]


def test_fetch_shows_its_progress_on_a_terminal(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    server.files["a.bin"] = content = bytes(300_000)
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    fetch([Remote(tmp_path / "a.bin", (f"{server.url}/a.bin",), md5(content))])
    assert "100%" in screen.getvalue()


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("none", "HTTP status 404"),
        ("slow", "no answer in 0.3 s"),
        ("broken", "broke off"),
        ("wrong", "another checksum"),
    ],
)
def test_fetch_says_why_not_and_leaves_nothing(folder: str, says: str, server: Any, tmp_path: Path) -> None:
    if folder != "none":
        server.files["a.bin"] = b"x" * 1000
    remote = Remote(tmp_path / "a.bin", (f"{server.url}/{folder}/a.bin",), md5(b"y"))
    began = time.monotonic()
    with pytest.raises(DataError) as error:
        fetch([remote], timeout=0.3 if folder == "slow" else 10.0)
    assert time.monotonic() - began < 10
    one_line(error, says, "a.bin", remote.urls[0], f"into {tmp_path}", "--dataset digits")
    assert list(tmp_path.iterdir()) == []


def test_fetch_into_a_folder_that_cannot_be_made(server: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError) as error:
        fetch([Remote(tmp_path / "file" / "sub" / "a.bin", (f"{server.url}/a.bin",), md5(b""))])
    one_line(error, "could not download a.bin", "Not a directory")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion-mnist"])
@pytest.mark.parametrize("download", [True, False])
def test_absent_and_no_network(name: str, download: bool, tmp_path: Path) -> None:
    place = tmp_path / "not" / "yet"
    with pytest.raises(DataError) as error:
        nas.data.load(name, data_dir=place, download=download)
    wanted = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}.get(
        name, f"{mnist.FILES[3]}.gz"
    )
    one_line(error, wanted, NOWHERE, f"into {place}", "--dataset digits")
    assert ("no connection" in str(error.value)) is download


def test_absent_cifar_is_downloaded_once(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = tar_gz(cifar.CIFAR10.folder, cifar_files(cifar.CIFAR10))
    server.files[cifar.CIFAR10.archive] = content
    monkeypatch.setattr(cifar, "HOST", server.url)
    with pytest.raises(DataError) as error:
        nas.data.load("cifar10", data_dir=tmp_path)
    one_line(error, "another checksum")  # it is not the official archive, after all
    monkeypatch.setattr(cifar, "CIFAR10", cifar.Layout(**{**vars(cifar.CIFAR10), "md5": md5(content)}))
    for _ in range(2):
        assert len(nas.data.load("cifar10", data_dir=tmp_path).y_train) == 30
    assert server.asked == [f"/{cifar.CIFAR10.archive}"] * 2


def test_only_missing_mnist_files_are_downloaded(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files.update({f"{name}.gz": gzip.compress(content) for name, content in mnist_files().items()})
    sums = tuple(md5(server.files[f"{name}.gz"]) for name in mnist.FILES)
    monkeypatch.setattr(mnist, "MNIST", type(mnist.MNIST)(**{**vars(mnist.MNIST), "urls": (server.url,), "md5": sums}))
    place_mnist(tmp_path / "mnist", "plain")
    (tmp_path / "mnist" / mnist.FILES[1]).unlink()
    assert len(nas.data.load("mnist", data_dir=tmp_path).y_train) == 20
    assert server.asked == [f"/{mnist.FILES[1]}.gz"]


def test_data_dir_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError) as error:
        nas.data.load("cifar10", data_dir=tmp_path / "file")
    one_line(error, str(tmp_path / "file"), "a folder")


def test_official_checksums() -> None:
    """The published MD5s; a slip here would refuse every true download."""
    assert cifar.CIFAR10.md5 == "c32a1d4ab5d03f1284b67883e8d87530"
    assert cifar.CIFAR100.md5 == "03b5dce01913d631647c71ecec9e9cb8"
    every = [cifar.CIFAR10.md5, cifar.CIFAR100.md5, *mnist.MNIST.md5, *mnist.FASHION.md5]
    assert all(len(text) == 32 and int(text, 16) >= 0 for text in every)
    assert len(set(every)) == 10


# npz -----------------------------------------------------------------------------------------------------------------


def npz_arrays(**changes: Any) -> dict[str, Any]:
    arrays = {"x_train": images(12, 6, 5, 3), "y_train": np.arange(12) % 3, **changes}
    return {key: value for key, value in arrays.items() if value is not None}


def write_npz(path: Path, **changes: Any) -> str:
    np.savez(path, **npz_arrays(**changes))
    return f"npz:{path}"


def test_npz_smallest(tmp_path: Path) -> None:
    data = nas.data.load(write_npz(tmp_path / "a.npz"))
    assert (data.input, data.classes, data.class_names, data.flip) == ((3, 6, 5), 3, ("0", "1", "2"), True)
    assert np.array_equal(data.x_train, images(12, 6, 5, 3))
    assert data.x_test is None
    assert data.y_test is None


@pytest.mark.parametrize("kind", ["u1", "i1", "<i2", ">i4", "<u8", "i8"])
def test_npz_labels_of_any_integer_type(kind: str, tmp_path: Path) -> None:
    spec = write_npz(tmp_path / "a.npz", y_train=(np.arange(12) % 3).astype(kind).reshape(12, 1))
    data = nas.data.load(spec)
    assert data.y_train.dtype == np.int64
    assert data.y_train.tolist() == [number % 3 for number in range(12)]


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f4", "<f8"])
def test_npz_floats_stay_as_they_are(kind: str, tmp_path: Path) -> None:
    x = (np.random.default_rng(0).normal(size=(12, 6, 5)) * 7 - 3).astype(kind)
    data = nas.data.load(write_npz(tmp_path / "a.npz", x_train=x))
    assert data.x_train.dtype == np.float32
    assert data.input == (1, 6, 5)
    assert not data.flip
    assert np.array_equal(data.x_train[..., 0], x.astype(np.float32))


def test_npz_with_test_part_names_and_flip(tmp_path: Path) -> None:
    extra = {"x_test": images(4, 6, 5, 3), "y_test": np.array([0, 1, 2, 2]), "row": np.arange(3)}
    for key, names in (("classes", np.array(["ä", "b", "c"])), ("class_names", np.array([b"\xc3\xa4", b"b", b"c"]))):
        data = nas.data.load(write_npz(tmp_path / f"{key}.npz", **extra, **{key: names}, flip=np.array(False)))
        assert data.class_names == ("ä", "b", "c")
        assert data.y_test is not None
        assert data.y_test.tolist() == [0, 1, 2, 2]
        assert not data.flip
    assert nas.data.load(write_npz(tmp_path / "count.npz", classes=np.array(5))).classes == 5


def test_npz_fortran_order_and_compression(tmp_path: Path) -> None:
    arrays = npz_arrays()
    np.savez_compressed(tmp_path / "a.npz", **{**arrays, "x_train": np.asfortranarray(arrays["x_train"])})
    data = nas.data.load(f"npz:{tmp_path / 'a.npz'}")
    assert data.x_train.flags.c_contiguous
    assert np.array_equal(data.x_train, arrays["x_train"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"x_train": None}, "has no x_train; it has y_train"),
        ({"y_train": None}, "has no y_train"),
        ({"x_test": images(2, 6, 5, 3)}, "x_test without y_test"),
        ({"y_test": np.array([1])}, "y_test without x_test"),
        ({"x_train": images(12, 6)}, "shape (12, 6)"),
        ({"x_train": images(12, 2, 6, 5, 3)}, "N x H x W"),
        ({"x_train": images(0, 6, 5, 3), "y_train": np.zeros(0, int)}, "none of them 0"),
        ({"x_train": images(12, 3, 32, 32)}, "channels first"),
        ({"x_train": images(12, 6, 5, 3).astype(np.int64)}, "x_train is int64; allowed: uint8, or float"),
        ({"x_train": images(12, 6, 5, 3).astype(complex)}, "complex128"),
        ({"x_train": np.full((12, 6, 5), 1e300)}, "x_train[0] holds NaN or infinity"),
        ({"x_train": np.where(np.arange(12)[:, None, None] == 4, np.nan, np.ones((12, 6, 5)))}, "x_train[4] holds NaN"),
        ({"y_train": np.arange(11) % 3}, "shape (11,); allowed: int64 of shape (12,)"),
        ({"y_train": np.eye(3)[np.arange(12) % 3]}, "y_train has shape (12, 3)"),
        ({"y_train": np.arange(12) % 3 / 1.0}, "y_train is float64; allowed: integers"),
        ({"y_train": np.array(["a"] * 12)}, "allowed: integers"),
        ({"y_train": np.array([0, 1] * 5 + [-7, 1])}, "label -7"),
        ({"y_train": np.array([0, 1] * 5 + [2**63, 1], np.uint64)}, "label 9223372036854775808"),
        ({"y_train": np.array([0, 2] * 6)}, "label 2 but none is 1"),
        ({"y_train": np.array([1, 2] * 6)}, "label 1 but none is 0"),
        ({"y_train": np.zeros(12, int)}, "2 or more"),
        ({"y_train": np.array(3)}, "shape ()"),
        ({"x_test": images(2, 6, 5, 3), "y_test": np.array([0, 3])}, "y_test[1] is 3; allowed: 0..2"),
        ({"x_test": images(2, 6, 6, 3), "y_test": np.array([0, 1])}, "test images are 6 x 6 x 3"),
        ({"classes": np.array(["a", "b"])}, "is 2; allowed: 0..1"),
        ({"classes": np.array(1)}, "the number K, from 2"),
        ({"classes": np.array(10**9)}, "the number K, from 2"),
        ({"classes": np.arange(3)}, "K names as text"),
        ({"flip": np.array(1.5)}, "one boolean"),
    ],
)
def test_npz_refuses(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        nas.data.load(write_npz(tmp_path / "a.npz", **changes))
    one_line(error, "a.npz", says)


@pytest.mark.parametrize("key", ["x_train", "y_train", "classes"])
def test_npz_never_unpickles(key: str, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    bombs = np.array([Bomb() for _ in range(12)], dtype=object)
    with pytest.raises(DataError) as error:
        nas.data.load(write_npz(tmp_path / "a.npz", **{key: bombs}))
    one_line(error, key, "Python objects")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"no archive", pickle.dumps([1, 2]), b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}"],
    ids=["empty", "start", "text", "pickle", "npy"],
)
def test_npz_refuses_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError) as error:
        nas.data.load(f"npz:{tmp_path / 'a.npz'}")
    one_line(error, "a.npz", "NumPy archive")


def test_npz_cut_or_flipped_anywhere_is_an_error_or_the_same_data(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **npz_arrays())
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for at in rng.integers(0, len(whole), 150):
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1 :]):
            path.write_bytes(content)
            try:
                data = nas.data.load(f"npz:{path}")
            except DataError as error:
                refused += "\n" not in str(error)
            else:
                assert np.array_equal(data.x_train, npz_arrays()["x_train"])
    assert refused >= 200


def npy(header: str, content: bytes) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 32, 32, 3)}", bytes(100)), "states shape"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2, 2, 3)}", bytes(12)), "states shape"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2, 3)}", bytes(12)), "states shape"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': __import__('os')}", bytes(12)), "no readable"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", pickle.dumps(1)), "Python objects"),
        (b"\x93NUMPY\x03\x00" + bytes(100), "version (3, 0)"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{" * 1000, "no readable"),
        (b"", "no readable"),
    ],
)
def test_npz_refuses_a_hostile_member_before_allocating(member: bytes, says: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x_train.npy", member)
    with pytest.raises(DataError) as error:
        nas.data.load(f"npz:{tmp_path / 'a.npz'}")
    one_line(error, says)


def test_npz_refuses_a_zip_bomb_by_its_stated_size(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    x = np.zeros((12, 64, 64, 3), np.uint8)
    np.savez_compressed(path, **npz_arrays(x_train=x, x_test=x, y_test=np.arange(12) % 3))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        stated = struct.pack("<I", archive.getinfo("x_train.npy").file_size)
    for start in range(content.find(b"PK\x01\x02"), len(content)):  # the central directory: 4.2 GB for each of the two
        if content[start : start + 4] == stated:
            content[start : start + 4] = struct.pack("<I", 4_200_000_000)
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        nas.data.load(f"npz:{path}")
    one_line(error, "unpacks to 8.4 GB; allowed: 8 GB")


def test_npz_encrypted_member(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **npz_arrays())
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    content[at + 8] |= 1  # the flag that says so
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        nas.data.load(f"npz:{path}")
    one_line(error, "encrypted")


@pytest.mark.parametrize("where", ["missing.npz", "a" * 5000, "~nobody-at-all/x.npz", "."])
def test_npz_without_a_file(where: str) -> None:
    assert not nas.data.available(f"npz:{where}")
    with pytest.raises(DataError) as error:
        nas.data.load(f"npz:{where}")
    one_line(error, "there is no file")


def test_available_npz(tmp_path: Path) -> None:
    assert nas.data.available(write_npz(tmp_path / "a.npz"))


# folder --------------------------------------------------------------------------------------------------------------


def save(path: Path, array: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)


def tree(
    root: Path, *, count: int = 3, shape: tuple[int, ...] = (6, 8, 3), names: tuple[str, ...] = ("cat", "dog")
) -> None:
    for label, name in enumerate(names):
        for number in range(count):
            save(root / name / f"{number}.png", images(1, *shape, seed=10 * label + number)[0])


def test_folder_flat(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "README.txt").write_text("not an image")
    (tmp_path / "cat" / "notes.txt").write_text("neither")
    (tmp_path / ".thumbnails").mkdir()
    assert nas.data.available(f"folder:{tmp_path}")
    data = nas.data.load(f"folder:{tmp_path}")
    assert (data.input, data.class_names, data.flip, data.x_test) == ((3, 6, 8), ("cat", "dog"), True, None)
    assert data.y_train.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(data.x_train[4], images(1, 6, 8, 3, seed=11)[0])


def test_folder_with_train_and_test(tmp_path: Path) -> None:
    tree(tmp_path / "train")
    tree(tmp_path / "test", count=2, names=("dog",))
    tree(tmp_path / "val", names=("cow", "hen"))
    data = nas.data.load(f"folder:{tmp_path}")
    assert data.class_names == ("cat", "dog")
    assert len(data.y_train) == 6
    assert data.y_test is not None
    assert data.y_test.tolist() == [1, 1]


def test_folder_val_is_no_test_data(tmp_path: Path) -> None:
    tree(tmp_path / "train")
    tree(tmp_path / "val")
    assert nas.data.load(f"folder:{tmp_path}").x_test is None


def test_folder_where_train_is_a_class(tmp_path: Path) -> None:
    tree(tmp_path, names=("plane", "train"))
    assert nas.data.load(f"folder:{tmp_path}").class_names == ("plane", "train")


def test_folder_is_grey_when_all_are_grey(tmp_path: Path) -> None:
    tree(tmp_path, shape=(6, 8))
    save(tmp_path / "dog" / "bits.png", images(1, 6, 8)[0], "1")
    data = nas.data.load(f"folder:{tmp_path}")
    assert data.input == (1, 6, 8)
    assert not data.flip
    save(tmp_path / "dog" / "colour.png", images(1, 6, 8, 3)[0])
    assert nas.data.load(f"folder:{tmp_path}").input == (3, 6, 8)


def test_folder_reads_every_common_form(tmp_path: Path) -> None:
    tree(tmp_path, count=1)
    flat = np.full((6, 8, 3), (204, 51, 102), np.uint8)
    forms = {
        "a.JPG": None,
        "b.bmp": None,
        "c.gif": "P",
        "d.webp": None,
        "e.ppm": None,
        "f.tiff": "CMYK",
        "g.png": "RGBA",
        "h.png": "P",
    }
    for name, mode in forms.items():
        save(tmp_path / "dog" / "deeper" / name, flat, mode)
    data = nas.data.load(f"folder:{tmp_path}")
    assert len(data.y_train) == 2 + len(forms)
    assert np.abs(data.x_train[2:].astype(int) - flat).max() <= 8  # lossy forms and palettes


def test_folder_sixteen_bits_keep_the_upper_byte(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / name / "0.png", (images(1, 6, 8, seed=3)[0].astype(np.uint16) << 8) + 77)
    assert np.array_equal(nas.data.load(f"folder:{tmp_path}").x_train[0, ..., 0], images(1, 6, 8, seed=3)[0])


def test_folder_resizes_to_the_median_or_as_told(tmp_path: Path) -> None:
    for number, shape in enumerate(((10, 40), (20, 30), (90, 20))):
        for name in ("cat", "dog"):
            save(tmp_path / name / f"{number}.png", np.full((*shape, 3), 50 * number, np.uint8))
    data = nas.data.load(f"folder:{tmp_path}")
    assert data.input == (3, 20, 30)
    assert (
        [int(image.min()) for image in data.x_train[:3]]
        == [0, 50, 100]
        == [int(image.max()) for image in data.x_train[:3]]
    )
    assert nas.data.load(f"folder:{tmp_path}?size=16").input == (3, 16, 16)
    assert nas.data.load(f"folder:{tmp_path}?size=12x16").input == (3, 12, 16)
    assert nas.data.available(f"folder:{tmp_path}?size=16")


def test_folder_whose_name_holds_a_question_mark(tmp_path: Path) -> None:
    tree(tmp_path / "what?size=3")
    assert nas.data.load(f"folder:{tmp_path / 'what?size=3'}").input == (3, 6, 8)
    assert nas.data.load(f"folder:{tmp_path / 'what?size=3'}?size=4").input == (3, 4, 4)


@pytest.mark.parametrize(
    "option",
    [
        "", "size=", "size=0", "size=-3", "size=4097", "size=3x0", "size=a", "flip=1", "size=3&size=4",
        "stream=0", "stream", "stream=1&stream=1", "size=3&", "&stream=1",
    ],
)  # fmt: skip
def test_folder_refuses_an_option(option: str, tmp_path: Path) -> None:
    tree(tmp_path)
    with pytest.raises(DataError) as error:
        nas.data.load(f"folder:{tmp_path}?{option}")
    one_line(error, repr(option), "size=N")


def truncate(path: Path) -> None:
    save(path, images(1, 64, 64, 3)[0])
    path.write_bytes(path.read_bytes()[:3000])


def flip_bytes(path: Path) -> None:
    save(path, images(1, 64, 64, 3)[0])
    content = bytearray(path.read_bytes())
    content[400:600] = bytes(200)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip_bytes,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<svg/>"),
        lambda path: path.mkdir(),
    ],
    ids=["cut", "flipped", "empty", "text", "directory"],
)
def test_folder_names_the_corrupt_image(damage: Callable[[Path], Any], tmp_path: Path) -> None:
    tree(tmp_path, shape=(64, 64, 3))
    damage(tmp_path / "dog" / "bad.png")
    with pytest.raises(DataError) as error:
        nas.data.load(f"folder:{tmp_path}")
    one_line(error, str(tmp_path / "dog" / "bad.png"))


def test_folder_refuses_a_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path)
    bomb = Image.new("1", (20_000, 20_000))
    bomb.save(tmp_path / "dog" / "bomb.png")
    with pytest.raises(DataError) as error:
        nas.data.load(f"folder:{tmp_path}")
    one_line(error, "bomb.png", "pixels")
    Image.new("1", (10_000, 10_000)).save(tmp_path / "dog" / "bomb.png")  # where Pillow itself would only warn
    with pytest.raises(DataError) as error:
        nas.data.load(f"folder:{tmp_path}")
    one_line(error, "bomb.png", "pixels")


def test_folder_refuses_float_pixels(tmp_path: Path) -> None:
    tree(tmp_path)
    save(tmp_path / "dog" / "f.tiff", np.ones((6, 8), np.float32))
    with pytest.raises(DataError) as error:
        nas.data.load(f"folder:{tmp_path}")
    one_line(error, "f.tiff", "mode F")


def test_folder_beyond_the_memory_limit_stays_in_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, count=80)
    huge = nas.data.load(f"folder:{tmp_path}?size=4096").x_train  # 8.1 GB
    assert isinstance(huge, Pictures)
    assert huge.shape == (160, 4096, 4096, 3)
    whole = nas.data.load(f"folder:{tmp_path}").x_train
    assert isinstance(whole, np.ndarray)
    monkeypatch.setenv("NAS_DATA_MEMORY", "20KB")
    limited = nas.data.load(f"folder:{tmp_path}").x_train
    assert isinstance(limited, Pictures)
    assert limited.nbytes == whole.nbytes > 20_000
    assert np.array_equal(np.stack([limited[row] for row in range(160)]), whole)
    monkeypatch.setenv("NAS_DATA_MEMORY", "a lot")
    with pytest.raises(NasError, match="NAS_DATA_MEMORY='a lot'"):
        nas.data.load(f"folder:{tmp_path}")


def test_folder_is_streamed_where_that_is_asked_for(tmp_path: Path) -> None:
    tree(tmp_path / "train", count=3)
    tree(tmp_path / "test", count=2)
    data = nas.data.load(f"folder:{tmp_path}?stream=1")
    assert isinstance(data.x_train, Pictures)
    assert isinstance(data.x_test, Pictures)
    assert (len(data.x_train), len(data.x_test)) == (6, 4)
    for option in ("size=4x5&stream=1", "stream=1&size=4x5"):
        assert nas.data.load(f"folder:{tmp_path}?{option}").input == (3, 4, 5)
    (tmp_path / "train" / "dog" / "bad.png").write_text("no image")
    with pytest.raises(DataError, match=r"bad\.png is no image"):
        nas.data.load(f"folder:{tmp_path}?stream=1")


def test_folder_without_images_or_classes(tmp_path: Path) -> None:
    def refused(*parts: str) -> None:
        with pytest.raises(DataError) as error:
            nas.data.load(f"folder:{tmp_path}")
        one_line(error, *parts)

    refused(str(tmp_path), "0 class folder(s)")
    tree(tmp_path, names=("cat",))
    refused("1 class folder(s)")
    (tmp_path / "dog").mkdir()
    refused(str(tmp_path / "dog"), "holds no image")
    shutil.rmtree(tmp_path / "dog")
    shutil.move(tmp_path / "cat", tmp_path / "train" / "cat")
    tree(tmp_path / "train")
    tree(tmp_path / "test", names=("cat", "cow"))
    refused(str(tmp_path / "test" / "cow"), "allowed: cat, dog")


@pytest.mark.parametrize("where", ["missing", "missing?size=3", "a" * 5000, "~nobody-at-all"])
def test_folder_that_is_not_there(where: str, tmp_path: Path) -> None:
    where = where if where.startswith("~") else str(tmp_path / where)
    assert not nas.data.available(f"folder:{where}")
    with pytest.raises(DataError) as error:
        nas.data.load(f"folder:{where}")
    one_line(error, "there is no folder")
