"""The stages of indexing: what happens to a row on its way from the catalogue to the store.

    read -> load -> decode -> encode -> store

A row that fails leaves by the side door, the rejects, at whichever stage; one that is stored
unchanged leaves after `load`, before its picture is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np
import torch

from indexer.patience import Patience
from indexer.pipeline import Stage
from indexer.rejects import Rejects
from indexer.report import Tally
from indexer.seen import SeenIds
from services.catalogue.images import decode_image, read_resolved, resolve_source
from services.catalogue.product import Product
from services.catalogue.readers import Row
from services.catalogue.rows import RowError
from services.cores import ENCODERS, cores
from services.encoder.base import Encoder, Pixels
from services.encoder.device import pick_device
from services.encoder.tokens import picture_tokens
from services.errors import ImageError, InvalidInput, VitrineError
from services.points import HASH, SOURCE, check_pictured, content_hash, make_points
from services.settings import Settings
from services.store.base import Point, VectorStore
from services.traces import here, span

T = TypeVar("T")

#: Threads that read files and wait for servers; they are many because they mostly wait.
LOADERS = 16


class DuplicateId(RowError):
    title = "Duplicate id"


@dataclass
class Job:
    """A product on its way; each stage fills in its part and drops what is no longer needed."""

    row: int
    product: Product
    #: The point stored before this run, if any.
    stored: Point | None = None
    source: str | None = None
    data: bytes | None = None
    hash: str = ""
    #: float32 [3, s, s] of `Encoder.prepare`; None for a product without picture.
    pixels: Pixels | None = None


Batch = tuple[list[Job], list[Point]]


class Stages:
    """The five stages of one run and what they share."""

    def __init__(
        self,
        base: Path,
        settings: Settings,
        encoder: Encoder,
        store: VectorStore,
        *,
        client: httpx.Client,
        patience: Patience,
        seen: SeenIds,
        rejects: Rejects,
        tally: Tally,
        patches: bool = False,
    ) -> None:
        self._base = base
        self._settings = settings
        self._encoder = encoder
        self._store = store
        self._client = client
        self._patience = patience
        self._seen = seen
        self._rejects = rejects
        self._tally = tally
        #: Whether the collection keeps patches of the pictures.
        self._patches = patches
        # Two batches on one core each are done sooner than one after the other on both; a GPU takes one
        # at a time.
        on_cpu = pick_device(settings.device).type == "cpu"
        self._threads = torch.get_num_threads()
        self._encoders = min(ENCODERS, self._threads) if on_cpu else 1
        # The stages run in threads of their own, which do not know what span they belong to.
        self._trace = here()
        #: The first row whose id could not be known, if there was one.
        self.nameless: int | None = None

    def all(self) -> list[Stage]:
        """Read, load, decode, encode, store, with room between them for a fixed number of items.

        As many prepared pictures wait as are being encoded, so the encoder always finds its next batch;
        pictures as files wait in smaller numbers, for they may be large.
        """
        batch = self._settings.batch_size
        decoders = self._settings.workers or cores()
        return [
            Stage("read", self.read, ahead=batch),
            Stage("load", self.load, threads=max(LOADERS, decoders), ahead=2 * decoders),
            Stage("decode", self.decode, threads=decoders, ahead=batch * self._encoders),
            Stage("encode", self.encode, threads=self._encoders, finishes=True),
            Stage("store", self.store, finishes=True),
        ]

    def read(self, rows: Iterator[Row]) -> Iterator[Job]:
        """Sort out bad rows and duplicates, and look up in one call per batch what is stored."""
        for batch in batches(rows, self._settings.batch_size):
            jobs = [job for row in batch if (job := self._admit(row)) is not None]
            found = self._patience(self._store.fetch, [job.product.id for job in jobs]) if jobs else []
            stored = {point.id: point for point in found}
            for job in jobs:
                job.stored = stored.get(job.product.id)
                yield job

    def _admit(self, row: Row) -> Job | None:
        self._tally.add(read=1)
        error: VitrineError | None = row.error
        if row.product is not None:
            first = self._seen.claim(row.product.id, row.number)
            if first is None:
                return Job(row.number, row.product)
            error = DuplicateId(
                f"The id is that of row {first} already, which was taken.",
                mend="Give every product an id of its own, or remove one of the rows.",
                field="id",
            )
        elif row.raw_id is None:
            self.nameless = row.number if self.nameless is None else self.nameless
        elif row.raw_id:
            self._seen.mark(row.raw_id)
        if error is not None:
            self._reject(row.number, row.raw_id, error)
        return None

    def load(self, jobs: Iterator[Job]) -> Iterator[Job]:
        """Fetch the picture's bytes, hash, and let go of what is stored unchanged."""
        for job in jobs:
            image = job.product.image
            try:
                check_pictured(image is not None, self._encoder)
                if image is not None:
                    job.source = resolve_source(image, self._base)
                    job.data = read_resolved(
                        job.source, shown=image, settings=self._settings, client=self._client
                    )
            except ImageError as error:
                self._reject(job.row, job.product.id, error)
                continue
            job.hash = content_hash(job.product, job.data, self._encoder.identity)
            if self._is_stored(job):
                self._tally.add(unchanged=1)
            else:
                yield job

    def _is_stored(self, job: Job) -> bool:
        if job.stored is None:
            return False
        # The hash does not know where the picture lies: a catalogue that moved must be stored anew.
        return (job.stored.payload.get(HASH), job.stored.payload.get(SOURCE)) == (job.hash, job.source)

    def decode(self, jobs: Iterator[Job]) -> Iterator[Job]:
        """Decode and prepare the pictures."""
        # Shared out among threads, an operation on one small picture costs ten times what it does alone.
        torch.set_num_threads(1)
        limit, size = self._settings.max_image_pixels, self._encoder.image_size
        for job in jobs:
            if job.data is not None:
                try:
                    with span("decode", parent=self._trace, bytes=len(job.data)):
                        image = decode_image(job.data, max_pixels=limit, target=size)
                except ImageError as error:
                    self._reject(job.row, job.product.id, error)
                    continue
                job.pixels = self._encoder.prepare(image)
                job.data = None
            yield job

    def encode(self, jobs: Iterator[Job]) -> Iterator[Batch]:
        """Encode batch by batch; pictures in one call, titles in another."""
        torch.set_num_threads(max(1, self._threads // self._encoders))
        for batch in batches(jobs, self._settings.batch_size):
            pictures = [job.pixels for job in batch if job.pixels is not None]
            with span("encode", parent=self._trace, products=len(batch), pictures=len(pictures)):
                vectors = iter(self._encoder.encode_prepared(np.stack(pictures)) if pictures else ())
                points = make_points(
                    [job.product for job in batch],
                    [next(vectors) if job.pixels is not None else None for job in batch],
                    self._encoder,
                    [job.hash for job in batch],
                    [job.source for job in batch],
                    picture_tokens(self._encoder, [job.pixels for job in batch]) if self._patches else None,
                )
            for job in batch:
                job.pixels = None
            yield batch, points

    def store(self, batches: Iterator[Batch]) -> Iterator[None]:
        """Write the points; only what the store has acknowledged is counted."""
        for jobs, points in batches:
            try:
                with span("upsert", parent=self._trace, products=len(points)):
                    self._patience(self._store.upsert, points)
                self._count(jobs)
            except InvalidInput:
                # One point that cannot be stored fails the whole batch: find out which.
                for job, point in zip(jobs, points, strict=True):
                    try:
                        self._patience(self._store.upsert, [point])
                        self._count([job])
                    except InvalidInput as error:
                        self._reject(job.row, job.product.id, error)
            yield None

    def _count(self, jobs: list[Job]) -> None:
        updated = sum(job.stored is not None for job in jobs)
        self._tally.add(added=len(jobs) - updated, updated=updated)

    def _reject(self, row: int, product_id: str | None, error: VitrineError) -> None:
        self._rejects.add(row, product_id, error)
        self._tally.add(rejected=1)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items each, the last one perhaps shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
