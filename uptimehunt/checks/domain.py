"""The `domain` service type: when a registration expires, as its registry says over RDAP.

RFC 9082 and 9083 are the protocol, RFC 9224 says which server to ask. Registries want to be asked
rarely: a good answer is kept for a day, and checks in between work out the days left from it; what
went wrong is kept for minutes. Whatever goes wrong on the way says nothing of the domain: such an
outcome is unknown, and never a failure.

Here is the course of a check; how the answers are got and read is in `domain_rdap.py`.
"""

import functools
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from uptimehunt import clock
from uptimehunt.checks import curl, net
from uptimehunt.checks.base import (
    CheckConfig,
    CheckType,
    Deadline,
    Outcome,
    Target,
    place,
    refuse,
    whole_ms,
)
from uptimehunt.checks.domain_answers import UnknownError
from uptimehunt.checks.domain_rdap import Kept, Registry
from uptimehunt.checks.url import Url, parse_url

_DAY_MS = 86_400_000
_LONGEST_NAME = 253
_DOOMED = frozenset(("redemption period", "pending delete"))
"""Statuses (RFC 8056) of a registration that has ended, but can still be rescued."""

_registry = Registry()


def _valid_domain(text: str) -> str:
    try:
        name = net.ascii_host(text).removesuffix(".")
    except ValueError:
        name = ""
    _, dot, last_label = name.rpartition(".")
    # No top-level domain is a number (RFC 3696, section 2): what looks so is an address.
    if not dot or last_label.isdigit() or len(name) > _LONGEST_NAME:
        raise PydanticCustomError("domain", "Domain must be a registered name such as example.com")
    return name


class DomainConfig(CheckConfig):
    """Which registration to look at."""

    domain: Annotated[str, AfterValidator(_valid_domain)] = Field(
        min_length=1,
        max_length=255,
        title="Domain",
        description="The registered name, such as example.com, without www.",
        json_schema_extra=place(1, "request"),
    )
    warn_days: int = Field(
        default=30,
        ge=0,
        le=365,
        title="Expiry warning",
        description="Warn when the registration expires within this many days; 0 for never.",
        json_schema_extra=place(10, "expect"),
    )
    rdap_url: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        title="RDAP server",
        description="Base URL of the server to ask; found through IANA's list when left out.",
        json_schema_extra=place(40, "advanced", format="uri"),
    )

    @model_validator(mode="after")
    def _has_usable_url(self) -> Self:
        if self.rdap_url is not None:
            try:
                url = parse_url(self.rdap_url)
            except ValueError:
                raise refuse({"rdap_url": ["RDAP server must be a valid URL"]}) from None
            if url.user or url.password or url.query:
                raise refuse({"rdap_url": ["RDAP server must be a URL without user or query"]})
        return self

    @functools.cached_property
    def base_url(self) -> Url | None:
        """The server to ask; None for the one in IANA's list."""
        return None if self.rdap_url is None else parse_url(self.rdap_url)


def check(config: DomainConfig, deadline: Deadline, registry: Registry = _registry) -> Outcome:
    """Look the registration up, and judge how long it has to go.

    Args:
        config: which domain.
        deadline: when to give up.
        registry: answers so far; the program's own by default.

    Returns:
        details: `expires_at`, `days_left` (negative once expired), `registrar`,
        `registration_status` (list), `rdap_server`, `fetched_at` (the answer is of that instant),
        `remote_ip` and `timing` when it is a fresh one, `warning` (`domain_expiring`).
    """
    try:
        kept, is_fresh = registry.look_up(config.domain, config.base_url, config, deadline)
    except UnknownError as unknown:
        return Outcome(
            False, None, unknown.kind, unknown.message, details=unknown.details, is_unknown=True
        )
    details = _details(kept, is_fresh)
    fault = _judge(config, kept, details)
    if fault is not None:
        return Outcome(False, None, *fault, details=details)
    days_left = details["days_left"]
    if config.warn_days and days_left < config.warn_days:
        details["warning"] = "domain_expiring"
    response_time_ms = whole_ms(details["timing"]["total"]) if is_fresh else None
    return Outcome(True, response_time_ms, details=details)


def _details(kept: Kept, is_fresh: bool) -> dict[str, Any]:
    details: dict[str, Any] = {
        "rdap_server": kept.server,
        "fetched_at": clock.iso_seconds(kept.fetched_at_ms),
    }
    if kept.registration is not None:
        expires_at_ms = kept.registration.expires_at_ms
        details["expires_at"] = clock.iso_seconds(expires_at_ms)
        details["days_left"] = (expires_at_ms - clock.now_ms()) // _DAY_MS
        details["registrar"] = kept.registration.registrar
        details["registration_status"] = list(kept.registration.statuses)
    if is_fresh:
        details |= {"remote_ip": kept.remote_ip, "timing": dict(kept.timing)}
    return details


def _judge(config: DomainConfig, kept: Kept, details: dict[str, Any]) -> net.Fault | None:
    registration = kept.registration
    if registration is None:
        return "assertion_failed", f"{config.domain} is not registered"
    if registration.expires_at_ms <= clock.now_ms():
        return "assertion_failed", f"Registration expired on {details['expires_at'][:10]}"
    # Registries renew by themselves first: the date may be a year ahead all the same.
    if not _DOOMED.isdisjoint(registration.statuses):
        return "assertion_failed", "Registration has ended and is about to be deleted"
    return None


def _target(config: DomainConfig) -> Target:
    url = config.base_url
    if url is None:
        return Target(host=config.domain, port=0, label=config.domain)
    return Target(host=url.host, port=url.port, label=config.domain)


CHECK = CheckType(
    type="domain",
    name="Domain",
    description="Watches when the registration of a domain expires.",
    category="web",
    icon="globe",
    config=DomainConfig,
    check=check,
    target=_target,
    timing_phases=curl.PHASES,
)
