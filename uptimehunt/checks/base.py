"""The contract of a check type.

A check type is one module in this folder: a config model, a function `check(config, deadline)`
that returns an `Outcome`, and a `CHECK` that names both for the registry. A check touches the
network and nothing else: it does not store, judge, notify or log, and expected trouble is an
outcome, never an exception. What such modules share is in `peer.py` (configs of a host and a port),
`stream.py` (a conversation over TCP) and `net.py` (addresses, words for errors).
"""

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from uptimehunt import clock

ErrorKind = Literal[
    "dns_error",
    "connection_refused",
    "connection_reset",
    "network_unreachable",
    "connect_timeout",
    "timeout",
    "tls_error",
    "certificate_expired",
    "certificate_expiring",
    "certificate_invalid",
    "too_many_redirects",
    "status_mismatch",
    "assertion_failed",
    "body_too_large",
    "protocol_error",
    "packet_loss",
    "authentication_failed",
    "no_heartbeat",
    "probe_offline",
    "internal_error",
]
"""Why a check failed; the same words over all check types (API contract, section 4)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found, in memory.

    Attributes:
        ok: the service answered as its config expects.
        response_time_ms: whole milliseconds from the start to the full answer, at least 1;
            None when there was no answer to time.
        error: why it is not ok; None when it is.
        message: one sentence for people, in our own words: never text of the target.
        status_code: what HTTP-like protocols answered, when they did.
        details: JSON-ready facts for display (`timing`, `remote_ip`, `certificate`, …); `warning`
            in it says why a service that answers is degraded all the same.
        is_unknown: nothing can be said of the service, because what failed was not it; `ok` is
            False then, and neither status nor uptime change.
    """

    ok: bool
    response_time_ms: int | None = None
    error: ErrorKind | None = None
    message: str = ""
    status_code: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    is_unknown: bool = False


class CheckError(Exception):
    """What was found is not what is expected: ends a check from deep inside as this failure."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Deadline:
    """One deadline for a whole check, on the monotonic clock; every wait in it asks `left()`."""

    __slots__ = ("_ends_at",)

    def __init__(self, seconds: float) -> None:
        self._ends_at = clock.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, always more than 0.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self._ends_at - clock.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


def whole_ms(seconds: float) -> int:
    """Seconds as the whole milliseconds we store; what took any time at all took at least 1."""
    return max(1, round(seconds * 1000))


def place(order: int, group: str, **more: Any) -> dict[str, Any]:
    """Where the form shows a field: its `json_schema_extra`.

    Args:
        order: fields with lower numbers come first.
        group: request, auth, expect, tls or advanced.
        more: further hints: `x-multiline` for a text area, `x-when` ({field: value or values})
            for a field that is shown only then.
    """
    return {"x-order": order, "x-group": group, **more}


def secret(order: int, group: str, max_length: int = 1024, **more: Any) -> dict[str, Any]:
    """The arguments of a `Field` of type `str | None` that is never shown again once it is set.

    `secret_names` finds it by `writeOnly`; what is done with it is in `domain/secret_values.py`.
    """
    return {
        "default": None,
        "min_length": 1,
        "max_length": max_length,
        "json_schema_extra": place(order, group, writeOnly=True, **more),
    }


class CheckConfig(BaseModel):
    """What every service type can be told; each type's own model adds its fields.

    The JSON Schema of the model draws the dashboard's form: `title` is the label (and the first
    word of an error message), `description` the hint, `json_schema_extra=place(…)` its place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    timeout: int = Field(
        default=30,
        ge=1,
        le=120,
        title="Timeout",
        description="Seconds for the whole check; no answer by then is a failure.",
        json_schema_extra=place(90, "advanced"),
    )
    ip_family: Literal["auto", "4", "6"] = Field(
        default="auto",
        title="IP version",
        description="Which addresses of the host to use.",
        json_schema_extra=place(91, "advanced"),
    )


DETAILS = "findings_by_field"
"""The kind of a validation error that carries findings of its own, by field."""


def refuse(details: dict[str, list[str]]) -> PydanticCustomError:
    """What a pydantic validator raises for findings of one or more named fields.

    For rules over several fields: a plain error of a model validator would name none.
    """
    return PydanticCustomError(DETAILS, "findings by field", {"details": details})


def secret_names(config: type[CheckConfig]) -> frozenset[str]:
    """The fields of a config whose values are never shown."""
    return frozenset(
        name
        for name, info in config.model_fields.items()
        if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("writeOnly")
    )


C = TypeVar("C", bound=CheckConfig)


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a config talks to.

    Attributes:
        host: name or address, lower case; with `port` it is what the pool's cap counts by.
        port: port number, 0 where the protocol has none.
        label: how people recognise it (`https://example.com/health`, `db.lan:5432`), without
            secrets; searched by `q=` and shown beside the name.
    """

    host: str
    port: int
    label: str


@dataclass(frozen=True, slots=True)
class CheckType(Generic[C]):
    """One service type: what `/service-types` says of it, and the code that checks it."""

    type: str
    name: str
    description: str
    category: str
    icon: str
    config: builtins.type[C]  # plain `type` is the field above
    check: Callable[[C, Deadline], Outcome]
    target: Callable[[C], Target]
    timing_phases: tuple[str, ...] = ()
