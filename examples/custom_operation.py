# An operation of your own, made of leaves and registered under a name: cost, picture, training and export come free.
#
#   python examples/custom_operation.py          about 4 s on one core
#
# Prints what the operation costs beside a convolution, the best of six networks, and the files that were written.

import math
import tempfile

import nas
from nas.arch import Inner, Primitive, place, primitive
from nas.ops import Activation, BatchNorm, Concat, Conv, Map
from nas.primitives import ConvNormAct
from nas.testing.primitives import check_operation


@primitive("ghost")
class Ghost(Primitive):
    """Half of the maps by a 1x1 convolution, the others from these by a cheap one (arXiv 1911.11907, section 3.1)."""

    kernel: int = 3

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        most, size = math.ceil(width / 2), (self.kernel, self.kernel)
        first = g.chain(inputs[0], Conv(most, (1, 1), (stride, stride)), BatchNorm(), Activation("relu"))
        cheap = Conv(width - most, size, padding=(self.kernel // 2,) * 2, groups=math.gcd(most, width - most))
        return g.add(Concat(), first, g.chain(first, cheap, BatchNorm(), Activation("relu")))


check_operation(Ghost())  # the kit that our own operations are held to: shapes, parameters, gradients, YAML
print({op.name: place(op, (Map(16, 8, 8),), 16).facts.params for op in (ConvNormAct(), Ghost())}, "parameters from 16 to 16 channels")
ghost = {"ghost": {"kernel": {"choose": [3, 5]}}}
stages = [{"block": {"choose": ["conv", ghost]}, "width": 16}, {"block": ghost, "width": 32, "stride": 2, "repeat": {"choose": [2, 3]}}]
head = ["global_pool", {"block": "linear", "width": "classes"}]
space = nas.Space({"name": "ghosts", "input": [1, 8, 8], "classes": 10, "stages": stages, "head": head})
out = tempfile.mkdtemp(prefix="nas-own-operation-")
best = nas.search(space, dataset="digits", budget="6trials", fidelity=nas.Fidelity(5), engine="local", out=f"{out}/run").best
print(f"best: accuracy {best.value:.3f}, {best.architecture.cost().params} parameters, {best.decisions}")
print(f"picture: {out}/run/best.svg  code: {nas.export.export(best.architecture, f'{out}/best.py').files[0]}")
