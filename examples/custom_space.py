# A space of your own: an architecture with `choose` wherever a field is open. Counted, sampled, then searched on the digits.
#
#   python examples/custom_space.py [SPACE.yaml]          about 4 s on one core
#
# Prints the number of networks in the space, the size of five of them, and the best of six that are tried for two epochs.

import random
import sys
import tempfile
from pathlib import Path

import nas

MINE = """
name: mine
input: [1, 8, 8]
classes: 10
stem: [{block: conv, width: 8}]
stages:
  - {block: residual_basic, width: {choose: [8, 16]}, repeat: {choose: [1, 2]}}
  - block: {choose: [residual_basic, sep_conv_3x3, {inverted_residual: {expansion: {choose: [2, 4], name: expansion}}}], name: block}
    width: {choose: [16, 24, 32]}
    stride: 2
head: [global_pool, {block: linear, width: classes}]
limits: {params: 20k}
"""

out = Path(tempfile.mkdtemp(prefix="nas-own-space-"))
path = sys.argv[1] if sys.argv[1:] else out / "mine.yaml"
if not sys.argv[1:]:
    path.write_text(MINE)
space = nas.spaces.load(path)
print(f"{path}: {space.count()} networks, by {len(space.choices)} decisions: {', '.join(space.choices)}")
for seed in range(5):
    decisions = space.sample(random.Random(seed))
    print(f"  {space.decode(decisions).cost().params:>6} parameters: {decisions}")
study = nas.search(space, dataset="digits", budget="6trials", fidelity=nas.Fidelity(epochs=2), engine="local", out=out / "run")
print(f"best: accuracy {study.best.value:.3f} by {study.best.decisions}")
print(f"its network and all trials are in {study.directory}")
