"""How often one client may ask: sliding windows by address, kept in memory."""

from __future__ import annotations

import ipaddress
import math
import time

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from searcher.api.problems import TooManyRequests, problem_response

#: What a page loads by the dozen and what watches over the service does not count.
_FREE = frozenset(("/", "/healthz", "/readyz", "/metrics", "/openapi.json"))


class RateLimit:
    """Answers 429 with Retry-After to a client address beyond `rates`, such as "120/minute; 10/second"
    (the notation of `limits`). Each process counts for itself."""

    def __init__(self, app: ASGIApp, rates: str) -> None:
        self.app = app
        self._rates = parse_many(rates)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_free(scope):
            await self.app(scope, receive, send)
            return
        client = client_network(scope["client"][0] if scope.get("client") else "")
        for rate in self._rates:
            if not self._limiter.hit(rate, client):
                response = problem_response(_refusal(rate))
                response.headers["Retry-After"] = str(self._wait(rate, client))
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _wait(self, rate: RateLimitItem, client: str) -> int:
        left = self._limiter.get_window_stats(rate, client).reset_time - time.time()
        return max(1, min(math.ceil(left), rate.get_expiry()))


def client_network(host: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 network of an IPv6 address, of which anyone
    has as many addresses as they like."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _is_free(scope: Scope) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
    shown = scope["method"] in ("GET", "HEAD") and path.startswith("/products/") and path.endswith("/image")
    return path in _FREE or path.startswith("/static/") or shown


def _refusal(rate: RateLimitItem) -> TooManyRequests:
    return TooManyRequests(
        f"More than {rate} came from this address.", mend="Ask again after the seconds of Retry-After."
    )
