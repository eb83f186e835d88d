"""One trial as the record has it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError
from nas.strategies import Proposal

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from nas.arch import Architecture


@dataclass(frozen=True)
class Trial:
    """A trial. `state` is Optuna's name: RUNNING, COMPLETE or FAIL; `value` the objective's, None unless complete.

    `values` has one number for each of several objectives, as they are (not turned round where less is better), the
    first of them `value`; empty unless complete.
    `device_seconds` sums all attempts, those cut off by a kill included; `wasted` of them are those of attempts that did not
    count: their worker or driver died, or they were run again alone. `order` counts finished trials from 0.
    `where` names the device on which it ran last. `times`, of its beginning and its end, are Optuna's: stored in UTC, handed out
    as naive times of this machine's zone.
    `parent` is the number of the trial it was made from, `how` what made it; `fraction` is of the run's fidelity.
    `curve` has (epochs done, the first objective, seconds since it began) of what it reported. `stopped` is after how many
    epochs its curve was hopeless, and its value then what it had reached; `below` the same of one that was let go on all
    the same. `notes` are lines for the person.
    `driver` is the one whose workers have it, or had it last; None in records of older versions.
    `lost`: how many workers went while they had it, `lost_nodes` of these with their nodes.
    `solo`: it failed beside others on its device, and was tried again alone there.
    A trial of a `phase` trained what candidates share, with the decisions `children`, and came to those of `found`.
    """

    number: int
    state: str
    value: float | None
    decisions: dict[str, Any]
    yaml: str
    digest: str
    metrics: dict[str, float] = field(default_factory=dict)
    device_seconds: float = 0.0
    reason: str | None = None
    cut: bool = False
    worker: int | None = None
    seed: int | None = None
    fidelity: dict[str, Any] = field(default_factory=dict)
    first_seconds: float | None = None
    lost: int = 0
    lost_nodes: int = 0
    order: int | None = None
    parent: int | None = None
    how: str = ""
    fraction: float = 1.0
    values: tuple[float, ...] = ()
    phase: str | None = None
    children: tuple[dict[str, Any], ...] = ()
    found: tuple[dict[str, Any], ...] = ()
    curve: tuple[tuple[float, float, float], ...] = ()
    stopped: float | None = None
    below: float | None = None
    notes: tuple[str, ...] = ()
    solo: bool = False
    driver: str | None = None
    where: str = ""
    wasted: float = 0.0
    times: tuple[datetime.datetime | None, datetime.datetime | None] = (None, None)

    @cached_property
    def architecture(self) -> Architecture:
        """The candidate. Raises `ArchitectureError` when the record does not hold a valid one."""
        import nas.primitives  # registers the operations that an architecture names  # noqa: F401
        from nas.arch import Architecture

        return Architecture.from_yaml(self.yaml)

    @property
    def proposal(self) -> Proposal:
        """What the strategy had asked for."""
        return Proposal(self.decisions, self.parent, self.how, self.fraction, self.phase, self.children)

    @property
    def began(self) -> datetime.datetime | None:
        """When it was first launched, in UTC."""
        return _utc(self.times[0])

    @property
    def ended(self) -> datetime.datetime | None:
        """When it was finished, in UTC; None before."""
        return _utc(self.times[1])

    @property
    def judged(self) -> bool:
        """Whether it has values by which its network is compared with others."""
        return self.value is not None and self.phase is None

    @property
    def finished(self) -> bool:
        """Whether it is complete or failed."""
        return self.state in ("COMPLETE", "FAIL")


_NUMBER = (int, float)
_KINDS: dict[str, Any] = {  # of attributes that are taken as they are
    "reason": str, "cut": bool, "worker": int, "seed": int, "first_seconds": _NUMBER,
    "lost": int, "lost_nodes": int, "order": int, "parent": int,
    "phase": str, "stopped": _NUMBER, "below": _NUMBER, "solo": bool, "metrics": dict, "fidelity": dict, "device_seconds": _NUMBER,
    "fraction": _NUMBER, "driver": str, "where": str, "wasted": _NUMBER, "children": list, "found": list, "curve": list, "notes": list,
}  # fmt: skip


def from_optuna(frozen: FrozenTrial, used: float = 0.0) -> Trial:
    """The trial that an Optuna trial describes; one that another program added may lack our attributes.

    used: device seconds, as of the last heartbeat, if it runs.
    Raises `StudyError` where an attribute is of another kind than ours: whatever is read back may have been changed.
    """
    attrs = dict(frozen.user_attrs)  # unpacked once
    for name, kind in _KINDS.items():
        if (value := attrs.get(name)) is not None and not isinstance(value, kind):
            raise StudyError(f"trial {frozen.number} of the record: {name}={value!r:.60} is of the wrong kind")
    try:
        return _trial(frozen, attrs, used)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StudyError(f"trial {frozen.number} of the record is damaged ({type(error).__name__}: {str(error)[:80]})") from None


def _trial(frozen: FrozenTrial, attrs: dict[str, Any], used: float) -> Trial:
    values = tuple(frozen.values or ()) if frozen.state.name == "COMPLETE" else ()
    return Trial(
        number=frozen.number,
        state=frozen.state.name,
        value=values[0] if values else None,
        decisions=dict(frozen.params),
        yaml=str(attrs.get("architecture", "")),
        digest=str(attrs.get("digest", "")),
        metrics={str(name): float(value) for name, value in (attrs.get("metrics") or {}).items()},
        device_seconds=max(float(attrs.get("device_seconds", 0.0)), 0.0 if frozen.state.is_finished() else used),
        reason=attrs.get("reason"),
        cut=bool(attrs.get("cut", False)),
        worker=attrs.get("worker"),
        seed=attrs.get("seed"),
        fidelity=dict(attrs.get("fidelity") or {}),
        first_seconds=attrs.get("first_seconds"),
        lost=int(attrs.get("lost", 0)),
        lost_nodes=int(attrs.get("lost_nodes", 0)),
        order=attrs.get("order"),
        parent=attrs.get("parent"),
        how=str(attrs.get("how", "")),
        fraction=float(attrs.get("fraction", 1.0)),
        values=values,
        phase=attrs.get("phase"),
        children=tuple(map(dict, attrs.get("children") or ())),
        found=tuple(map(dict, attrs.get("found") or ())),
        curve=tuple((epoch, value, seconds) for epoch, value, seconds in attrs.get("curve") or ()),
        stopped=attrs.get("stopped"),
        below=attrs.get("below"),
        notes=tuple(map(str, attrs.get("notes") or ())),
        solo=bool(attrs.get("solo", False)),
        driver=attrs.get("driver"),
        where=str(attrs.get("where", "")),
        wasted=float(attrs.get("wasted", 0.0)),
        times=(frozen.datetime_start, frozen.datetime_complete),
    )


def _utc(time: datetime.datetime | None) -> datetime.datetime | None:
    """Of a naive time in this machine's zone."""
    return None if time is None else time.astimezone(datetime.UTC)
