"""Log lines: ours and those of libraries, in both forms, at the level asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.settings import Settings
from services.telemetry import configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_json_lines_of_ours_and_of_libraries_share_one_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"))
    structlog.get_logger("indexer").info("batch stored", products=64)
    logging.getLogger("uvicorn").warning("slow %s", "client", extra={"client": "10.0.0.1"})
    ours, theirs = _lines(capsys)
    assert (ours["event"], ours["level"], ours["logger"], ours["products"]) == (
        "batch stored",
        "info",
        "indexer",
        64,
    )
    assert (theirs["event"], theirs["level"], theirs["client"]) == ("slow client", "warning", "10.0.0.1")
    assert set(ours) - {"products"} == set(theirs) - {"client"}


def test_level_also_holds_for_chatty_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json", log_level="error"))
    structlog.get_logger("indexer").warning("not shown")
    logging.getLogger("httpx").warning("not shown")
    logging.getLogger("httpx").error("shown")
    assert [line["event"] for line in _lines(capsys)] == ["shown"]


def test_requests_of_libraries_are_left_out_above_debug(capsys: pytest.CaptureFixture[str]) -> None:
    for level, expected in (("info", []), ("debug", ["GET /a.jpg"])):
        configure_logging(Settings(log_format="json", log_level=level))
        logging.getLogger("httpx").info("GET /a.jpg")
        assert [line["event"] for line in _lines(capsys)] == expected


@pytest.mark.parametrize("form", ["json", "console"])
def test_traceback_is_shown_without_local_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format=form))
    key = "hunter" + "2" * 3
    try:
        raise ValueError(len(key))
    except ValueError:
        structlog.get_logger("indexer").exception("failed")
    error = capsys.readouterr().err
    assert "ValueError: 9" in error and "failed" in error
    assert key not in error


def test_configuring_twice_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"))
    configure_logging(Settings(log_format="json"))
    structlog.get_logger("indexer").info("once")
    assert len(_lines(capsys)) == 1
