"""Calls to a store that may be away for a while: wait, try again, give up after a limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import structlog
import tenacity

from services.errors import DiskFull, StoreLocked, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds a store may be away in the middle of a run: enough to restart a server or move a pod.
LIMIT = 120.0
_LONGEST_PAUSE = 10.0

_log = structlog.get_logger("indexer")


class Patience:
    """`patience(store.upsert, points)` calls until it succeeds; for calls that may safely be repeated.

    Waits between attempts with exponential backoff, at most `limit` seconds in all, and no longer once
    `stopped` is set.
    """

    def __init__(self, stopped: threading.Event, limit: float = LIMIT) -> None:
        self._stopped = stopped
        self._limit = limit

    def __call__(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises `StoreUnavailable` if the store stays away."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=_LONGEST_PAUSE),
            stop=tenacity.stop_after_delay(self._limit) | tenacity.stop_when_event_set(self._stopped),
            sleep=tenacity.sleep_using_event(self._stopped),
            before_sleep=_tell,
            reraise=True,
        )
        try:
            return attempts(call, *args, **kwargs)
        except StoreUnavailable as error:
            if not _may_pass(error) or self._stopped.is_set():
                raise
            raise StoreUnavailable(
                f"The store has not come back within {self._limit:g} s: {error.message}",
                mend=f"{error.mend} Then index again: what is stored is not done twice.".strip(),
                field=error.field,
            ) from error


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, StoreUnavailable) and not isinstance(error, (StoreLocked, DiskFull))


def _tell(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    _log.warning(
        "store away, trying again", attempt=state.attempt_number, pause=round(pause, 1), error=str(error)
    )
