"""How do build, memory, disk and search grow with the catalogue, and what does compressing vectors cost?

Pictures of `benchmarks.jittered`, in the engine that the embedded store runs, beside HNSW of faiss and
usearch over the same vectors, with the same degree and build effort. Each engine is asked for 10 with growing
search effort until it finds `TARGET` of what exact search finds, so that times are compared at equal recall;
recall@200 is that of the candidates of one search of ours. Every cell runs in a process of its own, so that
memory is its own. Results are kept in a file, and printed as a table; what is there is not measured again.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import qdrant_edge as qdrant
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.jittered import Embedded, embedded
from services.encoder.registry import load_encoder
from services.settings import get_settings
from services.store import schema
from services.store.edge_models import floats
from services.store.folder import disk_bytes
from services.store.profiles import PROFILES

TARGET = 0.99
EFFORTS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
QUERIES = 200
CANDIDATES = 200
Found = list[int]


@dataclass(frozen=True)
class Figures:
    """Of one engine and number of products; times of a search in milliseconds, one thread."""

    engine: str
    products: int
    build_s: float
    memory_mb: float
    disk_mb: float
    effort: int
    recall10: float
    p50: float
    p99: float
    recall200: float
    p50_200: float
    #: Of the ten best, how many are among those 200.
    recall10_200: float = float("nan")


class Edge:
    """The embedded store's engine with one vector a point; `oversampling` for compressed ones."""

    def __init__(
        self, folder: Path, dim: int, oversampling: float | None, exact: bool, **vector: Any
    ) -> None:
        self._folder, self._oversampling, self._exact = folder, oversampling, exact
        self._config = qdrant.EdgeConfig(
            vectors={"image": qdrant.EdgeVectorParams(size=dim, distance=qdrant.Distance.Cosine, **vector)},
            hnsw_config=qdrant.HnswIndexConfig(
                m=schema.HNSW_M,
                ef_construct=schema.HNSW_EF_CONSTRUCT,
                full_scan_threshold=schema.INDEXING_THRESHOLD_KB,
            ),
            optimizers=qdrant.EdgeOptimizersConfig(indexing_threshold=schema.INDEXING_THRESHOLD_KB),
        )

    def build(self, chunks: Any) -> None:
        self._folder.mkdir(parents=True)
        shard = qdrant.EdgeShard.create(str(self._folder), self._config)
        row = 0
        for chunk in chunks:
            points = [qdrant.Point(row + n, {"image": floats(vector)}, {}) for n, vector in enumerate(chunk)]
            shard.update(qdrant.UpdateOperation.upsert_points(points))
            row += len(chunk)
        shard.optimize()
        shard.flush()
        shard.close()

    def load(self) -> None:
        self._shard = qdrant.EdgeShard.load(str(self._folder), self._config)

    def search(self, query: np.ndarray, limit: int, effort: int) -> Found:
        compressed = self._oversampling
        params = qdrant.SearchParams(
            hnsw_ef=effort,
            exact=self._exact,
            quantization=qdrant.QuantizationSearchParams(rescore=True, oversampling=compressed)
            if compressed
            else None,
        )
        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(floats(query), using="image"),
            with_payload=False,
            params=params,
        )
        return [int(hit.id) for hit in self._shard.query(request)]


class Faiss:
    def __init__(self, folder: Path, dim: int) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self._faiss, self._file, self._dim = faiss, folder / "index", dim

    def build(self, chunks: Any) -> None:
        # Its m counts links of the upper layers too, as Qdrant's does.
        index = self._faiss.IndexHNSWFlat(self._dim, schema.HNSW_M, self._faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = schema.HNSW_EF_CONSTRUCT
        for chunk in chunks:
            index.add(chunk)
        self._file.parent.mkdir(parents=True)
        self._faiss.write_index(index, str(self._file))

    def load(self) -> None:
        self._index = self._faiss.read_index(str(self._file))

    def search(self, query: np.ndarray, limit: int, effort: int) -> Found:
        self._index.hnsw.efSearch = max(effort, limit)
        found: Found = self._index.search(query[None], limit)[1][0].tolist()
        return found


class Usearch:
    def __init__(self, folder: Path, dim: int) -> None:
        from usearch.index import Index

        self._file = folder / "index"
        self._index = Index(
            ndim=dim,
            metric="ip",
            dtype="f32",
            connectivity=schema.HNSW_M,
            expansion_add=schema.HNSW_EF_CONSTRUCT,
        )

    def build(self, chunks: Any) -> None:
        row = 0
        for chunk in chunks:
            self._index.add(np.arange(row, row + len(chunk)), chunk, threads=1)
            row += len(chunk)
        self._file.parent.mkdir(parents=True)
        self._index.save(str(self._file))

    def load(self) -> None:
        self._index.load(str(self._file))

    def search(self, query: np.ndarray, limit: int, effort: int) -> Found:
        self._index.expansion_search = max(effort, limit)
        found: Found = self._index.search(query, limit, threads=1).keys.tolist()
        return found


def engines(folder: Path, dim: int) -> dict[str, Callable[[], Any]]:
    pinned, cold = qdrant.Memory.Pinned, qdrant.Memory.Cold

    def compressed(how: Any, oversampling: float) -> Callable[[], Edge]:
        return lambda: Edge(folder, dim, oversampling, False, quantization_config=how, memory=cold)

    return {
        "exact": lambda: Edge(folder, dim, None, True),
        "accurate: float32": lambda: Edge(folder, dim, None, False),
        "float16": lambda: Edge(folder, dim, None, False, datatype=qdrant.VectorStorageDatatype.Float16),
        "balanced: scalar, 8 bits": compressed(
            qdrant.ScalarQuantizationConfig(qdrant.ScalarType.Int8, quantile=schema.QUANTILE, memory=pinned),
            PROFILES["balanced"].oversampling,
        ),
        "small: TurboQuant, 4 bits": compressed(
            qdrant.TurboQuantQuantizationConfig(bits=qdrant.TurboQuantBitSize.Bits4, memory=pinned),
            PROFILES["small"].oversampling,
        ),
        "product, 4 bits": compressed(
            qdrant.ProductQuantizationConfig(qdrant.CompressionRatio.X8, memory=pinned), 3.0
        ),
        "binary, 1 bit": compressed(qdrant.BinaryQuantizationConfig(memory=pinned), 4.0),
        "faiss HNSW": lambda: Faiss(folder, dim),
        "usearch HNSW": lambda: Usearch(folder, dim),
    }


def resident_mb() -> float:
    """Memory of this process now, pages of mapped files included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def queries_of(sample: Embedded, count: int = QUERIES) -> np.ndarray:
    """Half texts, as customers type them, half pictures near to products'; float32 [count, d]."""
    rng = np.random.default_rng(99)
    texts = sample.vectors["title"][rng.choice(len(sample.titles), count // 2, replace=False)]
    pictures = sample.near("image", rng.integers(len(sample.titles), size=count - count // 2), rng)
    return np.concatenate([texts, pictures]).astype(np.float32)


def exact_rows(chunks: Any, queries: np.ndarray, depth: int) -> np.ndarray:
    """Rows of the `depth` best for each query, best first, int64 [q, depth]."""
    best, scores, start = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32), 0
    for chunk in chunks:
        new = queries @ chunk.T
        scores = np.concatenate([scores, new], axis=1)
        rows = np.broadcast_to(np.arange(start, start + len(chunk)), new.shape)
        best = np.concatenate([best, rows], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        best, scores = np.take_along_axis(best, order, 1), np.take_along_axis(scores, order, 1)
        start += len(chunk)
    return best


def timed(
    search: Callable[[np.ndarray], Found], queries: np.ndarray, truth: np.ndarray
) -> tuple[float, float, float]:
    """(recall, p50, p99) in milliseconds; everything is asked once before, untimed."""
    for query in queries:
        search(query)
    shares, took = [], []
    for query, rows in zip(queries, truth, strict=True):
        begun = time.perf_counter()
        found = search(query)
        took.append(1000 * (time.perf_counter() - begun))
        shares.append(len(set(found) & set(rows.tolist())) / len(rows))
    return float(np.mean(shares)), float(np.median(took)), float(np.quantile(took, 0.99))


def measure(name: str, products: int, folder: Path) -> None:
    """Build in one process, search in another; prints figures as JSON. Runs in a process of its own."""
    settings = get_settings()
    sample = embedded(settings, load_encoder(settings))
    queries = queries_of(sample)
    dim = queries.shape[1]
    engine = engines(folder, dim)[name]()
    begun = time.monotonic()
    pid = os.fork()
    if not pid:
        shutil.rmtree(folder, ignore_errors=True)
        engine.build(sample.pictures(products))
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit(f"{name} was not built")
    built = time.monotonic() - begun
    truth_file = settings.data_dir / "benchmarks" / f"truth-{products}.npy"
    if not truth_file.exists():
        np.save(truth_file, exact_rows(sample.pictures(products), queries, CANDIDATES))
    truth = np.load(truth_file)
    before = resident_mb()
    engine.load()
    effort, recall, p50, p99 = 0, 0.0, 0.0, 0.0
    for effort in EFFORTS:
        recall, p50, p99 = timed(lambda query: engine.search(query, 10, effort), queries, truth[:, :10])  # noqa: B023
        if recall >= TARGET or name == "exact":
            break

    def candidates(query: np.ndarray) -> Found:
        return engine.search(query, CANDIDATES, schema.search_ef(CANDIDATES, products))

    many, p50_many, _ = timed(candidates, queries, truth)
    best = float(
        np.mean(
            [len(set(candidates(q)) & set(t[:10].tolist())) / 10 for q, t in zip(queries, truth, strict=True)]
        )
    )
    figures = Figures(
        name, products, built, resident_mb() - before, disk_bytes(folder) / 1e6, effort, recall, p50, p99,
        many, p50_many, best,
    )  # fmt: skip
    print(json.dumps(asdict(figures)))


def main(
    products: Annotated[list[int] | None, typer.Option(help="Sizes; repeatable.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="Engines by the start of their name.")] = None,
    folder: Annotated[Path, typer.Option(help="Where indexes are built; emptied in between.")] = Path(
        ".vitrine/benchmarks/scale"
    ),
    results: Annotated[Path, typer.Option(help="File of figures, which is added to.")] = Path(
        ".vitrine/benchmarks/scale.json"
    ),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    plots: Annotated[Path | None, typer.Option(help="Draw growth as SVG into this file.")] = None,
    cell: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure what is not in the file of figures yet, and print it all."""
    sizes = products or [1_000, 10_000, 100_000]
    if cell is not None:
        measure(cell, sizes[0], folder)
        return
    known = [Figures(**row) for row in json.loads(results.read_text())] if results.exists() else []
    names = [
        name for name in engines(folder, 1) if not engine or any(name.startswith(start) for start in engine)
    ]
    for size in sizes:
        for name in names:
            if any((one.engine, one.products) == (name, size) for one in known):
                continue
            print(f"{name}, {size:,} products", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", "benchmarks.scale", "--cell", name, "--products", str(size),
                       "--folder", str(folder)]  # fmt: skip
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            shutil.rmtree(folder, ignore_errors=True)
            if done.returncode:
                print(f"{name} failed", file=sys.stderr)
                continue
            known.append(Figures(**json.loads(done.stdout.splitlines()[-1])))
            results.parent.mkdir(parents=True, exist_ok=True)
            results.write_text(json.dumps([asdict(one) for one in known], indent=1) + "\n")
    show([one for one in known if one.products in sizes and one.engine in names], markdown)
    if plots is not None:
        draw(known, plots)


HEADER = ("products", "engine", "build s", "memory MB", "disk MB", "ef", "recall@10", "p50 ms", "p99 ms",
          "recall@200", "recall@10 in 200", "p50 ms of 200")  # fmt: skip


def show(figures: list[Figures], markdown: bool) -> None:
    rows = [
        [
            f"{one.products:,}",
            one.engine,
            f"{one.build_s:,.0f}",
            f"{one.memory_mb:,.0f}",
            f"{one.disk_mb:,.0f}",
            str(one.effort),
            f"{one.recall10:.3f}",
            f"{one.p50:.2f}",
            f"{one.p99:.2f}",
            f"{one.recall200:.3f}",
            f"{one.recall10_200:.3f}",
            f"{one.p50_200:.2f}",
        ]
        for one in figures
    ]
    if markdown:
        print(f"| {' | '.join(HEADER)} |\n|---:|---|{'---:|' * (len(HEADER) - 2)}")
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
        return
    table = Table(*HEADER, box=box.SIMPLE)
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


def draw(figures: list[Figures], path: Path) -> None:
    """Build time, memory, disk and p50 against the number of products, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    measures = {
        "build_s": "build, s",
        "memory_mb": "memory, MB",
        "disk_mb": "disk, MB",
        "p50": "search, p50, ms",
    }
    figure, axes = pyplot.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
    for axis, (field, label) in zip(axes, measures.items(), strict=True):
        for name in dict.fromkeys(one.engine for one in figures):
            own = sorted((one for one in figures if one.engine == name), key=lambda one: one.products)
            if len(own) > 1:
                axis.plot(
                    [one.products for one in own], [getattr(one, field) for one in own], "o-", label=name
                )
        axis.set(xscale="log", yscale="log", xlabel="products", title=label)
        axis.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.savefig(path)


if __name__ == "__main__":
    typer.run(main)
