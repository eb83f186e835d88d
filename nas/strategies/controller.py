"""An autoregressive LSTM over the decisions of any space (Zoph & Le, arXiv 1611.01578; Zoph et al., arXiv 1707.07012).

One softmax a decision; the chosen option is embedded and fed to the next step. Where a decision is membership in a
subset, it is drawn by content attention instead ("set-selection", arXiv 1611.01578, section 3.3):

    P(member j of subset i) = sigmoid(v^T tanh(W_prev h_j + W_curr h_i)),   h: the state of the LSTM at an anchor

A policy is read twice: decision by decision to sample (numpy, whose calls cost a fifth of torch's on sums as small), and
in batches to learn (torch). Imported only when used: it needs torch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nas.repeatable import one_thread
from nas.strategies.sequence import Batch, Vocabulary, Walk

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space

Array = NDArray[np.float32]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
_IMPOSSIBLE = -1e9  # logit of an option that is not open: its probability is exactly 0, and 0 * log 0 stays 0 and not NaN


class Controller:
    """The policy network and its Adam state. All parameters are views of one flat vector, so that Adam is a few lines.

    Parameters start uniform in [-0.1, 0.1] (arXiv 1707.07012) from a generator of their own. With `hidden` = 0 there is
    no LSTM and only the biases are left: decisions are independent, one table of logits each (arXiv 2001.00326).
    """

    def __init__(self, space: Space, seed: int, hidden: int) -> None:
        self.vocabulary, self._hidden = Vocabulary(space.choices, space.subsets if hidden else {}), hidden
        words, names = self.vocabulary, len(self.vocabulary.options)
        shapes = {
            "tokens": (words.size, hidden),
            "names": (names, hidden),
            "input": (4 * hidden, hidden),
            "recurrent": (4 * hidden, hidden),
            "bias": (4 * hidden,),
            "head": (words.size, hidden),
            "head_bias": (words.size,),
        }
        if words.members:
            shapes |= {"anchors": (words.starts, hidden), "previous": (hidden, hidden), "current": (hidden, hidden), "score": (hidden,)}
        # What is learnt is v * sqrt(hidden). A tanh saturates at 1 where outputs of the LSTM are about 0.1, and all members share v:
        # learnt as it is, one step of Adam moved all connections by half a nat, and the policy fell to "all" or "none".
        self.scale = max(hidden, 1) ** -0.5
        self._shapes = {name: torch.Size(shape) for name, shape in shapes.items()}
        source = torch.Generator().manual_seed(seed % 2**63)
        size = sum(shape.numel() for shape in self._shapes.values())
        self._flat = torch.rand(size, generator=source) * 0.2 - 0.1
        self.arrays: dict[str, Array] = {name: view.numpy() for name, view in self._views(self._flat).items()}  # of the same memory
        self._first, self._second, self._updates = torch.zeros(size), torch.zeros(size), 0
        most = max((len(options) for options in words.options), default=1)
        self._columns = torch.arange(most)  # (K,)
        self._first_rows = torch.tensor(words.first)  # (D,)
        self._member = torch.tensor([index in words.members for index in range(names)])  # (D,)

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        pieces = torch.split(flat, [shape.numel() for shape in self._shapes.values()])
        return {name: piece.view(shape) for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)}

    def snapshot(self) -> dict[str, Any]:
        """Parameters and Adam's state; copies."""
        return {"parameters": self._flat.clone(), "first": self._first.clone(), "second": self._second.clone(), "updates": self._updates}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """The state of another controller of the same shape. Raises `ValueError` where it is of another."""
        for name, mine in (("parameters", self._flat), ("first", self._first), ("second", self._second)):
            given = snapshot[name]
            if not isinstance(given, Tensor) or given.shape != mine.shape or given.dtype != mine.dtype or not given.isfinite().all():
                raise ValueError(f"{name} are not of this controller")
            mine.copy_(given)  # in place: `arrays` are views
        self._updates = int(snapshot["updates"])

    def sample(self, space: Space, rng: random.Random) -> Decisions:
        """Decisions drawn from the policy among the options that `space` offers, in the order in which it asks for them."""
        chooser = _PolicyChooser(self, rng)
        space.record(chooser)
        return chooser.made

    def log_probabilities(self, batch: Batch, flat: Tensor) -> Tensor:
        """Log-probability of every option, (T, B, K), under parameters `flat`; K is the most options a decision has."""
        parts = self._views(flat)
        states = self._states(batch, parts)  # (S, B, hidden)
        size = batch.steps.shape[1]
        places = batch.steps * size + torch.arange(size)
        now = functional.embedding(places, states.flatten(0, 1))  # (T, B, hidden): at the step of each decision
        open = self._columns < batch.open[..., None]
        rows = (self._first_rows[batch.decisions][..., None] + self._columns) * open
        logits = functional.linear(now, parts["head"], parts["head_bias"]).gather(-1, rows)
        if self.vocabulary.members:
            starts = parts["anchors"][:, None].expand(-1, size, -1)
            memory = functional.linear(torch.cat([starts, states]), parts["previous"])
            earlier = functional.embedding(batch.anchors * size + torch.arange(size), memory.flatten(0, 1))
            scores = (earlier + functional.linear(now, parts["current"])).tanh() @ parts["score"] * self.scale
            logits = torch.where(self._member[batch.decisions][..., None], scores[..., None] * (self._columns == 1), logits)
        return logits.masked_fill(~open, _IMPOSSIBLE).log_softmax(-1)

    def _states(self, batch: Batch, parts: dict[str, Tensor]) -> Tensor:
        """Output of the LSTM at each step, (S, B, hidden): a step reads the options chosen at the last one, and what it decides."""
        steps, size = batch.names.shape
        if not self._hidden:
            return torch.zeros(steps, size, 0)
        into = torch.cat([torch.zeros_like(batch.steps[:1]), batch.steps + 1]) * size + torch.arange(size)
        chosen = functional.embedding(batch.rows, parts["tokens"]).flatten(0, 1)
        inputs = chosen.new_zeros((steps + 1) * size, self._hidden).index_add(0, into.flatten(), chosen)[: steps * size]
        inputs = inputs.view(steps, size, self._hidden) + functional.embedding(batch.names, parts["names"])
        zero, weights = torch.zeros(1, size, self._hidden), [parts["input"], parts["recurrent"], parts["bias"]]
        outputs, _, _ = torch.lstm(inputs, (zero, zero), [*weights, torch.zeros_like(weights[2])], True, 1, 0.0, True, False, False)
        states: Tensor = outputs
        return states

    def improve(self, batch: Batch, advantages: Sequence[float], loss: Loss, *, epochs: int, rate: float, entropy: float) -> None:
        """`epochs` steps of Adam on `loss(new, old, advantages)` less `entropy` times the mean entropy in nats.

        new, old (T, B) are log-probabilities of the chosen options; old those at the start of this call, so that
        nothing has to be remembered of the asks; advantages (B,).
        """
        old, gains = None, torch.tensor(advantages)
        with one_thread():
            for _ in range(epochs):
                flat = self._flat.detach().requires_grad_()
                all_options = self.log_probabilities(batch, flat)
                new = all_options.gather(-1, batch.options[..., None])[..., 0]
                old = new.detach() if old is None else old
                spread = -(all_options.exp() * all_options).sum(-1)
                objective = (loss(new, old, gains) - entropy * spread) * batch.mask
                (gradient,) = torch.autograd.grad(objective.sum() / batch.mask.shape[1], flat)
                self._adam(gradient, rate)

    def _adam(self, gradient: Tensor, rate: float) -> None:
        """Kingma & Ba, arXiv 1412.6980, Algorithm 1. (`torch.optim` would import the compiler: two seconds.)"""
        self._updates += 1
        self._first.lerp_(gradient, 0.1)
        self._second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        scale = self._second.sqrt().div_(math.sqrt(1 - 0.999**self._updates)).add_(1e-8)
        self._flat.addcdiv_(self._first, scale, value=-rate / (1 - 0.9**self._updates))


class Reading:
    """The policy read decision by decision: what `Controller.log_probabilities` says of one sequence as it is made."""

    def __init__(self, controller: Controller) -> None:
        self._arrays, self._words, self._scale = controller.arrays, controller.vocabulary, controller.scale
        self._walk = Walk(self._words)
        start = self._arrays["tokens"][0]
        self._input: Array | float = start
        self._output = self._cell = np.zeros_like(start)
        self._memory: list[Array] = list(self._arrays["anchors"]) if self._words.members else []

    def logits(self, decision: int) -> Array:
        """Logits of all options of the next decision, (options,)."""
        parts, before = self._arrays, self._walk.step
        step, anchor = self._walk.take(decision)
        if step > before:
            self._advance(self._input + parts["names"][decision])
            self._input = 0.0
        if decision in self._words.members:
            score = np.tanh(parts["previous"] @ self._memory[anchor] + parts["current"] @ self._output) @ parts["score"]
            return np.array([0.0, score * self._scale], dtype=np.float32)
        start = self._words.first[decision]
        stop = start + len(self._words.options[decision])
        logits: Array = parts["head"][start:stop] @ self._output + parts["head_bias"][start:stop]
        return logits

    def take(self, decision: int, option: int) -> None:
        """Note the option chosen for the decision whose logits were read last."""
        self._input = self._input + self._arrays["tokens"][self._words.first[decision] + option]

    def _advance(self, inputs: Array) -> None:
        """One LSTM step; inputs (hidden,). sigmoid(x) = (tanh(x / 2) + 1) / 2, so that one call serves all four gates."""
        parts, size = self._arrays, len(inputs)
        gates = parts["input"] @ inputs + parts["recurrent"] @ self._output + parts["bias"]
        tanh = np.tanh(gates[2 * size : 3 * size])  # in torch's order: input, forget, cell, output
        gates = np.tanh(gates * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)
        self._cell = gates[size : 2 * size] * self._cell + gates[:size] * tanh
        self._output = gates[3 * size :] * np.tanh(self._cell)
        if self._words.members:
            self._memory.append(self._output)


class _PolicyChooser:
    """Draws each decision from the policy, among the options that are open: the others' probability is shared out by all."""

    def __init__(self, controller: Controller, rng: random.Random) -> None:
        self._words, self._reading, self._rng = controller.vocabulary, Reading(controller), rng
        self.made: Decisions = {}

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        if name in self.made:  # a decision that stands in several places is made once
            return self.made[name]
        decision = self._words.decision(name)
        logits = self._reading.logits(decision)[: len(options)].tolist()
        most = max(logits)
        index = self._rng.choices(range(len(logits)), [math.exp(logit - most) for logit in logits])[0]
        self._reading.take(decision, index)
        self.made[name] = self._words.options[decision][index]
        return self.made[name]
