"""The contract of a check type.

A check type is one module in this folder: a config model, a function `check(config, deadline)`
that returns an `Outcome`, and a `CHECK` that names both for the registry. A check touches the
network and nothing else: it does not store, judge, notify or log, and expected trouble is an
outcome, never an exception. What such modules share is in `peer.py` (configs of a host and a port),
`stream.py` (a conversation over TCP) and `net.py` (addresses, words for errors).
"""

import builtins
from collections.abc import Callable, Mapping, Sequence
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


class LocalTrouble(str):
    """A sentence about trouble that is as likely this machine's own as the target's.

    No name server answers, no route, no socket left: only what becomes of checks of other hosts
    tells whose it is. A string, so that it goes wherever a check's sentence goes.
    """

    __slots__ = ()


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

    @property
    def is_local(self) -> bool:
        """Whether it failed of something that may be this machine's own trouble."""
        return isinstance(self.message, LocalTrouble)


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

    @property
    def secret_destinations(self) -> list[str]:
        """Whom secrets go to besides the target: a proxy, say."""
        return []


DETAILS = "findings_by_field"
"""The kind of a validation error that carries findings of its own, by field."""


def refuse(details: dict[str, list[str]]) -> PydanticCustomError:
    """What a pydantic validator raises for findings of one or more named fields.

    For rules over several fields: a plain error of a model validator would name none.
    """
    return PydanticCustomError(DETAILS, "findings by field", {"details": details})


def secret_names(config: type[CheckConfig]) -> frozenset[str]:
    """The fields of a config whose values are never shown."""
    known = _SECRETS.get(config)
    if known is None:
        fields = config.model_fields
        known = frozenset(name for name in fields if _hints(config, name).get("writeOnly"))
        _SECRETS[config] = known
    return known


_SECRETS: dict[type[CheckConfig], frozenset[str]] = {}
"""Worked out once a type: every service that is shown asks."""


def secrets_in_use(config: type[CheckConfig], values: Mapping[str, Any]) -> frozenset[str]:
    """The secret fields that mean something beside these values: those whose `x-when` holds."""

    def holds(name: str, wanted: Any) -> bool:
        value = values.get(name, config.model_fields[name].default)
        return value in wanted if isinstance(wanted, list) else value == wanted

    return frozenset(
        name
        for name in secret_names(config)
        if all(holds(*condition) for condition in _hints(config, name).get("x-when", {}).items())
    )


def _hints(config: type[CheckConfig], name: str) -> dict[str, Any]:
    extra = config.model_fields[name].json_schema_extra
    return extra if isinstance(extra, dict) else {}


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
class Judgement:
    """What a passive type makes of what it was told.

    Attributes:
        outcome: None when there is nothing new to say. Its `details` come back as `told.mark`
            with the next look, so that nothing is said twice.
        at: when that came about, milliseconds; None for now.
        again_at: when another look is worth while, milliseconds; None for the usual rhythm.
    """

    outcome: Outcome | None
    at: int | None = None
    again_at: int | None = None


def not_checked(config: CheckConfig, deadline: Deadline) -> Outcome:
    """Stand where a passive type has no check; to call it is a mistake of ours."""
    raise TypeError("a passive type is judged by what is known, not checked")


@dataclass(frozen=True, slots=True)
class CheckType(Generic[C]):
    """One service type: what `/service-types` says of it, and the code that checks it.

    A passive type has a `judge` in place of a check: a pure function of the config and of what
    the database knows (`told`: a dataclass of the type's own, filled in the domain).

    Attributes:
        check: makes one check; `not_checked` for a passive type.
        judge: for a passive type; None for all others.
        members: the ids of the services whose status it is made of.
        libraries: what its modules import only when a check needs it; `.*` at the end means all
            modules of that package.
    """

    type: str
    name: str
    description: str
    category: str
    icon: str
    config: builtins.type[C]  # plain `type` is the field above
    check: Callable[[C, Deadline], Outcome]
    target: Callable[[C], Target]
    timing_phases: tuple[str, ...] = ()
    judge: Callable[[C, Any], Judgement] | None = None
    members: Callable[[C], Sequence[int]] | None = None
    libraries: tuple[str, ...] = ()
