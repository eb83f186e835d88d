"""The shipped spaces, each against what was published about it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

import nas
from nas import spaces
from nas.arch import Cell, place
from nas.baselines import amoebanet, darts, enas, nasnet
from nas.baselines.cells import Genotype, Manner, Nodes, cell
from nas.errors import SpaceError
from nas.ops import Map, Zero
from nas.primitives import ConvNormAct, Layer, LayerGraph, SeparableConv

# Operations by number as in `choices`, edges 0>1 0>2 1>2 0>3 1>3 2>3; parameters and multiply-adds of the benchmark's own table
# for CIFAR-10 (Dong & Yang, arXiv 2001.00326), which counts each of the classifier's ten biases as a multiply-add.
NAS_BENCH_201 = [
    ((4, 2, 1, 2, 1, 1), 129_306, 15_647_370),
    ((3, 3, 4, 1, 3, 1), 802_426, 113_951_370),
    ((3, 3, 3, 1, 3, 2), 1_073_466, 153_272_970),  # the best
    ((3, 3, 3, 3, 3, 3), 1_531_546, 220_119_690),
    ((4, 1, 0, 0, 0, 1), 73_306, 7_783_050),
    ((1, 3, 0, 1, 4, 2), 344_346, 47_104_650),
]


@pytest.mark.parametrize(("cell", "params", "macs"), NAS_BENCH_201)
def test_nas_bench_201_costs_what_the_table_says(cell, params, macs):
    space = spaces.load("nas-bench-201")
    assert space.count() == 15_625
    decisions = {name: options[number] for (name, options), number in zip(space.choices.items(), cell, strict=True)}
    cost = space.decode(decisions).cost()
    assert (cost.params, cost.macs) == (params, macs - 10)


def test_the_decisions_of_nas_bench_201_are_those_of_the_table():
    choices = spaces.load("nas-bench-201").choices
    assert list(choices) == ["0>1", "0>2", "1>2", "0>3", "1>3", "2>3"]
    assert set(choices.values()) == {("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")}


@pytest.mark.parametrize("size", [32, 17, 5])
def test_nas_bench_201_at_any_size_of_image(size):
    space = spaces.load("nas-bench-201").with_input((3, size, size), 4)
    network = space.decode(dict.fromkeys(space.choices, "none")).build()
    assert network(torch.randn(2, 3, size, size)).shape == (2, 4)


def test_an_operation_that_is_not_there_passes_nothing():
    assert not Zero(8, 2).module(Map(5, 7, 7))(torch.randn(2, 5, 7, 7)).any()


# Published cells, what their operations are in the space beside the usual, and whether the released code joins the states that the
# paper's rule joins, those that nothing reads: NASNet's and AmoebaNet's code joins a few more.
CELLS = {
    "nasnet-cell": (nasnet.GENOTYPE, Manner(), False),
    "amoebanet-cell": (amoebanet.A, Manner(), False),
    "enas-micro": (enas.GENOTYPE, Manner(base=True), True),
    "darts": (darts.GENOTYPES["darts_v1"], Manner(), True),
    "darts second order": (darts.GENOTYPES["darts_v2"], Manner(), True),
}


def in_order(nodes: Nodes) -> Nodes:
    """Sums with the earlier state first."""
    return tuple((left, i, right, j) if i <= j else (right, j, left, i) for left, i, right, j in nodes)


@pytest.mark.parametrize("name", CELLS)
def test_published_cells_lie_in_their_spaces(name):
    genotype, manner, as_written = CELLS[name]
    space = spaces.load(name.split()[0])
    if space.name == "darts":
        genotype = Genotype(in_order(genotype.normal), genotype.normal_output, in_order(genotype.reduction), genotype.reduction_output)
    network = space.decode(space.sample(random.Random(0)))
    template = network.cells[0].op
    made = []
    for part, nodes, output in (("normal", *genotype[:2]), ("reduction", *genotype[2:])):
        graph = cell(nodes, template.output, manner, reduces=part == "reduction")
        graph = replace(graph, unused_inputs=template.unused_inputs)
        assert set(graph.outputs) <= set(output)
        assert (graph.outputs == output) == as_written or not as_written
        made.append(Cell(part, graph))
    published = replace(network, cells=tuple(made))
    assert space.decode(space.recognise(published)).cells == published.cells


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("efficientnet_b0", "mobile"),
        ("mobilenet_v2", "mobile"),
        ("vit_ti16", "vit"),
        ("vit_s16", "vit"),
        ("vit_b16", "vit"),
        ("resnet20", "case-study"),
    ],
)
def test_published_networks_lie_in_their_spaces(network, name):
    space, known = spaces.load(name), nas.load(network)
    found = space.decode(space.recognise(known)).with_input(known.input, known.classes)
    assert found.digest == known.digest


def test_what_lies_in_no_space_is_said():
    with pytest.raises(SpaceError, match="'efficientnet_b7' does not lie in space 'mobile'"):
        spaces.load("mobile").recognise(nas.load("efficientnet_b7"))


def test_every_number_of_heads_divides_every_width_of_vit():
    choices = spaces.load("vit").choices
    assert all(width % heads == 0 for width in choices["width"] for heads in choices["heads"])


def test_size_of_the_darts_space():
    # Two operations a node, and 1, 3, 6, 10 pairs of states, in each of the two cells.
    assert spaces.load("darts").count() == (1 * 3 * 6 * 10 * 7**8) ** 2


class TestNasRnn:
    def test_depth_grows_by_two_every_1600_trials(self):
        space = spaces.load("nas-rnn")
        for number, most in ((0, 6), (1599, 6), (1600, 8), (3200, 10), (11_199, 18), (11_200, 20), (12_800, 20)):
            depths = {space.at(number).sample(random.Random(seed))["depth"] for seed in range(60)}
            assert (min(depths), max(depths)) == (6, most)
        assert space.at(11_200) is space

    def test_a_layer_that_reads_none_reads_the_image(self):
        space = spaces.load("nas-rnn")
        decisions = space.at(0).sample(random.Random(0))
        alone = {name: False if name in sum(space.subsets.values(), ()) else option for name, option in decisions.items()}
        widths = [alone[f"{layer}.filters"] for layer in range(1, 7)]
        layers = space.decode(alone).cost().layers
        assert [layer.inputs[0].width for layer in layers if layer.kind == "conv"] == [3] * 6
        (linear,) = [layer for layer in layers if layer.kind == "linear"]
        assert linear.inputs[0].width == sum(widths)  # what no layer reads goes to the classifier

    def test_members_are_the_earlier_layers(self):
        subsets = spaces.load("nas-rnn").subsets
        assert list(subsets) == [f"{layer}.reads" for layer in range(2, 21)]
        assert all(subsets[f"{layer}.reads"] == tuple(f"{layer}.reads={i}" for i in range(1, layer)) for layer in range(2, 21))


class TestLayers:
    def test_a_smaller_map_is_padded_to_the_largest(self):
        layers = (Layer(ConvNormAct(), (), 5, 2), Layer(ConvNormAct(), (), 6), Layer(ConvNormAct(1), (1, 2)))
        graph = place(LayerGraph(layers), (Map(3, 8, 8),), 4)
        assert graph.shape == Map(4, 8, 8)
        (pad,) = [leaf for _, leaf, _, _ in graph.leaves() if leaf.name == "pad"]
        assert (pad.rows, pad.columns) == ((2, 2), (2, 2))

    def test_sets_behind_read_the_layer_before(self):
        layers = (Layer(ConvNormAct()), Layer(SeparableConv(times=1)), Layer(ConvNormAct(1), (0, 1)))
        graph = place(LayerGraph(layers, "behind", "last"), (Map(3, 8, 8),), 4)
        assert graph.shape == Map(4, 8, 8)
        concats = [shapes for _, leaf, shapes, _ in graph.leaves() if leaf.name == "concat"]
        assert [[shape.width for shape in shapes] for shapes in concats] == [[3, 4, 4]]

    def test_only_what_is_still_read_is_halved(self):
        layers = (Layer(ConvNormAct()), Layer(ConvNormAct()), Layer(ConvNormAct(), (1,)))
        graph = LayerGraph(layers, "behind", "last", (2,))
        assert graph.wanted(2) == [1, 2]
        assert place(graph, (Map(3, 8, 8),), 4).shape == Map(4, 4, 4)

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: LayerGraph(()), "0 layers; allowed: 1 to 256"),
            (lambda: LayerGraph((Layer(ConvNormAct(), (1,)),)), r"layers\[0\] reads state 1; allowed: 0 to 0"),
            (lambda: LayerGraph((Layer(ConvNormAct()),), reduce=(1,)), "reduce=1; allowed: 0 to 0"),
            (lambda: Layer(ConvNormAct(), (0, 0)), r"reads=\[0, 0\]; allowed: each state once"),
            (lambda: Layer(ConvNormAct(), stride=0), "stride=0; allowed"),
        ],
    )
    def test_what_is_not_allowed(self, make, says):
        with pytest.raises(nas.errors.ArchitectureError, match=says):
            make()


@pytest.mark.parametrize("name", spaces.names())
def test_every_file_says_what_it_is_and_how_to_search_it(name):
    head = (spaces.folder() / f"{name}.yaml").read_text().split("name: ")[0]
    assert f"#   nas search --space {name} " in head
    assert len(spaces.load(name).about) > 30
    assert spaces.load(name).name == name
