"""The searcher's engine: query in, ranked answer with its reasons out. No HTTP in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from searcher.answer import Answer, AnsweredPart, HitWeight, ScoredHit, StoredProduct
from searcher.diversity import diversify
from searcher.encode import QueryEncoder
from searcher.explain import Explainer
from searcher.filters import check_key, without
from searcher.fusion import Embeddings, Evidence, Fused, Fusion, composed, make_fusion, used
from searcher.late import LateInteraction, refuse_without_patches
from searcher.parts import PartEncoder
from searcher.query import Part, Query, Rerank, check_sees
from searcher.retrieve import Candidates, PartVector, depth_among, tiers
from searcher.statistics import Statistics
from searcher.upsert import NewProduct, Upserted, refresh_calibration, upsert
from searcher.vectors import VectorTable
from services.calibration import Calibration
from services.catalogue.product import Product
from services.encoder.base import Encoder, LoadsBehind
from services.errors import InvalidInput, NotFound, StoreUnavailable, VitrineError
from services.measures import comparable
from services.points import HASH, SOURCE, check_encoder
from services.settings import Settings
from services.store.base import FIELDS, Filter, Point, Vector, VectorStore
from services.traces import span

#: Seconds after which another process may have changed the collection: its metadata is read again.
_META_SECONDS = 10.0
#: Seconds that vectors of a server's collection may be behind.
_VECTOR_SECONDS = 30.0


@dataclass(frozen=True)
class _Opened:
    calibration: Calibration
    until: float


class Engine:
    """Searches and changes one collection with one encoder. Thread-safe.

    Every call raises `StoreUnavailable` if the store does not answer, `EncoderMismatch` if the
    collection was indexed by another encoder and `NotFound` if there is no collection yet.
    """

    def __init__(self, settings: Settings, encoder: Encoder, store: VectorStore) -> None:
        self.settings = settings
        self.encoder = encoder
        self.store = store
        self._queries = QueryEncoder(encoder, settings.query_cache)
        self._table = VectorTable(
            store,
            encoder.dim,
            size=settings.vector_cache,
            # Only a server can be changed by other processes.
            seconds=_VECTOR_SECONDS if settings.qdrant_url else None,
        )
        self._statistics = Statistics(store, seconds=_META_SECONDS if settings.qdrant_url else None)
        self._parts = PartEncoder(self._queries, store, settings)
        self._late = LateInteraction(self._queries, store)
        self._patches = False
        self._explainer = Explainer(encoder, self._queries, store, settings)
        self._opened: _Opened | None = None
        self._calibration: Calibration | None = None
        self._closed = False
        self._lock = threading.Lock()
        make_fusion(settings.fusion, settings, encoder.identity)

    def search(self, query: Query) -> Answer:
        """The page of results for a query. Raises `InvalidInput` for one that makes no sense."""
        clock = _Clock()
        query.check(self.settings)
        calibration = self._open()
        check_sees(query.parts, self.encoder)
        if query.rerank and not self._patches:
            raise refuse_without_patches()
        with span("encode", parts=len(query.parts)):
            encoded = self._parts.encode(query.parts)
        parts, labels = encoded.vectors, encoded.labels
        tokens = self._late.tokens(query.parts, encoded) if query.rerank else None
        clock.lap("encode")
        filter = without(query.filter, tuple(encoded.examples))
        name = query.fusion or self.settings.fusion
        fusion = make_fusion(name, self.settings, self.encoder.identity, calibration.measure)
        ranked, found, exhausted = self._rank(query, parts, tokens, filter, fusion, calibration, clock)
        total = found if exhausted else self._count(filter)
        hits = self._hits(ranked, labels)
        clock.lap("retrieve")
        if query.explain:
            hits = self._explainer.explain(query.parts, parts, hits)
        return Answer(
            hits=hits,
            parts=[
                AnsweredPart(index, part.kind, label, part.weight, part.box)
                for index, (part, label) in enumerate(zip(query.parts, labels, strict=True))
            ],
            total=min(total, self.settings.max_window),
            limit=query.limit,
            offset=query.offset,
            fusion=used(name, fusion),
            took=clock.milliseconds(),
            explained=query.explain,
            rerank=query.rerank,
        )

    def _rank(
        self,
        query: Query,
        parts: Sequence[PartVector],
        tokens: Sequence[Vector | None] | None,
        filter: Filter | None,
        fusion: Fusion,
        calibration: Calibration,
        clock: _Clock,
    ) -> tuple[list[_Ranked], int, bool]:
        """The rows of the page, how many candidates were ranked, and whether there are no others."""
        vectors = comparable(np.stack([part.vector for part in parts]), calibration.measure)
        modalities, weights = [part.modality for part in parts], [part.weight for part in parts]
        ranked: list[_Ranked] = []
        found, exhausted = 0, True
        for tier in tiers(
            self.store,
            self._table,
            self._statistics,
            parts,
            filter,
            depth=self.settings.candidates or depth_among(self._statistics.count()),
            window=self.settings.max_window,
            composed=composed(fusion, vectors, modalities, weights),
            measure=calibration.measure,
        ):
            clock.lap("retrieve")
            embeddings = Embeddings(vectors, tier.vectors)
            evidence = Evidence(tier.similarities, tier.mask, modalities, weights, calibration, embeddings)
            with span("fusion", candidates=len(tier.ids)):
                fused = fusion.score(evidence)
            order = _best_first(fused.scores, tier.ids)
            if tokens is not None and not found:
                clock.lap("fuse")
                order, scores = self._late.rerank(order, fused.scores, tier.ids, tokens, weights)
                fused = replace(fused, scores=scores)
                clock.lap("rerank")
            if query.diversity and not found:
                order = diversify(order, fused.scores, tier.ids, self._table, calibration, query.diversity)
            page = order[max(query.offset - found, 0) : max(query.offset + query.limit - found, 0)]
            ranked += [_Ranked(tier, int(row), fused) for row in page]
            found, exhausted = found + len(order), tier.exhausted
            clock.lap("fuse")
            if found >= query.offset + query.limit:
                break
        return ranked, found, exhausted

    def similar(
        self,
        product_id: str,
        *,
        limit: int = 20,
        offset: int = 0,
        filter: Filter | None = None,
        fusion: str | None = None,
        diversity: float = 0.0,
        rerank: Rerank | None = None,
    ) -> Answer:
        """Products like this one. Raises `NotFound` if it is not stored."""
        self.stored(product_id)
        part = Part(product=product_id)
        return self.search(Query((part,), filter, limit, offset, fusion, diversity, rerank=rerank))

    def product(self, product_id: str) -> Product:
        """The record of a stored product. Raises `NotFound`."""
        return self.stored(product_id).product

    def stored(self, product_id: str) -> StoredProduct:
        """A stored product with where its picture is. Raises `NotFound`."""
        self._open()
        points = self.store.fetch([product_id])
        if not points:
            raise NotFound(
                f"There is no product '{product_id[:256]}'.",
                mend="Check the id, or index it first.",
                field="id",
            )
        return _stored(points[0])

    def upsert(self, items: Sequence[NewProduct]) -> Upserted:
        """Store products, creating the collection if there is none; durable once this returns."""
        self._check_not_closed()
        done = upsert(self.store, self.encoder, self.settings, items)
        self._table.forget([item.product.id for item in items])
        self._statistics.forget()
        if done.count and refresh_calibration(self.store, self.encoder) is not None:
            self._opened = None
        return done

    def delete(self, ids: Sequence[str]) -> int:
        """Delete products by id; returns how many were there."""
        self._open()
        deleted = self.store.delete(ids)
        self._table.forget(ids)
        self._statistics.forget()
        return deleted

    def facets(self, key: str, *, limit: int = 50, filter: Filter | None = None) -> list[tuple[str, int]]:
        """The most frequent values of a field with their counts, most frequent first."""
        check_key(key, "key")
        if key in ("id", "title", "price"):
            raise InvalidInput(
                f"Values of '{key}' are not counted.",
                mend="Use category, brand, tags, currency or attributes.NAME.",
                field="key",
            )
        self._open()
        return self.store.facets(key, limit=limit, filter=filter)

    def count(self) -> int:
        """How many products are stored."""
        self._open()
        return self.store.count()

    def check(self) -> None:
        """Raise the error that every search would now end in, if any."""
        self._opened = None
        self._open()

    def ready(self) -> dict[str, Any]:
        """Whether searches can be answered now; never raises. `status` is "ready" or "unavailable"."""
        state: dict[str, Any] = {
            "status": "ready",
            "encoder": self.encoder.identity.name,
            "collection": self.settings.collection,
            "products": None,
            "store": "server" if self.settings.qdrant_url else "embedded",
        }
        try:
            self.check()
            state["products"] = self.store.count()
        except VitrineError as error:
            state |= {"status": "unavailable", "title": error.title, "detail": str(error)}
        return state

    def warm_up(self) -> None:
        """Run the encoder once, and have all of it loaded where that is worth its memory, so that no customer
        waits for lazy parts."""
        # One that sees pictures only has run once when it was loaded.
        self.encoder.encode_texts(["warm up"] if self.encoder.sees_text else [])
        if isinstance(self.encoder, LoadsBehind):
            self.encoder.load_behind()

    def close(self) -> None:
        """Let the store go; nothing can be asked afterwards."""
        self._closed = True
        self._opened = None
        self.store.close()

    def _check_not_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable("The service is stopping.", mend="Try again in a moment.")

    def _open(self) -> Calibration:
        opened = self._opened
        if opened is not None and time.monotonic() < opened.until:
            return opened.calibration
        with self._lock:
            self._check_not_closed()
            meta = self.store.meta()
            if meta is None:
                self._opened = None
                raise NotFound(
                    f"There is no collection '{self.settings.collection}' yet.",
                    mend="Index a catalogue first: vitrine index CATALOGUE.",
                    field="collection",
                )
            check_encoder(meta, self.encoder)
            meta = self.store.open(meta)
            calibration = Calibration.from_dict(meta.calibration, meta.distance)
            if calibration != self._calibration:
                # A worker has been at it.
                self._table.forget()
                self._statistics.forget()
                self._calibration = calibration
            self._patches = meta.patches
            self._opened = _Opened(calibration, time.monotonic() + _META_SECONDS)
            return calibration

    def _count(self, filter: Filter | None) -> int:
        return self._statistics.count() if filter is None else self.store.count(filter)

    def _hits(self, ranked: Sequence[_Ranked], labels: Sequence[str]) -> list[ScoredHit]:
        ids = [row.tier.ids[row.row] for row in ranked]
        points = {point.id: point for point in self.store.fetch(ids)} if ids else {}
        hits = []
        for product_id, row in zip(ids, ranked, strict=True):
            # A product deleted since it was found is left out.
            if product_id in points:
                stored = _stored(points[product_id])
                hits.append(ScoredHit(stored.product, stored.source, row.score, row.weights(labels)))
        return hits


@dataclass(frozen=True)
class _Ranked:
    tier: Candidates
    row: int
    fused: Fused

    @property
    def score(self) -> float:
        return float(self.fused.scores[self.row])

    def weights(self, labels: Sequence[str]) -> list[HitWeight]:
        weights = self.fused.weights[self.row].tolist()
        similarities = self.tier.similarities[self.row].tolist()
        mask = self.tier.mask[self.row].tolist()
        return [
            HitWeight(part, label, field, weights[part][column], similarities[part][column])
            for part, label in enumerate(labels)
            for column, field in enumerate(FIELDS)
            if mask[part][column]
        ]


def _best_first(scores: npt.NDArray[np.float64], ids: Sequence[str]) -> npt.NDArray[np.intp]:
    """Rows by score; equal scores are ordered by id, so that equal searches give equal pages."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    if (ranked[1:] == ranked[:-1]).any():
        # Comparing ids costs more than all the rest of it.
        order = np.lexsort((np.array(ids, dtype=np.str_), -scores))
    return order


class _Clock:
    """Seconds spent by stage."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._spent = dict.fromkeys(("encode", "retrieve", "fuse"), 0.0)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._spent[stage] = self._spent.get(stage, 0.0) + now - self._last
        self._last = now

    def milliseconds(self) -> dict[str, float]:
        spent = self._spent | {"total": self._last - self._started}
        return {stage: seconds * 1000 for stage, seconds in spent.items()}


def _stored(point: Point) -> StoredProduct:
    return StoredProduct(
        Product.from_payload(point.payload), point.payload.get(SOURCE), str(point.payload.get(HASH, ""))
    )


def open_engine(settings: Settings) -> Engine:
    """The engine of the collection that the settings name, as it is served now, with its encoder.

    Raises `EncoderUnavailable`, `StoreUnavailable`.
    """
    # Imported here, because they pull in model and store libraries that users of `Engine` may not need.
    from services.encoder.registry import load_encoder, load_soon
    from services.store.alias import served
    from services.store.factory import open_store

    settings = served(settings)
    return Engine(settings, load_soon(settings, load_encoder), open_store(settings))
