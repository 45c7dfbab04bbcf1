"""Worker threads for whatever would hold up the event loop, a bounded number at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio.to_thread

from searcher.api.problems import Overloaded

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """At most `threads` calls at a time; up to `waiting` more stand in line, further ones are turned away."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._most = threads + waiting
        # Counted here, since the limiter counts a call only some time after it came: of a burst, all would
        # find the line empty.
        self._calls = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in a thread. Raises what it raises, and `Overloaded` if the line is too long."""
        if self._calls >= self._most:
            raise Overloaded(
                "The service has more requests than it can answer soon.", mend="Try again in a moment."
            )
        call = functools.partial(function, *args, **kwargs)
        self._calls += 1
        try:
            return await anyio.to_thread.run_sync(call, limiter=self._limiter)
        finally:
            self._calls -= 1
