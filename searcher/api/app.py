"""The HTTP application: `create_app` puts routes, middleware and the engine together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio.to_thread
import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from searcher.api import routes_products, routes_regions, routes_search, routes_service
from searcher.api.context import Context
from searcher.api.middleware import BodyLimit, EncodedProductPaths, RequestLog
from searcher.api.openapi import install_openapi
from searcher.api.problems import install_handlers
from searcher.api.rates import RateLimit
from searcher.api.security import ReadKey, SecurityHeaders
from searcher.live import AnyEngine, open_live
from services.settings import Settings, get_settings

log = structlog.get_logger("searcher.api")


class _Static(StaticFiles):
    """Static files that browsers ask for again, so that an upgrade never mixes old and new ones."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


def create_app(settings: Settings | None = None, engine: AnyEngine | None = None) -> FastAPI:
    """The application. Without `engine`, it is built from `settings` when the application starts and
    closed when it stops; one that is given is left to the caller."""
    settings = settings or get_settings()
    context = Context(settings, engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        own = await anyio.to_thread.run_sync(open_live, settings) if engine is None else None
        if own is not None:
            context.use(own)
        await anyio.to_thread.run_sync(context.engine.warm_up)
        log.info("ready", **context.engine.ready())
        try:
            yield
        finally:
            if own is not None:
                context.use(None)
                await anyio.to_thread.run_sync(own.close)

    app = FastAPI(
        title="Vitrine",
        version=version("vitrine"),
        lifespan=lifespan,
        # FastAPI's pages for the document load their scripts from elsewhere, which the policy forbids.
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.settings = settings
    app.state.context = context
    install_handlers(app)
    install_openapi(app)
    app.include_router(routes_search.router)
    app.include_router(routes_regions.router)
    app.include_router(routes_products.router)
    app.include_router(routes_service.router)
    app.mount("/static", _Static(directory=routes_service.WEB / "static"), name="static")
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, limit=settings.max_request_bytes)
    if settings.read_key is not None and settings.read_key.get_secret_value():
        app.add_middleware(ReadKey, settings=settings)
    if settings.rate_limit:
        app.add_middleware(RateLimit, rates=settings.rate_limit)
    app.add_middleware(RequestLog, metrics=context.metrics)
    if origins := [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["X-Request-ID"],
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(EncodedProductPaths)
    return app
