"""Traces in OpenTelemetry's form, for whoever asks: which part of a request or a run took how long.

Off unless `VITRINE_TRACES` is true or `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector; then spans go out by
OTLP over HTTP, as the `OTEL_*` variables of the OpenTelemetry specification say. Needs `vitrine[traces]`.
While off, `span` costs a comparison.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from services.errors import InvalidInput
from services.settings import Settings

_tracer: Any = None


def configure_traces(settings: Settings, service: str) -> Any:
    """Send spans from now on if the settings or the environment ask for it: the provider, to be shut down at
    the end (see `traced`), or None.

    Raises `InvalidInput` if traces are asked for and the packages are not installed.
    """
    if not (settings.traces or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise InvalidInput(
            f"Traces are asked for, but a package for them is not installed ({error.name}).",
            mend="Install it with pip install 'vitrine[traces]', or unset VITRINE_TRACES and "
            "OTEL_EXPORTER_OTLP_ENDPOINT.",
            field="traces",
        ) from error
    # What OTEL_SERVICE_NAME says comes before the name given here.
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)
    return provider


@contextmanager
def traced(settings: Settings, service: str) -> Iterator[None]:
    """Traces within; the last spans are sent at the end. Raises what `configure_traces` raises."""
    provider = configure_traces(settings, service)
    try:
        yield
    finally:
        if provider is not None:
            use(None)
            provider.shutdown()


def use(provider: Any) -> None:
    """Give spans to this `TracerProvider` from now on; None: to nobody."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("vitrine")


def span(name: str, *, parent: Any = None, **attributes: str | int | float) -> AbstractContextManager[Any]:
    """A span around the block, within the one that is open in this thread or task.

    `parent` (from `here` or `sent`) takes its place, for work that goes on in another thread or began in
    another process. An exception that leaves the block is recorded and goes on. The span, or None while
    traces are off.
    """
    if _tracer is None:
        return nullcontext()
    started: AbstractContextManager[Any] = _tracer.start_as_current_span(
        name, context=parent, attributes=attributes
    )
    return started


def here() -> Any:
    """The place of the span that is open now, to be handed to another thread; None while traces are off."""
    if _tracer is None:
        return None
    from opentelemetry import context

    return context.get_current()


def sent(headers: Mapping[str, str]) -> Any:
    """The place of the span that a client sent along (`traceparent`, W3C Trace Context); None while traces
    are off."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(headers)
