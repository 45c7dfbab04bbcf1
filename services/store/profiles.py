"""Search profiles: what of speed, memory and exactness a collection is tuned for.

    exact      every vector is looked at: nothing is missed, and a search takes as long as there are products
    accurate   HNSW over float32 vectors: the fastest while they fit into memory
    balanced   HNSW over vectors of 8 bits (scalar quantisation) in memory, a quarter of the size; the best
               found are scored anew by the float32 vectors on disk
    small      the same over 4 bits (TurboQuant, arXiv 2504.19874), an eighth of the size

`benchmarks.scale` measures them, and the ways that were not chosen (product and binary quantisation).
The profile is no part of a collection's layout: it may be changed at any time, and what it asks for is built
by the next `optimize`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Profile = Literal["exact", "accurate", "balanced", "small"]


@dataclass(frozen=True)
class SearchProfile:
    """`bits` of each number of a vector that searches read (32: as stored); of those vectors `oversampling`
    times as many as asked for are scored anew by the stored ones. `exact`: without a graph."""

    bits: Literal[32, 8, 4] = 32
    oversampling: float = 1.0
    exact: bool = False

    @property
    def quantized(self) -> bool:
        return self.bits < 32


PROFILES: dict[Profile, SearchProfile] = {
    "exact": SearchProfile(exact=True),
    "accurate": SearchProfile(),
    "balanced": SearchProfile(bits=8, oversampling=3.0),
    "small": SearchProfile(bits=4, oversampling=4.0),
}
