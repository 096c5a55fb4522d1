"""`{{name}}` in the texts of a request: variables are filled in, and nothing else is understood.

A value is written so that it stays a value where it stands: it cannot end a string of JSON, start a
tag, add a parameter to a URL or a line to a header.
"""

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

from uptimehunt.checks.http_fields import BodyType

LONGEST_VALUE = 4096
"""In characters; more of an answer is no value to go on with."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""What a variable may be called."""

_PLACE = re.compile(r"\{\{([^{}]{0,200})\}\}")

Write = Callable[[str], str]


def in_url(value: str) -> str:
    """A value within a path or a query."""
    return quote(value, safe="")


def as_is(value: str) -> str:
    """A value in plain text."""
    return value


IN_BODY: dict[BodyType, Write] = {
    "none": as_is,
    "json": lambda value: json.dumps(value)[1:-1],
    "xml": lambda value: escape(value, {'"': "&quot;", "'": "&apos;"}),
    "form": quote_plus,
    "text": as_is,
}
"""How a value is written in a body of that type."""


def names(text: str) -> list[str]:
    """What stands between `{{` and `}}`, a name or not."""
    return _PLACE.findall(text)


def fill(text: str, values: Mapping[str, str], write: Write) -> str:
    """The text with the variables filled in; what is no variable stays as it is."""

    def value(match: re.Match[str]) -> str:
        known = values.get(match[1])
        return match[0] if known is None else write(known)

    return _PLACE.sub(value, text)
