"""The forms of residual blocks, number by number: shortcuts, pre-activation, SENet's changes; local response norm."""

from __future__ import annotations

import pytest
import torch

from nas.arch import Architecture, Block, place
from nas.errors import ArchitectureError
from nas.ops import LocalResponseNorm, Map
from nas.primitives import BasicResidual, Bottleneck, ConvNormAct, LocalNorm, PreactBasic, PreactBottleneck
from nas.primitives.basic import GlobalPooling, LinearLayer
from nas.testing import primitives as kit

torch.set_num_threads(1)
X = Map(16, 8, 8)
FORMS = [
    BasicResidual(shortcut="pad"),
    BasicResidual(shortcut="none"),
    BasicResidual(se=16, se_least=8),
    Bottleneck(shortcut="pad"),
    Bottleneck(shortcut="none"),
    Bottleneck(groups=4, base_width=16, reduce_first=2, shortcut_kernel=3, se=4),
    PreactBasic(dropout=0.3),
    PreactBasic(shared=True),
    PreactBottleneck(shared=True),
]


@pytest.mark.parametrize("op", FORMS, ids=str)
def test_form_is_an_operation(op):
    kit.check_operation(op)


def built(block, width, stride):
    """A network of that block alone on X."""
    head = (Block(GlobalPooling()), Block(LinearLayer(), "classes"))
    made = Architecture("one", tuple(X), 3, ((Block(block, width, stride),),), head=head)
    return made.build().eval()


def features(network, x):
    """What the block gives, its body's last norm set to zero so that the shortcut alone is left."""
    block = network.stages[0][0]
    with torch.no_grad():
        block.batch_norm_2.weight.zero_()
        block.batch_norm_2.bias.zero_()
    seen = []
    network.head[0].global_pool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(x)
    return seen[0]


def test_padded_shortcut_is_every_second_pixel_and_zero_channels():
    # He et al., arXiv 1512.03385, section 3.3, option A.
    x = torch.rand(2, *X)
    out = features(built(BasicResidual(shortcut="pad"), 24, 2), x)
    assert torch.equal(out[:, :16], x[:, :, ::2, ::2])
    assert not out[:, 16:].any()


def test_no_shortcut_adds_nothing():
    assert not features(built(BasicResidual(shortcut="none"), 16, 1), torch.rand(2, *X)).any()


@pytest.mark.parametrize("op", [BasicResidual(), Bottleneck()])
def test_padded_and_absent_shortcuts_have_no_parameters(op):
    def params(kind):
        return place(type(op)(shortcut=kind), (X,), 32, 2).facts.params

    assert params("pad") == params("none") == params("projection") - (16 * 32 + 2 * 32)


def test_blocks_of_senet_154():
    # Hu et al., arXiv 1709.01507, appendix: half as wide first, a 3x3 convolution in the shortcut.
    graph = place(Bottleneck(groups=64, base_width=4, reduce_first=2, shortcut_kernel=3), (Map(256, 8, 8),), 512, 2)
    convs = [leaf for _, leaf, _, _ in graph.leaves() if leaf.name == "conv"]
    assert [(c.width, c.kernel[0], c.groups) for c in convs] == [(256, 1, 1), (512, 3, 64), (512, 1, 1), (512, 3, 1)]


def test_least_width_of_squeeze_excite():
    plain, least = (place(BasicResidual(se=16, se_least=n), (X,), 16, 1).facts.params for n in (1, 8))
    assert least - plain == 7 * (16 + 1 + 16)


@pytest.mark.parametrize("shared", [False, True])
def test_preactivated_shortcut(shared):
    # He et al., arXiv 1603.05027: identity, or in the first block of a network what its activation gives.
    network = built(PreactBasic(shared=shared), 16, 1)
    with torch.no_grad():
        network.stages[0][0].conv_2.weight.zero_()
    x, seen = torch.randn(2, *X), []
    network.head[0].global_pool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(x)
    wanted = network.stages[0][0].batch_norm(x).relu() if shared else x
    assert torch.equal(seen[0], wanted)


def test_local_response_norm_is_the_formula():
    # Krizhevsky et al. 2012, section 3.3, the sum over channels written out.
    x = torch.randn(2, 7, 3, 3) * 30
    total = torch.stack([x[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(7)], 1)
    wanted = x / (2 + 1e-4 * total) ** 0.75
    torch.testing.assert_close(LocalResponseNorm().module(Map(7, 3, 3))(x), wanted)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: LocalNorm(size=0), "size=0; allowed: 1 to"),
        (lambda: LocalNorm(k=0.0), "k=0.0; allowed"),
        (lambda: Bottleneck(reduce_first=0), "reduce_first=0; allowed: 1 to 64"),
        (lambda: BasicResidual(se=4, se_least=0), "se_least=0; allowed: 1 to 4096"),
        (lambda: PreactBasic(dropout=1.0), "dropout=1.0; allowed: 0 to 0.99"),
        (lambda: place(PreactBasic(kernel=2), (X,), 16, 1), "kernel=2x2 with no padding set; allowed: odd numbers"),
        (lambda: place(LocalNorm(), (X,), None, 2), "local_response_norm got stride=2; allowed: 1"),
    ],
)
def test_what_does_not_fit_is_a_typed_error(make, says):
    with pytest.raises(ArchitectureError, match=says):
        make()


def test_an_unknown_shortcut_in_yaml_names_the_allowed_ones():
    made = Architecture("a", (3, 8, 8), 2, ((Block(BasicResidual(shortcut="pad"), 8),),), (Block(ConvNormAct(), 4),))
    text = made.to_yaml().replace("pad", "nap")
    with pytest.raises(ArchitectureError, match=r"shortcut='nap'; allowed: projection, pad, none"):
        Architecture.from_yaml(text)
