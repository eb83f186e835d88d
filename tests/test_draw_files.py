"""PNG, PDF and DOT say what the SVG says; real letters fit; the verb, the notebook."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import random
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from functools import cache, partial
from html.parser import HTMLParser
from pathlib import Path

import pydot
import pypdf
import pytest
from PIL import Image

import nas as package
from nas import baselines, draw, spaces
from nas.arch import Architecture
from nas.cli import draw as verb
from nas.draw import PARTS, Drawing, Text, picture
from nas.draw.cells import NamedCell, named_cells
from nas.draw.files import FORMATS
from nas.draw.names import short_name
from nas.draw.page import Part, used
from nas.draw.stages import sections
from nas.draw.style import DARK, LIGHT
from nas.draw.text import clean
from nas.errors import NasError
from nas.primitives import CellGraph
from nas.spaces import RandomChooser
from tests.cli import Run, nas
from tests.test_draw import HEAD, SVG, assert_sound, samples

HOSTILE = '</text><b>"\\N\\l&lt; $x_1$ % {} [a=b]; // # \u202eabc\x00\ud800\n日本語'


@cache
def sample(space: str, seed: int = 3) -> Architecture:
    """A network of a space."""
    return spaces.load(space).decide(RandomChooser(random.Random(seed)))


# Letters -----------------------------------------------------------------------------------------------------------


@cache
def measure(text: str, size: float, bold: bool) -> float:
    """Pixels that a text takes in DejaVu Sans, by its own metrics: the sum of the advances, or the ink where that is wider."""
    from matplotlib.font_manager import FontProperties, findfont, get_font
    from matplotlib.ft2font import LoadFlags

    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(size, 72)
    font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    ink = font.get_width_height()[0] / 64
    advances = (font.load_char(ord(letter), flags=LoadFlags.NO_HINTING).linearHoriAdvance / 65536 for letter in text)
    return max(ink, sum(advances))


def assert_letters_fit(drawing: Drawing) -> None:
    """Every text, as wide as it really is, has its room: in its box, on the page, and beside all others."""

    def real(text: Text) -> float:
        return measure(text.text, text.size, text.bold)

    for text in drawing.all_texts():
        assert real(text) <= text.rect.width + 0.5, text
    for box in (*drawing.boxes, *drawing.frames):
        for text in box.texts:
            left = text.x - real(text) * {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor]
            assert box.rect.x <= left, text
            assert left + real(text) <= box.rect.right, text


def assert_lines_clear(drawing: Drawing) -> None:
    """No line runs through a text that stands alone or on a frame. (Boxes, with theirs, are above all lines.)"""
    alone = [*drawing.texts, *(text for frame in drawing.frames for text in frame.texts)]
    rects = [text.rect for text in alone]
    for line in drawing.lines:
        points = samples(line)
        for rect in rects:
            assert not any(rect.x < x < rect.right and rect.y < y < rect.bottom for x, y in points), line


@pytest.mark.parametrize("name", baselines.names())
def test_letters_of_a_baseline_fit_and_lines_are_clear(name: str) -> None:
    drawing = picture(package.load(name))
    assert_letters_fit(drawing)
    assert_lines_clear(drawing)


@pytest.mark.parametrize("name", spaces.names())
def test_letters_of_samples_fit_and_parts_are_sound(name: str) -> None:
    for seed in range(16):
        made = sample(name, seed)
        drawing = picture(made)
        assert_letters_fit(drawing)
        assert_lines_clear(drawing)
        for part in ("network", "cells") if named_cells(made) else ("network",):
            assert_sound(picture(made, part))


# PNG and PDF -------------------------------------------------------------------------------------------------------


def rgb(colour: str) -> tuple[int, int, int]:
    """#rrggbb."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@pytest.mark.parametrize(("name", "dark"), [*zip((*spaces.names(), "googlenet", "resnet50"), itertools.cycle((False, True)))])
def test_png_has_the_colours_of_the_svg_where_the_svg_has_them(name: str, dark: bool) -> None:
    made = sample(name) if name in spaces.names() else package.load(name)
    root = ET.fromstring(draw.svg(made, dark=dark))
    image = Image.open(io.BytesIO(draw.png(made, dark=dark))).convert("RGB")
    assert image.size == (2 * int(root.get("width", 0)), 2 * int(root.get("height", 0)))
    page, *rects = root.iter(f"{SVG}rect")
    assert image.getpixel((0, 0)) == rgb(page.get("fill", ""))
    for rect in rects:
        x, y, height = (float(rect.get(key, 0)) for key in ("x", "y", "height"))
        assert image.getpixel((int(2 * x + 7), int(2 * y + height))) == rgb(rect.get("fill", "")), rect.attrib


def test_png_has_text_lines_and_arrows() -> None:
    made = package.load("nasnet_a_cifar")
    drawing, image = picture(made), Image.open(io.BytesIO(draw.png(made, dpi=96))).convert("RGB")
    blank = Image.new("RGB", image.size, LIGHT.background)
    for text in drawing.all_texts():
        area = tuple(map(round, (text.rect.x, text.rect.y, text.rect.right, text.rect.bottom)))
        shades = image.crop(area).convert("L").getextrema()
        assert shades[1] - shades[0] > 60, text
    for line in drawing.lines:
        x, y = samples(line)[8]
        near = image.crop((int(x) - 2, int(y) - 2, int(x) + 3, int(y) + 3)).convert("L").getextrema()
        assert near[0] < 190, line
        if line.arrow:
            tip = line.points[-1]
            # The middle of the triangle, which is as wide as it is long.
            inside = (tip[0], tip[1] - 4) if line.down or (not line.curved and line.points[-2][0] == tip[0]) else (tip[0] - 4, tip[1])
            assert image.getpixel((int(inside[0]), int(inside[1]))) != blank.getpixel((0, 0))


def pdf_page(data: bytes) -> pypdf.PageObject:
    """The only page."""
    reader = pypdf.PdfReader(io.BytesIO(data))
    assert len(reader.pages) == 1
    return reader.pages[0]


@pytest.mark.parametrize(("name", "part"), [("nasnet-cell", "all"), ("enas-macro", "cells"), ("mobile", "network")])
def test_pdf_is_vector_with_real_text(name: str, part: Part) -> None:
    drawing = picture(sample(name), part)
    page = pdf_page(draw.pdf(sample(name), part=part))
    assert [float(x) for x in page.mediabox[2:]] == pytest.approx([drawing.width * 0.75, drawing.height * 0.75], abs=0.01)
    found = "".join(page.extract_text().split())
    for text in drawing.all_texts():
        assert "".join(text.text.split()) in found
    assert not page.images
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].get_object().values()]
    inner = [font.get("/DescendantFonts", [font])[0].get_object() for font in fonts]
    assert {font["/Subtype"] for font in inner} <= {"/CIDFontType2", "/TrueType"}
    assert all("DejaVuSans" in font["/BaseFont"] and "/FontFile2" in font["/FontDescriptor"] for font in inner)


def test_hostile_names_are_only_text_in_all_formats() -> None:
    source = package.load("nasnet_a_cifar")
    made = Architecture(HOSTILE, source.input, 10, source.stages, source.stem, source.head, source.cells, source.aux)
    shown = clean(HOSTILE)
    assert "\\N\\l&lt; $x_1$" in shown
    graph = parsed(draw.dot(made))
    assert unquoted(graph.get_name()) == [f"Architecture of {shown}"]
    found = "".join(pdf_page(draw.pdf(made)).extract_text().split())
    assert "".join(shown.removesuffix("日本語").split()) in found
    image = Image.open(io.BytesIO(draw.png(made)))
    assert image.text["Title"] == f"Architecture of {shown}"
    assert escaped(shown) in package.Architecture._repr_html_(made)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.slow
def test_same_bytes_in_every_process_and_no_torch() -> None:
    code = (
        "import sys, hashlib, nas\n"
        "a = nas.load('nasnet_a_cifar')\n"
        "assert 'matplotlib' not in sys.modules\n"
        "data = nas.draw.png(a) + nas.draw.pdf(a) + nas.draw.dot(a).encode() + nas.draw.png(a, dark=True, part='cells', dpi=50)\n"
        "print(hashlib.sha256(data).hexdigest(), [m for m in ('torch', 'ray', 'optuna', 'matplotlib.pyplot') if m in sys.modules])"
    )
    a = package.load("nasnet_a_cifar")
    data = draw.png(a) + draw.pdf(a) + draw.dot(a).encode() + draw.png(a, dark=True, part="cells", dpi=50)
    for seed, date in (("0", "1000000000"), ("1", "")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "MPLBACKEND": "svg"} | ({"SOURCE_DATE_EPOCH": date} if date else {})
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert run.stdout.split(" ", 1) == [hashlib.sha256(data).hexdigest(), "[]\n"]


def test_settings_of_the_user_change_nothing() -> None:
    import matplotlib

    made = sample("tiny")
    plain = draw.png(made), draw.pdf(made)
    with matplotlib.rc_context({"font.family": "serif", "pdf.fonttype": 3, "savefig.bbox": "tight", "lines.linewidth": 9, "font.size": 30}):
        assert (draw.png(made), draw.pdf(made)) == plain


@pytest.mark.parametrize("dpi", [24, 96, 300])
def test_dots_of_a_png(dpi: int) -> None:
    drawing = picture(sample("tiny"))
    image = Image.open(io.BytesIO(draw.png(sample("tiny"), dpi=dpi)))
    assert image.size == pytest.approx((drawing.width * dpi / 96, drawing.height * dpi / 96), abs=1)
    assert image.info["dpi"][0] == pytest.approx(dpi, abs=0.5)


# DOT ---------------------------------------------------------------------------------------------------------------


def parsed(text: str) -> pydot.Dot:
    """By a parser that is not ours."""
    with warnings.catch_warnings():
        # It calls names of pyparsing that are to go.
        warnings.simplefilter("ignore", DeprecationWarning)
        (graph,) = pydot.graph_from_dot_data(text)
    return graph


def unquoted(text: str) -> list[str]:
    """The lines of a quoted string as Graphviz reads them."""
    assert text[0] == text[-1] == '"'
    return [line.replace("&amp;", "&") for line in split(text[1:-1])]


def split(text: str) -> list[str]:
    """At the escapes that end a line; others stand for what follows the backslash."""
    lines, at = [""], 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
            if text[at] in "nlr":
                lines.append("")
            else:
                lines[-1] += text[at]
        else:
            lines[-1] += text[at]
        at += 1
    return lines if lines[-1] else lines[:-1]


def within(graph: pydot.Graph) -> Iterator[pydot.Graph]:
    """A graph and its clusters."""
    yield graph
    for inner in graph.get_subgraphs():
        yield from within(inner)


def labels(graph: pydot.Graph) -> dict[str, list[str]]:
    """The lines in each node."""
    found = [node for each in within(graph) for node in each.get_nodes() if node.get_name() not in ("node", "edge", "graph", "legend")]
    assert len({node.get_name() for node in found}) == len(found)
    return {node.get_name(): unquoted(node.get("label")) for node in found}


def edges(graph: pydot.Graph) -> list[tuple[str, str]]:
    """All edges by the names of their ends."""
    return [(edge.get_source(), edge.get_destination()) for each in within(graph) for edge in each.get_edges()]


def titles(graph: pydot.Graph) -> list[list[str]]:
    """The titles of the clusters."""
    return [unquoted(each.get("label")) for each in graph.get_subgraphs()]


def assert_dot_true(made: Architecture) -> None:
    """A cluster a stage and a cell, a node a block and an operation; edges of cells are the cell's; all is reached from an input."""
    graph = parsed(draw.dot(made))
    parts, beside = sections(made, made.cost().lowered, named_cells(made))
    wanted = [*parts, *(branch.section for branch in beside)]
    cells = named_cells(made)
    expected = [section.title.split(", ") for section in wanted if section.title] + [[", ".join(item.names), used(item)] for item in cells]
    assert titles(graph) == expected
    nodes, ways = labels(graph), edges(graph)
    blocks = [name for name in nodes if "_block" in name]
    assert [nodes[name][0] for name in blocks] == [row.name for section in wanted for row in section.rows]
    assert {end for way in ways for end in way} <= set(nodes)
    inputs = {name for name in nodes if name == "part0_block0" or is_input(name, cells)}
    assert set(nodes) - {end for _, end in ways} == inputs
    for number, item in enumerate(cells):
        if isinstance(item.cell, CellGraph):
            assert_cell_true(item.cell, f"cell{number}_", nodes, ways)


def is_input(name: str, cells: list[NamedCell]) -> bool:
    """Whether a node is an input state of a cell, or the input of a graph of layers."""
    match = re.fullmatch(r"cell(\d+)_(state|box)(\d+)", name)
    if match is None:
        return False
    cell = cells[int(match[1])].cell
    return int(match[3]) < (cell.inputs if isinstance(cell, CellGraph) else 1)


def assert_cell_true(cell: CellGraph, lead: str, nodes: dict[str, list[str]], ways: list[tuple[str, str]]) -> None:
    into: dict[str, list[str]] = {}
    for start, end in ways:
        into.setdefault(end, []).append(start)
    for number, node in enumerate(cell.nodes, cell.inputs):
        read = [(nodes[op][0], into[op]) for op in into[f"{lead}state{number}"]]
        assert read == [(short_name(edge.op), [f"{lead}state{edge.source}"]) for edge in node.edges]
        assert nodes[f"{lead}state{number}"][-1] == f"state {number}"
    assert into[f"{lead}output"] == [f"{lead}state{number}" for number in cell.outputs]


@pytest.mark.parametrize("name", baselines.names())
def test_dot_of_a_baseline_is_true(name: str) -> None:
    assert_dot_true(package.load(name))


@pytest.mark.parametrize("name", spaces.names())
def test_dot_of_a_sample_is_true(name: str) -> None:
    assert_dot_true(sample(name))


def ways_by_name(made: Architecture) -> list[tuple[str, str]]:
    """Edges between blocks, by the names of the blocks."""
    graph = parsed(draw.dot(made, part="network"))
    nodes = labels(graph)
    return [(nodes[start][0], nodes[end][0]) for start, end in edges(graph)]


def test_dot_has_the_edges_of_the_network_that_the_column_leaves_out() -> None:
    stages = [{"block": "conv", "width": 4}, {"block": "sep_conv_3x3", "width": 4}, {"block": "conv", "width": 6, "reads": [2]}]
    made = Architecture.from_dict({"name": "n", "input": [3, 8, 8], "classes": 2, "stages": stages, "head": HEAD})
    assert ways_by_name(made)[:3] == [("input", "conv 3x3"), ("conv 3x3", "sep 3x3"), ("conv 3x3", "conv 3x3")]
    # A cell reads two blocks back; six copies are one node, and read what stood before the first of them twice back, too.
    found = ways_by_name(package.load("nasnet_a_cifar"))
    assert found[:7] == [
        ("input", "conv 3x3"), ("conv 3x3", "normal"), ("normal", "reduction"), ("normal", "normal"), ("reduction", "normal"),
        ("normal", "reduction"), ("normal", "normal"),
    ]  # fmt: skip
    assert ("normal", "relu") in found


def test_dot_draws_what_the_picture_only_counts() -> None:
    blocks = [[{"block": "conv", "width": 8}] * 60] * 10
    made = Architecture.from_dict({"name": "long", "input": [3, 8, 8], "classes": 2, "stages": blocks, "head": HEAD})
    assert sum("_block" in line and "[" in line for line in draw.dot(made).splitlines()) == 603


def test_dot_has_the_colours_of_the_families() -> None:
    for dark, theme in ((False, LIGHT), (True, DARK)):
        text = draw.dot(package.load("nasnet_a_cifar"), dark=dark)
        graph = parsed(text)
        nodes = {node.get_name(): node for each in within(graph) for node in each.get_nodes()}
        for name, lines in labels(graph).items():
            style = "separable" if lines[0].startswith("sep ") else "pool" if " pool " in lines[0] else None
            if style:
                assert nodes[name].get("fillcolor") == f'"{theme.paints[style].fill}"'
        assert all(word in nodes["legend"].get("label") for word in ("convolution", "pooling", theme.paints["cell"].fill))
        assert "attention" not in nodes["legend"].get("label")


# Files and the verb ------------------------------------------------------------------------------------------------

STARTS = {"svg": b"<svg ", "png": b"\x89PNG\r\n", "pdf": b"%PDF-", "dot": b"digraph "}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch)


def test_the_verb_knows_all_formats_and_parts() -> None:
    assert tuple(FORMATS) == verb.FORMATS == tuple(STARTS)
    assert PARTS == verb.PARTS


@pytest.mark.parametrize("form", FORMATS)
def test_draw_writes_each_format_by_suffix_by_option_and_under_the_usual_name(call: Callable[..., Run], tmp_path: Path, form: str) -> None:
    for suffix in FORMATS[form]:
        run = call("draw", "darts_v2", "--out", f"a{suffix.upper()}")
        assert (run.status, run.out) == (0, f"drew a{suffix.upper()}\n"), run.err
    assert call("draw", "darts_v2", "--format", form).out == f"drew darts_v2{FORMATS[form][0]}\n"
    assert call("draw", "darts_v2", "--format", form, "--out", "plain").status == 0
    first, *others = [path.read_bytes() for path in tmp_path.iterdir()]
    assert first.startswith(STARTS[form])
    assert len(others) >= 2
    assert set(others) == {first}


def test_draw_names_files_by_what_they_show_and_never_writes_over_them_unasked(call: Callable[..., Run], tmp_path: Path) -> None:
    assert call("draw", "darts_v2", "--part", "cells", "--dark").out == "drew darts_v2-cells-dark.svg\n"
    (tmp_path / "mine.yaml").write_text(package.load("lenet5").to_yaml())
    assert call("draw", tmp_path / "mine.yaml", "--input", "1x64x64", "--classes", "3").out == "drew mine.svg\n"
    assert "3 classes" in (tmp_path / "mine.svg").read_text()
    (tmp_path / "mine.svg").write_text("dear")
    run = call("draw", "mine.yaml")
    assert (run.status, run.err) == (2, "error: mine.svg is there already; allowed: --out FILE, which is written over\n")
    assert (tmp_path / "mine.svg").read_text() == "dear"
    assert call("draw", "mine.yaml", "--out", "mine.svg").status == 0
    assert (tmp_path / "mine.svg").read_text().startswith("<svg ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["darts_v2-cells-dark.svg", "mine.svg", "mine.yaml"]


@pytest.mark.parametrize("form", ["svg", "dot"])
def test_text_goes_to_standard_output(call: Callable[..., Run], tmp_path: Path, form: str) -> None:
    run = call("draw", "lenet5", "--format", form, "--out", "-")
    assert run.out == getattr(draw, form)(package.load("lenet5"))
    assert list(tmp_path.iterdir()) == []
    assert call("draw", "lenet5", "--out", "-").out.startswith("<svg ")


def test_draw_of_a_run_and_of_a_trial_of_it(call: Callable[..., Run], tmp_path: Path) -> None:
    def evaluate(architecture: Architecture, fidelity: object) -> dict[str, float]:
        return {"accuracy": 1 / architecture.cost().params}

    study = package.search("tiny", evaluator=evaluate, budget="3trials", engine="local", out=tmp_path / "runs" / "one")
    assert call("draw", "runs/one").out == "drew one.svg\n"
    assert (tmp_path / "one.svg").read_text() == draw.svg(study.best.architecture)
    assert call("draw", "runs/one", "--trial", "0", "--format", "png").out == "drew one-trial-0.png\n"
    assert (tmp_path / "one-trial-0.png").read_bytes() == draw.png(study.trials[0].architecture)
    assert call("draw", "runs/one", "--trial", "7").status == 2
    assert call("draw", "lenet5", "--trial", "0").status == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resnet5",), "unknown network"),
        (("resnet50", "--out", "a.jpg"), "ends in .svg, .png, .pdf, .dot, .gv"),
        (("resnet50", "--out", "nowhere/a.png"), "no such folder"),
        (("resnet50", "--out", "."), "does not tell the format"),
        (("resnet50", "--out", ".", "--format", "svg"), "Is a directory"),
        (("resnet50", "--out", "a.png", "--format", "pdf"), "'a.png' is the name of a file of format png, not pdf; allowed: .pdf"),
        (("resnet50", "--out", "-", "--format", "png"), "--out - with png, which is no text; allowed: svg, dot, or --out FILE"),
        (("resnet50", "--dpi", "300"), "--dpi=300 with svg, which has no dots; allowed: --format png"),
        (("resnet50", "--format", "png", "--dpi", "5"), "dpi=5; allowed: 24 to"),
        (("resnet50", "--format", "png", "--dpi", "100000"), "dpi=100000; allowed: 24 to"),
        (("resnet50", "--part", "cells"), "resnet50 has no cells of its own; allowed: part network, all"),
        (("resnet50", "--part", "cells", "--format", "dot"), "resnet50 has no cells of its own; allowed: part network, all"),
        (("resnet50", "--part", "stem"), "'--part'"),
        (("resnet50", "--format", "gif"), "'--format'"),
        (("vit_b16", "--input", "3x30x30"), "patches of size=16 do not divide"),
        (("resnet50", "--input", "3x30"), "--input='3x30'"),
        (("both.yaml",), "a picture of 'ensemble', an ensemble of 2; allowed: a single network"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_leaves_nothing(
    call: Callable[..., Run], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "both.yaml").write_text(package.ensemble(["resnet20", "plain20"]).to_yaml())
    run = call("draw", *words)
    assert run.status == 2
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert said in run.err
    assert [path.name for path in tmp_path.iterdir()] == ["both.yaml"]


def test_show_svg_is_the_same_picture(call: Callable[..., Run], tmp_path: Path) -> None:
    assert call("show", "lenet5", "--svg", "a.svg").status == 0
    assert (tmp_path / "a.svg").read_text() == draw.svg(package.load("lenet5"))
    assert call("show", "lenet5", "--svg", "a.png").status == 2


def test_save_returns_the_path_and_raises_before_it_writes(tmp_path: Path) -> None:
    made = sample("tiny")
    assert draw.save(made, tmp_path / "a.pdf", part="cells") == tmp_path / "a.pdf"
    for name, wrong in (("a.txt", {}), ("a.png", {"dpi": 1}), ("a.svg", {"part": "stem"}), ("b.svg", {"format": "gif"})):
        with pytest.raises(NasError, match=r"allowed|known"):
            draw.save(made, tmp_path / name, **wrong)
    with pytest.raises(NasError, match="a picture of a str; allowed: a network"):
        draw.save("resnet50", tmp_path / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


# Notebooks ---------------------------------------------------------------------------------------------------------


class Balanced(HTMLParser):
    """Checks that tags close in their order; collects ids and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.ids += [value for key, value in attrs if key == "id" and value]
        assert not any(key.startswith("on") for key, _ in attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


@pytest.mark.parametrize("name", ["nasnet-cell", "mobile", "nas-rnn"])
def test_a_network_shows_itself_light_and_dark(name: str) -> None:
    made = sample(name)
    html = Balanced(made._repr_html_())
    assert "script" not in html.tags
    assert len(html.ids) == len(set(html.ids)) == 4
    light, dark = draw.svg(made), draw.svg(made, dark=True)
    assert light in made._repr_html_()
    assert f'<div class="nas-dark" style="display:none">{dark}' in made._repr_html_()
    assert made._repr_svg_() == light


def test_a_network_that_does_not_fit_shows_itself_as_text() -> None:
    made = package.load("vit_b16").with_input((3, 30, 30), 10)
    html = Balanced(made._repr_html_())
    said = "".join(html.said)
    assert "svg" not in html.tags
    assert "patches of size=16 do not divide" in said
    assert "block: transformer" in said
    assert made._repr_svg_() is None


def test_an_ensemble_shows_its_members() -> None:
    made = package.ensemble(["resnet20", "plain20", "resnet20"])
    html = Balanced(made._repr_html_())
    for word in ("resnet20", "plain20", "resnet20_2", "together", f"{made.cost(aux=False).params:,}"):
        assert word in html.said
    # The two equal ones have one picture.
    assert made._repr_html_().count("<details>") == 2
    assert "does not fit" in package.ensemble(["vit_b16"]).with_input((3, 30, 30), 10)._repr_html_()


@pytest.mark.parametrize("name", spaces.names())
def test_a_space_shows_its_decisions(name: str) -> None:
    space = spaces.load(name)
    html = Balanced(space._repr_html_())
    rows = space._repr_html_().count("<tr>") - 1
    more = re.findall(r"and ([\d,]+) more", space._repr_html_())
    assert rows + sum(int(number.replace(",", "")) for number in more) == len(space.choices)
    assert next(iter(space.choices)) in html.said
    limited = space.within({"params": "5M"})
    assert "of which count those with params &lt;= 5" in limited._repr_html_()


# Documents ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["cells", "network"])
def test_pictures_in_the_documents_are_those_of_today(part: Part) -> None:
    """`nas draw nasnet_a_cifar --part PART --out docs/images/nasnet-a-PART.svg` makes them anew."""
    there = Path(__file__).parent.parent / "docs" / "images" / f"nasnet-a-{part}.svg"
    assert there.read_text() == draw.svg(package.load("nasnet_a_cifar"), part=part)
