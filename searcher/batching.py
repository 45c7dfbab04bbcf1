"""Calls of several threads joined into one batch for the encoder, without ever waiting for company."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Call(Generic[Item, Result]):
    """What one thread wants done, and what came of it."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.results: list[Result] = []
        self.error: BaseException | None = None
        self.done = False


class Batcher(Generic[Item, Result]):
    """Runs `work` for one thread at a time; what others ask for meanwhile goes into the next run together.

    An idle encoder is asked at once, so a single caller waits no longer than without; the more callers
    there are, the larger the batches grow by themselves, up to `most` items. `work` takes a sequence of
    items and gives one result for each. If a batch of several callers fails, each is tried by itself, so
    that an error only reaches the one it belongs to. Thread-safe.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: deque[_Call[Item, Result]] = deque()
        self._running = False
        self._changed = threading.Condition()

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        """One result for each item. Raises what `work` raises for these items."""
        call: _Call[Item, Result] = _Call(items)
        with self._changed:
            self._waiting.append(call)
        while (batch := self._turn(call)) is not None:
            try:
                self._run(batch)
            finally:
                with self._changed:
                    self._running = False
                    for one in batch:
                        one.done = True
                    self._changed.notify_all()
        if call.error is not None:
            raise call.error
        return call.results

    def _turn(self, call: _Call[Item, Result]) -> list[_Call[Item, Result]] | None:
        """The batch that this thread has to run now; None once its own call is done."""
        with self._changed:
            while self._running and not call.done:
                self._changed.wait()
            if call.done:
                return None
            self._running = True
            return self._next()

    def _next(self) -> list[_Call[Item, Result]]:
        """The calls that have waited longest, as many as fit, at least one."""
        batch = [self._waiting.popleft()]
        size = len(batch[0].items)
        while self._waiting and size + len(self._waiting[0].items) <= self._most:
            size += len(self._waiting[0].items)
            batch.append(self._waiting.popleft())
        return batch

    def _run(self, batch: list[_Call[Item, Result]]) -> None:
        try:
            results = iter(self._work([item for call in batch for item in call.items]))
            for call in batch:
                call.results = [next(results) for _ in call.items]
        except BaseException as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for call in batch:
                self._run([call])
