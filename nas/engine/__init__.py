"""The engine: the driver of a search, and its lanes on Ray or in this process. Importing this imports no Ray."""

from __future__ import annotations

from nas.engine.api import make_lanes, resume, search
from nas.engine.assign import trial_seed
from nas.engine.coefficients import scale_search
from nas.engine.driver import Driver
from nas.engine.forecast import Forecast, plan
from nas.engine.kept import KeptLanes
from nas.engine.lanes import Candidate, Dashboard, Done, Event, Lanes, Ready
from nas.engine.local import LocalLanes
from nas.engine.observer import Finished, Observer, Observers, Progress, Start
from nas.engine.training import resume_training, train

__all__ = [
    "Candidate",
    "Dashboard",
    "Done",
    "Driver",
    "Event",
    "Finished",
    "Forecast",
    "KeptLanes",
    "Lanes",
    "LocalLanes",
    "Observer",
    "Observers",
    "Progress",
    "Ready",
    "Start",
    "make_lanes",
    "plan",
    "resume",
    "resume_training",
    "scale_search",
    "search",
    "train",
    "trial_seed",
]
