"""The OpenAPI document: FastAPI's, with the models of bodies that routes read themselves."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from searcher.api.boxes import RegionsForm, RegionsRequest
from searcher.api.problems import Problem
from searcher.api.schemas import SearchForm, SearchRequest
from services.catalogue.product import Product

_DESCRIPTION = """Find products by words, by pictures, or by both.

Every error is a problem of RFC 9457 (`application/problem+json`) that names the field and says what to
do about it. Every answer carries an `X-Request-ID`, which is also in the log.

Where VITRINE_READ_KEY is set, every request but the probes sends it as `Authorization: Bearer KEY`, or as the
password of HTTP Basic."""


def install_openapi(app: FastAPI) -> None:
    """Serve the completed document at /openapi.json."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="Cross-modal product search",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[
            {"name": "search", "description": "Searching and what belongs to it."},
            {"name": "products", "description": "Single products, and changes to them."},
            {"name": "service", "description": "The service itself."},
        ],
    )
    _, definitions = models_json_schema(
        [
            (model, "validation")
            for model in (Problem, SearchRequest, SearchForm, RegionsRequest, RegionsForm, Product)
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas = document["components"]["schemas"]
    for name, schema in definitions["$defs"].items():
        schemas.setdefault(name, schema)
    # FastAPI's own form of validation errors, which this service never answers with.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document
