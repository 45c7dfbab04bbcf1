"""Calls of several threads share batches; each gets its own results and its own errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searcher.batching import Batcher


class Work:
    """Doubles numbers, one batch at a time, and remembers the batches; `pause` holds the first one up."""

    def __init__(self, pause: threading.Event | None = None) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Event()
        self._pause = pause
        self._busy = threading.Lock()

    def __call__(self, items: Sequence[int]) -> list[int]:
        assert self._busy.acquire(blocking=False), "two batches at once"
        try:
            self.batches.append(list(items))
            self.began.set()
            if self._pause is not None:
                assert self._pause.wait(10)
            if any(item < 0 for item in items):
                raise ValueError(f"negative: {min(items)}")
            return [2 * item for item in items]
        finally:
            self._busy.release()


def test_a_single_caller_is_served_at_once() -> None:
    work = Work()
    batcher = Batcher(work, 8)
    assert batcher([1, 2]) == [2, 4]
    assert batcher([3]) == [6]
    assert work.batches == [[1, 2], [3]]


def test_what_comes_while_the_encoder_is_busy_goes_through_together() -> None:
    pause = threading.Event()
    work = Work(pause)
    batcher = Batcher(work, 8)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher, [0])
        assert work.began.wait(10)
        others = [pool.submit(batcher, [number]) for number in range(1, 7)]
        while len(batcher._waiting) < 6:
            time.sleep(0.001)
        pause.set()
        assert first.result(10) == [0]
        assert [other.result(10) for other in others] == [[2 * number] for number in range(1, 7)]
    assert work.batches[0] == [0] and sorted(work.batches[1]) == [1, 2, 3, 4, 5, 6]


def test_batches_stay_within_their_size_and_a_larger_call_goes_alone() -> None:
    pause = threading.Event()
    work = Work(pause)
    batcher = Batcher(work, 3)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher, [0])
        assert work.began.wait(10)
        waiting = []
        for items in ([1, 1], [2, 2], [3], [4, 4, 4, 4, 4]):
            waiting.append(pool.submit(batcher, items))
            while len(batcher._waiting) < len(waiting):
                time.sleep(0.001)
        pause.set()
        assert first.result(10) == [0]
        assert [call.result(10) for call in waiting] == [[2, 2], [4, 4], [6], [8] * 5]
    assert work.batches == [[0], [1, 1], [2, 2, 3], [4] * 5]


def test_an_error_reaches_the_caller_it_belongs_to_and_no_other() -> None:
    pause = threading.Event()
    work = Work(pause)
    batcher = Batcher(work, 8)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher, [0])
        assert work.began.wait(10)
        good, bad = pool.submit(batcher, [5]), pool.submit(batcher, [-1])
        while len(batcher._waiting) < 2:
            time.sleep(0.001)
        pause.set()
        assert first.result(10) == [0]
        assert good.result(10) == [10]
        with pytest.raises(ValueError, match="negative: -1"):
            bad.result(10)
    assert batcher([7]) == [14]


@settings(max_examples=30, deadline=None)
@given(calls=st.lists(st.lists(st.integers(-3, 50), max_size=5), max_size=40), most=st.integers(1, 9))
def test_whoever_asks_gets_what_is_theirs(calls: list[list[int]], most: int) -> None:
    batcher = Batcher(Work(), most)

    def ask(items: list[int]) -> list[int] | str:
        try:
            return batcher(items)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, calls))
    for items, answer in zip(calls, answers, strict=True):
        negative = any(item < 0 for item in items)
        assert answer == (f"negative: {min(items)}" if negative else [2 * item for item in items])
