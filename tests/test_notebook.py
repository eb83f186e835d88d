"""The notebook of examples/ is stored as it was written, and runs from top to bottom in a kernel of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"
# One worker of a test run that is shared among several executes it, once.
pytestmark = pytest.mark.xdist_group("notebook")
WIDGETS = "TqdmWarning: IProgress not found"  # what tqdm says where ipywidgets, which it does not need, is not installed


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_is_stored_without_what_a_run_leaves() -> None:
    notebook = read()
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not cell.metadata
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert set(notebook.metadata.language_info) == {"name"}, "of which Python is no concern of the reader's"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_is_explained() -> None:
    kinds = [cell.cell_type for cell in read().cells]
    assert kinds[0] == "markdown"
    assert kinds.count("markdown") >= kinds.count("code") / 2


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The cells by their ids, run in an empty folder; nothing is left outside of pytest's."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = read()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("here", "temporary", "ipython", "runtime"):
            (folder / name).mkdir()
        patch.setenv("TMPDIR", str(folder / "temporary"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        where = {"metadata": {"path": str(folder / "here")}}
        NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute()
    assert not list((folder / "here").iterdir()), "it writes where it was opened"
    return {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}


def shown(cell: Any) -> set[str]:
    """The kinds of what a cell shows."""
    return {kind for output in cell.outputs for kind in output.get("data", {})}


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


@pytest.mark.slow
def test_every_cell_shows_something_and_nobody_complains(executed: dict[str, Any]) -> None:
    for cell in executed.values():
        assert cell.outputs, cell.source
        for output in cell.outputs:
            complaint = output.output_type == "stream" and output.name == "stderr" and WIDGETS not in output.text
            assert not complaint, f"{cell.id}: {output.text}"


@pytest.mark.slow
def test_tables_plots_and_pictures(executed: dict[str, Any]) -> None:
    assert "application/vnd.plotly.v1+json" in shown(executed["history"])
    assert all("image/png" in shown(executed[name]) for name in ("scatter", "curve"))
    assert "image/svg+xml" in shown(executed["picture"])
    assert all("text/html" in shown(executed[name]) for name in ("trials", "cost"))


@pytest.mark.slow
def test_something_was_learnt(executed: dict[str, Any]) -> None:
    accuracy = printed(executed["train"]).split(",")[0].removeprefix("test accuracy ")
    assert float(accuracy) > 0.9
    assert printed(executed["export"]).startswith('mine.py\nmine.pt\n"""')
