"""What happens around every request: an id, a log line, metrics, the limit of its body, ids with slashes."""

from __future__ import annotations

import re
import time
import uuid
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searcher.api.metrics import Metrics
from searcher.api.problems import RequestTooLarge, problem_response, unexpected_response
from services.traces import sent, span

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: What nginx made customary for a client that hung up before its request was read.
_CLIENT_LEFT = 499
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))

log = structlog.get_logger("searcher.access")


class RequestLog:
    """Gives each request an id (kept if the client sent a sane one), a log line and its metrics, and
    answers whatever error comes up this far as a problem without details."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        # As it was sent, percent-encoded: decoded, it could write lines or colours of its own into a log.
        path = quote(scope.get("raw_path") or scope["path"].encode(), safe="/%:@!$&'()*+,;=~")[:512]
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        started = time.perf_counter()
        self.metrics.in_progress.inc()
        # Anyone can make up methods and paths; labels must not grow with them.
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            span(f"{method} request", parent=sent(Headers(scope=scope)), request_id=request_id) as traced,
        ):
            try:
                await self.app(scope, receive, send_with_id)
            except ClientDisconnect:
                status = status or _CLIENT_LEFT
            except Exception:
                log.exception("unexpected error", method=scope["method"], path=path)
                if status:
                    raise
                await unexpected_response()(scope, receive, send_with_id)
            finally:
                seconds = time.perf_counter() - started
                route = getattr(scope.get("route"), "path", "") or "unknown"
                if traced is not None:
                    traced.update_name(f"{method} {route}")
                    traced.set_attributes({"http.route": route, "http.response.status_code": status})
                self.metrics.in_progress.dec()
                self.metrics.observe_request(method, route, status, seconds)
                log.info(
                    "request",
                    method=method,
                    path=path,
                    route=route,
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                )


class BodyLimit:
    """Refuses a request body beyond `limit` bytes: at once if it says its length, else while it comes in."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self.limit:
            await problem_response(self._too_large())(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self.limit:
                    raise self._too_large()
            return message

        await self.app(scope, receive_limited, send)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(
            f"The request body is larger than {self.limit:,} bytes.",
            mend="Send less at a time, smaller pictures, or raise VITRINE_MAX_REQUEST_BYTES.",
            field="body",
        )


class EncodedProductPaths:
    """Routes `/products/...` by the path as it was sent, so that `%2F` belongs to an id and `/` need not.

    `/products/a%2Fimage` is the product "a/image", `/products/a/image` the picture of "a". Handlers
    decode the id themselves.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "raw_path" in scope:
            prefix = f"{scope.get('root_path', '').rstrip('/')}/products/"
            raw = scope["raw_path"].decode("ascii", "replace")
            if scope["path"].startswith(prefix) and raw.startswith(prefix):
                # In place, because routing leaves the route in this very scope for the log.
                scope["path"] = raw
                scope["vitrine.encoded"] = True
        await self.app(scope, receive, send)
