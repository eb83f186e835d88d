"""Pictures: nothing overlaps, every text has its room, every line leads where the architecture says, any name is safe."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

import nas
from nas import baselines, spaces
from nas.arch import Architecture, Block, Cell, Use
from nas.arch.codec import operation
from nas.draw import Box, Drawing, Line, picture, svg
from nas.draw.cell import draw_cell
from nas.draw.cells import named_cells
from nas.draw.geometry import COPY, Rect
from nas.draw.layers import draw_layers
from nas.draw.layout import Layers, Link, crossings, longest_paths, neighbours, order, place
from nas.draw.names import family, short_name
from nas.draw.paths import strokes
from nas.draw.style import DARK, FAMILIES, LIGHT, Theme
from nas.draw.text import clean, fitted, text_width
from nas.errors import ArchitectureError
from nas.primitives import CellGraph, CellNode, Edge, GlobalPooling, Layer, LayerGraph, LinearLayer
from nas.spaces import RandomChooser

SVG = "{http://www.w3.org/2000/svg}"
HEAD = ["global_pool", {"block": "linear", "width": "classes"}]


# Geometry ----------------------------------------------------------------------------------------------------------


def samples(line: Line) -> list[tuple[float, float]]:
    """Points all along a line as renderers draw it, its tip the last."""
    stroke, _ = strokes(line)
    steps = [i / 16 for i in range(17)]
    found, start = [], stroke.start
    for piece in stroke.pieces:
        # A straight piece is a cubic whose controls stand at its ends (de Casteljau).
        ends = (start, *piece) if len(piece) == 3 else (start, start, piece[0], piece[0])
        found += [between(ends, t) for t in steps]
        start = piece[-1]
    return [*found, line.points[-1]]


def between(points: tuple[tuple[float, float], ...], t: float) -> tuple[float, float]:
    """The point of a Bezier curve at `t`."""
    if len(points) == 1:
        return points[0]
    inner = tuple((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for a, b in itertools.pairwise(points))
    return between(inner, t)


def assert_disjoint(rects: list[Rect], what: str) -> None:
    ranked = sorted(rects)
    for i, a in enumerate(ranked):
        for b in itertools.takewhile(lambda rect, right=a.right: rect.x < right, ranked[i + 1 :]):
            assert not a.overlaps(b), f"{what}: {a} and {b}"


def assert_sound(drawing: Drawing) -> None:
    """No two boxes, frames or texts overlap; texts lie in their boxes, all on the canvas; no line touches a foreign box."""
    canvas = Rect(0, 0, drawing.width, drawing.height)
    boxes, frames = [box.rect for box in drawing.boxes], [frame.rect for frame in drawing.frames]
    assert_disjoint([r._replace(width=r.width + COPY, height=r.height + COPY) for r in boxes], "boxes")
    assert_disjoint(frames, "frames")
    assert_disjoint([text.rect for text in drawing.all_texts()], "texts")
    for box in (*drawing.boxes, *drawing.frames):
        assert canvas.contains(box.rect)
        assert all(box.rect.contains(text.rect) for text in box.texts), box
    for frame in frames:
        assert all(frame.contains(box) or not frame.overlaps(box) for box in boxes)
    for text in (*drawing.texts, *(text for frame in drawing.frames for text in frame.texts)):
        assert canvas.contains(text.rect)
        assert not any(text.rect.overlaps(box) for box in boxes), text
    for line in drawing.lines:
        xs, ys = zip(*line.points, strict=True)
        round_it = Rect(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)).grown(0.1)
        assert canvas.contains(round_it)
        near = [box.grown(-1) for box in boxes if box.overlaps(round_it)]
        assert not any(b.x < x < b.right and b.y < y < b.bottom for b in near for x, y in samples(line)), line


def state_of(box: Box) -> int | None:
    """The number of the state that a box shows."""
    words = [text.text for text in box.texts if text.text.startswith("state ")]
    return int(words[0].split()[1]) if words else None


def key(x: float, y: float) -> tuple[float, float]:
    """A point to a thousandth of a pixel: sums in another order differ in the last digits."""
    return round(x, 3), round(y, 3)


def assert_true(cell: CellGraph, drawing: Drawing) -> None:
    """Going back along the lines from every operation and from the output leads to the states that the cell reads."""
    before: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for line in drawing.lines:
        before.setdefault(key(*line.points[-1]), []).append(key(*line.points[0]))
    states = {key(box.rect.right, box.rect.middle): state_of(box) for box in drawing.boxes if state_of(box) is not None}
    ops = {key(box.rect.right, box.rect.middle): box for box in drawing.boxes if box.style in FAMILIES}

    def source(point: tuple[float, float]) -> int:
        while point not in states:
            (point,) = before[point]
        found = states[point]
        assert found is not None
        return found

    drawn = {}
    for box in drawing.boxes:
        number = state_of(box)
        if number is not None and number >= cell.inputs:
            read = [ops[point] for point in before[key(box.rect.x, box.rect.middle)]]
            drawn[number] = sorted((op.texts[0].text, source(key(op.rect.x, op.rect.middle))) for op in read)
    wanted = {
        cell.inputs + i: sorted((fitted(short_name(edge.op), 12, 210), edge.source) for edge in node.edges)
        for i, node in enumerate(cell.nodes)
    }
    assert drawn == wanted
    output = drawing.boxes[-1].rect
    ends = [point for point in before if point[0] == round(output.x, 3) and output.y < point[1] < output.bottom]
    assert len(ends) == len(set(cell.outputs))
    assert sorted(source(point) for point in ends) == sorted(cell.outputs)


def layer_reads(graph: LayerGraph) -> list[tuple[str, tuple[str, ...]]]:
    """What each box of a graph of layers shows and reads, both by the lower text of a box, from the rules of the primitive."""
    made, states = [], ["input"]
    for number, layer in enumerate(graph.layers):
        name, last = f"layer {number + 1}", states[-1]
        read = [states[state] for state in layer.reads]
        made.append((name, (last,) if graph.sets == "behind" else tuple(read) or ("input",)))
        states.append(name)
        if graph.sets == "behind" and number:
            states[-1] = f"join {number + 1}"
            made.append((states[-1], (name, *read)))
    return [*made, ("output", tuple(states[state] for state in graph.ends))]


def assert_layers_true(graph: LayerGraph, drawing: Drawing) -> None:
    """Going up along the lines from every box leads to what the layer reads."""
    before: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for line in drawing.lines:
        before.setdefault(key(*line.points[-1]), []).append(key(*line.points[0]))
    names: dict[tuple[float, float], str] = {}
    layer = ""
    for box in drawing.boxes:
        text = box.texts[-1].text
        layer = text.split(",")[0] if text.startswith("layer ") else layer
        name = f"join{layer.removeprefix('layer')}" if text.endswith("conv 1x1") and box.style == "state" else text.split(",")[0]
        names[key(box.rect.x + box.rect.width / 2, box.rect.bottom)] = name

    def source(point: tuple[float, float]) -> str:
        while point not in names:
            (point,) = set(before[point])
        return names[point]

    drawn = []
    for box, name in zip(drawing.boxes, names.values(), strict=True):
        ends = [point for point in before if point[1] == round(box.rect.y, 3) and box.rect.x < point[0] < box.rect.right]
        drawn.append((name, tuple(sorted(source(start) for end in ends for start in before[end]))))
    assert drawn == [("input", ()), *((name, tuple(sorted(read))) for name, read in layer_reads(graph))]


def assert_panels_true(architecture: Architecture) -> None:
    """Each cell and graph of layers is drawn as it is."""
    for item in named_cells(architecture):
        if isinstance(item.cell, LayerGraph):
            assert_layers_true(item.cell, draw_layers(item.cell))
        else:
            assert_true(item.cell, draw_cell(item.cell))


@pytest.mark.parametrize("name", baselines.names())
def test_picture_of_a_baseline_is_sound(name: str) -> None:
    architecture = nas.load(name)
    assert_sound(picture(architecture))
    assert_panels_true(architecture)


@pytest.mark.slow
@pytest.mark.parametrize("name", spaces.names())
def test_pictures_of_samples_are_sound_and_true(name: str) -> None:
    space, rng = spaces.load(name), random.Random(7)
    for _ in range(60):
        architecture = space.decide(RandomChooser(rng))
        assert_sound(picture(architecture))
        assert_panels_true(architecture)
    ET.fromstring(svg(architecture))


def random_cell(rng: random.Random, nodes: int, most: int) -> CellGraph:
    """A cell that no space would have: any fan-in, one or two inputs, any output."""
    inputs = rng.choice((1, 2))
    names = ("sep_conv_3x3", "skip_connect", "conv_1x7_7x1", "attention", "squeeze_excite", "max_pool_3x3")
    made = [
        CellNode(
            tuple(Edge(operation(rng.choice(names)), rng.randrange(inputs + i)) for _ in range(rng.randint(1, most))),
            rng.choice(("add", "concat")),
        )
        for i in range(nodes)
    ]
    output = tuple(rng.sample(range(inputs + nodes), rng.randint(1, inputs + nodes))) if rng.random() < 0.5 else "unused"
    return CellGraph(tuple(made), output, inputs)


@pytest.mark.parametrize("seed", range(40))
def test_any_cell_is_drawn_sound_and_true(seed: int) -> None:
    rng = random.Random(seed)
    cell = random_cell(rng, rng.randint(1, 14), rng.randint(1, 5))
    drawing = draw_cell(cell)
    assert_sound(drawing)
    assert_true(cell, drawing)


def test_the_largest_cell_is_drawn() -> None:
    drawing = draw_cell(random_cell(random.Random(1), 64, 2))
    assert_sound(drawing)


def random_layers(rng: random.Random, number: int) -> LayerGraph:
    """Layers with any sets, joined either way."""
    names = ("sep_conv_3x3", "conv_1x7_7x1", "max_pool_3x3")
    layers = tuple(
        Layer(
            operation(rng.choice(names) if rng.random() < 0.7 else "conv"),
            tuple(sorted(rng.sample(range(i + 1), rng.randint(0, i + 1)))),
            rng.choice((None, 24)),
            rng.choice((1, 1, 2)),
        )
        for i in range(number)
    )
    return LayerGraph(layers, rng.choice(("before", "behind")), rng.choice(("last", "unread")), (number // 2,))


@pytest.mark.parametrize("seed", range(20))
def test_any_graph_of_layers_is_drawn_sound_and_true(seed: int) -> None:
    rng = random.Random(seed)
    graph = random_layers(rng, rng.randint(1, 16))
    drawing = draw_layers(graph)
    assert_sound(drawing)
    assert_layers_true(graph, drawing)


def test_layers_say_their_operation_number_width_stride_and_joins() -> None:
    layers = (Layer(operation("conv"), (), 24, 2), Layer(operation("max_pool_3x3"), (0, 1)), Layer(operation("conv"), (1,), 8))
    drawing = draw_layers(LayerGraph(layers, reduce=(2,)))
    assert [[text.text for text in box.texts] for box in drawing.boxes] == [
        ["input"],
        ["conv 3x3", "layer 1, width 24, stride 2"],
        ["max pool 3x3", "layer 2, concat of 2"],
        ["conv 3x3", "layer 3, width 8, states halved before"],
        ["concat", "output"],
    ]


def test_a_block_of_layers_is_a_panel_unless_it_is_huge() -> None:
    data = {"name": "n", "input": [3, 8, 8], "classes": 2, "head": HEAD}
    for number, names in ((12, ["layers 1", "layers 1"]), (65, ["65 layers"])):
        stages = [[{"block": {"layers": {"layers": [{"op": "conv", "reads": [i]} for i in range(number)]}}, "width": 4}]]
        drawing = picture(Architecture.from_dict({**data, "stages": stages}))
        assert [text for text in texts(drawing) if text in ("layers 1", "65 layers")] == names
        assert_sound(drawing)


def test_a_state_without_reader_is_drawn() -> None:
    cell = CellGraph((CellNode((Edge(operation("conv"), 0),)), CellNode((Edge(operation("conv"), 0),))), (2,))
    drawing = draw_cell(cell)
    assert sorted(filter(None, map(state_of, drawing.boxes))) == [1, 2, 3]
    assert_true(cell, drawing)


# The network -------------------------------------------------------------------------------------------------------


def texts(drawing: Drawing) -> list[str]:
    return [text.text for text in drawing.all_texts()]


def test_stages_say_block_repeat_width_stride_and_shape() -> None:
    drawing = picture(nas.load("resnet50"))
    rows = [[text.text for text in box.texts] for box in drawing.boxes]
    assert rows[:5] == [
        ["input", "3x224x224"],
        ["conv 7x7", "64x112x112", "width 64, stride 2"],
        ["max pool 3x3", "64x56x56", "stride 2"],
        ["bottleneck", "256x56x56", "× 3, width 256"],
        ["bottleneck", "512x28x28", "× 4, width 512, stride 2"],
    ]
    assert "1,000 classes, 25.56M parameters, 4.089G multiply-adds" in texts(drawing)
    assert [frame.texts[0].text for frame in drawing.frames] == ["stem", "stage 1", "stage 2", "stage 3", "stage 4", "head"]


def test_shapes_are_those_of_the_graph() -> None:
    architecture = nas.load("googlenet")
    shapes = [box.texts[1].text for box in picture(architecture).boxes if len(box.texts) > 1]
    main = [str(node.shape) for node in architecture.cost().lowered.main.nodes]
    assert shapes[1 : 1 + len(main)] == main


def test_the_shape_of_a_repeated_block_is_that_of_its_last_copy() -> None:
    stage = [{"block": "conv", "width": 4, "repeat": 3}, {"block": "conv", "width": 6, "stride": 2, "repeat": 2}, "max_pool"]
    dense = [{"block": {"dense_layers": {"layers": 1, "growth": 5}}, "repeat": 2}, {"block": "conv", "width": 7}]
    drawing = picture(Architecture.from_dict({"name": "n", "input": [3, 8, 8], "classes": 2, "stages": [stage, dense], "head": HEAD}))
    shapes = [box.texts[1].text for box in drawing.boxes if len(box.texts) > 1]
    assert shapes == ["3x8x8", "4x8x8", "6x4x4", "6x4x4", "16x4x4", "7x4x4", "7", "2"]


def test_auxiliary_heads_branch_off_the_stage_they_read() -> None:
    drawing = picture(nas.load("googlenet"))
    by_exit = {key(box.rect.right, box.rect.middle): box for box in drawing.boxes}
    by_entry = {key(box.rect.x, box.rect.middle): box for box in drawing.boxes}
    ways = [(key(*line.points[0]), key(*line.points[-1])) for line in drawing.lines]
    reads = [(by_exit[start].texts[1].text, by_entry[end].texts[1].text) for start, end in ways if start in by_exit]
    assert reads == [("512x14x14", "512x4x4"), ("528x14x14", "528x4x4")]


def test_each_distinct_cell_is_drawn_once() -> None:
    cell = CellGraph((CellNode((Edge(operation("conv_3x3"), 1), Edge(operation("skip_connect"), 0))),))
    other = CellGraph((CellNode((Edge(operation("conv_1x1"), 1),)),))
    stages = ((Block(Use("a"), 8, 1, 2),), (Block(Use("b"), 8, 2),), (Block(other, 8),))
    cells = (Cell("a", cell), Cell("b", cell), Cell("never", CellGraph((CellNode((Edge(operation("conv"), 0),)),))))
    head = (Block(GlobalPooling()), Block(LinearLayer(), "classes"))
    made = Architecture("n", (3, 8, 8), 10, stages, (), head, cells)
    found = [(item.names, item.uses, item.strides) for item in named_cells(made)]
    assert found == [(("a", "b"), 3, (1, 2)), (("never",), 0, ()), (("cell 3",), 1, (1,))]
    shown = texts(picture(made))
    assert "not used" in shown
    assert shown.count("cell 3") == 2
    assert "used 3 times; operations on states 0 and 1 have stride 2" in shown
    assert_sound(picture(made))


def test_a_block_that_reads_further_back_says_so_and_has_no_arrow_from_the_one_above() -> None:
    data = {"name": "n", "input": [3, 8, 8], "classes": 2, "head": HEAD}
    plain = Architecture.from_dict({**data, "stages": [{"block": "conv", "width": 4}, {"block": "conv", "width": 4}]})
    back = Architecture.from_dict({**data, "stages": [{"block": "conv", "width": 4}, {"block": "conv", "width": 4, "reads": [2]}]})
    assert "width 4, reads 2 back" in texts(picture(back))
    assert len(picture(back).lines) == len(picture(plain).lines) - 1


def test_a_huge_network_is_counted_where_it_is_not_drawn() -> None:
    blocks = [[{"block": "conv", "width": 8}] * 60] * 60
    aux = [{"after": i, "head": HEAD} for i in range(0, 60, 3)]
    data = {"name": "huge", "input": [3, 8, 8], "classes": 2, "stages": blocks, "head": HEAD, "aux": aux}
    drawing = picture(Architecture.from_dict(data))
    assert_sound(drawing)
    # 32,767 pixels are the most that common renderers take.
    assert drawing.height < 32_767
    assert any(text.endswith("more stages") for text in texts(drawing))
    assert any(text.endswith("more blocks") for text in texts(drawing))
    assert "8 more auxiliary heads" in texts(drawing)


def test_shapes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ArchitectureError, match="patches"):
        svg(nas.load("vit_b16").with_input((3, 30, 30), 10))


# SVG ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", baselines.names())
@pytest.mark.parametrize("dark", [False, True])
def test_svg_is_accessible_and_self_contained(name: str, dark: bool) -> None:
    text = svg(nas.load(name), dark=dark)
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert [child.tag for child in root[:3]] == [f"{SVG}title", f"{SVG}desc", f"{SVG}rect"]
    assert root.get("aria-labelledby") == f"{root[0].get('id')} {root[1].get('id')}"
    assert name in (root[0].text or "")
    background = root[2]
    assert (background.get("width"), background.get("height")) == (root.get("width"), root.get("height"))
    assert background.get("fill") == (DARK if dark else LIGHT).background
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {"svg", "title", "desc", "rect", "g", "path", "text"}
    assert text.count("http") == 1
    assert "url(" not in text


def test_description_tells_stages_and_cells() -> None:
    root = ET.fromstring(svg(nas.load("nasnet_a_cifar")))
    said = root[1].text or ""
    assert "stage 2: reduction to 256x16x16, normal 6 times to 384x16x16" in said
    assert "state 2 is add of sep 5x5 of 1, sep 3x3 of 0" in said
    assert "auxiliary head, weight 0.4: relu to 384x16x16" in said


def test_hostile_names_are_only_text() -> None:
    name = "</text><script>x()</script>\"'&]]> \u202eabc\x00\x07\ud800\ufffe\n日本語" + "W" * 300
    source = nas.load("nasnet_a_cifar")
    made = Architecture(name, source.input, 10, source.stages, source.stem, source.head, source.cells, source.aux)
    root = ET.fromstring(svg(made))
    assert not [element for element in root.iter() if "script" in element.tag]
    shown = root.find(f"{SVG}text")
    assert shown is not None
    assert (shown.text or "").startswith("</text><script>x()</script>\"'&]]> abc")
    assert shown.get("textLength")
    assert_sound(picture(made))


def test_svg_is_the_same_in_every_process_and_needs_no_torch_or_numpy() -> None:
    code = (
        "import sys, hashlib, nas, nas.draw\n"
        "text = ''.join(nas.draw.svg(nas.load(n)) for n in ('nasnet_a_cifar', 'googlenet'))\n"
        "print(hashlib.sha256(text.encode()).hexdigest(), [m for m in ('torch', 'numpy', 'ray', 'optuna') if m in sys.modules])"
    )
    seen = set()
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        seen.add(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(seen) == 1
    assert seen.pop().split(" ", 1)[1].strip() == "[]"


# Names, text, colours ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "short", "kind"),
    [
        ("sep_conv_3x3", "sep 3x3", "separable"),
        ("dil_conv_5x5", "dilated sep 5x5", "separable"),
        ("dilated_conv_3x3", "dilated conv 3x3", "conv"),
        ("max_pool_3x3", "max pool 3x3", "pool"),
        ("skip_connect", "identity", "identity"),
        ("conv_1x7_7x1", "conv 1x7 7x1", "conv"),
        ("mbconv6_5x5", "mbconv6 5x5", "block"),
        ("residual_basic", "residual", "block"),
        ("squeeze_excite", "squeeze-excite", "block"),
        ("mixer_block", "mixer", "attention"),
        ("depthwise_separable", "depthwise sep 3x3", "separable"),
    ],
)
def test_short_names(name: str, short: str, kind: str) -> None:
    assert (short_name(operation(name)), family(operation(name))) == (short, kind)


def test_every_operation_has_a_name_that_fits_and_a_family() -> None:
    for name in (*nas.arch.PRESETS.names(), *nas.arch.PRIMITIVES.names()):
        try:
            op = operation(name)
        except ArchitectureError:  # its fields have no defaults
            continue
        assert 0 < len(short_name(op)) <= 24
        assert family(op) in FAMILIES


# Widths of texts of font size 100 in DejaVu Sans Bold and DejaVu Sans, sums of advances measured with FreeType.
MEASURED = (
    ("nasnet_a_cifar", 806.4, 722.5),
    ("residual and other blocks", 1434.9, 1265.8),
    ("WMmw@%#", 690.4, 643.2),
    ("× 6, width 1024, stride 2", 1398.9, 1248.9),
    ("iljtfr.,;:|!'()[]", 695.0, 587.2),
    ("transformer, 12 heads", 1262.6, 1119.0),
    ("ABCDEFGHIJKLMNOPQRSTUVXYZ", 1852.4, 1650.1),
    ("0123456789", 695.8, 636.2),
)


@pytest.mark.parametrize(("text", "bold", "regular"), MEASURED)
def test_text_is_never_wider_than_its_estimate(text: str, bold: float, regular: float) -> None:
    assert bold <= text_width(text, 100, bold=True) <= 1.4 * bold
    assert regular <= text_width(text, 100) <= 1.4 * regular


def test_fitted_text_fits_and_clean_text_is_one_visible_line() -> None:
    assert fitted("max pool 3x3", 12, text_width("max pool 3x3", 12)) == "max pool 3x3"
    cut = fitted("a long name of a cell", 12, 60)
    assert cut.endswith("…")
    assert text_width(cut, 12) <= 60
    assert clean("a\t b\n\x00\u200b\u202ec") == "a b c"


def linear(colour: str) -> list[float]:
    """Linear red, green, blue of #rrggbb (IEC 61966-2-1)."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""
    x, y = sorted(sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (a, b))
    return (y + 0.05) / (x + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_contrast(theme: Theme) -> None:
    assert set(FAMILIES) <= set(theme.paints)
    for paint in theme.paints.values():
        assert contrast(paint.text or theme.text, paint.fill) >= 4.5
    for ground in (theme.background, theme.paints["frame"].fill, theme.paints["stage"].fill):
        assert contrast(theme.text, ground) >= 4.5
        assert contrast(theme.muted, ground) >= 4.5
        assert contrast(theme.line, ground) >= 3


# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0, for linear colours.
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def lab(colour: str, blindness: str) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) as seen under a colour blindness."""
    seen = [min(1.0, max(0.0, sum(m * v for m, v in zip(row, linear(colour), strict=True)))) for row in BLINDNESS[blindness]]
    to_xyz = ((0.4124, 0.3576, 0.1805, 0.9505), (0.2126, 0.7152, 0.0722, 1.0), (0.0193, 0.1192, 0.9505, 1.089))
    xyz = [sum(m * v for m, v in zip(row[:3], seen, strict=True)) / row[3] for row in to_xyz]
    f = [v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_families_are_told_apart_under_colour_blindness(theme: Theme, blindness: str) -> None:
    for a, b in itertools.combinations(FAMILIES, 2):
        one, two = lab(theme.paints[a].fill, blindness), lab(theme.paints[b].fill, blindness)
        distance = sum((x - y) ** 2 for x, y in zip(one, two, strict=True)) ** 0.5
        # A difference of 2.3 is just noticeable; swatches of a legend need several times that.
        assert distance >= 9, f"{a} and {b}: {distance:.1f}"


# The layout --------------------------------------------------------------------------------------------------------


def test_layers_are_longest_paths() -> None:
    assert longest_paths([[], [], [0], [0, 2], [1], [3, 4]]) == [0, 0, 1, 2, 1, 3]


def bipartite(targets: list[list[int]], right: int) -> Layers:
    """Two layers; `targets[i]` of item i."""
    graph = Layers()
    left = [graph.item(0, 20) for _ in targets]
    others = [graph.item(1, 20, 10) for _ in range(right)]
    graph.links = [Link(a, others[b]) for a, ends in zip(left, targets, strict=True) for b in ends]
    return graph


def test_crossings_are_counted() -> None:
    # Every pair of links crosses in a reversal of four: 4 * 3 / 2.
    graph = bipartite([[3], [2], [1], [0]], 4)
    assert crossings(graph, neighbours(graph)) == 6
    # Two to each of two: only the inner pair crosses.
    graph = bipartite([[0, 1], [0, 1]], 2)
    assert crossings(graph, neighbours(graph)) == 1


def test_order_undoes_a_tangle() -> None:
    graph = bipartite([[3], [2], [1], [0]], 4)
    order(graph)
    assert crossings(graph, neighbours(graph)) == 0


@pytest.mark.parametrize("seed", range(10))
def test_order_never_adds_crossings_and_loses_no_item(seed: int) -> None:
    rng = random.Random(seed)
    graph = bipartite([[rng.randrange(7) for _ in range(3)] for _ in range(7)], 7)
    before = crossings(graph, neighbours(graph))
    order(graph)
    assert crossings(graph, neighbours(graph)) <= before
    assert [sorted(layer) for layer in graph.layers] == [list(range(7)), list(range(7, 14))]


def test_place_keeps_distances_and_makes_a_single_link_level() -> None:
    graph = bipartite([[0], [1], [2]], 3)
    placed = place(graph, gap=16, lane_gap=9)
    assert placed.middles[:3] == [10, 46, 82]
    assert placed.arrivals == [10, 46, 82]
    assert placed.height == 92


def test_links_into_one_box_do_not_cross() -> None:
    graph = Layers()
    sources = [graph.item(0, 20) for _ in range(5)]
    target = graph.item(1, 80, 16)
    graph.links = [Link(source, target) for source in (sources[i] for i in (3, 0, 4, 1, 2))]
    order(graph)
    placed = place(graph, gap=16, lane_gap=9)
    ranked = sorted(zip(graph.links, placed.arrivals, strict=True), key=lambda item: placed.middles[item[0].source])
    heights = [arrival for _, arrival in ranked]
    assert [b - a for a, b in itertools.pairwise(heights)] == [16] * 4
