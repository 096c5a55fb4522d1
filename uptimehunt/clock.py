"""What time it is, for the whole program.

Instants are integer milliseconds since the Unix epoch, UTC, from `now_ms()`; they are what the
database keeps. Durations and due times come from `monotonic()`, which no clock step can touch.
The two never mix.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]
"""Something that answers the present instant in milliseconds; tests pass their own."""

DAY_MS = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

monotonic = time.monotonic


def now_ms() -> int:
    """The present instant in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def iso_seconds(instant_ms: int) -> str:
    """An instant as the API writes it for records: `2024-01-01T00:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant_ms // 1000))


def iso_or_none(instant_ms: int | None) -> str | None:
    """Like `iso_seconds`, where there may be none."""
    return None if instant_ms is None else iso_seconds(instant_ms)


def iso_millis(instant_ms: int) -> str:
    """An instant as the API writes it for check results: `2024-01-01T00:00:00.000Z`."""
    seconds, millis = divmod(instant_ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{millis:03d}Z"


def parse_iso(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 instant with an offset or `Z`.

    Raises:
        ValueError: not ISO 8601, or without a zone.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone, as in 2024-01-01T00:00:00Z")
    return (instant - _EPOCH) // timedelta(milliseconds=1)
