"""Logs: structlog for ours, the standard library's bridged through it, all to stderr."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor

from services.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Write every log line to stderr in `settings.log_format`, from `settings.log_level` on.

    Lines of libraries that use `logging` (uvicorn, httpx, qdrant_client) take the same form. May be
    called again with other settings.
    """
    level = getattr(logging, settings.log_level.upper())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _without_colours,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderers: list[Processor]
    if settings.log_format == "json":
        renderers = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # The plain traceback, for the fancy one prints local variables, and keys may be among them.
        renderers = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    if level > logging.DEBUG:
        # open_clip tells each step of loading through the root logger itself.
        handler.addFilter(lambda record: record.name != "root" or record.levelno >= logging.WARNING)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # One line per fetched picture or store call helps nobody above debug.
    for chatty in ("httpx", "httpcore", "urllib3", "PIL", "watchfiles"):
        logging.getLogger(chatty).setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))


def _without_colours(_: object, __: str, event: EventDict) -> EventDict:
    # uvicorn gives its message a second time, for a terminal.
    event.pop("color_message", None)
    return event
