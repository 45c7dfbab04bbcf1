"""Product ids of points: the engine gives point ids, and reading payloads for them costs half of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

#: Most pairs remembered, about 25 MB.
_MOST = 100_000


class Names:
    """Point id -> product id. The one is made from the other (`schema.point_id`), so what is known stays true
    for ever, also of products that were deleted or written anew. Safe to call from several threads."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(
        self, points: Sequence[int], read: Callable[[list[int]], Iterable[tuple[int, str]]]
    ) -> Mapping[int, str]:
        """Product ids by the numbers of these points (`UUID.int`, which has a faster hash than the id), and
        maybe others; `read` is asked for those not known, and leaves out what is not stored any more, as does
        the answer."""
        known = self._known
        if missing := [point for point in points if point not in known]:
            if len(known) + len(missing) > _MOST:
                # A new one rather than an emptied one, which another thread may be reading.
                known = self._known = {point: known[point] for point in points if point in known}
            known.update(read(missing))
        return known
