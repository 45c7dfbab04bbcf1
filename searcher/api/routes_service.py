"""The service itself: health, readiness, metrics, and the search page."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from searcher.api import examples
from searcher.api.context import context_of, json_response
from searcher.api.schemas import HealthAnswer, ReadyAnswer
from services.errors import NotFound, VitrineError

router = APIRouter(tags=["service"])

WEB = Path(__file__).parent.parent / "web"


@router.get(
    "/healthz",
    summary="Tell whether the process runs",
    response_model=HealthAnswer,
    responses={200: {"description": "It does."}},
)
async def get_health() -> Response:
    """Asks nothing else; restart the process if this does not answer."""
    return json_response({"status": "ok"})


@router.get(
    "/readyz",
    summary="Tell whether searches can be answered",
    response_model=ReadyAnswer,
    responses={
        200: {"description": "They can.", **examples.READY},
        503: {"description": "They cannot; title and detail say why.", "model": ReadyAnswer},
    },
)
async def get_ready(request: Request) -> Response:
    """Asks the store and compares the encoder with the collection."""
    context = context_of(request)
    state = await context.probing.run(context.engine.ready)
    response = json_response(state)
    if state["status"] != "ready":
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return response


@router.get(
    "/metrics",
    summary="Metrics in the Prometheus text format",
    response_class=Response,
    responses={
        200: {
            "description": "Requests by route and status, stages of searches, products.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def get_metrics(request: Request) -> Response:
    """For a Prometheus server to read."""
    context = context_of(request)

    def work() -> bytes:
        try:
            context.metrics.products.set(context.engine.count())
        except NotFound:
            context.metrics.products.set(0)
        except VitrineError:
            context.metrics.products.set(float("nan"))
        return context.metrics.exposition()

    return Response(await context.probing.run(work), media_type=context.metrics.content_type)


@router.get("/", include_in_schema=False)
async def get_page() -> FileResponse:
    """The search page."""
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})
