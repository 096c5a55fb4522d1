"""Pages of a collection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

DEFAULT_LIMIT = 20
MOST = 100
MOST_EXPORTED = 10_000
"""As CSV, so that people can take out what is theirs in a few calls."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its rows as the API shows them, and where it stands in the whole."""

    rows: list[dict[str, Any]]
    number: int
    limit: int
    total: int

    def meta(self) -> dict[str, int]:
        """The `meta` of the answer; `totalPages` is spelt as in the seed."""
        return {
            "page": self.number,
            "limit": self.limit,
            "total": self.total,
            "totalPages": -(-self.total // self.limit),
        }


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is wanted: `number` from 1, `limit` from 1 to `MOST`, or `MOST_EXPORTED`."""

    number: int = 1
    limit: int = DEFAULT_LIMIT

    def cut(self, query: Any, shape: Callable[[Sequence[Any]], list[dict[str, Any]]]) -> Page:
        """This page of a peewee query; past the end it is empty."""
        return self.take(
            query.count(), lambda start, limit: shape(list(query.offset(start).limit(limit)))
        )

    def take(self, total: int, read: Callable[[int, int], list[dict[str, Any]]]) -> Page:
        """This page of so many rows, `read` by offset and limit; past the end it is empty."""
        start = (self.number - 1) * self.limit
        rows = read(start, self.limit) if start < total else []
        return Page(rows, self.number, self.limit, total)
