"""Prometheus metrics of the service: requests, stages of a search, products."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one application, in a registry of its own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "vitrine_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "vitrine_request_seconds",
            "Seconds from request to answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "vitrine_requests_in_progress", "Requests being answered.", registry=self.registry
        )
        self.stages = Histogram(
            "vitrine_search_stage_seconds",
            "Seconds a search spends in each stage.",
            ("stage",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.products = Gauge("vitrine_products", "Products in the collection.", registry=self.registry)
        self.upserted = Counter("vitrine_upserted", "Products stored over HTTP.", registry=self.registry)
        self.deleted = Counter("vitrine_deleted", "Products deleted over HTTP.", registry=self.registry)

    def observe_search(self, took: Mapping[str, float]) -> None:
        """Record the stages of one search, given in milliseconds."""
        for stage, milliseconds in took.items():
            self.stages.labels(stage).observe(milliseconds / 1000)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record one answered request; `route` is the template of its path, never the path itself."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)
