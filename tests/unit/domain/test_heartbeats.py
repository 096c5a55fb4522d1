"""What the database knows of heartbeats, as the judge is told."""

from typing import Any

import pytest

from tests import builders
from uptimehunt import clock
from uptimehunt.checks.heartbeat import Told
from uptimehunt.domain import heartbeats
from uptimehunt.domain.heartbeats import KEPT, STUCK_AFTER_MS, Call
from uptimehunt.errors import NotFoundError
from uptimehunt.store.database import Store
from uptimehunt.store.models import Beat, Heartbeat, User

LONG_AGO = builders.T0


@pytest.fixture
def job(store: Store, alice: User) -> int:
    """A heartbeat of Alice; a run may take 100 s."""
    config = {"period_seconds": 3600, "max_runtime_seconds": 100}
    return builders.add_service(store, alice, type="heartbeat", config=config)


def told(store: Store, job: int, mark: dict[str, Any] | None = None) -> Told:
    with store.reading():
        found = heartbeats.told(job, mark, LONG_AGO)
    assert found is not None
    return found


def receive(store: Store, job: int, *kinds: Any) -> list[dict[str, Any]]:
    return [store.write(heartbeats.receive, job, Call(kind)) for kind in kinds]


def at(beat: dict[str, Any]) -> int:
    return clock.parse_iso(beat["timestamp"])


def set_back(store: Store, table: Any, **values: int) -> None:
    """As if what is noted had happened at other times."""
    store.write(table.update(**values).execute)


def test_of_a_new_one_only_its_beginning_is_known(store: Store, job: int) -> None:
    before = clock.now_ms()

    found = told(store, job)

    assert before - 5000 <= found.since <= found.now
    assert found == Told(now=found.now, since=found.since, awake_since=LONG_AGO)


def test_those_not_judged_yet_come_oldest_first_without_starts(store: Store, job: int) -> None:
    beats = receive(store, job, "start", "success", "start", "fail")

    first = told(store, job)
    assert first.beat is not None
    assert (first.beat.id, first.beat.ok, first.beat.at) == (beats[1]["id"], True, at(beats[1]))
    second = told(store, job, {"beat_id": first.beat.id})
    assert second.beat is not None
    assert (second.beat.id, second.beat.ok) == (beats[3]["id"], False)
    assert second.beat_id == first.beat.id
    third = told(store, job, {"beat_id": second.beat.id})
    assert (third.beat, third.beat_id, third.last_at) == (None, beats[3]["id"], at(beats[3]))


@pytest.mark.parametrize("is_merged", [False, True])
def test_after_a_restart_what_was_judged_is_known_from_what_was_kept(
    store: Store, job: int, is_merged: bool
) -> None:
    beats = receive(store, job, "success", "success")
    due = "2026-01-01T00:00:00.000Z"
    kept = {"beat_id": beats[0]["id"], "due_at": due}
    builders.record(store, [builders.finding(job, ok=False, error="no_heartbeat", **kept)])
    if is_merged:
        builders.merge(store)

    found = told(store, job)

    assert found.beat is not None
    assert (found.beat.id, found.missed_at) == (beats[1]["id"], clock.parse_iso(due))
    assert told(store, job, {}).missed_at is None


def test_what_came_before_the_clock_was_started_anew_is_past(store: Store, job: int) -> None:
    beats = receive(store, job, "success", "start")

    store.write(heartbeats.restart, job)

    found = told(store, job)
    assert (found.beat, found.started_at, found.beat_id) == (None, None, beats[1]["id"])
    assert found.since >= at(beats[1])


def test_a_run_begins_with_its_first_start_however_often_it_is_tried(
    store: Store, job: int
) -> None:
    receive(store, job, "success")
    first, *_ = receive(store, job, *["start"] * (KEPT + 5))

    assert told(store, job).started_at == at(first)
    receive(store, job, "fail")
    assert told(store, job).started_at is None


def test_a_start_long_after_one_that_never_ended_begins_a_new_run(store: Store, job: int) -> None:
    receive(store, job, "start")
    limit = 100_000 + STUCK_AFTER_MS
    for age, is_new in ((limit - 60_000, False), (limit, True)):
        started_at = clock.now_ms() - age
        set_back(store, Heartbeat, started_at=started_at)

        (again,) = receive(store, job, "start")

        assert told(store, job).started_at == (at(again) if is_new else started_at)


def test_a_run_takes_from_its_latest_start_to_its_end(store: Store, job: int) -> None:
    receive(store, job, "start", "start")
    set_back(store, Beat, at=clock.now_ms() - 5000)

    (ended,) = receive(store, job, "success")

    assert ended["duration_ms"] == pytest.approx(5000, abs=2000)


def test_after_the_clock_was_set_back_nothing_of_the_future_is_believed(
    store: Store, job: int
) -> None:
    receive(store, job, "success", "start")
    future = clock.now_ms() + 3_600_000
    set_back(store, Heartbeat, last_at=future, started_at=future)
    set_back(store, Beat, at=future)

    found = told(store, job)
    (ended,) = receive(store, job, "success")

    assert (found.last_at, found.started_at) == (LONG_AGO, LONG_AGO)
    assert ended["duration_ms"] is None


def test_what_was_deleted_at_this_moment_is_not_found(store: Store, job: int) -> None:
    with store.reading():
        assert heartbeats.told(job + 1, None, 0) is None
    with pytest.raises(NotFoundError):
        receive(store, job + 1, "success")
