"""One event is one line, whatever is in it."""

import io
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from uptimehunt import logs

log = logging.getLogger("uptimehunt.engine.recorder")

HOSTILE = [
    "x\n2026-01-01T00:00:00.000Z INFO    auth login.ok user=1",
    "x\r\nINFO",
    "\x1b[2J\x1b[31mred",
    "\u2028line\u2029",
    "\u202ereversed",
    "bell\x07 nul\x00 \x85",
    "%s %d {0} ${HOME}",
    'quote" and = and space',
    "\ud800",
]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged; the loggers are given back as they were."""
    root, ours = logging.getLogger(), logging.getLogger("uptimehunt")
    before = root.handlers[:], root.level, ours.level
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    for logger in (log, ours):
        monkeypatch.setattr(logger, "disabled", False)  # import-linter disables what it finds.
    logs.configure("info")
    yield written
    root.handlers[:], root.level, ours.level = before


def line(stream: io.StringIO) -> str:
    """The one line that was written."""
    text = stream.getvalue()
    assert text.endswith("\n") and text.count("\n") == 1
    assert text.encode("utf-8").splitlines() == [text[:-1].encode("utf-8")]
    assert text[:-1].isprintable()
    return text[:-1]


def test_a_line_has_time_level_place_event_and_facts(stream: io.StringIO) -> None:
    log.warning("service.down", extra=logs.about(service_id=3, error="timeout", cause=None))

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING engine\.recorder service\.down"
        r" service_id=3 error=timeout",
        line(stream),
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_fact_makes_a_line_of_its_own(stream: io.StringIO, text: str) -> None:
    log.info("event", extra=logs.about(name=text, after="end"))

    assert line(stream).endswith(" after=end")
    assert ' name="' in line(stream)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_message_makes_a_line_of_its_own(stream: io.StringIO, text: str) -> None:
    log.info("%s", text)

    assert " engine.recorder " in line(stream)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_error_makes_a_line_of_its_own(stream: io.StringIO, text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed")

    assert "ValueError" in line(stream)
    assert 'traceback="Traceback' in line(stream)


def test_an_empty_fact_is_seen_to_be_empty(stream: io.StringIO) -> None:
    log.info("event", extra=logs.about(name="", zero=0, flag=False))

    assert line(stream).endswith(' name="" zero=0 flag=False')


def test_what_is_below_the_level_is_not_told(stream: io.StringIO) -> None:
    log.debug("detail")
    logging.getLogger("somebody.elses").info("chatter")

    assert stream.getvalue() == ""
    logging.getLogger("somebody.elses").warning("a warning")
    assert "somebody.elses a warning" in line(stream)
