"""The line to a Qdrant server: which client, what is tried again, what a failure means."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
import httpx
import structlog
import tenacity
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from services.errors import InvalidInput, StoreUnavailable, VitrineError
from services.settings import Settings

T = TypeVar("T")

log = structlog.get_logger(__name__)

_ATTEMPTS = 4
_REST_PORT, _GRPC_PORT = 6333, 6334
_PASSING_STATUS = {429, 502, 503, 504}
_PASSING_CODE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED}


class Connection:
    """Runs calls on one client, built from the settings at the first call unless given.

    A given client is left open by `close`. `exclusive` lets in one call at a time. Safe to use from
    several threads.
    """

    def __init__(self, settings: Settings, client: QdrantClient | None, exclusive: bool) -> None:
        self._settings = settings
        self._owned = client is None
        self._client = client
        self._connect_lock = threading.Lock()
        self._turn: AbstractContextManager[Any] = threading.RLock() if exclusive else nullcontext()

    def call(self, done: str, work: Callable[[QdrantClient], T]) -> T:
        """Run one call that may be repeated without harm, again if its failure may pass.

        At most four attempts are made, none after `store_timeout` seconds. Raises `StoreUnavailable`,
        which says what could not be `done`.
        """
        attempts = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS)
            | tenacity.stop_before_delay(self._settings.store_timeout),
            wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=2.0, jitter=0.2),
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )
        try:
            client = self._connect()
            with self._turn:
                return attempts(work, client)
        except VitrineError:
            raise
        except Exception as error:
            raise self._unavailable(done, error) from error

    def close(self) -> None:
        with self._connect_lock:
            if self._owned and self._client is not None:
                self._client.close()
                self._client = None

    def _connect(self) -> QdrantClient:
        with self._connect_lock:
            if self._client is None:
                self._client = connect(self._settings)
            return self._client

    def _unavailable(self, done: str, error: Exception) -> StoreUnavailable:
        if _refused_key(error):
            mend = "Set VITRINE_QDRANT_API_KEY to a key that may read and write this collection."
        elif _may_pass(error) or _timed_out(error):
            mend = "Check that the Qdrant server runs and VITRINE_QDRANT_URL names it, then try again."
        else:
            mend = "See the log of the Qdrant server."
        where = self._settings.qdrant_url or "the given client"
        return StoreUnavailable(
            f"The collection {self._settings.collection!r} on {where} cannot be {done}: {_reason(error)}.",
            mend=mend,
            field="qdrant_url",
        )


def connect(settings: Settings) -> QdrantClient:
    """A client of the server that the settings name; nothing is sent yet.

    gRPC is used if wanted and if its port answers, else REST. Qdrant's gRPC port belongs to the
    default REST port; an address with another port may stand for another server than the one whose
    gRPC is at the default port, so REST is used there. Raises `InvalidInput` for a malformed address.
    """
    try:
        parts = urlsplit(settings.qdrant_url or "")
        port = parts.port or _REST_PORT
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it needs http:// or https:// and a host")
        use_grpc = settings.qdrant_grpc and port == _REST_PORT and not parts.path.strip("/")
        if use_grpc and not _answers(parts.hostname, min(2.0, settings.store_timeout)):
            log.warning(
                "gRPC port of Qdrant does not answer, using REST", host=parts.hostname, port=_GRPC_PORT
            )
            use_grpc = False
        return QdrantClient(
            url=settings.qdrant_url,
            api_key=settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
            prefer_grpc=use_grpc,
            grpc_port=_GRPC_PORT,
            timeout=math.ceil(settings.store_timeout),
            check_compatibility=False,
        )
    except ValueError as error:
        raise InvalidInput(
            f"{settings.qdrant_url!r} is not the address of a Qdrant server: {error}.",
            mend="Set VITRINE_QDRANT_URL to something like http://localhost:6333.",
            field="qdrant_url",
        ) from error


def _answers(host: str, timeout: float) -> bool:
    try:
        socket.create_connection((host, _GRPC_PORT), timeout=timeout).close()
    except OSError:
        return False
    return True


def _may_pass(error: BaseException) -> bool:
    """Whether to try again. A time-out has used up the time there is, so it is not."""
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, httpx.TransportError) and not _timed_out(error)
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _PASSING_STATUS
    if isinstance(error, grpc.RpcError):
        return _code(error) in _PASSING_CODE
    return isinstance(error, ResourceExhaustedResponse)


def _timed_out(error: BaseException) -> bool:
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, httpx.TimeoutException)
    return isinstance(error, grpc.RpcError) and _code(error) is grpc.StatusCode.DEADLINE_EXCEEDED


def _refused_key(error: BaseException) -> bool:
    if isinstance(error, UnexpectedResponse):
        return error.status_code in (401, 403)
    refused = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    return isinstance(error, grpc.RpcError) and _code(error) in refused


def _code(error: grpc.RpcError) -> grpc.StatusCode | None:
    return error.code() if isinstance(error, grpc.Call) else None


def _reason(error: Exception) -> str:
    if isinstance(error, ResponseHandlingException):
        return f"{type(error.source).__name__} {error.source}".strip()
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        return f"{error.code().name} {error.details() or ''}".strip()
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
