"""A trial's rows in a database in three statements. Optuna takes one to three for each of its parameters and attributes.

The tables are Optuna's. Their version is looked at; where it is another one, Optuna writes them itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.orm import Session

SCHEMA = 12
KNOWN = models.SCHEMA_VERSION == SCHEMA
_UPSERT = text(
    "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (:trial, :key, :value) "
    "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"
)


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


class Writer:
    """Writes trials of one database. Only whoever is alone in writing may use it: numbers are counted here."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[BaseDistribution, str]] = {}  # of distributions, by identity; kept, so that it stays theirs
        self._last: dict[int, tuple[int, int]] = {}  # id and number of the last trial of each study

    def forget(self) -> None:
        """What was written is gone with its transaction."""
        self._last.clear()

    def create(self, session: Session, study: int, template: FrozenTrial) -> tuple[int, int]:
        """Id and number of a new running trial like the template."""
        trials = _table(models.TrialModel)
        last_id, last = self._last.get(study, (-1, -1))
        newer = select(func.max(trials.c.number)).where(trials.c.study_id == study, trials.c.trial_id > last_id)
        found = session.execute(newer).scalar()
        number = (last if found is None else int(found)) + 1
        row = {"study_id": study, "number": number, "state": TrialState.RUNNING, "datetime_start": template.datetime_start}
        made: Any = session.execute(insert(trials).values(row))
        trial = int(made.inserted_primary_key[0])
        params = [self._param(trial, template, name) for name in template.params]
        if params:
            session.execute(insert(_table(models.TrialParamModel)), params)
        set_attributes(session, trial, template.user_attrs)
        self._last[study] = trial, number
        return trial, number

    def _param(self, trial: int, template: FrozenTrial, name: str) -> dict[str, Any]:
        distribution = template.distributions[name]
        if id(distribution) not in self._texts:
            self._texts[id(distribution)] = distribution, distribution_to_json(distribution)
        value = distribution.to_internal_repr(template.params[name])
        return {"trial_id": trial, "param_name": name, "param_value": value, "distribution_json": self._texts[id(distribution)][1]}


def set_attributes(session: Session, trial: int, attributes: Mapping[str, Any]) -> None:
    """Set attributes of a trial, those that it has already too."""
    rows = [{"trial": trial, "key": key, "value": json.dumps(value)} for key, value in attributes.items()]
    if rows:
        session.execute(_UPSERT, rows)
