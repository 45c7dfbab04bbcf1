"""Stages joined by bounded channels, each on threads of its own, stopped as one.

A stage is a generator function: it takes an iterator of what the stage before yields, and yields
what the next one shall take. So a stage may pass on fewer items than it takes (those that leave by
the side door), or gather them into batches, and knows nothing of threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from indexer.channel import Channel, Cut

#: Seconds that stages which need not finish are waited for after a stop: one may hang in a download.
GRACE = 2.0
#: Seconds between two calls of `tick`.
TICK = 0.1


@dataclass(frozen=True)
class Stage:
    """`work` runs on each of `threads` threads, at most `ahead` results waiting for the next stage.

    The first stage reads the source, on one thread. After a stop, a stage that `finishes` still works
    off what it has been given; the stages before the first such one drop everything.
    """

    name: str
    work: Callable[[Iterator[Any]], Iterator[Any]]
    threads: int = 1
    ahead: int = 1
    finishes: bool = False


class Pipeline:
    """Runs `source` through `stages` once.

    Whatever ends the run early (`stop`, Ctrl-C, an exception in any stage) ends all stages: those
    before it drop what they hold, those after it finish what they were given. No thread is left
    waiting for another.
    """

    def __init__(
        self, source: Iterable[Any], stages: Sequence[Stage], *, stopped: threading.Event | None = None
    ) -> None:
        if stages[0].threads != 1:
            raise ValueError("the source is read by one thread")
        self._source = source
        self._stages = list(stages)
        self._channels: list[Channel[Any]] = [Channel(stage.ahead) for stage in stages[:-1]]
        self._left = [stage.threads for stage in stages]
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._deadline: float | None = None
        #: Set as soon as the run is to end early; stages may wait on it instead of sleeping.
        self.stopped = stopped or threading.Event()
        #: Seconds each stage worked, without its waiting for others, summed over its threads.
        self.seconds = {stage.name: 0.0 for stage in stages}

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Run to the end; the calling thread calls `tick` about ten times a second, and once at the end.

        Raises what the first failing stage raised, once all have ended, or `KeyboardInterrupt`; a
        second Ctrl-C does not wait for the batch in flight.
        """
        threads = [
            (
                stage,
                threading.Thread(target=self._run_stage, args=(at,), name=f"{stage.name}-{n}", daemon=True),
            )
            for at, stage in enumerate(self._stages)
            for n in range(stage.threads)
        ]
        try:
            for _, thread in threads:
                thread.start()
            self._join(threads, tick)
        except BaseException:
            self.stop()
            self._join(threads, lambda: None)
            raise
        if self._error is not None:
            raise self._error
        tick()

    def stop(self) -> None:
        """End early: nothing new is begun, stages that finish do so. May be called from any thread."""
        finishing = (at for at, stage in enumerate(self._stages) if stage.finishes)
        self._halt(next(finishing, len(self._channels)))

    def _halt(self, stage: int) -> None:
        """End all stages before this one, and what it has not yet taken."""
        with self._lock:
            if self._deadline is None:
                self._deadline = time.monotonic() + GRACE
        self.stopped.set()
        for channel in self._channels[:stage]:
            channel.cut()

    def _join(self, threads: list[tuple[Stage, threading.Thread]], tick: Callable[[], None]) -> None:
        for stage, thread in threads:
            while thread.is_alive():
                if self._deadline is not None and not stage.finishes and time.monotonic() > self._deadline:
                    break
                thread.join(TICK)
                tick()

    def _run_stage(self, at: int) -> None:
        stage = self._stages[at]
        before = self._channels[at - 1] if at else None
        after = self._channels[at] if at < len(self._channels) else None
        waits = [0.0]
        started = time.perf_counter()
        try:
            for result in stage.work(before.taking(waits) if before else self._until_stopped()):
                if after:
                    waits[0] += after.put(result)
        except Cut:
            pass
        except BaseException as error:
            self._fail(at, error)
        finally:
            # Nothing of what this stage no longer takes may keep the stage before it waiting.
            if before:
                before.cut()
            with self._lock:
                self.seconds[stage.name] += time.perf_counter() - started - waits[0]
                self._left[at] -= 1
                last = not self._left[at]
            if last and after:
                after.close()

    def _until_stopped(self) -> Iterator[Any]:
        for item in self._source:
            if self.stopped.is_set():
                return
            yield item

    def _fail(self, at: int, error: BaseException) -> None:
        with self._lock:
            if self._error is None:
                self._error = error
        self._halt(at)
