"""What routes share: the engine, its threads, and small answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from fastapi import Request
from pydantic_core import to_json
from starlette.responses import Response

from searcher.api.metrics import Metrics
from searcher.api.pictures import Pictures
from searcher.api.problems import UnsupportedType
from searcher.api.workers import Workers
from searcher.live import AnyEngine
from services.errors import InvalidInput, StoreUnavailable
from services.settings import Settings


class Context:
    """State of one application. Searches, pictures and probes wait in lines of their own, so that none
    holds up the others."""

    def __init__(self, settings: Settings, engine: AnyEngine | None) -> None:
        self.settings = settings
        self._engine = engine
        self.metrics = Metrics()
        self.pictures = Pictures(settings)
        self.searching = Workers(settings.search_threads, settings.max_waiting)
        self.showing = Workers(settings.search_threads, 4 * settings.max_waiting)
        self.probing = Workers(2, 64)

    @property
    def engine(self) -> AnyEngine:
        """The engine. Raises `StoreUnavailable` before the application has started."""
        if self._engine is None:
            raise StoreUnavailable("The service is starting.", mend="Try again in a moment.")
        return self._engine

    def use(self, engine: AnyEngine | None) -> None:
        """Answer with this engine from now on."""
        self._engine = engine


def context_of(request: Request) -> Context:
    """The state of the application a request came to."""
    context: Context = request.app.state.context
    return context


def root_of(request: Request) -> str:
    """The path the service is mounted at, "" for the root."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def id_of(request: Request, product_id: str) -> str:
    """The product id of a path; see `searcher.api.middleware.EncodedProductPaths`."""
    if not request.scope.get("vitrine.encoded"):
        return product_id
    try:
        return unquote(product_id, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInput("The id is not UTF-8.", mend="Percent-encode it as UTF-8.", field="id") from error


def json_response(data: Any) -> Response:
    """A JSON answer."""
    return Response(to_json(data), media_type="application/json")


def media_type(request: Request) -> str:
    """Media type of the request body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_json(request: Request) -> None:
    """Raise `UnsupportedType` unless the body says it is JSON."""
    kind = media_type(request)
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedType(
            f"The body is {kind[:100] or 'of no media type'}.",
            mend="Send it with Content-Type: application/json.",
            field="Content-Type",
        )
