"""A small Qdrant server for tests: the REST endpoints that our store uses, over qdrant-client's local mode.

What is asked comes over HTTP and through the client's own models, as from a real server; what is stored and
found is local mode's. And a proxy before it that holds back or cuts what goes through.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import Body, FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models


def app_over(client: QdrantClient) -> FastAPI:
    app = FastAPI()
    lock = threading.Lock()  # local mode is not thread-safe

    def answer(result: Any) -> JSONResponse:
        def plain(value: Any) -> Any:
            if isinstance(value, BaseModel):
                return value.model_dump(mode="json")
            return [plain(one) for one in value] if isinstance(value, list) else value

        return JSONResponse({"result": plain(result), "status": "ok", "time": 0.0})

    def missing(name: str) -> JSONResponse | None:
        if client.collection_exists(name):
            return None
        return JSONResponse({"status": {"error": f"Not found: Collection `{name}` doesn't exist!"}}, 404)

    def read(kind: Any, data: Any) -> Any:
        return TypeAdapter(kind).validate_python(data)

    done = {"operation_id": 0, "status": "completed"}

    @app.get("/")
    def version() -> dict[str, str]:
        return {"title": "qdrant", "version": "1.20.0"}

    @app.get("/collections")
    def collections() -> JSONResponse:
        with lock:
            return answer(client.get_collections())

    @app.get("/aliases")
    def aliases() -> JSONResponse:
        with lock:
            return answer(client.get_aliases())

    @app.post("/collections/aliases")
    def change_aliases(body: dict[str, Any] = Body()) -> JSONResponse:
        change = read(models.ChangeAliasesOperation, body)
        with lock:
            return answer(client.update_collection_aliases(change.actions))

    @app.get("/collections/{name}/exists")
    def exists(name: str) -> JSONResponse:
        with lock:
            return answer({"exists": client.collection_exists(name)})

    @app.get("/collections/{name}")
    def collection(name: str) -> JSONResponse:
        with lock:
            return missing(name) or answer(client.get_collection(name))

    @app.put("/collections/{name}")
    def create(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        asked = read(models.CreateCollection, body)
        with lock:
            return answer(
                client.create_collection(
                    name,
                    vectors_config=asked.vectors,
                    sparse_vectors_config=asked.sparse_vectors,
                    metadata=asked.metadata,
                )
            )

    @app.patch("/collections/{name}")
    def update(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        with lock:
            return missing(name) or answer(client.update_collection(name, metadata=body.get("metadata")))

    @app.delete("/collections/{name}")
    def drop(name: str) -> JSONResponse:
        with lock:
            return answer(client.delete_collection(name))

    @app.put("/collections/{name}/index")
    def index(name: str) -> JSONResponse:
        return answer(done)

    @app.put("/collections/{name}/points")
    def upsert(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        with lock:
            if (lost := missing(name)) is None:
                client.upsert(name, read(models.PointsList, body).points)
            return lost or answer(done)

    @app.put("/collections/{name}/points/vectors")
    def vectors(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        with lock:
            client.update_vectors(name, read(models.UpdateVectors, body).points)
            return answer(done)

    @app.post("/collections/{name}/points/delete")
    def delete(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        with lock:
            client.delete(name, read(models.PointsSelector, body))
            return answer(done)

    @app.post("/collections/{name}/points")
    def retrieve(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        asked = read(models.PointRequest, body)
        with lock:
            return missing(name) or answer(
                client.retrieve(
                    name, asked.ids, with_payload=asked.with_payload, with_vectors=asked.with_vector
                )
            )

    @app.post("/collections/{name}/points/query/batch")
    def query(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        asked = read(models.QueryRequestBatch, body).searches
        with lock:
            return missing(name) or answer(client.query_batch_points(name, requests=asked))

    @app.post("/collections/{name}/points/scroll")
    def scroll(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        asked = read(models.ScrollRequest, body)
        with lock:
            if (lost := missing(name)) is not None:
                return lost
            points, following = client.scroll(
                name,
                limit=asked.limit or 10,
                offset=asked.offset,
                scroll_filter=asked.filter,
                with_payload=asked.with_payload,
                with_vectors=asked.with_vector or False,
            )
        result = {
            "points": [point.model_dump(mode="json") for point in points],
            "next_page_offset": following,
        }
        return answer(result)

    @app.post("/collections/{name}/points/count")
    def count(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        asked = read(models.CountRequest, body)
        with lock:
            return missing(name) or answer(client.count(name, count_filter=asked.filter, exact=True))

    @app.post("/collections/{name}/facet")
    def facet(name: str, body: dict[str, Any] = Body()) -> JSONResponse:
        asked = read(models.FacetRequest, body)
        with lock:
            return answer(
                client.facet(
                    name, key=asked.key, facet_filter=asked.filter, limit=asked.limit or 10, exact=True
                )
            )

    return app


@contextlib.contextmanager
def qdrant_server() -> Iterator[int]:
    """The server in a thread; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # No logging of uvicorn's own: its handlers would outlive this server, in the process of other tests.
        config = uvicorn.Config(
            app_over(QdrantClient(":memory:")), log_config=None, log_level="error", timeout_keep_alive=60
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


class Proxy:
    """Passes bytes on to a port, `delay` seconds late; `away` cuts every connection and takes none."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.delay = 0.0
        self.away = False
        #: Bytes after which the connection of each answer is cut, or None.
        self.cut_after: int | None = None
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def go_away(self) -> None:
        self.away = True
        for one in list(self._open):
            self._close(one)

    def close(self) -> None:
        self._listener.close()
        self.go_away()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.away:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._open |= {near, far}
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if back:
                    time.sleep(self.delay)
                    if self.cut_after is not None:
                        sink.sendall(data[: self.cut_after])
                        break
                sink.sendall(data)
        self._close(source)
        self._close(sink)

    def _close(self, one: socket.socket) -> None:
        self._open.discard(one)
        # A reader in another thread is woken by this, and not by closing alone.
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
