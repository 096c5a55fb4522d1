"""Texts of the target: patterns that they have to match, and excerpts of them for people."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from uptimehunt.checks import patterns

_MASK = "********"
_SHOWN = 200
_LONGEST_SECRET = 4096


def _valid_pattern(text: str) -> str:
    try:
        patterns.compiled(text)
    except ValueError:
        raise PydanticCustomError("pattern", "Pattern must be a valid RE2 expression") from None
    return text


Pattern = Annotated[str, AfterValidator(_valid_pattern)]
"""A field that holds a pattern; give it a `max_length` of 1000."""


def matches(pattern: str, data: bytes) -> bool:
    """Whether the pattern is found anywhere in the data, read as UTF-8; in linear time."""
    return patterns.compiled(pattern).search(data) is not None


def excerpt(data: bytes, secrets: Iterable[str | None] = ()) -> str:
    """The first 200 characters, with our secrets masked.

    Masked before it is cut, so that no half of a secret is left at the end.
    """
    text = data[: 4 * (_SHOWN + _LONGEST_SECRET)].decode("utf-8", "replace")
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text[:_SHOWN]
