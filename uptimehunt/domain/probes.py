"""Probes: the places that checks are made from. Id 1 is this process; others are remote.

A remote prober proves itself with a token that is shown once and kept as a digest. `identify`,
`find`, `page`, `places` and `to_dict` read; all others run inside `Store.write`.
"""

import hashlib
import hmac
import secrets
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from uptimehunt import __version__, clock
from uptimehunt.domain import text
from uptimehunt.domain.countries import COUNTRIES
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.domain.validation import parse
from uptimehunt.errors import ConflictError, NotFoundError, UnauthorizedError
from uptimehunt.store.models import LOCAL_PROBE, Probe, Service
from uptimehunt.store.queries import service_probes

TOKEN_LENGTH = 32
HEARTBEAT_S = 30
OFFLINE_AFTER_MS = 3 * HEARTBEAT_S * 1000
ROTATION_MS = 86_400_000
"""How long the token before a rotation still works."""

_ALPHABET = string.ascii_letters + string.digits

ProbeStatus = Literal["online", "offline", "pending"]


class ProbeInput(BaseModel):
    """What an admin says of a probe."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: text.Name = Field(title="Name", min_length=1, max_length=64, examples=["Frankfurt"])
    city: text.Name = Field(default="", title="City", max_length=64, examples=["Frankfurt am Main"])
    country_code: Literal["", *COUNTRIES] = Field(  # type: ignore[valid-type]
        default="", title="Country", description="ISO 3166-1, two letters.", examples=["DE"]
    )
    region: text.Name = Field(default="", title="Region", max_length=64, examples=["Hesse"])
    isp: text.Name = Field(default="", title="ISP", max_length=64, examples=["Example Net"])
    latitude: float | None = Field(default=None, ge=-90, le=90, title="Latitude", examples=[50.11])
    longitude: float | None = Field(
        default=None, ge=-180, le=180, title="Longitude", examples=[8.68]
    )


class Heartbeat(BaseModel):
    """What a prober says of itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: text.Name = Field(title="Version", max_length=32, examples=[__version__])
    hostname: text.Name = Field(title="Host name", max_length=255, examples=["fra-1"])
    capabilities: list[str] = Field(
        title="Capabilities",
        max_length=200,
        description="Service types that it can check.",
        examples=[["http", "tcp"]],
    )


def digest(token: str) -> str:
    """What is kept of a token; enough for one that is as random as ours."""
    return hashlib.sha256(token.encode()).hexdigest()


def identify(token: str) -> Probe:
    """The probe whose token this is. Reads.

    Raises:
        UnauthorizedError: no probe has it.
    """
    sought = digest(token) if token.isascii() and len(token) == TOKEN_LENGTH else ""
    found: Probe | None = Probe.get_or_none(
        (Probe.token_digest == sought)
        | ((Probe.previous_digest == sought) & (Probe.previous_until > clock.now_ms()))
    )
    kept = () if found is None else (found.token_digest, found.previous_digest)
    if found is None or not any(hmac.compare_digest(sought, one) for one in kept if one):
        raise UnauthorizedError("The prober token is not valid")
    return found


def find(probe_id: int) -> Probe:
    """A probe. Reads.

    Raises:
        NotFoundError: there is none.
    """
    probe: Probe | None = Probe.get_or_none(Probe.id == probe_id)
    if probe is None:
        raise NotFoundError("Probe")
    return probe


def page(paging: Paging) -> Page:
    """One page of all probes. Reads."""
    return paging.cut(Probe.select().order_by(Probe.id), to_dicts)


def places() -> dict[str, Any]:
    """The probes whose place is known, as a GeoJSON FeatureCollection (RFC 7946). Reads."""
    located = Probe.select().where(Probe.latitude.is_null(False), Probe.longitude.is_null(False))
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": shown["id"],
                "geometry": {
                    "type": "Point",
                    "coordinates": [shown["longitude"], shown["latitude"]],
                },
                "properties": shown,
            }
            for shown in to_dicts(list(located.order_by(Probe.id)))
        ],
    }


def create(wanted: ProbeInput) -> dict[str, Any]:
    """Add a remote probe; only this answer holds its token."""
    token = _new_token()
    probe = Probe.create(
        **wanted.model_dump(), token_digest=digest(token), created_at=clock.now_ms()
    )
    return {**to_dict(probe), "token": token}


def replace(probe_id: int, wanted: ProbeInput) -> dict[str, Any]:
    """Give a probe new values; what was left out goes back to its default."""
    find(probe_id)
    Probe.update(**wanted.model_dump()).where(Probe.id == probe_id).execute()
    return to_dict(find(probe_id))


def change(probe_id: int, sent: dict[str, Any]) -> dict[str, Any]:
    """Change only what was sent."""
    probe = find(probe_id)
    present = {name: getattr(probe, name) for name in ProbeInput.model_fields}
    return replace(probe_id, parse(ProbeInput, present | sent))


def rotate(probe_id: int) -> dict[str, Any]:
    """Make a new token; the old one works for a day more, so that none is cut off.

    Raises:
        ConflictError: it is this process, which needs none.
    """
    probe = find(probe_id)
    _refuse_local(probe, "has no token")
    token, now = _new_token(), clock.now_ms()
    probe.previous_digest, probe.previous_until = probe.token_digest, now + ROTATION_MS
    probe.token_digest = digest(token)
    probe.save()
    return {**to_dict(probe), "token": token}


def delete(probe_id: int) -> list[int]:
    """Remove a probe; its results stay. Answers the ids of the services that lose it.

    Raises:
        ConflictError: it is this process.
    """
    probe = find(probe_id)
    _refuse_local(probe, "cannot be deleted")
    losing = []
    for service_id, probe_ids in service_probes():
        if probe_id in probe_ids:
            kept = [one for one in probe_ids if one != probe_id]
            Service.update(probe_ids=kept, revision=Service.revision + 1).where(
                Service.id == service_id
            ).execute()
            losing.append(service_id)
    probe.delete_instance()
    return losing


def heard_from(probe_id: int, said: Heartbeat) -> dict[str, Any]:
    """Note that a prober lives, and what it says of itself."""
    Probe.update(
        version=said.version,
        hostname=said.hostname,
        capabilities=said.capabilities,
        seen_at=clock.now_ms(),
    ).where(Probe.id == probe_id).execute()
    return {**to_dict(find(probe_id)), "heartbeat_seconds": HEARTBEAT_S}


def _refuse_local(probe: Probe, why: str) -> None:
    if probe.id == LOCAL_PROBE:
        raise ConflictError(f"The probe of this server {why}")


def _new_token() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(TOKEN_LENGTH))


def status_of(probe: Probe) -> ProbeStatus:
    """Whether a probe is there: this process always, a remote one by its heartbeat."""
    if probe.id == LOCAL_PROBE:
        return "online"
    if probe.seen_at is None:
        return "pending"
    return "online" if clock.now_ms() - probe.seen_at <= OFFLINE_AFTER_MS else "offline"


def to_dict(probe: Probe) -> dict[str, Any]:
    """A probe as the API shows it. Reads."""
    return to_dicts([probe])[0]


def to_dicts(probes: Sequence[Probe]) -> list[dict[str, Any]]:
    """Probes as the API shows them. Reads."""
    counts: Counter[int] = Counter()
    for _, probe_ids in service_probes():
        counts.update(probe_ids or [LOCAL_PROBE])
    return [_shape(probe, counts[probe.id]) for probe in probes]


def _shape(probe: Probe, service_count: int) -> dict[str, Any]:
    is_local = probe.id == LOCAL_PROBE
    return {
        "id": probe.id,
        "name": probe.name,
        "hostname": probe.hostname,
        "city": probe.city,
        "country": COUNTRIES.get(probe.country_code, ""),
        "country_code": probe.country_code,
        "region": probe.region,
        "isp": probe.isp,
        "latitude": probe.latitude,
        "longitude": probe.longitude,
        "status": status_of(probe),
        "is_local": is_local,
        "version": __version__ if is_local else probe.version,
        "last_seen_at": clock.iso_or_none(probe.seen_at),
        "service_count": service_count,
        "created_at": clock.iso_seconds(probe.created_at),
    }
