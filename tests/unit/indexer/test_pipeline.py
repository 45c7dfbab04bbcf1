"""Stages and channels: everything passes once, nothing is left waiting, whatever goes wrong where."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.channel import Channel, Cut
from indexer.pipeline import Pipeline, Stage

pytestmark = pytest.mark.timeout(120)


class Trouble(Exception):
    pass


def passing(items: Iterator[Any]) -> Iterator[Any]:
    yield from items


def nothing_runs_on() -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not [thread for thread in threading.enumerate() if thread.name.startswith("stage-")]:
            return True
        time.sleep(0.01)
    return False


class Sink:
    """A last stage that keeps what arrives."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def __call__(self, items: Iterator[Any]) -> Iterator[None]:
        for item in items:
            self.got.append(item)
            yield None


# Channels


def test_channel_holds_no_more_than_its_capacity() -> None:
    channel: Channel[int] = Channel(2)
    channel.put(1)
    channel.put(2)
    third = threading.Thread(target=channel.put, args=(3,), daemon=True)
    third.start()
    third.join(0.1)
    assert third.is_alive()
    taking = channel.taking()
    assert next(taking) == 1
    third.join(10)
    assert not third.is_alive() and [next(taking), next(taking)] == [2, 3]


def test_closed_channel_is_drained_and_a_cut_one_is_empty() -> None:
    channel: Channel[int] = Channel(3)
    channel.put(1)
    channel.close()
    assert list(channel.taking()) == [1]
    channel = Channel(3)
    channel.put(1)
    channel.cut()
    assert list(channel.taking()) == []
    with pytest.raises(Cut):
        channel.put(2)


def test_cut_wakes_those_that_wait_to_put_and_to_take() -> None:
    full: Channel[int] = Channel(1)
    full.put(0)
    empty: Channel[int] = Channel(1)
    ended = []

    def put() -> None:
        with pytest.raises(Cut):
            full.put(1)
        ended.append("put")

    def take() -> None:
        assert list(empty.taking()) == []
        ended.append("take")

    threads = [threading.Thread(target=work, daemon=True) for work in (put, take, take)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    full.cut()
    empty.cut()
    for thread in threads:
        thread.join(10)
    assert sorted(ended) == ["put", "take", "take"]


def test_channel_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity 0"):
        Channel(0)


def test_waiting_is_measured() -> None:
    channel: Channel[int] = Channel(1)
    waits = [0.0]
    threading.Timer(0.1, channel.put, (1,)).start()
    assert next(channel.taking(waits)) == 1 and waits[0] > 0.05
    assert channel.put(2) == 0.0


# Pipelines that go well


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(0, 200),
    threads=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    ahead=st.integers(1, 5),
)
def test_every_item_passes_exactly_once(count: int, threads: list[int], ahead: int) -> None:
    sink = Sink()
    stages = [Stage(f"stage-{at}", passing, threads=n, ahead=ahead) for at, n in enumerate([1, *threads])]
    Pipeline(range(count), [*stages, Stage("stage-sink", sink, finishes=True)]).run()
    assert sorted(sink.got) == list(range(count))
    assert nothing_runs_on()


def test_stage_may_drop_gather_and_multiply() -> None:
    def odd(items: Iterator[int]) -> Iterator[int]:
        yield from (item for item in items if item % 2)

    def pairs(items: Iterator[int]) -> Iterator[tuple[int, ...]]:
        for item in items:
            yield (item, next(items, -1))

    sink = Sink()
    Pipeline(range(10), [Stage("odd", odd), Stage("pairs", pairs), Stage("sink", sink)]).run()
    assert sink.got == [(1, 3), (5, 7), (9, -1)]


def test_stages_work_at_the_same_time() -> None:
    """Each of three stages waits until all three are busy, which only stages that overlap can meet."""
    together = threading.Barrier(3)

    def meeting(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            yield item
            if item == 4:
                together.wait(30)

    Pipeline(range(20), [Stage(f"stage-{at}", meeting) for at in range(3)]).run()


def test_what_waits_between_stages_is_bounded() -> None:
    taken = 0
    release = threading.Event()

    def source() -> Iterator[int]:
        nonlocal taken
        for item in range(1000):
            taken += 1
            yield item

    def slow(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            release.wait(30)
            yield item

    pipeline = Pipeline(
        source(), [Stage("a", passing, ahead=3), Stage("b", passing, ahead=2), Stage("c", slow)]
    )
    running = threading.Thread(target=pipeline.run, daemon=True)
    running.start()
    time.sleep(0.3)
    # One in the hands of each stage, and what the two channels hold.
    assert taken <= 3 + 3 + 2
    release.set()
    running.join(30)
    assert taken == 1000


def test_seconds_leave_out_waiting_for_other_stages() -> None:
    def slow(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            time.sleep(0.02)
            yield item

    pipeline = Pipeline(range(10), [Stage("fast", passing), Stage("slow", slow), Stage("last", passing)])
    pipeline.run()
    assert pipeline.seconds["slow"] >= 0.2
    assert pipeline.seconds["fast"] < pipeline.seconds["slow"] > pipeline.seconds["last"]


def test_tick_is_called_in_the_calling_thread() -> None:
    callers = set()
    Pipeline(range(3), [Stage("a", passing)]).run(lambda: callers.add(threading.get_ident()))
    assert callers == {threading.get_ident()}


# Pipelines that do not


@settings(deadline=None, max_examples=150)
@given(
    threads=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    ahead=st.integers(1, 3),
    failing=st.integers(0, 4),
    at=st.integers(0, 60),
    first_finishing=st.integers(1, 5),
    slow=st.integers(0, 4),
    drops=st.booleans(),
)
def test_failure_anywhere_ends_everything_and_surfaces(
    threads: list[int], ahead: int, failing: int, at: int, first_finishing: int, slow: int, drops: bool
) -> None:
    threads = [1, *threads]
    failing, slow = failing % len(threads), slow % len(threads)
    passed = Sink()

    def work(stage: int, items: Iterator[int]) -> Iterator[int]:
        for item in items:
            if stage == failing and item >= at:
                raise Trouble(stage)
            if stage == slow:
                time.sleep(0.0005)
            # A stage that passes nothing on must notice the end as well as one that does.
            if not (drops and stage != failing and item % 3 == 0):
                yield item

    stages = [
        Stage(f"stage-{n}", partial(work, n), threads=count, ahead=ahead, finishes=n >= first_finishing)
        for n, count in enumerate(threads)
    ]
    # Numbers that no stage drops keep coming, so that the failing one always gets something.
    with pytest.raises(Trouble):
        Pipeline(itertools.count(), [*stages, Stage("stage-last", passed, finishes=True)]).run()
    assert nothing_runs_on()
    assert all(item < at for item in passed.got)


def test_failing_source_surfaces_and_what_it_gave_before_is_finished() -> None:
    def source() -> Iterator[int]:
        yield from range(50)
        raise Trouble

    sink = Sink()
    with pytest.raises(Trouble):
        Pipeline(source(), [Stage("a", passing), Stage("b", passing, threads=3), Stage("sink", sink)]).run()
    assert sorted(sink.got) == list(range(50))


def test_failing_tick_ends_everything_and_surfaces() -> None:
    def tick() -> None:
        raise Trouble

    with pytest.raises(Trouble):
        Pipeline(iter(int, 1), [Stage("stage-a", passing), Stage("stage-b", passing)]).run(tick)
    assert nothing_runs_on()


def test_first_of_several_failures_is_the_one_that_surfaces() -> None:
    failed = threading.Event()

    def early(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            failed.wait(10)
            yield item
        raise Trouble("consequence")

    def late(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            if item == 3:
                failed.set()
                raise Trouble("cause")
            yield item

    with pytest.raises(Trouble, match="cause"):
        failed.set()
        Pipeline(range(100), [Stage("a", passing), Stage("b", early), Stage("c", late)]).run()


@settings(deadline=None, max_examples=60)
@given(
    after=st.floats(0, 0.02),
    threads=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    batch=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_stop_at_any_moment_loses_nothing_that_was_begun(
    after: float, threads: list[int], batch: int, seed: int
) -> None:
    """What the finishing stage has taken is in the sink, whole; what it has not is dropped."""
    chance = random.Random(seed)
    taken: list[int] = []

    def gather(items: Iterator[int]) -> Iterator[list[int]]:
        held: list[int] = []
        for item in items:
            taken.append(item)
            held.append(item)
            if len(held) == batch:
                yield held
                held = []
        if held:
            yield held

    def write(batches: Iterator[list[int]]) -> Iterator[None]:
        for items in batches:
            if chance.random() < 0.05:
                time.sleep(0.002)
            written.extend(items)
            yield None

    written: list[int] = []
    stages = [Stage(f"stage-{n}", passing, threads=count, ahead=3) for n, count in enumerate([1, *threads])]
    stages += [Stage("stage-gather", gather, finishes=True), Stage("stage-write", write, finishes=True)]
    pipeline = Pipeline(iter(int, 1), stages)
    timer = threading.Timer(after, pipeline.stop)
    timer.start()
    pipeline.run()
    assert pipeline.stopped.is_set() and written == taken
    assert nothing_runs_on()


def test_interrupt_of_the_calling_thread_finishes_what_was_begun() -> None:
    sink = Sink()
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 2:
            raise KeyboardInterrupt

    def count() -> Iterator[int]:
        item = 0
        while True:
            time.sleep(0.001)
            yield item
            item += 1

    with pytest.raises(KeyboardInterrupt):
        Pipeline(count(), [Stage("stage-a", passing), Stage("stage-sink", sink, finishes=True)]).run(tick)
    assert nothing_runs_on() and sink.got == list(range(len(sink.got))) and sink.got


def test_stage_that_hangs_before_the_finishing_ones_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.pipeline.GRACE", 0.2)
    hang = threading.Event()

    def downloads(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            if item == 5:
                hang.wait(60)
            yield item

    sink = Sink()
    pipeline = Pipeline(range(100), [Stage("a", downloads), Stage("sink", sink, finishes=True)])
    threading.Timer(0.1, pipeline.stop).start()
    pipeline.run()
    assert sink.got == list(range(5))
    hang.set()


def test_stage_that_wants_no_more_ends_those_before_it() -> None:
    def three(items: Iterator[int]) -> Iterator[int]:
        for _ in range(3):
            yield next(items)

    sink = Sink()
    Pipeline(iter(int, 1), [Stage("stage-a", passing), Stage("stage-b", three), Stage("sink", sink)]).run()
    assert sink.got == [0, 0, 0] and nothing_runs_on()
