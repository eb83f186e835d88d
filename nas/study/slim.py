"""Optuna's storages with less memory a trial: what trials have in common is kept once, and what is long is kept compressed.

Read from its file, a trial of 50 decisions takes Optuna 64 KB: 50 objects that list the options of a decision, each with its
own strings, which are the same in all trials; and the text of its architecture. Here it takes about 5 KB. What is written
is the same as by Optuna's own, and what is read is equal.
"""

from __future__ import annotations

import copy
import json
import sys
import zlib
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._storage import JournalStorageReplayResult
from optuna.trial import FrozenTrial

LONG = 200  # characters of JSON above which an attribute is compressed
SHORT = 64  # of a text up to which it is kept once
MOST = 4096  # of what is kept once; then it is begun anew
WINDOW = 32768  # bytes that zlib looks back


class Shared:
    """What trials have in common."""

    def __init__(self) -> None:
        self._distributions: dict[str, BaseDistribution] = {}  # never forgotten, for groups go by their identity
        self._groups: dict[tuple[int, ...], dict[str, BaseDistribution]] = {}
        self._values: dict[str, Any] = {}
        self._example = b""  # what others are like, so that zlib need not say it again

    def distribution(self, text: str) -> BaseDistribution:
        """The one that the JSON describes."""
        if text not in self._distributions:
            self._distributions[text] = json_to_distribution(text)
        return self._distributions[text]

    def distributions(self, texts: Iterable[tuple[str, str]]) -> dict[str, BaseDistribution]:
        """Those of a trial by name, to be read only: trials that were asked the same have the same dictionary."""
        made = {sys.intern(name): self.distribution(text) for name, text in texts}
        group = tuple([number for name, each in made.items() for number in (id(name), id(each))])
        if group not in self._groups and len(self._groups) >= MOST:
            self._groups.clear()
        return self._groups.setdefault(group, made)

    def pack(self, attrs: Mapping[str, Any]) -> Attributes:
        """The attributes of a trial that will not change any more."""
        if isinstance(attrs, Attributes):
            return attrs
        return Attributes({sys.intern(name): self._packed(value) for name, value in attrs.items()}, self._example)

    def _packed(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) <= SHORT:
            return sys.intern(value) if len(value) < SHORT else value  # a digest is of one trial only
        if not isinstance(value, str | list | dict):
            return value
        text = json.dumps(value)
        if len(text) > LONG:
            if not self._example:
                self._example = text.encode()[-WINDOW:]
            press = zlib.compressobj(6, zdict=self._example)
            return press.compress(text.encode()) + press.flush()
        return self._once(text, value) if isinstance(value, dict) else value

    def _once(self, text: str, value: dict[str, Any]) -> dict[str, Any]:
        """One for all that are equal, as fidelities are; metrics are not, but have the same names."""
        if len(self._values) >= MOST:
            self._values.clear()
        known: dict[str, Any] = self._values.setdefault(text, {sys.intern(name): each for name, each in value.items()})
        return known


class Attributes(dict[str, Any]):
    """Attributes of a trial, of which those that are bytes are compressed JSON, unpacked when they are read."""

    __slots__ = ("_example",)

    def __init__(self, packed: Mapping[str, Any], example: bytes) -> None:
        super().__init__(packed)
        self._example = example

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if not isinstance(value, bytes):
            return value
        press = zlib.decompressobj(zdict=self._example)
        return json.loads(press.decompress(value) + press.flush())

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dictionary."""
        return self[name] if name in self else default  # noqa: SIM401

    def __iter__(self) -> Iterator[str]:  # that it is defined here makes `dict(self)` and `{**self}` ask for each value
        return super().__iter__()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """As of a dictionary."""
        return self.copy().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """As of a dictionary."""
        return self.copy().values()

    def copy(self) -> dict[str, Any]:
        """Unpacked."""
        return {name: self[name] for name in self}

    def __eq__(self, other: object) -> bool:
        return self.copy() == (other.copy() if isinstance(other, Attributes) else other)

    def __repr__(self) -> str:
        return repr(self.copy())

    def __copy__(self) -> dict[str, Any]:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return copy.deepcopy(self.copy(), memo)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.copy(),)  # as plain as it was


class SlimJournalStorage(JournalStorage):
    """Optuna's storage of a journal, whose trials share what they have in common."""

    def __init__(self, journal: BaseJournalBackend) -> None:
        super().__init__(_Nothing())  # it would read all of a journal in its own way
        self._backend, self._replay_result = journal, _Replay(self._worker_id_prefix)
        self._sync_with_backend()
        self._replay_result.shown = True


class _Nothing(BaseJournalBackend):
    """A journal without records."""

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return ()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise NotImplementedError


class _Replay(JournalStorageReplayResult):
    """What the records of a journal come to."""

    shown = False  # whether others have seen trials, which then must not change in their hands

    def __init__(self, worker_id_prefix: str) -> None:
        super().__init__(worker_id_prefix)
        self._shared = Shared()

    def _apply_create_trial(self, log: dict[str, Any]) -> None:
        texts, params, number = log.get("distributions") or {}, log.get("params") or {}, len(self._trials)
        super()._apply_create_trial({name: value for name, value in log.items() if name not in ("distributions", "params")})
        if number in self._trials and texts:
            trial = self._trials[number]
            trial.distributions = known = self._shared.distributions(texts.items())
            trial.params = {name: each.to_external_repr(params[name]) for name, each in known.items() if name in params}
            self._finish(number)

    def _apply_set_trial_user_attr(self, log: dict[str, Any]) -> None:
        trial = self._trials.get(log["trial_id"])
        if self.shown or trial is None or trial.state.is_finished():
            super()._apply_set_trial_user_attr(log)
        else:
            trial.user_attrs.update(log["user_attr"])

    def _apply_set_trial_state_values(self, log: dict[str, Any]) -> None:
        super()._apply_set_trial_state_values(log)
        self._finish(log["trial_id"])

    def _finish(self, number: int) -> None:
        trial = self._trials.get(number)
        if trial is not None and trial.state.is_finished():
            trial.user_attrs = self._shared.pack(trial.user_attrs)


def slimmed(storage: BaseStorage) -> BaseStorage:
    """Optuna's storage in a database, whose trials share what they have in common from now on."""
    backend: Any = getattr(storage, "_backend", None)
    if hasattr(backend, "_build_frozen_trial_from_trial_model"):
        shared = Shared()
        backend._build_frozen_trial_from_trial_model = lambda row: _read(row, shared)
    return storage


def _read(row: Any, shared: Shared) -> FrozenTrial:
    """A trial of the rows that SQLAlchemy has found."""
    from optuna.storages._rdb.models import TrialIntermediateValueModel, TrialValueModel

    params = sorted(row.params, key=lambda each: each.param_id)
    known = shared.distributions((each.param_name, each.distribution_json) for each in params)
    values: list[Any] | None = [None] * len(row.values) if row.values else None
    for each in row.values:
        values[each.objective] = TrialValueModel.stored_repr_to_value(each.value, each.value_type)  # type: ignore[index]
    between = {
        each.step: TrialIntermediateValueModel.stored_repr_to_intermediate_value(each.intermediate_value, each.intermediate_value_type)
        for each in row.intermediate_values
    }
    attrs = {each.key: json.loads(each.value_json) for each in row.user_attributes}
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=values,
        datetime_start=row.datetime_start,
        datetime_complete=row.datetime_complete,
        params={sys.intern(each.param_name): known[each.param_name].to_external_repr(each.param_value) for each in params},
        distributions=known,
        user_attrs=shared.pack(attrs) if row.state.is_finished() else attrs,
        system_attrs={each.key: json.loads(each.value_json) for each in row.system_attributes},
        intermediate_values=between,
        trial_id=row.trial_id,
    )
