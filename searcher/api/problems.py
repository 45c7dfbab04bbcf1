"""Errors as RFC 9457 problem details: every answer that is not a success has this one form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.errors import InvalidInput, VitrineError

MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger("searcher.api")


class RequestTooLarge(VitrineError):
    """A request body beyond the limit."""

    status = 413
    title = "Request too large"


class UnsupportedType(VitrineError):
    """A request body of a media type that is not understood."""

    status = 415
    title = "Unsupported media type"


class Overloaded(VitrineError):
    """More requests than can be answered soon."""

    status = 503
    title = "Too busy"


class Unauthorised(VitrineError):
    """A request without the key that reading needs."""

    status = 401
    title = "Key needed"


class TooManyRequests(VitrineError):
    """More requests from one client than the settings allow."""

    status = 429
    title = "Too many requests"


class Forbidden(VitrineError):
    """A write that is not allowed."""

    status = 403
    title = "Writing not allowed"


class Problem(BaseModel):
    """What went wrong, as RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="Kind of problem: `/problems/NAME`, or `about:blank` for plain HTTP errors."
    )
    title: str = Field(description="Kind of problem, in words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What is wrong and what to do about it.")
    field: str | None = Field(None, description="Field or parameter that is meant.")
    mend: str = Field("", description="What to do about it.")


def problem_response(error: VitrineError, extra: Mapping[str, Any] | None = None) -> Response:
    """The answer to an error of ours."""
    slug = re.sub(r"[^a-z0-9]+", "-", error.title.lower()).strip("-")
    return _response(
        f"/problems/{slug}", error.title, error.status, error.message, error.field, error.mend, extra
    )


def unexpected_response() -> Response:
    """The answer to an error nobody foresaw; it tells nothing of the inside."""
    return _response(
        "about:blank",
        "Internal error",
        500,
        "Something went wrong inside the service.",
        None,
        "Try again; if it happens again, look for the X-Request-ID of this answer in the log.",
    )


def install_handlers(app: FastAPI) -> None:
    """Answer every kind of error in this form."""

    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, VitrineError)
        if error.status >= 500:
            log.warning("request failed", title=error.title, detail=str(error))
        return problem_response(error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _http_response(request, error)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(invalid(error.errors(), skip=1))

    app.add_exception_handler(VitrineError, on_error)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)


def invalid(
    errors: Sequence[ErrorDetails | dict[str, Any]], *, skip: int = 0, allowed: Sequence[str] = ()
) -> InvalidInput:
    """The first of pydantic's errors as one of ours; `skip` leaves out that many steps of its path."""
    first = errors[0]
    field = field_path(first["loc"][skip:])
    kind, message = first["type"], str(first["msg"])
    if kind == "missing":
        return InvalidInput(f"{field} is missing.", mend=f"Give a value for {field}.", field=field)
    if kind == "extra_forbidden":
        mend = f"Use one of: {', '.join(allowed)}." if allowed else "Leave it out."
        return InvalidInput(f"There is no field '{field}'.", mend=mend, field=field)
    message = message.removeprefix("Value error, ").rstrip(".")
    return InvalidInput(f"{field}: {message}.", mend="Correct the value.", field=field)


def field_path(path: Sequence[int | str]) -> str:
    """`("parts", 0, "text")` -> `parts[0].text`."""
    field = ""
    for step in path:
        field += f"[{step}]" if isinstance(step, int) else f".{step[:64]}" if field else step[:64]
    return field or "body"


def documented(*problems: int, ok: Mapping[int, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers with `ok` or with problems of these statuses; any may ask for a key
    or find that a client asks too often."""
    answers: dict[int | str, dict[str, Any]] = dict(ok.items())
    for status in (401, *problems, 429):
        answers[status] = {
            "description": _DESCRIPTIONS.get(status, HTTPStatus(status).phrase),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return answers


_DESCRIPTIONS = {
    400: "The body is not well-formed multipart/form-data.",
    401: "Reading needs a key here, and it is missing or wrong.",
    403: "Writing is not allowed from here, or the key is wrong.",
    404: "No such product, or no collection yet.",
    409: "The collection was indexed by another encoder.",
    413: "The request body is too large.",
    415: "The media type of the request body is not understood.",
    422: "The request cannot be used; the problem names field and mend.",
    429: "More requests from this address than VITRINE_RATE_LIMIT allows; see Retry-After.",
    503: "The store or the encoder is not available, or the service is too busy; try again later.",
    507: "The disk of the embedded store is full; nothing was written.",
}


def _http_response(request: Request, error: HTTPException) -> Response:
    path = request.url.path
    detail, mend, field = str(error.detail), "", None
    if error.status_code == 404:
        detail, mend = f"There is nothing at {path[:256]}.", "See /openapi.json for what there is."
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("allow", "")
        detail = f"{path[:256]} does not answer {request.method[:16]}."
        mend = f"Use {allowed}." if allowed else "See /openapi.json."
    elif error.status_code == 400:
        # Starlette's multipart parser: its messages say what is wrong with the body.
        field, mend = "body", "Send well-formed multipart/form-data."
    title = HTTPStatus(error.status_code).phrase
    return _response("about:blank", title, error.status_code, detail, field, mend, headers=error.headers)


def _response(
    type_: str,
    title: str,
    status: int,
    message: str,
    field: str | None,
    mend: str,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=type_, title=title, status=status, detail=f"{message} {mend}".strip(), field=field, mend=mend
    )
    kept = dict(headers or {})
    if status == 503:
        kept["Retry-After"] = "2"
    return Response(
        # ASCII only: what a client sent may come back here, half characters included.
        json.dumps(problem.model_dump() | dict(extra or {})),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=kept,
    )
