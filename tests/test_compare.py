"""`nas compare`: the table, its files, and a figure whose every point is the cost and the accuracy of its network."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from matplotlib.text import Text

import nas as package
from nas import baselines
from nas.report import compare
from nas.report.compare import Entry, published, with_fronts
from nas.report.figure import draw, figure
from nas.report.static import LARGEST, canvas
from tests.cli import Run, nas

Call = Callable[..., Run]
SOME = ("mobilenet_v2", "resnet50", "vit_l16", "efficientnet_b2", "resnet20")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs that looked at different fidelities."""
    folder = tmp_path_factory.mktemp("compare")
    for name, epochs in (("A", 1), ("B", 2)):
        from nas.evaluators import Fidelity

        package.search(
            "tiny", dataset="digits", strategy="random", budget="4trials", fidelity=Fidelity(epochs, 0.5), engine="local",
            seed=epochs, out=folder / "runs" / name,
        )  # fmt: skip
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """`call("resnet50")` is `nas compare resnet50` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch, "compare")


def beaten(entry: Entry, others: list[Entry], top: int = 1) -> bool:
    """The definition, by brute force: another is no worse in both and better in one."""
    mine = entry.macs, compare.reached(entry, top)
    for other in others:
        macs, value = other.macs, compare.reached(other, top)
        if value is not None and macs <= mine[0] and value >= mine[1] and (macs, value) != mine:
            return True
    return False


def test_every_baseline_with_an_accuracy_at_the_input_of_its_weights() -> None:
    entries = published()
    assert [entry.name for entry in entries] == [name for name in baselines.names() if baselines.get(name).facts]
    for entry in entries:
        facts = next(f for f in baselines.get(entry.name).facts if f.source == entry.source and f.top1 == entry.top1)
        assert facts.top1 == max(f.top1 for f in baselines.get(entry.name).facts)
        assert (facts.top5, facts.extra, (3, facts.image, facts.image)) == (entry.top5, entry.extra, entry.input)
        cost = package.load(entry.name).with_input(entry.input, 1000).cost(aux=False)
        assert (entry.params, entry.macs, entry.activations) == (cost.params, cost.macs, cost.activations)
        assert entry.measured is None


def test_families_are_files() -> None:
    families = {entry.name: entry.family for entry in published()}
    assert set(families.values()) <= set(baselines.FAMILIES)
    assert (families["resnet50"], families["vgg16_bn"], families["vit_b16"]) == ("resnet", "vgg", "vit")


@pytest.mark.parametrize("top", [1, 5])
def test_front_is_what_no_other_beats(top: int) -> None:
    entries = with_fronts(published(top=top), top)
    known = [entry for entry in entries if compare.reached(entry, top) is not None]
    assert {e.name for e in entries if e.front} == {e.name for e in known if not beaten(e, known, top)}
    assert all(not entry.front for entry in entries if entry not in known)


def test_equal_networks_share_the_front() -> None:
    one = Entry("a", "f", (3, 8, 8), 10, 100, 5, top1=0.5)
    entries = [one, Entry("b", "f", (3, 8, 8), 20, 100, 5, top1=0.5), Entry("c", "f", (3, 8, 8), 5, 100, 5, top1=0.4)]
    assert [entry.front for entry in with_fronts(entries)] == [True, True, False]


def test_figure_holds_every_network_once() -> None:
    entries = with_fronts(published(SOME))
    drawn = figure(entries)
    points = {point.name: point for point in drawn.points}
    known = {entry.name: entry for entry in entries if entry.top1 is not None}
    assert points.keys() == known.keys() == set(SOME) - {"resnet20"}
    for name, entry in known.items():
        point = points[name]
        assert (point.macs, point.params, point.front) == (entry.macs, entry.params, entry.front)
        assert math.isclose(point.value, 100 * (entry.top1 or 0))
        assert str(entry.source) in point.about
    assert any("1 network is left out" in note for note in drawn.notes)
    assert {point.name for line in drawn.fronts for point in line} == {entry.name for entry in entries if entry.front}


def test_bubbles_lie_where_their_networks_are_and_are_as_large() -> None:
    drawn = figure(with_fronts(published(SOME)))
    axes = canvas(drawn).axes[0]
    bubbles = {item.get_gid(): item for item in axes.collections if item.get_gid()}
    most = max(point.params for point in drawn.points)
    assert len(bubbles) == len(drawn.points)
    for point in drawn.points:
        (at,) = bubbles[point.name].get_offsets()
        assert tuple(at) == (point.macs, point.value)
        assert math.isclose(bubbles[point.name].get_sizes()[0], LARGEST * point.params / most)
    named = {text.get_text() for text in axes.texts}
    assert {point.name for point in drawn.points if point.front} <= named
    assert axes.get_xscale() == "log"


def test_names_of_the_full_figure_do_not_cover_each_other() -> None:
    made = canvas(figure(with_fronts(published())))
    made.draw_without_rendering()
    renderer = made.canvas.get_renderer()
    # The extent of the texts alone, not of the lines to their bubbles.
    boxes = [Text.get_window_extent(text, renderer).padded(-0.5) for text in made.axes[0].texts]
    covered = sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert len(boxes) > 40
    assert covered == 0


def test_the_page_holds_the_same_points_and_loads_nothing() -> None:
    drawn = figure(with_fronts(published(SOME)))
    page = draw(drawn, ".html").decode()
    assert not re.search(r"<script[^>]*\ssrc=|<link", page)
    start = page.rindex("Plotly.newPlot(")
    traces = json.JSONDecoder().raw_decode(page[page.index("[", start) :])[0]
    shown = {
        name: (x, y, size)
        for trace in traces
        if trace["mode"] == "markers"
        for name, x, y, size in zip(trace["text"], trace["x"], trace["y"], trace["marker"]["size"], strict=True)
    }
    assert shown == {point.name: (point.macs, point.value, point.params) for point in drawn.points}
    assert all(trace["marker"]["sizemode"] == "area" for trace in traces if trace["mode"] == "markers")


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html"])
def test_the_same_figure_is_the_same_file(suffix: str) -> None:
    one = draw(figure(with_fronts(published(SOME))), suffix)
    assert draw(figure(with_fronts(published(SOME[::-1]))), suffix) == one


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html"])
def test_any_name_can_be_drawn(suffix: str) -> None:
    names = ("$x_{", "<b>bold</b>", "_under", "网络", "%{y}")
    entries = [Entry(name, name, (3, 8, 8), 10 * i, 100, 5, top1=0.5, source="s") for i, name in enumerate(names)]
    assert draw(figure(with_fronts(entries)), suffix)


def test_json_and_csv_hold_the_table(call: Call, tmp_path: Path) -> None:
    run = call(*SOME, "--json", "--csv", "t.csv")
    assert run.status == 0, run.err
    rows = json.loads(run.out)
    again = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert [row["name"] for row in rows] == list(SOME) == [row["name"] for row in again]
    for row, text in zip(rows, again, strict=True):
        assert list(row) == list(text)
        assert (row["params"], row["macs"], row["activations"]) == tuple(int(text[key]) for key in ("params", "macs", "activations"))
        assert row["top1"] == (float(text["top1"]) if text["top1"] else None)
        assert "x".join(map(str, row["input"])) == text["input"]
    assert call(*SOME, "--csv", "-").out == (tmp_path / "t.csv").read_text()


def test_table_lists_networks_without_an_accuracy(call: Call) -> None:
    line = next(line for line in call("resnet50", "resnet20").out.splitlines() if "resnet20" in line)
    assert line.split() == ["resnet20", "3x32x32", "269,722", "40.55M", "395.3K", "-", "-", "-"]


def test_other_top_takes_the_best_weights_for_it() -> None:
    (one,), (five,) = published(["inception_v4"]), published(["inception_v4"], 5)
    assert (one.top1, five.top5) == (0.802, 0.953)
    assert published(["shufflenet_v1_g3"], 5)[0].top5 == 0.877
    assert "top-5" in figure([five], 5).axis


@pytest.mark.parametrize("column", compare.HEADINGS)
@pytest.mark.parametrize("other", ["", "-"])
def test_sort_by_any_column(column: str, other: str) -> None:
    entries = published([*SOME, "lenet5"])
    values = [entry.value(column) for entry in compare.sort(entries, other + column)]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=(column in compare.BETTER_IF_MORE) != bool(other))
    assert all(value is None for value in values[len(known) :])


def test_sort_knows_headings(call: Call) -> None:
    by = [json.loads(call(*SOME, "--sort", column, "--json").out) for column in ("params", "parameters", "Parameters")]
    assert by[0] == by[1] == by[2]


def test_a_name_counts_once_and_files_are_networks(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(package.load("resnet18").to_yaml())
    rows = json.loads(call("resnet18", "ResNet-18", "mine.yaml", "--json").out)
    assert [row["name"] for row in rows] == ["resnet18", "mine.yaml"]
    assert rows[0]["macs"] == rows[1]["macs"]
    assert rows[1]["top1"] is None, "a file may hold anything: no published accuracy is its own"


def test_measured_is_apart_from_published(call: Call, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    run = call("resnet50", "--runs", "runs/A", "runs/B", "--json", "--plot", "m.html")
    assert run.status == 0, run.err
    named, a, b = json.loads(run.out)
    assert (named["measured"], a["top1"], b["top1"], a["source"]) == (None, None, None, None)
    for row, name, fidelity in ((a, "A", "1 epoch, width 0.5"), (b, "B", "2 epochs, width 0.5")):
        best = package.open_study(f"runs/{name}").best
        cost = best.architecture.cost(aux=False)
        assert (row["measured"], row["macs"], row["params"]) == (best.value, cost.macs, cost.params)
        assert (row["run"], row["dataset"], row["fidelity"], row["objective"]) == (f"runs/{name}", "digits", fidelity, "accuracy")
    assert all(row["front"] for row in (named, a, b)), "none of the three may be held against another"


def test_figure_of_runs_shows_no_published_accuracy(runs: Path) -> None:
    found = compare.measured([str(runs / "runs/A"), str(runs / "runs/B")], every=True)
    entries = with_fronts([*published(["resnet50"]), *found])
    drawn = figure(entries)
    assert len(drawn.points) == len(found) == 8
    assert "resnet50" not in {point.name for point in drawn.points}
    assert "not published" in drawn.title
    assert drawn.axis == "measured accuracy (%)"
    assert any("published accuracy is not shown" in note for note in drawn.notes)
    assert len(drawn.fronts) == 2
    for run in ("A", "B"):
        group = [entry for entry in entries if entry.family == run]
        assert {entry.name for entry in group if entry.front} == {entry.name for entry in group if not beaten(entry, group)}


def test_runs_of_different_objectives_share_no_axis() -> None:
    entries = [
        Entry(name, name, (1, 8, 8), 5, 100, 5, measured=0.5, objective=name, run=name, dataset="digits", fidelity="full") for name in "ab"
    ]
    with pytest.raises(package.loading.NasError, match="different things: a, b"):
        figure(entries)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("resnet5O",), "resnet50"),
        (("missing.yaml",), "missing.yaml"),
        (("resnet18", "--sort", "size"), "params, macs"),
        (("resnet18", "--plot", "a.pdf"), ".svg, .png, .html"),
        (("resnet18", "--plot", "a"), ".svg, .png, .html"),
        (("resnet18", "--plot", "no/such/a.svg"), "no/such"),
        (("resnet18", "--csv", "no/such/a.csv"), "no/such"),
        (("resnet18", "--csv", "."), "directory"),
        (("resnet20", "--plot", "a.svg"), "top-1"),
        (("resnet18", "--csv", "a.csv", "--runs", "runs/none"), "runs/none"),
        (("resnet18", "--runs"), "--runs"),
        (("resnet18", "--trials"), "--runs"),
        (("resnet18", "--top", 3), "--top"),
        (("resnet18", "--json", "--csv", "-"), "--csv"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(call: Call, tmp_path: Path, arguments: tuple[object, ...], said: str) -> None:
    run = call(*arguments)
    assert run.status == 2
    assert said in run.err
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_made_leaves_the_old_one(call: Call, tmp_path: Path) -> None:
    for name in ("old.svg", "old.csv"):
        (tmp_path / name).write_text("old")
    assert call("resnet20", "--plot", "old.svg", "--csv", "old.csv").status == 2
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old.svg": "old", "old.csv": "old"}
    assert call("resnet18", "--plot", "old.svg", "--csv", "old.csv").status == 0
    assert {path.name for path in tmp_path.iterdir()} == {"old.svg", "old.csv"}
    assert "<svg" in (tmp_path / "old.svg").read_text()


def test_the_table_needs_no_plotting_library() -> None:
    code = "import sys; sys.argv = ['nas', 'compare']\nfrom nas.cli import main\nmain()\nprint(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    modules = out.splitlines()[-1]
    assert not [name for name in ("matplotlib", "plotly", "numpy", "torch", "ray", "optuna") if f"'{name}'" in modules]


def test_more_than_imagenet_and_one_crop_is_said() -> None:
    for name in baselines.names():
        for facts in baselines.get(name).facts:
            more = re.search(r"in2[12]k|in12k|SWAG|JFT|ten crops", facts.source)
            assert (more is None) == (facts.extra is None), f"{name}: {facts}"
