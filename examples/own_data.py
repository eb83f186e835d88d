# A search on images of your own: an archive `npz:FILE`, and a folder of pictures `folder:DIR` with a folder a class.
#
#   python examples/own_data.py                     makes one of each and searches on both: about 5 s on one core
#   python examples/own_data.py folder:PHOTOS       on yours; or npz:FILE
#
# Each search tries four small networks for two epochs and prints the best; lines that lie or stand are told apart, so near 1.

import sys
import tempfile
from pathlib import Path

import numpy
from PIL import Image

import nas


def picture(standing: int, rng: numpy.random.Generator) -> numpy.ndarray:
    """Noisy lines that lie or stand: 16 x 16 x 1, uint8."""
    row = numpy.where((numpy.arange(16) + rng.integers(4)) % 4 < 2, 60, 190)
    lines = numpy.tile(row, (16, 1)) if standing else numpy.tile(row, (16, 1)).T
    return (lines + rng.normal(0, 30, lines.shape)).clip(0, 255).astype("uint8")[..., None]


out, rng, datasets = Path(tempfile.mkdtemp(prefix="nas-own-data-")), numpy.random.default_rng(0), sys.argv[1:]
if not datasets:
    labels = rng.permutation(numpy.arange(400) % 2)
    images = numpy.stack([picture(label, rng) for label in labels])
    numpy.savez(out / "lines.npz", x_train=images, y_train=labels, classes=["lying", "standing"])
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = out / "lines" / ["lying", "standing"][label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f"{number}.png")
    datasets = [f"npz:{out / 'lines.npz'}", f"folder:{out / 'lines'}"]
for number, dataset in enumerate(datasets, 1):
    few = {"budget": "4trials", "fidelity": nas.Fidelity(epochs=2), "engine": "local"}
    study = nas.search("tiny", dataset=dataset, out=out / f"run-{number}", **few)
    print(f"{dataset}: accuracy {study.best.value:.3f}, network and record in {study.directory}")
