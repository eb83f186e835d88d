"""Inception-v3, Inception-v4 and Inception-ResNet-v2, their modules as branches of convolutions and pools."""

from __future__ import annotations

from nas.arch import Architecture, Auxiliary, Block, Primitive, Stage
from nas.baselines.common import Input, last, pooled_head
from nas.baselines.registry import Facts, baseline, timm, torchvision
from nas.ops import Pair
from nas.primitives import (
    AdaptivePooling,
    AveragePooling,
    Branches,
    ConvNormAct,
    GlobalPooling,
    LinearLayer,
    MaxPooling,
    Residual,
    Sequential,
    Step,
)

V3 = "Szegedy et al., Rethinking the Inception Architecture for Computer Vision, arXiv 1512.00567, table 1"
V4 = "Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections, arXiv 1602.07261"
SIDE: Input = (3, 299, 299)
EPS = 1e-3
# Max pool of stride 2 without padding.
HALVED = Step(MaxPooling(padding=0), "input", 2)


def conv(width: int, kernel: int | Pair = 1, stride: int = 1, padding: int | None = None) -> Step:
    """Convolution, norm and ReLU; what strides pads nothing, so that a map of 2n + 1 becomes one of n."""
    return Step(ConvNormAct(kernel, padding=0 if stride > 1 else padding, eps=EPS), width, stride)


def row(*steps: Step) -> Step:
    """Steps one after another."""
    return Step(Sequential(steps)) if len(steps) > 1 else steps[0]


def side(*branches: Step) -> Step:
    """Steps side by side, their outputs joined."""
    return Step(Branches(branches))


def averaged(width: int, count_padding: bool = False) -> Step:
    """Average pool 3x3 and a 1x1 convolution."""
    return row(Step(AveragePooling(count_padding=count_padding), "input"), conv(width))


def block(step: Step, repeat: int = 1) -> Block:
    """A step as a block."""
    return Block(step.op, step.width if isinstance(step.width, int) else None, step.stride, repeat)


def stem(*steps: Step) -> Stage:
    """Steps as a stem: first 3x3 convolutions, 32 with stride 2, 32 without padding, 64 (both papers)."""
    return tuple(block(step) for step in (conv(32, 3, 2), conv(32, 3, padding=0), conv(64, 3), *steps))


# The stem that Inception-v3 and the released Inception-ResNet-v2 share.
SHARED_STEM = stem(HALVED, conv(80), conv(192, 3, padding=0), HALVED)


def double_3x3(reduce: int, wide: int, stride: int = 1, out: int | None = None) -> Step:
    """1x1, then two 3x3 convolutions in the place of a 5x5 one."""
    return row(conv(reduce), conv(wide, 3), conv(out or wide, 3, stride))


def crossed(narrow: int, wide: int) -> Step:
    """1x1, then 1x7 and 7x1 convolutions twice over in the place of two 7x7 ones."""
    return row(conv(narrow), conv(narrow, (7, 1)), conv(narrow, (1, 7)), conv(narrow, (7, 1)), conv(wide, (1, 7)))


def v3_small(pool: int) -> Step:
    """Module of the 35x35 maps (figure 5)."""
    return side(conv(64), row(conv(48), conv(64, 5)), double_3x3(64, 96), averaged(pool, True))


def v3_middle(narrow: int) -> Step:
    """Module of the 17x17 maps, n = 7 (figure 6)."""
    seven = row(conv(narrow), conv(narrow, (1, 7)), conv(192, (7, 1)))
    return side(conv(192), seven, crossed(narrow, 192), averaged(192, True))


def v3_last() -> Step:
    """Module of the 8x8 maps, whose last convolutions stand side by side (figure 7)."""
    fork = side(conv(384, (1, 3)), conv(384, (3, 1)))
    return side(conv(320), row(conv(384), fork), row(conv(448), conv(384, 3), fork), averaged(192, True))


def v3_auxiliary() -> Stage:
    """Pool to 5x5, 1x1 convolution to 128, full-size convolution to 768, classifier (figure 8)."""
    full = block(conv(768, 5, padding=0))
    return (
        Block(AdaptivePooling(5, equal=True)),
        block(conv(128)),
        full,
        Block(GlobalPooling()),
        Block(LinearLayer(), "classes"),
    )


@baseline(
    "inception_v3",
    V3,
    facts=(Facts(0.77294, 0.9345, "torchvision IMAGENET1K_V1", 299),),
    references=(
        torchvision("inception_v3", last("AuxLogits."), transform_input=False, init_weights=False),
        timm("inception_v3"),
    ),
)
def inception_v3(input: Input = SIDE, classes: int = 1000) -> Architecture:
    """Inception-v3: 27,161,264 parameters, 23,834,568 without the auxiliary head, 5.713 GMACs at 299."""
    shrink = side(conv(384, 3, 2), double_3x3(64, 96, 2), HALVED)
    seven = row(conv(192), conv(192, (1, 7)), conv(192, (7, 1)), conv(192, 3, 2))
    shrink_more = side(row(conv(192), conv(320, 3, 2)), seven, HALVED)
    stages = (
        (block(v3_small(32)), block(v3_small(64), 2)),
        (block(shrink), block(v3_middle(128)), block(v3_middle(160), 2), block(v3_middle(192))),
        (block(shrink_more), block(v3_last(), 2)),
    )
    # Weight of the auxiliary loss: 0.4 in the released code.
    aux = (Auxiliary(1, v3_auxiliary(), 0.4),)
    return Architecture("inception_v3", input, classes, stages, SHARED_STEM, pooled_head(dropout=0.5), aux=aux)


def v4_small() -> Step:
    """Inception-A (figure 4)."""
    return side(conv(96), row(conv(64), conv(96, 3)), double_3x3(64, 96), averaged(96))


def v4_middle() -> Step:
    """Inception-B (figure 5)."""
    seven = row(conv(192), conv(224, (1, 7)), conv(256, (7, 1)))
    twice = row(conv(192), conv(192, (7, 1)), conv(224, (1, 7)), conv(224, (7, 1)), conv(256, (1, 7)))
    return side(conv(384), seven, twice, averaged(128))


def v4_last() -> Step:
    """Inception-C (figure 6)."""
    fork = side(conv(256, (1, 3)), conv(256, (3, 1)))
    return side(
        conv(256), row(conv(384), fork), row(conv(384), conv(448, (3, 1)), conv(512, (1, 3)), fork), averaged(256)
    )


@baseline(
    "inception_v4",
    V4 + ", figure 9",
    "inceptionv4",
    facts=(Facts(0.80144, 0.94982, "timm tf_in1k", 299), Facts(0.802, 0.953, "released weights, TensorFlow", 299)),
    references=(timm("inception_v4"),),
)
def inception_v4(input: Input = SIDE, classes: int = 1000) -> Architecture:
    """Inception-v4: 42,679,816 parameters, 12.28 GMACs at 299."""
    cut = conv(96, 3, padding=0)
    long = row(conv(64), conv(64, (1, 7)), conv(64, (7, 1)), cut)
    lead = stem(side(HALVED, conv(96, 3, 2)), side(row(conv(64), cut), long), side(conv(192, 3, 2), HALVED))
    # Reduction-A with k, l, m, n = 192, 224, 256, 384 (figure 7, table 1), and Reduction-B (figure 8).
    shrink = side(conv(384, 3, 2), double_3x3(192, 224, 2, out=256), HALVED)
    seven = row(conv(256), conv(256, (1, 7)), conv(320, (7, 1)), conv(320, 3, 2))
    shrink_more = side(row(conv(192), conv(192, 3, 2)), seven, HALVED)
    stages = (
        (block(v4_small(), 4),),
        (block(shrink), block(v4_middle(), 7)),
        (block(shrink_more), block(v4_last(), 3)),
    )
    return Architecture("inception_v4", input, classes, stages, lead, pooled_head(dropout=0.2))


def scaled(scale: float, *branches: Step, activation: str | None = "relu") -> Primitive:
    """Branches joined, brought to the input's width by a 1x1 convolution, times `scale`, added; then the activation."""
    return Residual((side(*branches), Step(ConvNormAct(1, activation=None, norm=False))), scale, activation)


@baseline(
    "inception_resnet_v2",
    V4 + ", figure 15",
    "inceptionresnetv2",
    facts=(
        Facts(0.79998, 0.9494, "timm tf_ens_adv_in1k", 299),
        Facts(0.804, 0.953, "released weights, TensorFlow", 299),
    ),
    references=(timm("inception_resnet_v2"),),
)
def inception_resnet_v2(input: Input = SIDE, classes: int = 1000) -> Architecture:
    """Inception-ResNet-v2: 55,843,464 parameters, 13.18 GMACs at 299.

    As released, stem and widths others than the paper's.
    """
    first = side(conv(96), row(conv(48), conv(64, 5)), double_3x3(64, 96), averaged(64))
    small = scaled(0.17, conv(32), row(conv(32), conv(32, 3)), row(conv(32), conv(48, 3), conv(64, 3)))
    middle = scaled(0.10, conv(192), row(conv(128), conv(160, (1, 7)), conv(192, (7, 1))))
    tail = (conv(192), row(conv(192), conv(224, (1, 3)), conv(256, (3, 1))))
    shrink = side(conv(384, 3, 2), double_3x3(256, 256, 2, out=384), HALVED)
    first_two = (row(conv(256), conv(384, 3, 2)), row(conv(256), conv(288, 3, 2)))
    shrink_more = side(*first_two, double_3x3(256, 288, 2, out=320), HALVED)
    stages = (
        (block(first), Block(small, repeat=10)),
        (block(shrink), Block(middle, repeat=20)),
        (block(shrink_more), Block(scaled(0.20, *tail), repeat=9), Block(scaled(1.0, *tail, activation=None))),
    )
    head = (block(conv(1536)), *pooled_head(dropout=0.2))
    return Architecture("inception_resnet_v2", input, classes, stages, SHARED_STEM, head)
