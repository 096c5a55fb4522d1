"""Time zones by name, as people and cron expressions name them. Instants stay in UTC everywhere."""

import re
import zoneinfo
from datetime import UTC, tzinfo
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

_NAME = re.compile(r"[A-Za-z0-9_+/-]{1,64}")


def zone(name: str) -> tzinfo:
    """The zone of that name.

    Raises:
        ValueError: there is none.
    """
    if name == "UTC":
        return UTC  # It needs no zone data.
    if not _NAME.fullmatch(name):  # A name is a path below the zone data.
        raise ValueError(f"no time zone {name!r}")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as ex:
        raise ValueError(f"no time zone {name!r}") from ex


def _valid(name: str) -> str:
    try:
        zone(name)
    except ValueError:
        raise PydanticCustomError("timezone", "Must be a time zone such as Europe/Berlin") from None
    return name


TimeZone = Annotated[str, AfterValidator(_valid)]
"""The name of a time zone that there is."""
