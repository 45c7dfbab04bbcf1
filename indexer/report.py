"""What a run has done: counted while it runs, reported when it ends."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Counts:
    """Rows read, and what became of them (`pruned` counts stored products instead)."""

    read: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    pruned: int = 0

    @property
    def done(self) -> int:
        """Rows that are through, one way or another."""
        return self.added + self.updated + self.unchanged + self.rejected


class Tally:
    """Counts of a run under way. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()

    def add(self, **more: int) -> None:
        """Raise counts by name: `tally.add(added=3, updated=1)`."""
        with self._lock:
            new = {name: getattr(self._counts, name) + number for name, number in more.items()}
            self._counts = dataclasses.replace(self._counts, **new)

    @property
    def counts(self) -> Counts:
        return self._counts


@dataclass(frozen=True)
class Report:
    """How a run ended.

    `seconds` is the time it took in all, `stages` the seconds each stage worked (summed over its
    threads, so they may exceed it), `reasons` how many rows were rejected for which short reason and
    `rejects` the file that lists them (None: there were none). `not_pruned` says why nothing was
    pruned although it was asked for.
    """

    catalogue: Path
    collection: str
    counts: Counts
    seconds: float
    stages: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    rejects: Path | None = None
    not_pruned: str | None = None

    @property
    def products_per_second(self) -> float:
        return self.counts.done / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "catalogue": str(self.catalogue),
            "collection": self.collection,
            **dataclasses.asdict(self.counts),
            "seconds": round(self.seconds, 3),
            "products_per_second": round(self.products_per_second, 1),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            "reasons": self.reasons,
            "rejects": str(self.rejects) if self.rejects else None,
            "not_pruned": self.not_pruned,
        }
