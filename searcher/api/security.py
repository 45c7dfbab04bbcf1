"""Who may read and write, and the headers that keep browsers from doing harm."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searcher.api.problems import Forbidden, Unauthorised, problem_response
from services.settings import Settings

#: Scripts and styles come from this service alone, none inline; pictures may lie on the shop's servers.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: https: http:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
#: Answers that are no pages may do nothing at all, whatever a browser takes them for.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

_bearer = HTTPBearer(auto_error=False, description="The key set as VITRINE_WRITE_KEY.")


class SecurityHeaders:
    """Adds a Content-Security-Policy and its companions to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                page = headers.get("content-type", "").startswith("text/html")
                headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("X-Frame-Options", "DENY")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class ReadKey:
    """Lets nobody but the holders of a key ask anything, where VITRINE_READ_KEY is set.

    Programs send the key, or the one for writing, as `Authorization: Bearer KEY`; a browser asks for it by
    itself and sends it as the password of HTTP Basic (RFC 7617), pictures included. Probes need none.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._keys = [key for key in (_secret(settings.read_key), _secret(settings.write_key)) if key]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) if "path" in scope else ""
        if scope["type"] != "http" or path in ("/healthz", "/readyz") or self._knows(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        refusal = Unauthorised(
            "The key is missing or wrong.",
            mend="Send the key of VITRINE_READ_KEY as 'Authorization: Bearer KEY'.",
            field="Authorization",
        )
        response = problem_response(refusal)
        response.headers["WWW-Authenticate"] = 'Basic realm="Vitrine", charset="UTF-8"'
        await response(scope, receive, send)

    def _knows(self, headers: Headers) -> bool:
        kind, _, credentials = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
            except (binascii.Error, ValueError):
                return False
        elif kind.lower() != "bearer":
            return False
        # All are compared, each in constant time, so that time tells nothing of which was nearly right.
        return any([hmac.compare_digest(credentials.encode(), key.encode()) for key in self._keys])


def _secret(key: SecretStr | None) -> str:
    return key.get_secret_value() if key is not None else ""


def is_loopback(host: str) -> bool:
    """True for a name or address that only this machine can reach."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def require_write(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Refuse a write without the key; without a key set, refuse all but those on this very machine.

    The settings may not know what the server was bound to, so the client's address counts too; and the
    Host header, because a page that makes its own name resolve to 127.0.0.1 (DNS rebinding), or a proxy
    that leads here from outside, names another host.
    """
    settings: Settings = request.app.state.settings
    key = _secret(settings.write_key)
    if key:
        given = credentials.credentials if credentials is not None else ""
        if not hmac.compare_digest(given.encode(), key.encode()):
            raise Forbidden(
                "The key is missing or wrong.",
                mend="Send the key of VITRINE_WRITE_KEY as 'Authorization: Bearer KEY'.",
                field="Authorization",
            )
    elif not (is_loopback(settings.host) and _from_here(request)):
        raise Forbidden(
            "The service can be reached from other machines and has no key for writing.",
            mend="Set VITRINE_WRITE_KEY and send it as 'Authorization: Bearer KEY'.",
            field="Authorization",
        )


def _from_here(request: Request) -> bool:
    client = request.client.host if request.client is not None else ""
    return is_loopback(client) and is_loopback(request.url.hostname or "")
