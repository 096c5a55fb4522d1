"""What RDAP servers answer, read with care: a registration, and IANA's list of the servers.

Nothing here touches the network (see `domain_rdap.py`). An answer that makes no sense says nothing
of the domain.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from uptimehunt import clock
from uptimehunt.checks.base import ErrorKind

_LONGEST_TEXT = 128
_MOST_STATUSES = 20
BAD_FOR_S = 300.0
"""How long nobody is asked again after trouble."""


class UnknownError(Exception):
    """Nothing can be said of the domain, and why; for `holds_s` nobody is asked again."""

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        details: Mapping[str, Any] | None = None,
        holds_s: float = BAD_FOR_S,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = dict(details or {})
        self.holds_s = holds_s

    def again(self) -> "UnknownError":
        """The same once more: one that is raised twice would grow with every traceback."""
        return UnknownError(self.kind, self.message, self.details, self.holds_s)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registry says of a registered domain.

    Attributes:
        expires_at_ms: when it ends.
        registrar: who registered it; empty when it is not said.
        statuses: as in RFC 8056, lower case.
    """

    expires_at_ms: int
    registrar: str
    statuses: tuple[str, ...]


def parse(body: bytes, details: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in an answer.

    Raises:
        UnknownError: there is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnknownError("protocol_error", "The answer is not JSON as RDAP has it", details)
    return found


def read_list(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """IANA's list by suffix (RFC 9224, sections 3 and 4)."""
    by_suffix: dict[str, list[str]] = {}
    for service in _items(document.get("services")):
        if isinstance(service, list) and len(service) >= 2:
            urls = [url for url in _items(service[1]) if isinstance(url, str)]
            for suffix in _items(service[0]):
                if isinstance(suffix, str):
                    by_suffix[suffix.lower().strip(".")] = urls
    if not by_suffix:
        raise UnknownError("protocol_error", "The list of RDAP servers cannot be read")
    return by_suffix


def read(domain: str, document: Mapping[str, Any], details: Mapping[str, Any]) -> Registration:
    """The facts of a domain object (RFC 9083, section 5.3).

    Raises:
        UnknownError: it is not about this domain, or does not say when it expires.
    """
    name = document.get("ldhName")
    if document.get("objectClassName") != "domain" or (
        isinstance(name, str) and name.rstrip(".").lower() != domain
    ):
        raise UnknownError("protocol_error", "The RDAP server answers something else", details)
    expires_at_ms = _expiry(document)
    if expires_at_ms is None:
        message = "The registry does not say when the registration expires"
        raise UnknownError("protocol_error", message, details)
    statuses = (text.lower() for text in _items(document.get("status")) if isinstance(text, str))
    return Registration(
        expires_at_ms=expires_at_ms,
        registrar=_registrar(document),
        statuses=tuple(text[:_LONGEST_TEXT] for text in statuses)[:_MOST_STATUSES],
    )


def _expiry(document: Mapping[str, Any]) -> int | None:
    """When it expires, in milliseconds; the latest where several dates are given."""
    found = []
    for event in _items(document.get("events")):
        if isinstance(event, dict) and event.get("eventAction") == "expiration":
            with contextlib.suppress(ValueError, OverflowError):
                instant = datetime.fromisoformat(str(event.get("eventDate")))
                # Some registries forget the zone that RFC 3339 wants; all of them mean UTC.
                aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
                found.append(clock.parse_iso(aware.isoformat()))
    # Before 1970 nothing was registered: such a date stands for none.
    return max((instant_ms for instant_ms in found if instant_ms > 0), default=None)


def _registrar(document: Mapping[str, Any]) -> str:
    """The name on the card of the entity that is the registrar; empty when there is none."""
    for entity in _items(document.get("entities")):
        if not isinstance(entity, dict) or "registrar" not in _items(entity.get("roles")):
            continue
        card = _items(entity.get("vcardArray"))
        for line in _items(card[1] if len(card) > 1 else None):
            # jCard (RFC 7095): name, parameters, type, value.
            if isinstance(line, list) and len(line) > 3 and line[0] == "fn":
                return line[3][:_LONGEST_TEXT] if isinstance(line[3], str) else ""
    return ""


def _items(value: object) -> list[Any]:
    """A list, or an empty one in place of anything else."""
    return value if isinstance(value, list) else []
