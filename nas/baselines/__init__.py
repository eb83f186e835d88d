"""Hand-designed networks in the language. `nas.baselines.resnet50()` is an `Architecture`, like any network found."""

from nas.baselines.densenet import densenet121
from nas.baselines.googlenet import googlenet
from nas.baselines.mixer import mixer_b16
from nas.baselines.mobilenet import mobilenet_v2
from nas.baselines.nasnet import nasnet_a_cifar, nasnet_a_large, nasnet_a_mobile
from nas.baselines.registry import Baseline, baseline, find, get, names
from nas.baselines.resnet import resnet50, se_resnet50
from nas.baselines.vit import vit_b16

__all__ = [
    "Baseline", "baseline", "densenet121", "find", "get", "googlenet", "mixer_b16", "mobilenet_v2", "names",
    "nasnet_a_cifar", "nasnet_a_large", "nasnet_a_mobile", "resnet50", "se_resnet50", "vit_b16",
]  # fmt: skip
