"""A bounded channel between two stages that can be closed at its end or cut off at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Cut(Exception):
    """Nobody takes from this channel any more: what feeds it may stop."""


class Channel(Generic[T]):
    """Holds at most `capacity` items between the threads that put and those that take.

    The standard library's queues gain an end only in Python 3.13, and none of them can wake a thread
    that waits to put.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a channel of capacity {capacity} passes nothing")
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._closed = False
        self._cut = False
        lock = threading.Lock()
        self._room = threading.Condition(lock)
        self._filled = threading.Condition(lock)

    def put(self, item: T) -> float:
        """Wait for room, then add the item; returns the seconds waited. Raises `Cut` once it is cut off."""
        with self._room:
            waited = 0.0
            if len(self._items) >= self._capacity and not self._cut:
                started = time.perf_counter()
                self._room.wait_for(lambda: self._cut or len(self._items) < self._capacity)
                waited = time.perf_counter() - started
            if self._cut:
                raise Cut
            self._items.append(item)
            self._filled.notify()
            return waited

    def close(self) -> None:
        """No more will be put; what is there can still be taken."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()

    def cut(self) -> None:
        """Throw away what is there; takers find the end, putters get `Cut`."""
        with self._filled:
            self._cut = True
            self._items.clear()
            self._filled.notify_all()
            self._room.notify_all()

    def taking(self, waits: list[float] | None = None) -> Iterator[T]:
        """Items until the channel has ended; for any number of threads, each its own iterator.

        The seconds waited are added to `waits[0]`.
        """
        while True:
            with self._filled:
                if not (self._items or self._closed or self._cut):
                    started = time.perf_counter()
                    self._filled.wait_for(lambda: self._items or self._closed or self._cut)
                    if waits is not None:
                        waits[0] += time.perf_counter() - started
                if not self._items:
                    return
                item = self._items.popleft()
                self._room.notify()
            yield item
