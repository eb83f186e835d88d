"""Every registered primitive and preset under the shipped contract; the blocks of the papers, number by number."""

from __future__ import annotations

import pytest
import torch

from nas.arch import PRESETS, PRIMITIVES, Architecture, Block, Cell, Primitive, Use, place, primitive
from nas.errors import ArchitectureError, NasError
from nas.ops import Conv, Map, Tokens, Vector
from nas.primitives import (
    AttentionOverPositions,
    AveragePooling,
    BasicResidual,
    Bottleneck,
    CellGraph,
    CellNode,
    ConvNormAct,
    DenseTransition,
    Edge,
    FactorizedReduction,
    GlobalPooling,
    Inception,
    InvertedResidual,
    LinearLayer,
    MaxPooling,
    Patches,
    SeparableConv,
    Sequential,
    SkipConnect,
    SqueezeExcite,
    Transformer,
)
from nas.spaces import load as load_space
from nas.testing import primitives as kit

torch.set_num_threads(1)
EXAMPLES = kit.examples()
OPERATIONS = {name: op for name, op in EXAMPLES.items() if kit.is_operation(op)}
OTHERS = {name: op for name, op in EXAMPLES.items() if name not in OPERATIONS}
# What the search spaces promise to be usable at any width and stride.
PROMISED = """
    skip_connect conv_1x3_3x1 conv_1x7_7x1 dilated_conv_3x3 avg_pool_3x3 max_pool_3x3 max_pool_5x5 max_pool_7x7 conv_1x1 conv_3x3
    sep_conv_3x3 sep_conv_5x5 sep_conv_7x7 conv3x3 inception-0 residual_basic bottleneck dense squeeze_excite
    depthwise_separable inverted_residual attention mixer_block
"""


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_at_any_width_stride_and_size(name):
    kit.check_operation(OPERATIONS[name])


@pytest.mark.parametrize("name", OTHERS)
def test_other_primitives_at_what_they_accept(name):
    op = OTHERS[name]
    shapes = [shape for shape in kit.INPUTS if isinstance(shape, op.accepts)]
    assert shapes
    for shape in shapes:
        if isinstance(op, Patches):
            shape = Map(3, 32, 48)
        kit.check(op, shape, width=None if isinstance(op, Inception) else 12)


def test_what_is_promised_is_an_operation_and_registered():
    assert set(PROMISED.split()) <= set(OPERATIONS)
    assert {op.name for op in EXAMPLES.values()} >= set(PRIMITIVES.names())
    assert set(PRESETS.names()) <= set(EXAMPLES)


@pytest.mark.parametrize("name", ["nasnet-cell", "case-study-cell"])
def test_the_operations_of_the_shipped_spaces_are_operations(name):
    space = load_space(name)
    named = {str(option) for options in space.choices.values() for option in options if isinstance(option, str)} - {"add", "concat"}
    assert len(named) >= 13
    assert named <= {name.removesuffix("-0") for name in OPERATIONS}


def test_a_primitive_without_an_example_is_reported(monkeypatch):
    monkeypatch.setattr(PRIMITIVES, "_items", dict(PRIMITIVES._items))

    @primitive("lonely")
    class Lonely(Primitive):
        size: int

    with pytest.raises(AssertionError, match=r"'lonely' has no example .* needs the fields \['size'\]"):
        kit.examples()


def test_the_kit_finds_an_operation_that_forgets_the_stride(monkeypatch):
    monkeypatch.setattr(ConvNormAct, "expand", lambda self, g, *inputs, width, stride: g.add(Conv(width, padding=(1, 1)), inputs[0]))
    with pytest.raises(AssertionError, match=r"stride 2 gives 4x8x8; wanted: 4x4x4"):
        kit.check_operation(ConvNormAct())


def test_the_kit_finds_a_block_that_states_its_parameters_wrongly(monkeypatch):
    monkeypatch.setattr(Conv, "params", lambda self, x: 1)
    # A size that no other test has: facts of leaves are kept.
    with pytest.raises(AssertionError, match="states 1 parameters and has 21436"):
        kit.check_graph(place(ConvNormAct(7, norm=False), (Map(19, 9, 9),), 23))


@pytest.mark.parametrize(
    ("op", "shape", "width", "stride", "params"),
    [
        # VGG-16's conv1-2 without bias: 36,864 (plus 2 x 64 of batch norm).
        (ConvNormAct(), Map(64, 8, 8), 64, 1, 36_864 + 128),
        # ResNet-50's first bottleneck with its projection: 75,008 (He et al., table 1; torchvision's layer1.0).
        (Bottleneck(), Map(64, 56, 56), 256, 1, 75_008),
        (BasicResidual(), Map(64, 56, 56), 128, 2, 230_144),
        # MobileNet-v2's features.2.
        (InvertedResidual(6), Map(16, 112, 112), 24, 2, 5_136),
        # A ViT-B encoder block.
        (Transformer(12), Tokens(197, 768), 768, 1, 7_087_872),
        # Inception 3a (GoogLeNet, table 1) with 3x3 in the third branch: 12,288 + 18,432 + 110,592 + 3,072 + 4,608 + 6,144, and norms.
        (Inception((64, 96, 128, 16, 32, 32), third=3), Map(192, 28, 28), None, 1, 155_136 + 2 * 368),
    ],
    ids=lambda value: value.name if isinstance(value, Primitive) else "",
)
def test_published_sizes_of_blocks(op, shape, width, stride, params):
    assert place(op, (shape,), width, stride).facts.params == params


def test_separable_convolution_is_applied_twice_relu_first():
    leaves = [leaf.name for _, leaf, _, _ in place(SeparableConv(5), (Map(8, 8, 8),), 16, 2).leaves()]
    assert leaves == ["activation", "conv", "conv", "batch_norm"] * 2


def test_factorized_reduction_reads_both_grids():
    graph = place(FactorizedReduction(), (Map(1, 4, 4),), 2, 2)
    image = torch.zeros(1, 1, 4, 4)
    seen = set()
    for row in range(4):
        for column in range(4):
            torch.manual_seed(0)
            image.zero_()[0, 0, row, column] = 1.0
            with torch.no_grad():
                blank = kit.run(graph, [torch.zeros_like(image)], [])
                torch.manual_seed(0)
                if not torch.equal(kit.run(graph, [image], []), blank):
                    seen.add((row, column))
    assert seen == {(r, c) for r in range(4) for c in range(4) if r % 2 == c % 2}


@pytest.mark.parametrize("width", [4, 6, 16, 24, 33, 48, 60, 64])
def test_attention_takes_a_number_of_heads_that_divides(width):
    graph = place(AttentionOverPositions(), (Map(width, 4, 4),), width)
    (heads,) = {leaf.heads for _, leaf, _, _ in graph.leaves() if leaf.name == "attention"}
    assert width % heads == 0
    assert heads == 1 or width // heads >= 16


@pytest.mark.parametrize("width", range(4, 70))
def test_inception_shares_have_exactly_the_width(width):
    first, _, third, _, fifth, pool = Inception().branches(width)
    assert first + third + fifth + pool == width
    assert min(first, third, fifth, pool) >= 1


def cell(*nodes, **fields):
    """A cell of nodes of (operation, state) pairs."""
    return CellGraph(tuple(CellNode(tuple(Edge(op, source) for op, source in node)) for node in nodes), **fields)


class TestCell:
    def test_joins_what_nothing_reads(self):
        made = cell([(SkipConnect(), 0), (SkipConnect(), 1)], [(SkipConnect(), 1)], [(SkipConnect(), 3)])
        assert made.outputs == (2, 4)
        assert place(made, (Map(8, 8, 8), Map(8, 8, 8)), 8).shape == Map(16, 8, 8)

    def test_unused_inputs_are_joined_only_if_asked(self):
        nodes = [(SkipConnect(), 1)]
        assert cell(nodes).outputs == (2,)
        assert cell(nodes, unused_inputs=True).outputs == (0, 2)

    @pytest.mark.parametrize(("rows", "columns"), [(8, 8), (7, 7), (5, 3), (1, 1)])
    @pytest.mark.parametrize("stride", [1, 2])
    def test_brings_both_inputs_to_one_size(self, rows, columns, stride):
        earlier, last = Map(5, rows, columns), Map(7, -(-rows // 2), -(-columns // 2))
        made = cell([(ConvNormAct(), 0), (MaxPooling(), 1)], [(SkipConnect(), 2), (SkipConnect(), 0)], output=(0, 1, 2, 3))
        graph = place(made, (earlier, last), 6, stride)
        assert graph.shape == Map(24, -(-last.rows // stride), -(-last.columns // stride))
        kit.check_graph(graph)

    def test_concatenation_as_combination(self):
        node = CellNode((Edge(SkipConnect(), 0), Edge(ConvNormAct(), 1)), "concat")
        kit.check(CellGraph((node, CellNode((Edge(SkipConnect(), 2),)))), Map(4, 8, 8), Map(4, 8, 8), width=4)

    def test_a_node_of_a_single_input_cell_reads_state_0_only(self):
        with pytest.raises(ArchitectureError, match=r"nodes\[0\] reads state from=1; allowed: 0 to 0"):
            cell([(SkipConnect(), 1)], inputs=1)

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: cell([(SkipConnect(), 2)]), r"nodes\[0\] reads state from=2; allowed: 0 to 1"),
            (lambda: cell([(SkipConnect(), -1)]), "reads state from=-1"),
            (lambda: cell([]), "edges is empty"),
            (lambda: cell(), "0 nodes; allowed: 1 to 64"),
            (lambda: cell(*[[(SkipConnect(), 0)]] * 65), "65 nodes; allowed"),
            (lambda: cell([(SkipConnect(), 0)], output=(3,)), "output=3; allowed: 0 to 2"),
            (lambda: cell([(SkipConnect(), 0)], output=()), "output is empty"),
            (lambda: cell([(SkipConnect(), 0)], inputs=3), "inputs=3; allowed: 1 to 2"),
        ],
    )
    def test_what_is_not_allowed(self, make, says):
        with pytest.raises(ArchitectureError, match=says):
            make()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: place(Transformer(), (Map(8, 4, 4),), 12), "transformer got map 8x4x4; allowed: tokens"),
        (lambda: place(LinearLayer(), (Map(8, 4, 4),), 12), "allowed: vector or tokens"),
        (lambda: place(GlobalPooling(), (Map(8, 4, 4),), None, 2), "global_pool got stride=2; allowed: 1"),
        (lambda: place(Transformer(12), (Tokens(4, 32),), 32), "heads=12 does not divide width 32; allowed: 1, 2, 4, 8"),
        (lambda: place(Inception(), (Map(8, 4, 4),), 3), "width=3 of an inception; allowed: 4 or more"),
        (lambda: place(Inception((1, 1, 1, 1, 1, 1)), (Map(8, 4, 4),), 9), "width=9 .*; allowed: 4 or none"),
        (lambda: place(ConvNormAct(groups=7), (Map(32, 4, 4),), 32), "groups=7 does not divide width 32"),
        (lambda: place(ConvNormAct(4), (Map(32, 4, 4),), 32), "kernel=4x4 with no padding set; allowed: odd"),
        (lambda: place(SeparableConv(4), (Map(32, 4, 4),), 32), "kernel=4x4 with no padding set; allowed: odd"),
        (lambda: place(Patches(5), (Map(3, 32, 48),), 8), "size=5 do not divide a map 3x32x48; allowed: 1, 2, 4, 8, 16"),
        (lambda: place(AveragePooling(5, padding=0), (Map(3, 4, 4),)), "avg_pool of kernel 5x5, padding .* does not fit a map 3x4x4"),
        (lambda: place(Use("normal"), (Map(3, 4, 4),)), "the cell 'normal' stands inside an operation"),
        (lambda: ConvNormAct(activation="relo"), "activation='relo'; allowed: none, relu"),
        (lambda: ConvNormAct(padding=-1), "padding=-1; allowed"),
        (lambda: ConvNormAct(eps=float("inf")), "eps=inf; allowed"),
        (lambda: MaxPooling(3, padding=2), "padding=2; allowed: 0 to 1"),
        (lambda: BasicResidual(kernel=0), "kernel=0; allowed"),
        (lambda: SqueezeExcite(reduction=0), "reduction=0; allowed"),
        (lambda: Bottleneck(groups=-4), "groups=-4; allowed"),
        (lambda: Sequential(()), "ops is empty; allowed"),
    ],
)
def test_what_is_not_allowed(make, says):
    with pytest.raises(NasError, match=says):
        make()


def test_a_cell_of_one_input_is_an_operation_of_a_cell():
    inner = cell([(ConvNormAct(), 0), (SkipConnect(), 0)], inputs=1)
    outer = cell([(inner, 0), (SkipConnect(), 1)])
    kit.check(outer, Map(8, 8, 8), Map(8, 8, 8), width=8, stride=2)


def test_transition_halves_an_even_map_as_the_paper_does():
    assert place(DenseTransition(), (Map(256, 56, 56),), None, 2).shape == Map(128, 28, 28)


def test_transition_leaves_the_edge_of_an_odd_map_unless_told():
    assert place(DenseTransition(), (Map(256, 19, 1),), None, 2).shape == Map(128, 10, 1)
    assert place(DenseTransition(), (Map(256, 19, 19),), None, 2).shape == Map(128, 9, 9)
    assert place(DenseTransition(ceil=True), (Map(256, 19, 19),), None, 2).shape == Map(128, 10, 10)


def test_a_cell_used_as_a_block_is_the_cell():
    normal = cell([(ConvNormAct(), 0), (SkipConnect(), 1)])
    head = (Block(GlobalPooling()), Block(LinearLayer(), "classes"))
    by_name = Architecture("a", (3, 8, 8), 4, ((Block(Use("n"), 8),),), head=head, cells=(Cell("n", normal),))
    directly = Architecture("a", (3, 8, 8), 4, ((Block(normal, 8),),), head=head)
    assert by_name.cost() == directly.cost()


def test_vector_inputs_keep_their_kind():
    assert place(LinearLayer("relu", dropout=0.5), (Vector(8),), 3).shape == Vector(3)
    assert place(LinearLayer(), (Tokens(5, 8),), 3).shape == Tokens(5, 3)
