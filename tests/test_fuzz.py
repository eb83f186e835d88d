"""What is nearly right is read, or met by one line: every reader, some inputs. `scripts/fuzz` is the long form."""

from __future__ import annotations

import ast
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import nas
from nas.data.npz import read_npz
from nas.errors import NasError
from nas.evaluators.handover import read_parts
from nas.tensors import read_tensors
from nas.weights import read_weights
from tests.fuzzing import READERS, fuzz

INPUTS = 60


@pytest.mark.parametrize("name", sorted(READERS))
def test_an_input_that_is_nearly_right_is_read_or_met_by_one_line(name: str) -> None:
    fuzz(name, INPUTS, seed=7)


# ---- what was made to harm -------------------------------------------------------------------------------------------------


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.mark,))


def saved(data: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(data, buffer)
    return buffer.getvalue()


def repacked(data: bytes, change: Callable[[str, bytes], bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(packed, "w") as out:
        for name in archive.namelist():
            out.writestr(name, change(name, archive.read(name)), kind)
    return packed.getvalue()


def test_code_in_weights_is_not_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "weights.pt"
    for content in (saved({"w": Harm(mark)}), pickle.dumps(Harm(mark)), pickle.dumps({"w": Harm(mark)}, protocol=2)):
        path.write_bytes(content)
        with pytest.raises(NasError, match=r"weights\.pt"):
            read_weights(path)
        assert read_parts(content) == {}
    assert not mark.exists()


def test_weights_that_would_unpack_to_more_than_they_are_are_refused(tmp_path: Path) -> None:
    plain = saved({"w": torch.zeros(1000)})
    bomb = repacked(plain, lambda name, data: bytes(10**8) if name.endswith("data/0") else data, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10**6
    path = tmp_path / "weights.pt"
    path.write_bytes(bomb)
    with pytest.raises(NasError, match="compressed"):
        read_weights(path)
    assert read_parts(bomb) == {}
    overlapping = bytearray(plain)  # a member that states a length beyond the file
    place = overlapping.rindex(b"PK\x01\x02")
    overlapping[place + 20 : place + 28] = (2**31).to_bytes(4, "little") * 2
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        read_tensors(bytes(overlapping))


def test_arrays_of_objects_and_arrays_that_state_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy

    mark, path = tmp_path / "mark", tmp_path / "data.npz"
    numpy.savez(path, x_train=numpy.array([Harm(mark)], dtype=object), y_train=numpy.zeros(1, int))
    with pytest.raises(NasError, match="never read"):
        read_npz(path, name="npz")
    assert not mark.exists()
    monkeypatch.setenv("NAS_DATA_MEMORY", "10MB")
    numpy.savez_compressed(path, x_train=numpy.zeros((200, 300, 300), numpy.uint8), y_train=numpy.zeros(200, int))
    assert path.stat().st_size < 10**6
    with pytest.raises(NasError, match="unpacks to"):
        read_npz(path, name="npz")


# ---- what the package may not contain ----------------------------------------------------------------------------------------

# Calls that would run what they read, or unpack it onto the disk; and the one file that may make each, with its reason.
FORBIDDEN: dict[str, set[str]] = {
    "pickle.loads": {"engine/ray_lane.py", "testing/ops.py"},  # a parcel of the driver of this very search, over Ray's own wire
    "cloudpickle.loads": {"engine/ray_lanes.py"},  # the evaluator, in the same way
    "torch.load": {"tensors.py", "export/pyfile.py"},  # the latter reads what the line before it wrote
    # What they have written themselves, to check it; and the plugins that a person names.
    "exec": {"export/pyfile.py", "testing/ops.py", "plugins.py"},
    "compile": {"export/pyfile.py", "plugins.py"},
    "yaml.load": {"arch/text.py"},
}
NEVER = {
    "pickle.load", "cloudpickle.load", "marshal.loads", "shelve.open", "dill.loads", "numpy.load", "np.load",
    "yaml.unsafe_load", "yaml.full_load", "yaml.safe_load", "os.system", "eval",
}  # fmt: skip
METHODS = {"extractall", "extract"}  # of archives


def _calls(path: Path) -> list[tuple[str, ast.Call]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_nothing_in_the_package_runs_what_it_reads() -> None:
    package = Path(nas.__file__).parent
    found = []
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        for call, node in _calls(path):
            wrong = call in NEVER or (call in FORBIDDEN and name not in FORBIDDEN[call])
            wrong = wrong or call.rpartition(".")[2] in METHODS
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                wrong = wrong or (keyword.arg in ("allow_pickle", "shell") and value is not False)
                wrong = wrong or (keyword.arg == "weights_only" and value is not True)
            if wrong:
                found.append(f"nas/{name}:{node.lineno}: {call}")
    assert not found


def test_texts_of_a_network_are_escaped_in_pictures() -> None:
    text = nas.load("lenet5").to_yaml().replace("name: lenet5", 'name: "<script>alert(1)</script>"')
    drawn = nas.draw.svg(nas.Architecture.from_yaml(text))
    assert "<script" not in drawn
    assert "&lt;script" in drawn
