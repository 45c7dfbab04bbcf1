"""The server store's line to its server: refusals, overload, lost answers, wrong keys, old servers.

The servers here are sockets of this process that misbehave on purpose; what a server answers when all
is well is the contract suite's business.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from qdrant_client import QdrantClient, grpc, models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.http.exceptions import ResponseHandlingException

from services.errors import InvalidInput, StoreUnavailable
from services.settings import Settings
from services.store import connection, server_models
from services.store.base import DISTANCES, CollectionMeta, Filter, Match, Point, Range, SparseVector
from services.store.edge import EdgeStore
from services.store.factory import open_store
from services.store.filters import compile_filter
from services.store.profiles import PROFILES
from services.store.schema import encode_meta, point_id
from services.store.server import ServerStore

META = CollectionMeta(dim=8, encoder={"name": "toy"})

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Answer = tuple[int, dict[str, Any]]
ABSENT: Answer = (200, {"result": {"exists": False}, "status": "ok", "time": 0.0})
BUSY: Answer = (503, {"status": {"error": "starting"}, "time": 0.0})


@pytest.fixture
def serve() -> Iterator[Callable[[list[Answer]], tuple[str, list[str]]]]:
    """Start an HTTP server that gives these answers, the last for ever: its URL and the paths asked for."""
    servers = []

    def start(answers: list[Answer]) -> tuple[str, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers[min(len(asked), len(answers) - 1)]
                asked.append(self.path)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        servers.append(listening)
        return f"http://127.0.0.1:{listening.server_port}", asked

    yield start
    for started in servers:
        started.shutdown()
        started.server_close()


def test_a_refused_connection_is_reported_with_its_mend(free_port: int) -> None:
    store = ServerStore(settings(qdrant_url=f"http://127.0.0.1:{free_port}", store_timeout=5))
    with pytest.raises(StoreUnavailable, match=f"http://127.0.0.1:{free_port}.*refused") as caught:
        store.open(META)
    assert "VITRINE_QDRANT_URL" in caught.value.mend
    assert caught.value.field == "qdrant_url"
    store.close()


def test_a_busy_server_is_asked_again(serve) -> None:
    url, asked = serve([BUSY, (429, {"status": {"error": "slow down"}}), ABSENT])
    assert ServerStore(settings(qdrant_url=url)).meta() is None
    assert asked == ["/collections/products/exists"] * 3


def test_a_server_that_stays_busy_is_given_up_on(serve) -> None:
    url, asked = serve([BUSY])
    with pytest.raises(StoreUnavailable, match="503"):
        ServerStore(settings(qdrant_url=url)).meta()
    assert len(asked) == 4


def test_the_timeout_also_bounds_the_attempts(serve) -> None:
    url, asked = serve([BUSY])
    with pytest.raises(StoreUnavailable, match="503"):
        ServerStore(settings(qdrant_url=url, store_timeout=0.1)).meta()
    assert len(asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_reported_at_once_and_never_shown(serve, status: int) -> None:
    url, asked = serve([(status, {"status": {"error": "Must provide an API key"}})])
    with pytest.warns(UserWarning, match="insecure"), pytest.raises(StoreUnavailable) as caught:
        ServerStore(settings(qdrant_url=url, qdrant_api_key="s3cret")).meta()
    assert "VITRINE_QDRANT_API_KEY" in caught.value.mend
    assert "s3cret" not in str(caught.value)
    assert len(asked) == 1


def test_a_fault_of_the_server_is_not_asked_for_again(serve) -> None:
    url, asked = serve([(500, {"status": {"error": "panic"}})])
    with pytest.raises(StoreUnavailable, match="500") as caught:
        ServerStore(settings(qdrant_url=url)).meta()
    assert "log" in caught.value.mend
    assert len(asked) == 1


def test_something_that_is_no_qdrant_is_reported(serve) -> None:
    url, _ = serve([(200, {"hello": "world"})])
    with pytest.raises(StoreUnavailable):
        ServerStore(settings(qdrant_url=url)).meta()


def test_a_server_that_never_answers_is_given_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StoreUnavailable, match="ReadTimeout") as caught:
            ServerStore(settings(qdrant_url=url, store_timeout=1)).meta()
    assert "VITRINE_QDRANT_URL" in caught.value.mend


def test_a_grpc_server_that_hangs_up_is_reported(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        monkeypatch.setattr(connection, "_REST_PORT", free_port)
        monkeypatch.setattr(connection, "_GRPC_PORT", listener.getsockname()[1])
        store = ServerStore(settings(qdrant_url=f"http://127.0.0.1:{free_port}", store_timeout=5))
        with pytest.raises(StoreUnavailable, match="UNAVAILABLE") as caught:
            store.meta()
        assert "VITRINE_QDRANT_URL" in caught.value.mend
        store.close()
        listener.shutdown(socket.SHUT_RDWR)


def test_grpc_is_used_only_where_its_port_answers(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    def uses_grpc(**values: Any) -> bool:
        client = connection.connect(settings(**values))
        client.close()
        return bool(client.init_options["prefer_grpc"])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(connection, "_GRPC_PORT", listener.getsockname()[1])
        assert uses_grpc(qdrant_url="http://127.0.0.1")
        assert uses_grpc(qdrant_url="http://127.0.0.1:6333/")
        assert not uses_grpc(qdrant_url="http://127.0.0.1", qdrant_grpc=False)
        # Another port or a path may lead to another server than the one on the gRPC port.
        assert not uses_grpc(qdrant_url="http://127.0.0.1:7000")
        assert not uses_grpc(qdrant_url="http://127.0.0.1:6333/behind/proxy")
    monkeypatch.setattr(connection, "_GRPC_PORT", free_port)
    assert not uses_grpc(qdrant_url="http://127.0.0.1")


@pytest.mark.parametrize("url", ["localhost:6333", "ftp://host", "http://", "http://host:99999", "host"])
def test_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ServerStore(settings(qdrant_url=url)).meta()
    assert caught.value.field == "qdrant_url"


def test_a_collection_of_someone_else_is_left_alone() -> None:
    client = QdrantClient(":memory:")
    vectors = {"theirs": models.VectorParams(size=3, distance=models.Distance.DOT)}
    client.create_collection("products", vectors_config=vectors, metadata={"owner": "someone"})
    store = ServerStore(settings(), client)
    for attempt in (store.meta, lambda: store.open(META), store.drop):
        with pytest.raises(StoreUnavailable, match="not made by Vitrine") as caught:
            attempt()
        assert "VITRINE_COLLECTION" in caught.value.mend
    found = client.get_collection("products").config
    assert found.metadata == {"owner": "someone"}
    assert found.params.vectors == vectors


def test_a_collection_of_a_newer_vitrine_is_refused() -> None:
    client = QdrantClient(":memory:")
    store = ServerStore(settings(), client)
    store.open(META)
    client.update_collection("products", metadata={"vitrine": {"schema_version": 4, "shape": "unknown"}})
    for attempt in (store.meta, lambda: ServerStore(settings(), client).open(META)):
        with pytest.raises(StoreUnavailable, match="newer Vitrine"):
            attempt()
    assert client.get_collection("products").config.metadata["vitrine"]["shape"] == "unknown"


def test_a_server_too_old_for_metadata_is_named_and_left_clean() -> None:
    class Old(QdrantClient):
        def create_collection(self, *args: Any, metadata: Any = None, **kwargs: Any) -> bool:
            return super().create_collection(*args, **kwargs)

    client = Old(":memory:")
    with pytest.raises(StoreUnavailable, match="metadata") as caught:
        ServerStore(settings(), client).open(META)
    assert "1.16" in caught.value.mend
    assert not client.collection_exists("products")


def test_a_collection_that_another_process_made_meanwhile_is_used() -> None:
    class LosesAnswer(QdrantClient):
        """Creates the collection, and then the connection breaks."""

        def create_collection(self, *args: Any, **kwargs: Any) -> bool:
            super().create_collection(*args, **kwargs)
            raise ResponseHandlingException(httpx.ReadError("connection reset"))

    client = LosesAnswer(":memory:")
    assert ServerStore(settings(), client).open(META) == META


def test_what_is_sent_survives_the_clients_conversion_to_grpc() -> None:
    """Local mode converts nothing; this is the one part of gRPC that can be checked without a server."""
    filter = Filter(
        must=(Match("category", ("a", "b")), Match("attributes.x y", (1, "z", True)), Range("price", gte=1)),
        must_not=(Match("n", (3, "q")), Match("tags", ())),
        ids=("a",),
        not_ids=("b",),
    )
    compiled = compile_filter(filter, server_models.DIALECT)
    again = GrpcToRest.convert_filter(RestToGrpc.convert_filter(compiled))
    assert _without_empty(again) == _without_empty(compiled)

    for profile in PROFILES.values():
        params = server_models.search_params(10, filter, profile, 10**6)
        assert GrpcToRest.convert_search_params(RestToGrpc.convert_search_params(params)) == params
        for vectors in server_models.vectors_config(META, profile).values():
            assert GrpcToRest.convert_vector_params(RestToGrpc.convert_vector_params(vectors)) == vectors

    payload = {"i": -(2**63), "f": 3.0, "n": None, "list": [1, "a", True, []], "attributes": {"x y": "ß"}}
    keywords = SparseVector((0, 2**32 - 1), (0.5, 2.0))
    patches = np.ones((3, 8), np.float32)
    for vectors in ({}, {"image": np.ones(8, np.float32)}):
        point = server_models.to_engine(
            point_id("a"), Point("a", vectors, payload, keywords, patches), keywords=True, patches=True
        )
        assert GrpcToRest.convert_point_struct(RestToGrpc.convert_point_struct(point)) == point

    metadata = {
        "vitrine": encode_meta(replace(META, calibration={"mean": 1.0, "n": 2**40, "rows": [1, 2.5]}))
    }
    request = grpc.CreateCollection(collection_name="x", metadata=RestToGrpc.convert_payload(metadata))
    assert GrpcToRest.convert_payload(request.metadata) == metadata

    for distance in DISTANCES:
        for vector in server_models.vectors_config(
            replace(META, distance=distance, patches=True), PROFILES["accurate"]
        ).values():
            assert GrpcToRest.convert_vector_params(RestToGrpc.convert_vector_params(vector)) == vector

    for index in server_models.payload_indexes().values():
        sent = RestToGrpc.convert_payload_schema_params(index)
        assert _without_empty(GrpcToRest.convert_payload_schema_params(sent)) == _without_empty(index)


def _without_empty(model: Any) -> Any:
    """What a model says; it may leave a list out or give it empty."""
    if isinstance(model, list):
        return [_without_empty(inner) for inner in model]
    said = model if isinstance(model, dict) else dict(model) if hasattr(model, "model_fields_set") else None
    if said is None:
        return model
    return {key: _without_empty(inner) for key, inner in said.items() if inner not in (None, [])}


def test_a_client_that_was_handed_in_stays_open() -> None:
    client = QdrantClient(":memory:")
    store = ServerStore(settings(), client)
    store.open(META)
    store.close()
    assert client.collection_exists("products")


def test_the_settings_choose_the_store(tmp_path: Path) -> None:
    assert isinstance(open_store(settings(data_dir=tmp_path, qdrant_url=None)), EdgeStore)
    assert isinstance(
        open_store(settings(data_dir=tmp_path, qdrant_url="http://localhost:6333")), ServerStore
    )
    assert list(tmp_path.iterdir()) == []
