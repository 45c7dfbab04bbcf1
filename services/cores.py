"""How many processors this process may use, and how a worker shares them out."""

from __future__ import annotations

import os

#: Most batches that a worker encodes at the same time on a CPU.
ENCODERS = 4


def cores() -> int:
    """Those that the system lets the process run on, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
