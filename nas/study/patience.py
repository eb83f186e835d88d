"""Waiting for a storage that is away: a server that is restarted, a lock that is held, a disk that is full."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

OUTAGE_SECONDS = 600.0  # that a database, or a full disk, is waited for
LOCK_SECONDS = 60.0  # for another driver's batch, which may hold a slow ask
_PERMANENT = ("no such table", "no such column", "syntax error", "readonly database", "password authentication", "does not exist")
T = TypeVar("T")


def outage(error: BaseException) -> bool:
    """Whether it may be over later: a server that is away, a lock that is held, a disk that is full."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    from sqlalchemy import exc

    cause = _cause(error)
    if isinstance(cause, exc.DBAPIError) and (isinstance(cause, exc.OperationalError | exc.InterfaceError) or cause.connection_invalidated):
        return not any(each in str(cause) for each in _PERMANENT)
    return isinstance(cause, exc.TimeoutError | exc.InvalidRequestError)


def patiently(action: Callable[[], T], say: Callable[[str], None], what: str) -> T:
    """What `action` returns, tried again for `OUTAGE_SECONDS` while there is an outage of `what`, of which `say` tells."""
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

    began, said = time.monotonic(), False

    def waiting(state: RetryCallState) -> None:
        nonlocal said
        if not said and state.outcome is not None:
            said = True
            say(f"{what} cannot be written ({reason(state.outcome.exception())}); waiting for up to {OUTAGE_SECONDS / 60:.3g} min")

    tries = Retrying(
        retry=retry_if_exception(outage), stop=stop_after_delay(OUTAGE_SECONDS), before_sleep=waiting, reraise=True,
        wait=wait_random_exponential(multiplier=0.1, max=3.0),
    )  # fmt: skip
    done = tries(action)
    if said:
        say(f"{what} can be written again, after {time.monotonic() - began:.0f} s")
    return done


def reason(error: BaseException | None) -> str:
    """The first line of what went wrong, of the database's own error where there is one."""
    cause = None if error is None else _cause(error)
    cause = getattr(cause, "orig", None) or cause
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:160]


def _cause(error: BaseException) -> BaseException:
    """What Optuna has wrapped."""
    return error.__cause__ if type(error).__name__ == "StorageInternalError" and error.__cause__ else error
