"""Heartbeats: calls of services that report themselves, and what is known of them.

`told`, `find`, `keys` and `page` read; `begin`, `restart` and `receive` run inside `Store.write`.
What a heartbeat means is judged in `checks/heartbeat.py`.
"""

import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import peewee

from uptimehunt import clock
from uptimehunt.checks import heartbeat
from uptimehunt.checks.heartbeat import Told
from uptimehunt.checks.heartbeat_config import HeartbeatConfig
from uptimehunt.domain.paging import Page, Paging
from uptimehunt.errors import NotFoundError
from uptimehunt.store import queries
from uptimehunt.store.models import Beat, Heartbeat, Service

TYPE = heartbeat.CHECK.type
KEY_LENGTH = 32
"""Characters of a key: 190 bits, so that nobody finds one by trying."""

KEPT = 20
LARGEST_BODY = 10_240
STUCK_AFTER_MS = 10_000
"""How long after the longest run allowed a further start may begin a new run: by then it has been
judged that the one before never ended."""

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Call:
    """A heartbeat as it is received.

    Attributes:
        body: the first 10 KiB of what came with it.
        address: where it came from.
    """

    kind: heartbeat.Kind
    exit_code: int | None = None
    body: bytes = b""
    address: str = ""


def begin(service_id: int) -> None:
    """Give a new service its key; its clock starts now."""
    key = "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))
    Heartbeat.create(service=service_id, key=key, watched_since=clock.now_ms())


def restart(service_id: int) -> None:
    """Start the clock anew, after a pause or a change of the schedule: what was before is past."""
    latest = Beat.select(peewee.fn.MAX(Beat.id)).where(Beat.service == service_id).scalar()
    Heartbeat.update(watched_since=clock.now_ms(), judged_id=latest or 0, started_at=None).where(
        Heartbeat.service == service_id
    ).execute()


def find(key: str) -> int:
    """The id of the service that has a key. Reads.

    Raises:
        NotFoundError: none has it; the same as where nothing is at all.
    """
    found: Heartbeat | None = Heartbeat.get_or_none(Heartbeat.key == key)
    if found is None:
        raise NotFoundError("Resource")
    return int(found.service_id)


def keys(service_ids: Iterable[int]) -> dict[int, str]:
    """The keys of those of some services that have one. Reads."""
    rows = Heartbeat.select().where(Heartbeat.service.in_(list(service_ids)))
    return {row.service_id: row.key for row in rows}


def receive(service_id: int, call: Call) -> dict[str, Any]:
    """Keep a heartbeat, and note what it says of the runs of the job.

    Raises:
        NotFoundError: the service was deleted at this very moment.
    """
    known: Heartbeat | None = Heartbeat.get_or_none(Heartbeat.service == service_id)
    if known is None:
        raise NotFoundError("Resource")
    now = clock.now_ms()
    beat = Beat.create(
        service=service_id,
        at=now,
        kind=call.kind,
        exit_code=call.exit_code,
        duration_ms=None if call.kind == "start" else _duration(service_id, now),
        body=call.body[:LARGEST_BODY].decode("utf-8", "replace"),
        address=call.address,
    )
    if call.kind != "start":
        known.last_at, known.started_at = now, None
    elif known.started_at is None or now >= known.started_at + _longest(service_id):
        known.started_at = now
    known.save()
    _forget_old(service_id)
    return _shape(beat)


def _duration(service_id: int, now: int) -> int | None:
    """How long the run took that ends now; None when its start is not known."""
    before = _latest(service_id).first()
    if before is None or before.kind != "start" or before.at > now:
        return None
    return int(now - before.at)


def _longest(service_id: int) -> int:
    """How long after a start another one belongs to the same run, milliseconds."""
    config = HeartbeatConfig.model_validate(Service.get_by_id(service_id).config)
    return config.longest_run_ms + STUCK_AFTER_MS


def _latest(service_id: int) -> Any:
    return Beat.select().where(Beat.service == service_id).order_by(Beat.id.desc())


def _forget_old(service_id: int) -> None:
    kept = [beat.id for beat in _latest(service_id).limit(KEPT)]
    Beat.delete().where(Beat.service == service_id, Beat.id < kept[-1]).execute()


def told(service_id: int, mark: Mapping[str, Any] | None, awake_since: int) -> Told | None:
    """What the judge is told; None when the service is not there any more. Reads.

    Args:
        service_id: whose.
        mark: the details of the outcome that it gave last; None when this process knows of none,
            and those that were kept are taken.
        awake_since: since when this process has been there without a break, milliseconds.
    """
    known: Heartbeat | None = Heartbeat.get_or_none(Heartbeat.service == service_id)
    if known is None:
        return None
    if mark is None:
        mark = queries.latest_details(service_id)
    judged_id = max(known.judged_id, mark.get("beat_id", 0))
    beat = (
        Beat.select()
        .where(Beat.service == service_id, Beat.id > judged_id, Beat.kind != "start")
        .order_by(Beat.id)
        .first()
    )
    now = clock.now_ms()
    return Told(
        now=now,
        since=known.watched_since,
        awake_since=awake_since,
        beat=None if beat is None else _finished(beat),
        beat_id=judged_id,
        last_at=_past(known.last_at, now, awake_since),
        started_at=_past(known.started_at, now, awake_since),
        missed_at=clock.parse_iso(mark["due_at"]) if "due_at" in mark else None,
    )


def _past(at: int | None, now: int, awake_since: int) -> int | None:
    """An instant that is still to come was noted before the clock was set back."""
    return awake_since if at is not None and at > now else at


def _finished(beat: Beat) -> heartbeat.Beat:
    return heartbeat.Beat(
        id=beat.id,
        at=beat.at,
        ok=beat.kind == "success",
        exit_code=beat.exit_code,
        duration_ms=beat.duration_ms,
        body=beat.body,
    )


def page(service_id: int, paging: Paging) -> Page:
    """One page of the heartbeats that are kept of a service, newest first. Reads."""
    return paging.cut(_latest(service_id), lambda beats: [_shape(beat) for beat in beats])


def _shape(beat: Beat) -> dict[str, Any]:
    return {
        "id": beat.id,
        "timestamp": clock.iso_millis(beat.at),
        "kind": beat.kind,
        "exit_code": beat.exit_code,
        "duration_ms": beat.duration_ms,
        "body": beat.body,
        "address": beat.address,
    }
