"""An autoregressive LSTM over the decisions of any space (Zoph & Le, arXiv 1611.01578; Zoph et al., arXiv 1707.07012).

One softmax a decision; the chosen option is embedded and fed to the next step. Imported only when used: it needs torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from nas.errors import SpaceError

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space

State = tuple[Tensor, Tensor]  # of the LSTM: output and cell, each (B, hidden)
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
_IMPOSSIBLE = -1e9  # logit of a padded option: its probability is exactly 0, and 0 * log 0 stays 0 and not NaN


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, then restore the count: tiny sums are faster so, and their bits the same on any cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Vocabulary:
    """Every option of every decision has a row; row 0 is the start of a sequence."""

    def __init__(self, choices: Mapping[str, tuple[Option, ...]]) -> None:
        self.decisions = {name: index for index, name in enumerate(choices)}
        self.options = [tuple(options) for options in choices.values()]
        self.first: list[int] = []
        self.size = 1
        for options in self.options:
            self.first.append(self.size)
            self.size += len(options)

    def decision(self, name: str) -> int:
        """Index of the decision `name`. Raises `SpaceError` for one that the space did not announce."""
        if name not in self.decisions:
            raise SpaceError(f"decision {name!r} is not among the choices of the space")
        return self.decisions[name]

    def encode(self, decisions: Mapping[str, Option]) -> list[tuple[int, int]]:
        """Pairs (decision index, option index) in the order of `decisions`."""
        indices = [(self.decision(name), option) for name, option in decisions.items()]
        return [(index, self.options[index].index(option)) for index, option in indices]


@dataclass(frozen=True)
class Batch:
    """Sequences of decisions, padded. All tensors are (T, B): T decisions at most, B sequences."""

    decisions: Tensor  # int64, decision index
    options: Tensor  # int64, option index within its decision
    mask: Tensor  # float32, 1 where there is a decision
    tokens: Tensor  # int64, vocabulary row of the option chosen one step before

    @staticmethod
    def of(sequences: Sequence[Sequence[tuple[int, int]]], vocabulary: Vocabulary) -> Batch:
        """Pad encoded sequences to the longest."""
        steps = max(1, *(len(sequence) for sequence in sequences))
        padded = [list(sequence) + [(0, 0)] * (steps - len(sequence)) for sequence in sequences]
        decisions, options = torch.tensor(padded).permute(2, 1, 0)
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        mask = (torch.arange(steps)[:, None] < lengths).float()
        rows = torch.tensor(vocabulary.first)[decisions] + options
        tokens = torch.cat([torch.zeros_like(rows[:1]), rows[:-1]])
        return Batch(decisions, options, mask, tokens)


class Controller:
    """The policy network and its Adam state. All parameters are views of one flat vector, so that Adam is a few lines.

    Parameters start uniform in [-0.1, 0.1] (arXiv 1707.07012) from a generator of their own.
    """

    def __init__(self, space: Space, seed: int, hidden: int) -> None:
        self._space, self.vocabulary, self._hidden = space, Vocabulary(space.choices), hidden
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
        self._shapes = {name: torch.Size(shape) for name, shape in shapes.items()}
        source = torch.Generator().manual_seed(seed % 2**63)
        size = sum(shape.numel() for shape in self._shapes.values())
        self._flat = torch.rand(size, generator=source) * 0.2 - 0.1
        self._parts = self._views(self._flat)
        self._first, self._second, self._updates = torch.zeros(size), torch.zeros(size), 0
        self._rows, self._real = _option_rows(words)

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        pieces = torch.split(flat, [shape.numel() for shape in self._shapes.values()])
        return {name: piece.view(shape) for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)}

    def sample(self, space: Space, rng: random.Random) -> Decisions:
        """Decisions drawn from the policy, in the order in which `space` asks for them."""
        chooser = _PolicyChooser(self, rng)
        with one_thread(), torch.inference_mode():
            space.record(chooser)
        return chooser.made

    def step(self, token: int, decision: int, state: State) -> tuple[list[float], State]:
        """Probabilities of the options of one decision, and the next LSTM state, each (1, hidden)."""
        parts, start = self._parts, self.vocabulary.first[decision]
        stop = start + len(self.vocabulary.options[decision])
        inputs = (parts["tokens"][token] + parts["names"][decision])[None]
        state = _cell(parts, inputs, state)
        logits = functional.linear(state[0], parts["head"][start:stop], parts["head_bias"][start:stop])
        return logits.softmax(-1)[0].tolist(), state

    def zero_state(self, size: int) -> State:
        """The LSTM state before the first decision: two (size, hidden)."""
        return torch.zeros(size, self._hidden), torch.zeros(size, self._hidden)

    def log_probabilities(self, batch: Batch, flat: Tensor) -> Tensor:
        """Log-probability of every option, (T, B, K), under parameters `flat`; K is the most options a decision has."""
        parts = self._views(flat)
        inputs = functional.embedding(batch.tokens, parts["tokens"])
        inputs = inputs + functional.embedding(batch.decisions, parts["names"])
        state, outputs = self.zero_state(inputs.shape[1]), []
        for step in inputs:
            state = _cell(parts, step, state)
            outputs.append(state[0])
        rows = self._rows[batch.decisions]
        weights = functional.embedding(rows, parts["head"])
        logits = (weights @ torch.stack(outputs)[..., None])[..., 0] + parts["head_bias"][rows]
        return logits.masked_fill(~self._real[batch.decisions], _IMPOSSIBLE).log_softmax(-1)

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
        self._second.lerp_(gradient * gradient, 0.001)
        mean = self._first / (1 - 0.9**self._updates)
        scale = (self._second / (1 - 0.999**self._updates)).sqrt_().add_(1e-8)
        self._flat.addcdiv_(mean, scale, value=-rate)


class _PolicyChooser:
    """Draws each decision from the controller, one LSTM step at a time."""

    def __init__(self, controller: Controller, rng: random.Random) -> None:
        self._controller, self._rng = controller, rng
        self._token, self._state = 0, controller.zero_state(1)
        self.made: Decisions = {}

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        if name in self.made:  # a decision that stands in several places is made once
            return self.made[name]
        words = self._controller.vocabulary
        decision = words.decision(name)
        weights, self._state = self._controller.step(self._token, decision, self._state)
        index = self._rng.choices(range(len(weights)), weights)[0]
        self._token = words.first[decision] + index
        self.made[name] = words.options[decision][index]
        return self.made[name]


def _option_rows(words: Vocabulary) -> tuple[Tensor, Tensor]:
    """Vocabulary rows of the options of each decision, (D, K) int64 padded with 0, and which of them are real, bool."""
    most = max((len(options) for options in words.options), default=1)
    columns = torch.arange(most)[None]
    real = columns < torch.tensor([len(options) for options in words.options])[:, None]
    return (torch.tensor(words.first)[:, None] + columns) * real, real


def _cell(parts: Mapping[str, Tensor], inputs: Tensor, state: State) -> State:
    """One LSTM step; inputs, both states and both results are (B, hidden)."""
    weights = parts["input"], parts["recurrent"], parts["bias"], torch.zeros_like(parts["bias"])
    after: State = torch.lstm_cell(inputs, state, *weights)
    return after
