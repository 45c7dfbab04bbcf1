"""Index a catalogue: the run from opening it to the calibration of what was stored."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from indexer.patience import LIMIT, Patience
from indexer.pipeline import Pipeline
from indexer.rejects import Rejects, rejects_path
from indexer.report import Counts, Report, Tally
from indexer.seen import SeenIds
from indexer.stages import Stages
from services.calibration import sample_calibration
from services.catalogue.images import make_client
from services.catalogue.readers import Catalogue, open_catalogue
from services.encoder.base import Encoder
from services.points import open_collection, refresh_keywords
from services.settings import Settings
from services.store.base import VectorStore

#: Called with the counts so far and the number of rows to expect (None: not known).
Progress = Callable[[Counts, int | None], None]


def index_catalogue(
    path: Path,
    settings: Settings,
    encoder: Encoder,
    store: VectorStore,
    *,
    mapping: Mapping[str, str] | None = None,
    prune: bool = False,
    progress: Progress | None = None,
    patience: float = LIMIT,
) -> Report:
    """Bring the store in line with a catalogue; what is stored unchanged is not encoded again.

    `mapping` gives product field -> column; `prune` removes stored products that the catalogue no
    longer has; `patience` is how many seconds the store may be away. Interrupted at any point, the
    next run goes on from what is stored: the store is the only state there is.

    Raises `CatalogueError` for a catalogue that cannot be read, `EncoderMismatch` before any work if
    the collection belongs to another encoder, `StoreLocked`, `StoreUnavailable`, and
    `KeyboardInterrupt` after the batch in flight was stored.
    """
    catalogue = open_catalogue(path, mapping=mapping)
    return index_opened(
        catalogue, settings, encoder, store, prune=prune, progress=progress, patience=patience
    )


def index_opened(
    catalogue: Catalogue,
    settings: Settings,
    encoder: Encoder,
    store: VectorStore,
    *,
    prune: bool = False,
    progress: Progress | None = None,
    patience: float = LIMIT,
) -> Report:
    """As `index_catalogue`, for a catalogue that is open already."""
    started = time.perf_counter()
    meta = open_collection(store, encoder, settings)
    before = _signature(catalogue.path)
    tally, seen, stopped = Tally(), SeenIds(), threading.Event()
    patiently = Patience(stopped, patience)
    rejects = Rejects(rejects_path(catalogue.path, settings))
    not_pruned: str | None = None

    def tell() -> None:
        if progress is not None:
            progress(tally.counts, catalogue.length_hint)

    try:
        # Unchanged products are skipped below, so those stored before there were keywords get theirs here.
        patiently(refresh_keywords, store)
        with make_client(settings) as client:
            stages = Stages(
                catalogue.base,
                settings,
                encoder,
                store,
                client=client,
                patience=patiently,
                seen=seen,
                rejects=rejects,
                tally=tally,
                patches=meta.patches,
            )
            pipeline = Pipeline(catalogue, stages.all(), stopped=stopped)
            threads = torch.get_num_threads()
            try:
                pipeline.run(tell)
            finally:
                # The stages set it for their threads, and thereby for those that start later.
                torch.set_num_threads(threads)
        seconds = dict(pipeline.seconds)
        if prune:
            pruning = time.perf_counter()
            not_pruned = _reason_not_to_prune(
                tally.counts, stages.nameless, _signature(catalogue.path) != before
            )
            if not_pruned is None:
                _prune(store, seen, tally, patiently)
            seconds["prune"] = time.perf_counter() - pruning
        finishing = time.perf_counter()
        _give_back()
        patiently(store.optimize)
        _calibrate(store, encoder, patiently)
        seconds["optimise"] = time.perf_counter() - finishing
    finally:
        seen.close()
        kept = rejects.finish()
        tell()
    return Report(
        catalogue=catalogue.path,
        collection=settings.collection,
        counts=tally.counts,
        seconds=time.perf_counter() - started,
        stages=seconds,
        reasons=dict(rejects.reasons.most_common()),
        rejects=kept,
        not_pruned=not_pruned,
    )


def _give_back() -> None:
    """Return to the system what the stages have freed, before the embedded store builds its graphs: the C
    library of Linux (glibc, malloc_trim(3)) would keep it, and the peak would be the sum of both."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _signature(path: Path) -> tuple[int, int, int] | None:
    """Tells whether a catalogue file was written anew; None for a folder, which may change at any time."""
    try:
        info = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return None if path.is_dir() else (info.st_ino, info.st_size, info.st_mtime_ns)


def _reason_not_to_prune(counts: Counts, nameless: int | None, changed: bool) -> str | None:
    """Removing is the one thing that a next run does not put right, so any doubt forbids it."""
    if counts.read == 0:
        return "The catalogue has no rows at all, which looks like a failed export. Export it again."
    if nameless is not None:
        return (
            f"The id of row {nameless} could not be read, so its product would have been removed. "
            "Mend the row and index again."
        )
    if changed:
        return "The catalogue was written anew while it was read, so rows may be missing. Index again."
    return None


def _prune(store: VectorStore, seen: SeenIds, tally: Tally, patiently: Patience) -> None:
    cursor: str | None = None
    while True:
        points, cursor = patiently(store.scroll, limit=1000, cursor=cursor, keys=())
        if gone := seen.missing([point.id for point in points]):
            tally.add(pruned=patiently(store.delete, gone))
        if cursor is None:
            return


def _calibrate(store: VectorStore, encoder: Encoder, patiently: Patience) -> None:
    calibration = patiently(sample_calibration, store, encoder)
    if (meta := patiently(store.meta)) is not None:
        patiently(store.save_meta, dataclasses.replace(meta, calibration=calibration.as_dict()))
