"""What a candidate was trained to, kept for its promotion, which goes on with it, or for its children, which begin with its parts."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas.errors import NasError
from nas.evaluators.base import Evaluation
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.store import ELSEWHERE, StoreError, of_trial
from nas.parts import keys, take
from nas.tensors import read_tensors

if TYPE_CHECKING:
    from nas.training.run import Run

FORMAT = 1


class Handover:
    """The kept training of one evaluation: `begin` goes on with that of the trial it was promoted from, `end` keeps its own.

    same: what must be equal for that: the network as it is trained, and the rows and columns of its images. Whatever stands
    in the way (nothing is kept any more, the file is damaged, the network or its input is another at this fidelity, the
    device is another) the candidate starts over: no failure, but `continued` is then 0.
    """

    def __init__(self, evaluation: Evaluation, same: Mapping[str, Any]) -> None:
        self.evaluation, self.task, self.same = evaluation, evaluation.task, dict(same)
        self.facts: dict[str, float] = {}  # `continued`, of a promotion

    def inherit(self, module: nn.Module) -> None:
        """Give a new `module` the parts of its parent that fit, if they are still kept; else it stays as it was drawn.

        `facts` then say `inherited`, the fraction of its parameters that came from there.
        """
        if self.task.inherit is None or self.task.store is None:
            return
        data, why = self._read(self.task.inherit)
        if data is None:
            self.evaluation.notes.append(f"inherited nothing: {why}")
        self.facts["inherited"] = take(module, read_parts(data))

    def begin(self, run: Run) -> None:
        """Go on with the training that is to be gone on with, if there is one."""
        if self.task.go_on is None or self.task.store is None:
            return
        data, why = self._read(self.task.go_on)
        why = why if data is None else self._taken(run, data)
        self.facts["continued"] = 0.0 if why else 1.0
        if why:
            self.evaluation.notes.append(f"started over: {why}")

    def _read(self, number: int) -> tuple[bytes | None, str]:
        """What that trial has kept; None where it cannot be had, and why."""
        assert self.task.store is not None
        try:
            return self.task.store.read(of_trial(number)), ELSEWHERE
        except StoreError as error:
            return None, str(error)

    def _taken(self, run: Run, data: bytes) -> str:
        """Why the run could not go on with `data`; empty where it does. A run that could not is as it was."""
        try:
            kept: Any = read_tensors(data)
            if kept["format"] != FORMAT:
                return f"its weights are of format {kept['format']!r:.20}"
            if kept["run"] is None:
                return "only its parts are kept"
            if kept["same"] != self.same:
                return "its network or the size of its images is another at this fidelity"
            before = copy.deepcopy(run.state())
            try:
                run.go_on(kept["run"])
            except BaseException:
                run.restore(before)
                raise
        except NasError as error:
            return str(error)
        except Exception as error:  # whatever reading bytes of another sort runs into
            return f"its weights cannot be read ({type(error).__name__})"
        return ""

    def end(self, run: Run) -> None:
        """Keep what was trained, where a later one may need it. A full disk takes that from it and nothing else."""
        if not self.task.keep or self.task.store is None:
            return
        # Children begin with what was judged; all else is for a promotion, and twice as much.
        weights = None if self.task.whole else {name: item.detach().cpu() for name, item in run.judged.state_dict().items()}
        kept = {
            "format": FORMAT, "same": self.same, "keys": keys(run.judged), "weights": weights,
            "run": run.state() if self.task.whole else None,
        }  # fmt: skip
        buffer = io.BytesIO()
        torch.save(kept, buffer)
        try:
            self.task.store.write(of_trial(self.task.number), buffer.getbuffer())
        except StoreError as error:
            self.evaluation.notes.append(str(error))


def same(fidelity: Fidelity, digest: str, size: tuple[int, int] | None) -> dict[str, Any]:
    """What two trainings must have in common for one to go on with the other's: plain values."""
    return {"digest": digest, "width": fidelity.width, "depth": fidelity.depth, "size": None if size is None else list(size)}


def read_parts(data: bytes | None) -> dict[str, Tensor]:
    """The trained parts in a kept file, by the keys of `nas.parts`; none where the file is gone or cannot be read."""
    if data is None:
        return {}
    try:
        kept: Any = read_tensors(data)
        weights = kept["weights"] or kept["run"]["average"] or kept["run"]["module"]
        return {key: weights[name] for name, key in kept["keys"].items()}
    except Exception:  # whatever reading bytes of another sort runs into: a fresh start, as if it were gone
        return {}
