"""Speed of the hand-designed networks: counting all, building, and running beside torchvision's own code.

    python scripts/bench/baselines.py [--networks resnet50,mobilenet_v2,...] [--rounds 20]

Targets: all baselines loaded and costed in under 2 s without torch; ResNet-152 built no slower than torchvision's
constructor; a forward pass at most 1.02 of torchvision's, same weights, one thread, in turn. Needs torchvision, which
`./scripts/test` installs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

COUNT = """
import time
start = time.perf_counter()
import nas
for name in nas.baselines.names():
    nas.load(name).cost()
print(time.perf_counter() - start)
"""
NETWORKS = "resnet50,se_resnet50,resnext50_32x4d,densenet121,mobilenet_v2,vgg16,googlenet,vit_b16,efficientnet_b0"


def paired(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median seconds of both, run in turn, and the median of the ratios of neighbours."""
    first(), second()
    a: list[float] = []
    b: list[float] = []
    for number in range(rounds):
        for call, times in ((first, a), (second, b)) if number % 2 else ((second, b), (first, a)):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
    return statistics.median(a), statistics.median(b), statistics.median(x / y for x, y in zip(a, b, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    seconds = [float(subprocess.run([sys.executable, "-c", COUNT], check=True, capture_output=True, text=True).stdout) for _ in range(3)]
    print(f"all baselines loaded and costed, import included: {statistics.median(seconds):.2f} s (target 2)")

    import torch

    import nas
    from tests import references

    torch.set_num_threads(1)
    (theirs,) = (r for r in nas.baselines.get("resnet152").references if r.package == "torchvision")
    ours, other, ratio = paired(lambda: nas.load("resnet152").build(), lambda: references.create(theirs), 5)
    print(f"resnet152 built: {1000 * ours:.0f} ms, torchvision {1000 * other:.0f} ms, ratio {ratio:.2f} (target 1)")
    for name in options.networks.split(","):
        reference = nas.baselines.get(name).references[0]
        module, network = nas.load(name).build().eval(), references.create(reference).eval()
        nas.baselines.load_reference(module, network.state_dict())
        image = torch.randn(1, *nas.load(name).input)
        with torch.inference_mode():
            ours, other, ratio = paired(partial(module, image), partial(network, image), options.rounds)
        print(f"{name:20} forward {1000 * ours:7.1f} ms, {reference.package} {1000 * other:7.1f} ms, ratio {ratio:.3f} (target 1.02)")


if __name__ == "__main__":
    main()
