# A network scaled to a budget, trained, and taken along as one readable file of PyTorch that needs no nas.
#
#   python examples/scale_and_export.py [NETWORK] [PARAMETERS]         about 6 s on one core
#
# NETWORK is a name (resnet20), a YAML file or a run folder; by default a short search finds one. PARAMETERS: 50k, 1M.
# Prints the network before and after, its accuracy on the test images of the digits, and what the file alone gives.

import runpy
import sys
import tempfile
from pathlib import Path

import torch

import nas

out = Path(tempfile.mkdtemp(prefix="nas-scale-and-export-"))
if sys.argv[1:]:
    small = nas.load(sys.argv[1])
else:
    few = {"budget": "4trials", "fidelity": nas.Fidelity(2), "engine": "local"}
    small = nas.search("tiny", dataset="digits", out=out / "search", **few).best.architecture
large = small.scaled_to(params=(sys.argv[2:] or ["50k"])[0])  # depth, width and resolution together
for network in (small, large):
    cost = network.cost(aux=False)
    print(f"{network.name}: {cost.params} parameters, {cost.macs} multiply-adds, images {network.input}")

result = nas.train(large, dataset="digits", input=large.input, epochs=3, out=out / "training")
nas.export.export(result.network, out / "mine.py", weights=result.directory)
print(f"test accuracy {result.test_accuracy:.3f}; the file: {out / 'mine.py'}, its weights beside it")

alone = runpy.run_path(str(out / "mine.py"))["Network"]()
alone.load_state_dict(torch.load(out / "mine.pt"))
images = torch.randn(5, *result.network.input)
print("the same logits:", torch.allclose(alone.eval()(images), result.load()(images), atol=1e-4))
