"""A study's storage for programs that show it, such as optuna-dashboard: they see the study and its curves, and cannot write."""

from __future__ import annotations

import copy
from collections.abc import Container
from typing import Any, NoReturn

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from nas.errors import StudyError
from nas.study.study import Study


def read_only(study: Study) -> ReadOnly:
    """The storage of a study as it grows, with that study alone and what followed it in the same storage."""
    return ReadOnly(study._storage.optuna, study._storage.name)


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise StudyError("this view of the record is read-only")


class ReadOnly(BaseStorage):
    """Passes reads on; whatever would write raises `StudyError`.

    A trial's learning curve is shown as its intermediate values, a step an epoch. Studies of other names are not there.
    """

    create_new_study = delete_study = set_study_user_attr = set_study_system_attr = _refuse
    create_new_trial = set_trial_param = set_trial_state_values = set_trial_intermediate_value = _refuse
    set_trial_user_attr = set_trial_system_attr = _refuse

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self._inner, self._study = storage, name
        self._finished: dict[int, FrozenTrial] = {}  # with their curves

    def get_study_id_from_name(self, study_name: str) -> int:
        """As Optuna's; `KeyError` for another study, as for none."""
        if not self._shows(study_name):
            raise KeyError(study_name)
        return self._inner.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """As Optuna's."""
        return self._inner.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """As Optuna's."""
        return self._inner.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """As Optuna's."""
        return self._inner.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """As Optuna's."""
        return self._inner.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        """The study, and those of its name and a `/`."""
        return [study for study in self._inner.get_all_studies() if self._shows(study.study_name)]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """As Optuna's, with the curve."""
        return self._curved(self._inner.get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:  # fmt: skip
        """As Optuna's, with their curves."""
        return [self._curved(trial) for trial in self._inner.get_all_trials(study_id, deepcopy, states)]

    def _shows(self, name: str) -> bool:
        return name == self._study or name.startswith(f"{self._study}/")

    def _curved(self, trial: FrozenTrial) -> FrozenTrial:
        if trial._trial_id in self._finished:
            return self._finished[trial._trial_id]
        curve = trial.user_attrs.get("curve")
        if not curve or trial.intermediate_values:
            return trial
        shown = copy.copy(trial)
        shown.intermediate_values = {round(epoch): value for epoch, value, _ in curve}
        if trial.state.is_finished():
            self._finished[trial._trial_id] = shown
        return shown
