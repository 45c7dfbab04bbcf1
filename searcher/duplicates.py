"""Products that show the same picture: pairs with their evidence, joined into groups.

Every product is looked up by its picture's vector in the store; pairs that are near enough are then held
against each other, first by the bytes of their files, then by their pixels. Copies always have nearly the
same vector, so no file is opened but those of near pairs. Near is told by the cosine, whatever the measure of
the collection: it means the same at every length of vectors. A store that searches by another measure cannot
look for it, so its vectors are read into memory and all compared.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from services.catalogue.images import decode_image, is_url, make_client, read_resolved
from services.catalogue.pixels import Pixels, same_pixels
from services.errors import ImageError, InvalidInput
from services.points import SOURCE
from services.settings import Settings
from services.store.base import Vector, VectorStore

#: Cosine from which pictures are held against each other, chosen by `python -m benchmarks.duplicates` for the
#: shipped encoder. What it misses are mirrored copies, which the encoder sees a little differently.
NEAR = 0.88
#: Cosine from which pictures that cannot be opened count as copies, by their vectors alone.
ALONE = 0.99
#: Most neighbours looked at for one product; larger groups hang together all the same.
_MOST_NEIGHBOURS = 256
_PAGE = 256
#: Opened pictures kept in memory, 28 KB each.
_KEPT = 2048
#: Pixels a side that a JPEG is decoded to at least.
_DECODED = 192
_THREADS = 8

SAME_FILE, VECTORS_ALONE = "same file", "vectors alone"


@dataclass(frozen=True)
class Pair:
    """Two products with the same picture. `evidence` is "same file", how the pixels agree (see
    `services.catalogue.pixels`) or "vectors alone"; `cosine` is that of their vectors, `correlation` that
    of their pixels if those were compared."""

    one: str
    other: str
    evidence: str
    cosine: float
    correlation: float | None = None


@dataclass(frozen=True)
class Group:
    """Products that hang together by `pairs`, in order of their ids."""

    products: list[str]
    pairs: list[Pair]


@dataclass(frozen=True)
class Duplicates:
    """What was found among `products` with a picture. `near` pairs were held against each other, `different`
    of them turned out to be different pictures, `unopened` could not be told by their pixels."""

    groups: list[Group]
    products: int
    near: int
    different: int
    unopened: int


def find_duplicates(
    store: VectorStore,
    settings: Settings,
    *,
    near: float = NEAR,
    fetch: bool = False,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Duplicates:
    """All groups of products with the same picture in an opened collection, the largest first.

    Pictures at URLs are only opened with `fetch`. `progress` is told the stage ("searching", "comparing"),
    how much of it is done and how much there is. Raises `InvalidInput` for a `near` outside (0, 1], and
    `StoreUnavailable`.
    """
    if not 0 < near <= 1:
        raise InvalidInput(
            f"The cosine {near:g} is not above 0 and at most 1.", mend="Use e.g. 0.95.", field="near"
        )
    products, cosines = near_pairs(store, near, progress)
    pairs: list[Pair] = []
    different = unopened = done = 0
    with _Pictures(store, settings, fetch) as pictures:
        names = iter(sorted(cosines))
        while batch := list(islice(names, _PAGE)):
            pictures.open(dict.fromkeys(one for pair in batch for one in pair))
            for one, other in batch:
                cosine = cosines[one, other]
                pair, opened = pictures.compare(one, other, cosine)
                unopened += not opened
                if pair is not None:
                    pairs.append(pair)
                elif opened:
                    different += 1
            done += len(batch)
            progress("comparing", done, len(cosines))
    return Duplicates(grouped(pairs), products, len(cosines), different, unopened)


def near_pairs(
    store: VectorStore, near: float, progress: Callable[[str, int, int], None]
) -> tuple[int, dict[tuple[str, str], float]]:
    """How many products have a picture, and the cosine of every pair (ids in order) of at least `near`."""
    meta = store.meta()
    if meta is not None and meta.distance != "cosine":
        return _near_pairs_by_scan(store, near, progress)
    total, done, pictured = store.count(), 0, 0
    cosines: dict[tuple[str, str], float] = {}
    cursor: str | None = None
    while True:
        points, cursor = store.scroll(limit=_PAGE, cursor=cursor, keys=(), vectors=True)
        for point in points:
            if (vector := point.vectors.get("image")) is None:
                continue
            pictured += 1
            for other, cosine in _neighbours(store, vector, near):
                if other != point.id:
                    cosines[min(point.id, other), max(point.id, other)] = cosine
        done += len(points)
        progress("searching", done, total)
        if cursor is None:
            return pictured, cosines


def _neighbours(store: VectorStore, vector: Vector, near: float) -> Iterator[tuple[str, float]]:
    limit = 16
    while True:
        hits = store.search("image", vector, limit)
        if len(hits) < limit or hits[-1].score < near or limit >= _MOST_NEIGHBOURS:
            return ((hit.id, hit.score) for hit in hits if hit.score >= near)
        limit *= 4


def _near_pairs_by_scan(
    store: VectorStore, near: float, progress: Callable[[str, int, int], None]
) -> tuple[int, dict[tuple[str, str], float]]:
    """As `near_pairs`, of all vectors with all, of which at most `_MOST_NEIGHBOURS` a product are kept."""
    ids: list[str] = []
    rows: list[Vector] = []
    cursor: str | None = None
    while True:
        points, cursor = store.scroll(limit=_PAGE, cursor=cursor, keys=(), vectors=True)
        for point in points:
            if (vector := point.vectors.get("image")) is not None:
                ids.append(point.id)
                rows.append(vector / max(float(np.linalg.norm(vector)), 1e-12))
        if cursor is None:
            break
    if not rows:
        return 0, {}
    vectors = np.stack(rows)
    cosines: dict[tuple[str, str], float] = {}
    most = min(_MOST_NEIGHBOURS, len(ids))
    for start in range(0, len(ids), _PAGE):
        found = vectors[start : start + _PAGE] @ vectors.T
        nearest = np.argpartition(-found, most - 1, axis=1)[:, :most]
        for row, columns in enumerate(nearest):
            one = ids[start + row]
            for column in columns[found[row, columns] >= near]:
                if (other := ids[column]) != one:
                    cosines[min(one, other), max(one, other)] = float(found[row, column])
        progress("searching", min(start + _PAGE, len(ids)), len(ids))
    return len(ids), cosines


def grouped(pairs: Iterable[Pair]) -> list[Group]:
    """Pairs joined into groups of products that hang together, the largest first."""
    parent: dict[str, str] = {}

    def root(one: str) -> str:
        while parent.setdefault(one, one) != one:
            parent[one] = one = parent[parent[one]]
        return one

    pairs = list(pairs)
    for pair in pairs:
        parent[root(pair.one)] = root(pair.other)
    members: dict[str, list[str]] = {}
    for one in sorted(parent):
        members.setdefault(root(one), []).append(one)
    joined: dict[str, list[Pair]] = {}
    for pair in pairs:
        joined.setdefault(root(pair.one), []).append(pair)
    groups = [Group(products, joined[name]) for name, products in members.items()]
    return sorted(groups, key=lambda group: (-len(group.products), group.products))


@dataclass(frozen=True)
class _Opened:
    digest: bytes
    pixels: Pixels


class _Pictures:
    """Pictures of stored products, opened a batch at a time; the latest are kept."""

    def __init__(self, store: VectorStore, settings: Settings, fetch: bool) -> None:
        self._store = store
        self._settings = settings
        self._fetch = fetch
        self._kept: OrderedDict[str, _Opened | None] = OrderedDict()
        self._client = make_client(settings)
        self._pool = ThreadPoolExecutor(_THREADS, "pictures")

    def __enter__(self) -> _Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        self._client.close()

    def open(self, ids: Iterable[str]) -> None:
        """Have the pictures of these products at hand for `compare`; None for those that cannot be opened."""
        wanted = list(ids)
        missing = [one for one in wanted if one not in self._kept]
        sources = {point.id: point.payload.get(SOURCE) for point in self._store.fetch(missing)}
        found = self._pool.map(self._read, [sources.get(one) for one in missing])
        self._kept.update(zip(missing, found, strict=True))
        for one in wanted:
            self._kept.move_to_end(one)
        while len(self._kept) > max(_KEPT, len(wanted)):
            self._kept.popitem(last=False)

    def compare(self, one: str, other: str, cosine: float) -> tuple[Pair | None, bool]:
        """The pair, if the two have the same picture, and whether both pictures could be opened."""
        a, b = self._kept[one], self._kept[other]
        if a is None or b is None:
            return (Pair(one, other, VECTORS_ALONE, cosine) if cosine >= ALONE else None), False
        if a.digest == b.digest:
            return Pair(one, other, SAME_FILE, cosine), True
        same = same_pixels(a.pixels, b.pixels)
        return (Pair(one, other, same.kind, cosine, same.correlation) if same else None), True

    def _read(self, source: str | None) -> _Opened | None:
        if source is None or (is_url(source) and not self._fetch):
            return None
        try:
            data = read_resolved(source, shown=source, settings=self._settings, client=self._client)
            image = decode_image(data, max_pixels=self._settings.max_image_pixels, target=_DECODED)
        except ImageError:
            return None
        return _Opened(hashlib.sha256(data).digest(), Pixels.of(image))


def sources_of(store: VectorStore, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Title and picture, as the catalogue has it, of stored products by id."""
    return {
        point.id: (str(point.payload.get("title") or ""), str(point.payload.get("image") or ""))
        for point in store.fetch(ids)
    }
