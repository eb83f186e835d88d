"""The record of a search in Optuna storage, and its ledger. The only part that imports Optuna's files and databases."""

from __future__ import annotations

from nas.budget import Ledger
from nas.study.confirmation import Comparison, Confirmed
from nas.study.drivers import Sign
from nas.study.folder import check_new, create_study, join_study, open_study, recorded, resume_study, same_storage
from nas.study.lineage import Change, Step
from nas.study.recorder import Recorder
from nas.study.settings import Settings, write_atomically
from nas.study.study import Study
from nas.study.trial import Trial

__all__ = [
    "Change",
    "Comparison",
    "Confirmed",
    "Ledger",
    "Recorder",
    "Settings",
    "Sign",
    "Step",
    "Study",
    "Trial",
    "check_new",
    "create_study",
    "join_study",
    "open_study",
    "recorded",
    "resume_study",
    "same_storage",
    "write_atomically",
]
