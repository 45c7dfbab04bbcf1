"""Traces: which spans there are, how they hang together, and what is said where they cannot be had."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from indexer.worker import index_catalogue
from searcher.api.app import create_app
from searcher.engine import Engine
from services import traces
from services.encoder.dual import DualEncoder
from services.errors import InvalidInput
from services.settings import Settings
from services.store.edge import EdgeStore
from tests.unit.catalogue.pictures import jpeg


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


INSTALLED = _installed("opentelemetry.sdk") and _installed("opentelemetry.exporter.otlp.proto.http")
needs_packages = pytest.mark.skipif(not INSTALLED, reason="vitrine[traces] is not installed")


@pytest.fixture
def spans() -> Iterator[Any]:
    """Keeps in memory what would be sent."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces.use(provider)
    yield exporter
    traces.use(None)
    provider.shutdown()


@pytest.fixture
def settings(tmp_path: Path, tiny_openclip_dir: Path) -> Settings:
    return Settings(
        _env_file=None, data_dir=tmp_path / "data", encoder=f"local-dir:{tiny_openclip_dir}", batch_size=4
    )


def write_catalogue(folder: Path, count: int) -> Path:
    path = folder / "products.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "image"])
        for n in range(count):
            (folder / f"{n}.jpg").write_bytes(jpeg((32, 32), (n * 7 % 256, n * 13 % 256, 90)))
            writer.writerow([f"p{n}", f"title {n}", f"{n}.jpg"])
    return path


@needs_packages
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_run_and_a_request_leave_their_spans_in_one_trace_each(
    tmp_path: Path, settings: Settings, tiny_encoder: DualEncoder, spans: Any
) -> None:
    store = EdgeStore(settings)
    with traces.span("index"):
        index_catalogue(write_catalogue(tmp_path, 8), settings, tiny_encoder, store)
    run = spans.get_finished_spans()
    names = [one.name for one in run]
    assert names.count("decode") == 8 and names.count("encode") >= 2 and names.count("upsert") >= 2
    assert len({one.context.trace_id for one in run}) == 1
    spans.clear()

    engine = Engine(settings, tiny_encoder, store)
    transport = httpx.ASGITransport(create_app(settings, engine))
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        headers = {"traceparent": f"00-{trace}-{parent}-01"}
        assert (await client.get("/search?q=title", headers=headers)).status_code == 200
    engine.close()
    found = {one.name: one for one in spans.get_finished_spans()}
    request = found["GET /search"]
    assert {"encode", "store search", "fusion"} <= found.keys()
    assert {f"{one.context.trace_id:032x}" for one in found.values()} == {trace}
    assert f"{request.parent.span_id:016x}" == parent
    for name in ("encode", "store search", "fusion"):
        assert found[name].parent.span_id == request.context.span_id
    assert request.attributes["http.response.status_code"] == 200


@needs_packages
def test_spans_are_sent_to_the_collector_that_the_environment_names(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        with traces.traced(settings, "vitrine-test"), traces.span("one of ours"):
            pass
        collector.shutdown()
    assert [path for path, _ in posted] == ["/v1/traces"]
    assert b"one of ours" in posted[0][1] and b"vitrine-test" in posted[0][1]
    assert traces.here() is None


def test_traces_that_nobody_asked_for_are_off(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    with traces.traced(settings, "vitrine-test"), traces.span("x") as nothing:
        assert nothing is None and traces.here() is None and traces.sent({}) is None


def test_traces_without_their_packages_are_refused_with_the_mend(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    asking = settings.model_copy(update={"traces": True})
    with pytest.raises(InvalidInput, match="not installed") as caught, traces.traced(asking, "x"):
        pass
    assert "vitrine[traces]" in caught.value.mend


def test_importing_the_searcher_imports_no_opentelemetry() -> None:
    code = "import sys, services.traces; sys.exit(any(m.startswith('opentelemetry') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
