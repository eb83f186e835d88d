"""Events for TensorBoard. The only file that imports tensorboardX, which writes them without TensorFlow."""

from __future__ import annotations

from pathlib import Path

from tensorboardX import SummaryWriter

from nas.trainer.folder import Row

NAMES = {
    "train_loss": "train/loss",
    "rate": "train/rate",
    "images_per_second": "train/images_per_second",
    "accuracy": "validation/accuracy",
    "val_loss": "validation/loss",
}


class Board:
    """Writes a point a curve after every epoch into the folder `path`; one file of events a process."""

    def __init__(self, path: Path, row: Row | None) -> None:
        """`row` is the last epoch that counts: what an earlier process wrote from there on is purged, and `row` written again."""
        self._writer = SummaryWriter(str(path), purge_step=row.epoch if row else None)
        if row:
            self.add(row)

    def add(self, row: Row) -> None:
        """A finished epoch; it is on the disk when this returns."""
        for name, curve in NAMES.items():
            if row.judged or not curve.startswith("validation/"):
                self._writer.add_scalar(curve, getattr(row, name), row.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Nothing more comes."""
        self._writer.close()
