"""The value itself: equality, digest, text, limits; and its lowering."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
import torch

import nas
from nas.arch import PRESETS, Architecture, Auxiliary, Block, Cell, Use, lower
from nas.errors import ArchitectureError, NasError, UnknownNameError
from nas.primitives import (
    BasicResidual,
    Branches,
    CellGraph,
    CellNode,
    ConvNormAct,
    DenseLayers,
    Edge,
    GlobalPooling,
    Inception,
    LinearLayer,
    MaxPooling,
    Residual,
    SeparableConv,
    Sequential,
    SkipConnect,
    Step,
)
from nas.testing import architectures as kit

torch.set_num_threads(1)
HEAD = (Block(GlobalPooling()), Block(LinearLayer(), "classes"))
NORMAL = CellGraph((CellNode((Edge(ConvNormAct(), 0), Edge(SkipConnect(), 1))), CellNode((Edge(MaxPooling(), 2),))))


def network(*stages, input=(3, 8, 8), classes=4, head=HEAD, **fields):
    """A small network of these stages."""
    return Architecture("small", input, classes, tuple(stages), head=head, **fields)


EVERYTHING = network(
    (Block(ConvNormAct(), 8, repeat=2), Block(Inception((2, 2, 4, 1, 2, 2)))),
    (Block(Use("normal"), 6, 2), Block(Use("normal"), 6, reads=(1, 1)), Block(NORMAL, 8)),
    (
        Block(Residual((Step(ConvNormAct()), Step(SeparableConv(), stride=1))), 12, 2, 2),
        Block(Branches((Step(ConvNormAct(1)), Step(ConvNormAct((1, 3)), width=5)))),
        Block(Sequential((Step(BasicResidual()), Step(MaxPooling())))),
        Block(DenseLayers(2, growth=3)),
    ),
    stem=(Block(ConvNormAct(kernel=(3, 1), activation=None), 4),),
    cells=(Cell("normal", NORMAL),),
    aux=(Auxiliary(0, HEAD), Auxiliary(1, (Block(ConvNormAct(1), 3), *HEAD), 0.1)),
)


class TestValue:
    def test_contract_of_a_network_of_everything(self):
        kit.check(EVERYTHING)

    def test_digest_in_another_process(self):
        kit.check_digests_elsewhere([EVERYTHING], 77)

    def test_digest_leaves_the_name_out_and_nothing_else(self):
        renamed = dataclasses.replace(EVERYTHING, name="other")
        assert renamed.digest == EVERYTHING.digest
        assert renamed != EVERYTHING
        changes = [
            {"classes": 5},
            {"input": (3, 8, 9)},
            {"stem": ()},
            {"aux": ()},
            {"aux": (EVERYTHING.aux[0], dataclasses.replace(EVERYTHING.aux[1], weight=0.2))},
            {"stages": EVERYTHING.stages[:2]},
            {"cells": (Cell("normal", dataclasses.replace(NORMAL, first="raw")),)},
        ]
        digests = {dataclasses.replace(EVERYTHING, **change).digest for change in changes}
        assert len(digests | {EVERYTHING.digest}) == len(changes) + 1

    def test_digest_is_as_recorded(self):
        # Digests stand in run folders: a change of the canonical form makes old runs foreign.
        assert network((Block(ConvNormAct(), 8),)).digest == "d51931766773bce373811f178718e52c571dacc91c6bcb451bd9d7b22e8a4fc7"

    def test_digest_does_not_depend_on_what_is_registered(self, monkeypatch):
        made, again = (network((Block(SeparableConv(11), 8),)) for _ in range(2))
        before = made.digest
        monkeypatch.setattr(PRESETS, "_items", {**PRESETS._items, "sep_conv_11x11": SeparableConv(11)})
        assert again.to_dict()["stages"][0]["block"] == "sep_conv_11x11"
        assert again.digest == before

    def test_equal_numbers_have_equal_digests(self):
        one, other = (network((Block(ConvNormAct(), 8),), aux=(Auxiliary(0, HEAD, weight),)) for weight in (1, 1.0))
        assert one == other
        assert one.digest == other.digest == Architecture.from_yaml(one.to_yaml()).digest

    @pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
    def test_copies_are_equal(self, clone):
        EVERYTHING.digest, EVERYTHING.cost(), hash(EVERYTHING)
        made = clone(EVERYTHING)
        assert made == EVERYTHING
        assert (hash(made), made.digest) == (hash(EVERYTHING), EVERYTHING.digest)

    def test_pickle_carries_nothing_derived(self):
        made = network((Block(NORMAL, 8),))
        before = len(pickle.dumps(made))
        made.digest, made.cost(), hash(made)
        assert len(pickle.dumps(made)) == before

    def test_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            EVERYTHING.classes = 5

    def test_prints_as_its_yaml(self):
        text = str(network((Block(ConvNormAct(), 8, repeat=3),)))
        assert text == (
            "name: small\ninput: [3, 8, 8]\nclasses: 4\nstages:\n- {block: conv3x3, width: 8, repeat: 3}\n"
            "head:\n- global_pool\n- {block: linear, width: classes}\n"
        )

    def test_defaults_are_not_written(self):
        assert network((Block(SeparableConv(5), 8),)).to_dict()["stages"] == [{"block": "sep_conv_5x5", "width": 8}]
        written = network((Block(SeparableConv(5, times=1), 8),)).to_dict()["stages"]
        assert written == [{"block": {"sep_conv": {"kernel": 5, "times": 1}}, "width": 8}]


class TestLowering:
    def test_stride_stands_on_the_first_copy_alone(self):
        made = lower(network((Block(ConvNormAct(), 8, 2, 3),), input=(3, 16, 16))).main
        assert [node.shape for node in made.nodes][:3] == [(8, 8, 8)] * 3

    def test_names_say_where_a_layer_stands(self):
        places = [layer.place for layer in EVERYTHING.cost().layers]
        assert places[0] == "stem.0.conv"
        assert "stages.1.0.nodes.node2_conv.conv" in places
        assert places[-1].startswith("aux.1.")

    def test_a_cell_reads_the_two_blocks_before_it(self):
        stem = (Block(ConvNormAct(), 5),)
        made = lower(network((Block(NORMAL, 8, repeat=3),), stem=stem)).main
        assert [node.inputs for node in made.nodes[:4]] == [(0,), (1, 1), (1, 2), (2, 3)]

    def test_reads_say_otherwise(self):
        made = lower(network((Block(ConvNormAct(), 8, repeat=3), Block(NORMAL, 8, reads=(3, 1))))).main
        assert made.nodes[3].inputs == (1, 3)

    def test_depths_rise_from_0_to_1(self):
        depths = lower(network((Block(ConvNormAct(), 8, repeat=5),), stem=(Block(ConvNormAct(), 4),))).depths
        assert depths == (0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0)

    def test_cached_subgraphs_give_the_same_cost(self):
        fresh = Architecture.from_yaml(EVERYTHING.to_yaml())
        assert [fresh.cost() == EVERYTHING.cost() for _ in range(3)] == [True] * 3

    def test_auxiliary_heads_cost_apart(self):
        with_aux, without = EVERYTHING.cost(), EVERYTHING.cost(aux=False)
        assert with_aux.params > without.params
        assert dataclasses.replace(EVERYTHING, aux=()).cost() == dataclasses.replace(without, aux=True)

    def test_activation_memory_counts_what_is_written(self):
        # A convolution of 4 x 8 x 8 and its norm write; ReLU works in place; pool 4, classifier 4.
        assert network((Block(ConvNormAct(), 4),)).cost().activations == 2 * 4 * 8 * 8 + 4 + 4
        assert network((Block(ConvNormAct(), 4),)).cost().activation_bytes == 4 * (2 * 4 * 8 * 8 + 4 + 4)

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: network((Block(Inception(), 2),)), r"stages\[0\]\.inception: width=2 of an inception; allowed: 4 or more"),
            (lambda: network((Block(ConvNormAct(groups=2), 4),)), r"stages\[0\]\.conv: groups=2 does not divide width 3 to 4; allowed: 1"),
            (
                lambda: network((Block(ConvNormAct(), 4),), (Block(ConvNormAct(), 4), Block(LinearLayer(), 4))),
                r"stages\[1\]\[1\]\.linear: linear got map 4x8x8; allowed: vector or tokens",
            ),
            (lambda: network((Block(ConvNormAct(), 4),), stem=(Block(MaxPooling(9, padding=0)),)), r"stem\[0\]\.max_pool: .* does not fit"),
            (lambda: network((Block(ConvNormAct(), 4, reads=(1, 2)),)), r"reads=\[1, 2\]; allowed: 1 numbers"),
            (lambda: network((Block(NORMAL, 4, reads=(1,)),)), r"reads=\[1\]; allowed: 2 numbers"),
            (lambda: network((Block(Use("nromal"), 4),), cells=(Cell("normal", NORMAL),)), r"unknown cell 'nromal'; nearest: normal"),
            (lambda: network((Block(Sequential((Step(Use("n")),)), 4),), cells=(Cell("n", NORMAL),)), "'n' stands inside an operation"),
            (lambda: network((Block(ConvNormAct(), 4),), head=()), r"head ends in 4x8x8; allowed: a vector of 4 classes"),
            (lambda: network((Block(ConvNormAct(), 4),), head=HEAD[:1], classes=5), r"head ends in 4; allowed: a vector of 5"),
            (
                lambda: network((Block(ConvNormAct(), 4),), aux=(Auxiliary(0, HEAD[:1]),), classes=5),
                r"aux\[0\].head ends in 4; allowed: a vector of 5",
            ),
        ],
    )
    def test_what_does_not_fit_names_its_place(self, make, says):
        with pytest.raises(NasError, match=says) as caught:
            make().cost()
        assert "\n" not in str(caught.value)


class TestLimits:
    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: Block(ConvNormAct(), 0), "width=0; allowed: 1 to 65536"),
            (lambda: Block(ConvNormAct(), 10**9), "width=1000000000; allowed"),
            (lambda: Block(ConvNormAct(), 8.5), "width=8.5; allowed"),
            (lambda: Block("conv", 8), "block='conv'; allowed: an operation"),
            (lambda: Block(ConvNormAct(), 8, 0), "stride=0; allowed: 1 to 64"),
            (lambda: Block(ConvNormAct(), 8, repeat=-1), "repeat=-1; allowed: 1 to 4096"),
            (lambda: Block(ConvNormAct(), 8, reads=(0,)), "reads=0; allowed: 1 to"),
            (lambda: network((Block(ConvNormAct(), 8),), input=(3, 0, 8)), "input=0; allowed: 1 to"),
            (lambda: network((Block(ConvNormAct(), 8),), classes=0), "classes=0; allowed: 1 to"),
            (lambda: network((Block(ConvNormAct(), 8),), aux=(Auxiliary(1, HEAD),)), r"aux.after=1; allowed: 0 to 0"),
            (lambda: Auxiliary(0, HEAD, float("nan")), "weight=nan; allowed"),
            (lambda: Cell("conv", NORMAL), "cells.conv has the name of an operation"),
            (lambda: Cell("a.b", NORMAL), "the name of a cell 'a.b'; allowed"),
            (lambda: network(cells=(Cell("a", NORMAL), Cell("a", NORMAL))), "two cells have one name"),
            (lambda: network(*[(Block(ConvNormAct(), 8, repeat=4096),)] * 20), "81922 operations, repeats counted; allowed: at most 20000"),
            (lambda: network((Block(DenseLayers(512), repeat=4096),)), "operations, repeats counted; allowed"),
            (lambda: network((Block(ConvNormAct(), 8),), aux=(Auxiliary(0, (Block(ConvNormAct(), 8, repeat=4096),) * 20),)), "operations"),
        ],
    )
    def test_what_is_not_allowed(self, make, says):
        with pytest.raises(ArchitectureError, match=says):
            make()

    def test_a_thousand_layers_are_allowed(self):
        cost = network((Block(BasicResidual(), 8, repeat=4000),)).cost()
        assert len(cost.layers) > 20_000
        assert sum(layer.params for layer in cost.layers) == cost.params


class TestLoad:
    def test_by_path_folder_and_path_object(self, tmp_path):
        (tmp_path / "best.yaml").write_text(EVERYTHING.to_yaml())
        assert nas.load(str(tmp_path / "best.yaml")) == EVERYTHING
        assert nas.load(tmp_path / "best.yaml") == EVERYTHING
        assert nas.load(tmp_path) == EVERYTHING
        assert nas.load(str(tmp_path)) == EVERYTHING

    def test_a_name_wins_over_a_folder_of_that_name(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "resnet50").mkdir()
        assert nas.load("resnet50").name == "resnet50"

    def test_unknown_name(self):
        with pytest.raises(UnknownNameError, match=r"nearest: .*googlenet"):
            nas.load("googlnet")

    def test_reads_yaml_in_a_fresh_process(self):
        kit.check_digests_elsewhere([EVERYTHING])
