"""Products that one collection has and another lacks, encoded anew for it: from their stored records.

The rule, when a new collection is built while the old one is served: an index run sets what its catalogue
names; what was written to the old collection since the run began is newer and wins; what was deleted from
it since then is deleted; everything else that only the old collection has is carried over as it is.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.calibration import sample_calibration
from services.catalogue.images import decode_image, read_resolved
from services.catalogue.product import Product
from services.encoder.base import Encoder, Pixels
from services.encoder.tokens import picture_tokens
from services.errors import StoreUnavailable, VitrineError
from services.points import HASH, INDEXED_AT, SOURCE, check_pictured, content_hash, make_points
from services.settings import Settings
from services.store.base import Point, VectorStore

#: Payload key of a product that was carried over: the hash it had in the old collection.
FROM = "_from"

_PAGE = 256


@dataclass
class Carried:
    """What one pass did; `refused` are products whose stored picture can no longer be read."""

    written: int = 0
    deleted: int = 0
    refused: list[tuple[str, VitrineError]] = field(default_factory=list)

    @property
    def changes(self) -> int:
        return self.written + self.deleted


class CarryOver:
    """Passes that bring a new collection up to date with the old one; both stores are open.

    The first pass compares the two collections, later ones look at what changed in the old one since, and
    cost no encoding where nothing did. A pass that fails may be run again. `catalogue` says whether the
    new collection was filled from a catalogue, whose records count unless the old collection was written
    to after `since` (seconds since 1970) or, more exactly, after `mark`. Ids and hashes of the whole old
    collection are held in memory, about 200 bytes a product. `deleted` gives ids known to
    have been deleted since. `lossy` products without their picture are carried over by title alone, or left
    out if they have none. Not safe to use from several threads.
    """

    def __init__(
        self,
        old: VectorStore,
        new: VectorStore,
        encoder: Encoder,
        settings: Settings,
        *,
        catalogue: bool = True,
        since: float = 0.0,
        deleted: Callable[[], Container[str]] = frozenset,
        lossy: bool = False,
        stopped: threading.Event | None = None,
    ) -> None:
        self._old = old
        self._new = new
        self._encoder = encoder
        self._settings = settings
        self._catalogue = catalogue
        self._since = int(since)
        self._deleted = deleted
        self._lossy = lossy
        self._stopped = stopped
        #: id -> hash in the old collection when the building began, if it was looked at then.
        self._marked: dict[str, str] | None = None
        #: id -> hash in the old collection at the last pass; None: there was none yet.
        self._seen: dict[str, str] | None = None
        self._switched_at: float | None = None

    def mark(self) -> None:
        """Remember the old collection as it is now: what differs from this later is newer."""
        self._marked = {point.id: _hash(point) for page in self._pages() for point in page}

    def switched(self, at: float) -> None:
        """From now on the new collection is served as well, and what is newer there stays."""
        self._switched_at = at

    def run(self) -> Carried:
        """One pass. Raises `StoreUnavailable` if a store does not answer or `stopped` is set."""
        done = Carried()
        seen: dict[str, str] = {}
        for page in self._pages():
            seen |= {point.id: _hash(point) for point in page}
            if stale := self._stale(page):
                refused = self._write(stale)
                done.written += len(stale) - len(refused)
                done.refused += refused
        if not self._lossy:
            for product_id, _ in done.refused:
                del seen[product_id]  # to be tried again by the next pass
        if gone := self._gone(seen):
            done.deleted = self._new.delete(gone)
        self._seen = seen
        return done

    def _pages(self) -> Iterator[list[Point]]:
        cursor: str | None = None
        while True:
            if self._stopped is not None and self._stopped.is_set():
                raise StoreUnavailable(
                    "Carrying products over was stopped.", mend="It goes on at the next start."
                )
            page, cursor = self._old.scroll(limit=_PAGE, cursor=cursor, keys=(HASH, INDEXED_AT))
            if page:
                yield page
            if cursor is None:
                return

    def _stale(self, page: Sequence[Point]) -> list[str]:
        """Ids of the page whose product in the new collection is missing or older."""
        if self._seen is not None:
            page = [point for point in page if self._seen.get(point.id) != _hash(point)]
        if not page:
            return []
        there = {point.id: point for point in self._new.fetch([point.id for point in page])}
        return [point.id for point in page if self._is_stale(point, there.get(point.id))]

    def _is_stale(self, old: Point, new: Point | None) -> bool:
        if self._switched_at is not None:
            # Either may have been written last. What the new one no longer has was deleted there.
            if new is None:
                return self._seen is not None and old.id not in self._seen
            return FROM in new.payload or _time(new) < self._switched_at or _time(new) <= _time(old)
        if new is None:
            return True
        if FROM in new.payload:
            return bool(new.payload[FROM] != _hash(old))
        if self._seen is not None or not self._catalogue:
            return True
        if self._marked is not None:
            return self._marked.get(old.id) != _hash(old)
        return _time(old) >= self._since

    def _gone(self, seen: dict[str, str]) -> list[str]:
        """Ids in the new collection that were deleted from the old one meanwhile."""
        if self._seen is not None:
            gone = list(self._seen.keys() - seen.keys())
            if self._switched_at is None or not gone:
                return gone
            there = self._new.fetch(gone)
            return [p.id for p in there if FROM in p.payload or _time(p) < self._switched_at]
        noted = self._deleted()
        gone = []
        cursor: str | None = None
        while True:
            page, cursor = self._new.scroll(limit=_PAGE, cursor=cursor, keys=(FROM,))
            gone += [point.id for point in page if point.id not in seen and self._was_there(point, noted)]
            if cursor is None:
                # A refused product is still in the old collection.
                held = {point.id for point in self._old.fetch(gone)} if gone else set()
                return [one for one in gone if one not in held]

    def _was_there(self, new: Point, noted: Container[str]) -> bool:
        marked = self._marked is not None and new.id in self._marked
        return FROM in new.payload or marked or new.id in noted or not self._catalogue

    def _write(self, ids: Sequence[str]) -> list[tuple[str, VitrineError]]:
        """Encode and store these products of the old collection; returns those that could not be."""
        refused: list[tuple[str, VitrineError]] = []
        for start in range(0, len(ids), self._settings.batch_size):
            points: list[Point] = []
            data: list[bytes | None] = []
            prepared: list[Pixels | None] = []
            for point in self._old.fetch(ids[start : start + self._settings.batch_size]):
                picture: bytes | None = None
                pixels: Pixels | None = None
                try:
                    picture, pixels = self._read(point)
                except VitrineError as error:
                    refused.append((point.id, error))
                    titled = self._encoder.sees_text and point.payload.get("title")
                    if not self._lossy or not titled:
                        continue
                points.append(point)
                data.append(picture)
                prepared.append(pixels)
            if points:
                self._new.upsert(self._encoded(points, data, prepared))
        return refused

    def _read(self, point: Point) -> tuple[bytes | None, Pixels | None]:
        source = point.payload.get(SOURCE)
        check_pictured(source is not None, self._encoder)
        if source is None:
            return None, None
        shown = str(point.payload.get("image") or point.id)
        data = read_resolved(source, shown=shown, settings=self._settings)
        limit, side = self._settings.max_image_pixels, self._encoder.image_size
        return data, self._encoder.prepare(decode_image(data, max_pixels=limit, target=side))

    def _encoded(
        self, old: Sequence[Point], data: Sequence[bytes | None], prepared: Sequence[Pixels | None]
    ) -> list[Point]:
        there = [pixels for pixels in prepared if pixels is not None]
        vectors = iter(self._encoder.encode_prepared(np.stack(there)) if there else ())
        images: list[np.ndarray | None] = [
            np.asarray(next(vectors)) if pixels is not None else None for pixels in prepared
        ]
        products = [Product.from_payload(point.payload) for point in old]
        identity = self._encoder.identity
        hashes = [content_hash(one, picture, identity) for one, picture in zip(products, data, strict=True)]
        sources = [point.payload.get(SOURCE) for point in old]
        meta = self._new.meta()
        patches = picture_tokens(self._encoder, prepared) if meta is not None and meta.patches else None
        points = make_points(products, images, self._encoder, hashes, sources, patches)
        for new, before in zip(points, old, strict=True):
            # As old as its record, lest it should seem newer than a change that comes next.
            new.payload |= {FROM: _hash(before), INDEXED_AT: _time(before)}
        return points


def calibrate(store: VectorStore, encoder: Encoder) -> None:
    """Measure what a similarity means in this collection, and keep it in its metadata."""
    meta = store.meta()
    if meta is not None:
        calibration = sample_calibration(store, encoder).as_dict()
        store.save_meta(dataclasses.replace(meta, calibration=calibration))


def _hash(point: Point) -> str:
    return str(point.payload.get(HASH, ""))


def _time(point: Point) -> int:
    return int(point.payload.get(INDEXED_AT, 0))
