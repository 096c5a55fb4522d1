"""Column types that peewee does not bring.

Instants are plain integer columns in milliseconds since the epoch, named `…_at`; see `clock`.
"""

import json
from typing import Any

import peewee


class JsonColumn(peewee.TextField):
    """A JSON value, kept as compact text; what comes out is equal to what went in."""

    def db_value(self, value: Any) -> str | None:
        """The text to store."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def python_value(self, value: str | None) -> Any:
        """The value that was stored."""
        return None if value is None else json.loads(value)
