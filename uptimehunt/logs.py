"""Logging: one line an event, `key=value`, safe to grep and to show in a terminal.

`log.info("service.down", extra=about(service_id=3, error="timeout"))` writes

    2026-01-01T00:00:00.000Z INFO  engine.recorder service.down service_id=3 error=timeout

Values are escaped, so that no text of a target or a caller can forge a line. Secrets are never
passed to a logger.
"""

import json
import logging
import sys
from typing import Any

from uptimehunt import clock

_FACTS = "facts"


def about(**facts: Any) -> dict[str, Any]:
    """The facts of one event, for the `extra` of a logging call; None values are left out."""
    return {_FACTS: {key: value for key, value in facts.items() if value is not None}}


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        parts = [
            clock.iso_millis(int(record.created * 1000)),
            f"{record.levelname:<7}",
            record.name.removeprefix("uptimehunt."),
            _plain(record.getMessage()),
        ]
        facts: dict[str, Any] = getattr(record, _FACTS, {})
        parts += [f"{key}={_value(value)}" for key, value in facts.items()]
        line = " ".join(parts)
        if record.exc_info:
            line += " traceback=" + json.dumps(self.formatException(record.exc_info))
        return line


def _plain(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _value(value: Any) -> str:
    text = str(value)
    bare = text.isprintable() and text.isascii() and not set(text) & set(' "=')
    return text if bare and text else json.dumps(text)


def configure(level: str) -> None:
    """Send every log line to standard error; libraries speak from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("uptimehunt").setLevel(level.upper())
