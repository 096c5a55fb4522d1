"""What an HTTP answer was like, for those who judge it or take values from it."""

import functools
from collections.abc import Iterable
from typing import Any

from uptimehunt.checks import json_paths, patterns

_MOST_INSTRUCTIONS = 200_000_000  # of patterns; two or three seconds, at the worst


class View:
    """An answer that is complete; what all who look at it may spend together is bounded."""

    def __init__(
        self,
        *,
        status: int,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        is_whole: bool,
        response_time_ms: int,
        certificate_days: int | None,
        size: int,
    ) -> None:
        self.status = status
        self.body = body
        self.response_time_ms = response_time_ms
        self.certificate_days = certificate_days
        self.size = size
        self._headers = list(headers)
        self._is_whole = is_whole
        self._budget = json_paths.Budget()
        self._instructions = _MOST_INSTRUCTIONS

    def header(self, name: str) -> str | None:
        """The value of a header, of several with one name all (RFC 9110, section 5.3)."""
        found = [value for known, value in self._headers if known.lower() == name.lower()]
        return ", ".join(found) if found else None

    @functools.cached_property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def values(self, path: str) -> list[Any]:
        """What a JSONPath leads to.

        Raises:
            UnreadableError: the body cannot be read as JSON, or not searched.
        """
        if not self._is_whole:
            raise json_paths.UnreadableError("the answer is too long to be read as JSON")
        if isinstance(self._document, json_paths.UnreadableError):
            raise self._document
        return json_paths.find(path, self._document, self._budget)

    def search(self, pattern: str, data: bytes) -> Any:
        """The match of a pattern in a part of the answer, or None.

        Raises:
            UnreadableError: it could take too long.
        """
        self._instructions -= patterns.cost(pattern, len(data))
        if self._instructions < 0:
            raise json_paths.UnreadableError("the answer is too long for so large a pattern")
        return patterns.compiled(pattern).search(data)

    @functools.cached_property
    def _document(self) -> Any:
        try:
            return json_paths.parse(self.body)
        except json_paths.UnreadableError as error:
            return error
