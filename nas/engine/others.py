"""The other drivers of a study, as far as this one must reckon with them: what they run, hold and use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nas.study import Sign

if TYPE_CHECKING:
    from nas.study import Recorder, Trial


class Others:
    """As of the last `look`. Without others it costs nothing.

    What their running trials have used is in the record as of their last heartbeat; until the next one it is taken to grow
    by the devices that hold them, by this driver's clock. `counted`: but for clocks that are simulated, whose drivers
    write what is used at every step.
    """

    def __init__(self, study: Recorder, now: Callable[[], float], *, counted: bool = True) -> None:
        self._study, self._now, self._counted = study, now, counted
        self._living: dict[str, Sign] = {}
        self._trials: list[Trial] = []
        self._since: dict[int, tuple[object, float]] = {}  # by trial: what was last heard of it, and when
        self.lanes: set[int] = set()  # of this driver: they still work on what was taken from it

    def look(self) -> bool:
        """See what there is now; whether some driver has gone since."""
        living = {sign.id: sign for sign in self._study.living()}
        gone, self._living = bool(self._living.keys() - living.keys()), living
        self._trials = self._study.elsewhere() if living else []
        now, before, self._since = self._now(), self._since, {}
        for trial in self._trials:
            heard = (trial.device_seconds, living[str(trial.driver)].beat)
            known = before.get(trial.number)
            self._since[trial.number] = known if known is not None and known[0] == heard else (heard, now)
        return gone

    @property
    def there(self) -> bool:
        """Whether there are any that are not known to be dead."""
        return bool(self._living)

    @property
    def running(self) -> int:
        """Trials that they run, or have taken over and not begun."""
        return len(self._trials)

    @property
    def numbers(self) -> list[int]:
        """Of these trials."""
        return [trial.number for trial in self._trials]

    @property
    def parents(self) -> list[int]:
        """Of the trials that these were made from."""
        return [trial.parent for trial in self._trials if trial.parent is not None]

    def devices(self, closing: bool) -> float:
        """Devices that share what is left of the budget; when nothing is launched any more, those that hold something."""
        if closing:
            return sum(self._share(trial) for trial in self._trials)
        return sum(sign.devices for sign in self._living.values())

    def used(self) -> float:
        """Device seconds of their trials that are not in the record yet."""
        if not self._trials or not self._counted:
            return 0.0
        now = self._now()
        return sum(self._share(trial) * (now - self._since[trial.number][1]) for trial in self._trials)

    def _share(self, trial: Trial) -> float:
        return self._living[str(trial.driver)].share
