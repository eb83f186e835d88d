"""Our strategies as a search algorithm of Ray Tune, for people who run Tune themselves. Imported only when used: it needs Ray.

Its state is what the strategy was told, in that order, as JSON: restoring is making it anew and telling it all again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune.search import Searcher

from nas import spaces, strategies
from nas.engine.prepare import decisions_of
from nas.errors import NasError
from nas.files import write_durably
from nas.loading import read_text
from nas.repeatable import check_seed
from nas.strategies import Strategy, Trial

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.spaces import Space

    Network = str | Path | Architecture | Mapping[str, Any]

FORMAT = 1
MODES = ("min", "max")
Decisions = dict[str, Any]


class StrategySearcher(Searcher):
    """Proposes configurations with an architecture of `space`, as `strategy` does: `search_alg=Searcher("nasnet-cell", "evolution")`.

    A configuration has `architecture` (YAML, which `Trainable` trains), `decisions` (what it was made of) and `number`; what
    `param_space` states as constants is added by Tune. A trial that Tune's scheduler stopped is told with what it had
    reached, which is less than it would have come to, and so never more than it is worth; a failed one as failed.

    metric, mode (`max` where nothing is said): here or in `tune.TuneConfig`. start: networks to be tried first: names,
    files, architectures or decisions. evaluated: (network, value) that are known already. Further options are the strategy's.
    Raises `NasError` on bad input, and for asha and hyperband, in whose place Tune has schedulers, and darts.
    """

    CKPT_FILE_TMPL = "searcher-state-{}.json"

    def __init__(
        self,
        space: str | Path | Space = "nasnet-cell",
        strategy: str = "evolution",
        *,
        seed: int = 0,
        metric: str | None = None,
        mode: str | None = None,
        start: Iterable[Network] = (),
        evaluated: Iterable[tuple[Network, float | None]] = (),
        **options: object,
    ) -> None:
        check_seed(seed)
        _check_strategy(strategy, options)
        _check_goal(metric, mode)
        super().__init__(metric=metric, mode=(mode or "max") if metric else None)
        self._metric: str | None = metric
        self._mode = mode or "max"
        self._space, self._name, self._seed, self._options = spaces.load(space), strategy, seed, dict(options)
        self._start = [decisions_of(self._space, item) for item in start]
        self._fresh()
        for network, value in evaluated:
            self.add_evaluated_point(decisions_of(self._space, network), self._plain(value))

    def _fresh(self) -> None:
        self._strategy: Strategy = strategies.create(self._name, self._space, self._seed, None, **self._options)
        self._next = self._started = 0  # the number of the next trial; how many of those to start with were proposed
        self._running: dict[str, tuple[int, Decisions]] = {}  # by Tune's name of the trial
        self._told: list[tuple[int, Decisions, float | None]] = []  # in order; larger is better

    # ---- what Tune asks ------------------------------------------------------------------------------------------

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take the metric and mode of `tune.TuneConfig`; what there is in `config` are constants."""
        if metric is not None or mode is not None:
            _check_goal(metric, mode)
            if self._told and mode is not None and mode != self._mode:
                raise NasError(f"mode={mode!r} of the TuneConfig, but the searcher was told values by {self._mode!r}; allowed: that")
            self._metric, self._mode = metric or self._metric, mode or self._mode
        return True

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """The configuration of the next trial. Raises `NasError` where no metric is known."""
        if not self._metric:
            raise NasError("the searcher has no metric; allowed: Searcher(..., metric='accuracy') or tune.TuneConfig(metric='accuracy')")
        number = self._next
        if self._started < len(self._start):
            decisions = dict(self._start[self._started])
            self._started += 1
        else:
            decisions = dict(self._strategy.ask(number).decisions)
        self._next += 1
        self._running[trial_id] = (number, decisions)
        return {"architecture": self._space.decode(decisions).to_yaml(), "decisions": decisions, "number": number}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: strategies learn from trials that have ended, and Tune's scheduler from curves."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the strategy. A trial that failed, or never reported a finite number, counts as failed."""
        if trial_id not in self._running:
            return
        number, decisions = self._running.pop(trial_id)
        self._tell(number, decisions, None if error else self._oriented((result or {}).get(self._metric or "")))

    def add_evaluated_point(
        self, parameters: dict[str, Any], value: float, error: bool = False, pruned: bool = False,
        intermediate_values: list[float] | None = None,
    ) -> None:  # fmt: skip
        """Tell the strategy of a network tried elsewhere: decisions, or a configuration that has them.

        Raises `SpaceError` where they lie outside the space.
        """
        decisions = dict(self._space.ordered(parameters.get("decisions", parameters)))
        self._tell(self._next, decisions, None if error else self._oriented(value))
        self._next += 1

    def _tell(self, number: int, decisions: Decisions, value: float | None) -> None:
        trial = Trial(number, decisions, value)
        self._strategy.tell(trial)
        self._told.append((number, decisions, trial.value))

    def _oriented(self, value: Any) -> float | None:
        """Larger for better; None where it is no number."""
        try:
            return float(value) if self._mode == "max" else -float(value)
        except (TypeError, ValueError, OverflowError):
            return None

    def _plain(self, value: float | None) -> float:
        return float("nan") if value is None else value

    # ---- its state -----------------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {
            "format": FORMAT, **self._identity(), "metric": self._metric, "mode": self._mode, "next": self._next, "started": self._started,
            "running": [[name, number, decisions] for name, (number, decisions) in self._running.items()],
            "told": [list(each) for each in self._told],
        }  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        """Be made anew and told all. Raises `NasError` where the state is damaged, or of another space, strategy or seed."""
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise NasError(f"state of a searcher: damaged or of another version; allowed: format {FORMAT}")
        for name, own in self._identity().items():
            if state.get(name) != own:
                raise NasError(f"state of a searcher with another {name}: {str(state.get(name))!r:.60}; allowed: {str(own)!r:.60}")
        try:
            _check_goal(state["metric"], state["mode"])
            told = [(int(number), dict(decisions), value) for number, decisions, value in state["told"]]
            running = {str(name): (int(number), dict(decisions)) for name, number, decisions in state["running"]}
            following, started = int(state["next"]), int(state["started"])
        except (KeyError, TypeError, ValueError) as error:
            raise NasError(f"state of a searcher: damaged ({type(error).__name__}: {error!s:.80})") from None
        self._fresh()
        self._metric, self._mode, self._running, self._next = state["metric"], state["mode"], running, following
        for number, decisions, value in told:
            self._tell(number, decisions, value)
        self._started = started

    def save(self, checkpoint_path: str) -> None:
        """Write the state as JSON, whole or not at all."""
        write_durably(Path(checkpoint_path), json.dumps(self.get_state()).encode())

    def restore(self, checkpoint_path: str) -> None:
        """Go on from what `save` wrote; no code in it is run. Raises `NasError` that names the file."""
        try:
            state = json.loads(read_text(Path(checkpoint_path)))
        except (ValueError, RecursionError) as error:
            raise NasError(f"{checkpoint_path}: damaged ({' '.join(str(error).split())[:80]})") from None
        try:
            self.set_state(state)
        except NasError as error:
            raise NasError(f"{checkpoint_path}: {error}") from None

    def _identity(self) -> dict[str, Any]:
        """What two searchers must have in common for one to go on with the other's state."""
        return {
            "space": self._space.to_yaml(), "strategy": self._name, "seed": self._seed, "options": self._options, "start": self._start,
        }  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        """Plain data, for Tune sends and keeps its search algorithm; a strategy may hold what cannot be sent."""
        return self.get_state()

    def __setstate__(self, state: dict[str, Any]) -> None:
        from nas.arch.text import parse

        names = ("strategy", "seed", "options", "start")
        self._name, self._seed, self._options, self._start = (state[name] for name in names)
        self._space = spaces.Space(parse(state["space"], "state of a searcher"))
        self.set_state(state)


def _check_strategy(name: str, options: Mapping[str, object]) -> None:
    if name.partition(":")[0] in strategies.WRAPPERS:
        raise NasError(f"strategy {name} within Ray Tune; allowed: what it wraps, with a scheduler of Tune's such as ASHAScheduler")
    if strategies.find(name).phase:
        raise NasError(f"strategy {name} within Ray Tune: it trains candidates together; allowed: by nas.search")
    strategies.check(name, **options)


def _check_goal(metric: Any, mode: Any) -> None:
    if metric is not None and (not isinstance(metric, str) or not metric):
        raise NasError(f"metric={metric!r:.60}; allowed: the name of one metric, such as 'accuracy'")
    if mode is not None and mode not in MODES:
        raise NasError(f"mode={mode!r:.60}; allowed: {', '.join(MODES)}")



