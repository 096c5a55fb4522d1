"""The recorder: what it is given is kept, also when the database cannot take it for a while."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import builders
from tests.builders import T0, finding
from tests.conftest import WaitUntil
from uptimehunt.domain import results
from uptimehunt.domain.results import Verdict
from uptimehunt.engine import recorder as recording
from uptimehunt.engine.recorder import BATCH, Recorder
from uptimehunt.errors import StorageError
from uptimehunt.store import models
from uptimehunt.store.database import Store
from uptimehunt.store.models import LandedResult, LastCheck, User


class Failing:
    """The store's `write`, which can be told to fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failures: list[Exception] = []
        self.is_full = False
        self.batches: list[list[int]] = []
        self.notes: list[list[int]] = []
        self.refused = 0

    def __call__(self, change: Callable[[Any], Any], what: Any) -> Any:
        if self.failures:
            self.refused += 1
            raise self.failures.pop(0)
        if self.is_full:
            self.refused += 1
            raise StorageError("the disk is full")
        answer = self._store.write(change, what)
        if change is results.see:
            self.notes.append(sorted(what))
        else:
            self.batches.append([one.checked_at - T0 for one in what])
        return answer


@pytest.fixture
def service(store: Store, alice: User) -> int:
    """A service of Alice."""
    return builders.add_service(store, alice)


@pytest.fixture
def write(store: Store) -> Failing:
    """What the recorder writes with."""
    return Failing(store)


@pytest.fixture
def verdicts() -> list[Verdict]:
    """What the recorder told of."""
    return []


@pytest.fixture
def recorder(write: Failing, verdicts: list[Verdict]) -> Iterator[Recorder]:
    """A recorder at work."""
    made = Recorder(write, verdicts.append)
    made.start()
    yield made
    made.stop()


def kept(store: Store) -> list[int]:
    with store.reading():
        return [row.checked_at - T0 for row in LandedResult.select().order_by(LandedResult.id)]


def test_findings_of_one_moment_share_a_transaction(
    store: Store, service: int, recorder: Recorder, write: Failing, verdicts: list[Verdict],
    wait_until: WaitUntil,
) -> None:  # fmt: skip
    for number in range(40):
        recorder.put(finding(service, T0 + number))

    wait_until(lambda: len(verdicts) == 40)
    assert kept(store) == list(range(40))
    assert len(write.batches) <= 4
    assert recorder.is_well()


def test_while_the_disk_is_full_nothing_is_lost_or_doubled(
    store: Store, service: int, recorder: Recorder, write: Failing, verdicts: list[Verdict],
    wait_until: WaitUntil,
) -> None:  # fmt: skip
    write.is_full = True
    for number in range(20):
        recorder.put(finding(service, T0 + number))
    wait_until(lambda: write.refused and not recorder.is_well())
    for number in range(20, 40):
        recorder.put(finding(service, T0 + number))
    assert (kept(store), verdicts) == ([], [])

    write.is_full = False

    wait_until(lambda: len(verdicts) == 40)
    assert kept(store) == list(range(40))
    wait_until(recorder.is_well)


def test_a_real_disk_that_is_full_for_a_while_costs_no_finding(
    store: Store, service: int, recorder: Recorder, verdicts: list[Verdict], wait_until: WaitUntil
) -> None:
    def limit(pages: int) -> None:
        store.write(lambda: models.DATABASE.execute_sql(f"PRAGMA max_page_count = {pages}"))

    limit(1)
    for number in range(30):
        recorder.put(finding(service, T0 + number, ok=False, body=secrets.token_hex(2500)))
    wait_until(lambda: not recorder.is_well())

    limit(2**30)

    wait_until(lambda: len(verdicts) == 30)
    assert kept(store) == list(range(30))


def test_a_finding_that_cannot_be_kept_stops_no_other(
    store: Store, service: int, recorder: Recorder, verdicts: list[Verdict],
    wait_until: WaitUntil, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    poison: Any = finding(service, T0 + 1, ok=False, body=object())
    for one in (finding(service, T0), poison, finding(service, T0 + 2)):
        recorder.put(one)

    wait_until(lambda: len(verdicts) == 2)
    assert kept(store) == [0, 2]
    assert recorder.is_well()
    assert "recorder.dropped" in caplog.text


def test_a_disk_that_fills_up_while_a_batch_is_taken_apart_costs_no_finding(
    store: Store, service: int, recorder: Recorder, write: Failing, verdicts: list[Verdict],
    wait_until: WaitUntil,
) -> None:  # fmt: skip
    write.failures = [ValueError("one of them is odd"), StorageError("the disk is full")]
    for number in range(3):
        recorder.put(finding(service, T0 + number))

    wait_until(lambda: len(verdicts) >= 2)
    wait_until(lambda: sorted(kept(store)) == [0, 1, 2])


def test_what_was_put_before_the_stop_is_kept(
    store: Store, service: int, write: Failing, verdicts: list[Verdict]
) -> None:
    recorder = Recorder(write, verdicts.append)
    recorder.start()
    for number in range(1200):
        recorder.put(finding(service, T0 + number))

    recorder.stop()

    assert kept(store) == list(range(1200))
    assert max(map(len, write.batches)) <= 500
    assert not recorder.is_well()


def test_a_stop_does_not_wait_for_a_disk_that_stays_full(
    service: int, write: Failing, verdicts: list[Verdict], caplog: pytest.LogCaptureFixture
) -> None:
    write.is_full = True
    recorder = Recorder(write, verdicts.append)
    recorder.start()
    recorder.put(finding(service))

    recorder.stop()

    assert "recorder.lost" in caplog.text
    assert verdicts == []


def test_a_change_of_status_is_told_in_the_log(
    service: int, recorder: Recorder, verdicts: list[Verdict], wait_until: WaitUntil,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO", "uptimehunt")
    for number in range(2):
        recorder.put(finding(service, T0 + number, ok=False))

    wait_until(lambda: len(verdicts) == 2)
    wait_until(lambda: [r.message for r in caplog.records] == ["service.down"])


# --- how often it commits ----------------------------------------------------------------------

LONG_S = 30.0
"""Longer than anything here waits for, and shorter than any machine has been up."""


@pytest.fixture
def rare_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have findings that may wait do so for as long as a test can last."""
    monkeypatch.setattr(recording, "COMMIT_EVERY_S", LONG_S)


@pytest.fixture
def rare_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it noted as seldom as that who was seen."""
    monkeypatch.setattr(recording, "SEE_EVERY_S", LONG_S)


def seen_at(store: Store, service_id: int) -> int | None:
    """When a service was last seen, as it is noted."""
    with store.reading():
        row = LastCheck.get_or_none(LastCheck.service == service_id)
        return None if row is None else row.checked_at - T0


def test_a_finding_that_comes_alone_is_committed_at_once(
    service: int, rare_commits: None, recorder: Recorder, write: Failing,
    verdicts: list[Verdict], wait_until: WaitUntil,
) -> None:  # fmt: skip
    recorder.put(finding(service))

    wait_until(lambda: len(verdicts) == 1)
    assert write.batches == [[0]]


def test_findings_that_follow_one_another_share_a_commit(
    store: Store, service: int, rare_commits: None, write: Failing, verdicts: list[Verdict],
    wait_until: WaitUntil,
) -> None:  # fmt: skip
    recorder = Recorder(write, verdicts.append)
    recorder.start()
    recorder.put(finding(service))
    wait_until(lambda: len(verdicts) == 1)
    for number in range(1, 50):
        recorder.put(finding(service, T0 + number))
        wait_until(lambda: recorder._queue.empty())  # One by one: each has begun to wait.
    assert write.batches == [[0]]

    recorder.stop()

    assert write.batches == [[0], list(range(1, 50))]
    assert kept(store) == list(range(50))
    assert len(verdicts) == 50


def test_as_many_findings_as_make_a_batch_wait_no_longer(
    service: int, rare_commits: None, recorder: Recorder, write: Failing,
    verdicts: list[Verdict], wait_until: WaitUntil,
) -> None:  # fmt: skip
    recorder.put(finding(service))
    wait_until(lambda: len(verdicts) == 1)

    for number in range(1, BATCH + 1):
        recorder.put(finding(service, T0 + number))

    wait_until(lambda: len(verdicts) == BATCH + 1)
    assert [len(batch) for batch in write.batches] == [1, BATCH]


def test_a_failure_hurries_and_takes_along_what_waits(
    service: int, rare_commits: None, recorder: Recorder, write: Failing,
    verdicts: list[Verdict], wait_until: WaitUntil,
) -> None:  # fmt: skip
    recorder.put(finding(service))
    wait_until(lambda: len(verdicts) == 1)
    for number in range(1, 4):
        recorder.put(finding(service, T0 + number))
    wait_until(lambda: recorder._queue.empty())

    recorder.put(finding(service, T0 + 4, ok=False))

    wait_until(lambda: len(verdicts) == 5)
    assert write.batches == [[0], [1, 2, 3, 4]]


# --- who was seen ------------------------------------------------------------------------------


def test_when_it_is_quiet_who_was_seen_is_noted_in_the_same_commit(
    store: Store, service: int, rare_notes: None, recorder: Recorder, write: Failing,
    verdicts: list[Verdict], wait_until: WaitUntil,
) -> None:  # fmt: skip
    recorder.put(finding(service))

    wait_until(lambda: len(verdicts) == 1)
    assert seen_at(store, service) == 0
    assert write.notes == []


def test_when_it_is_busy_who_was_seen_is_noted_later_and_at_the_stop(
    store: Store, alice: User, service: int, rare_notes: None, write: Failing,
    verdicts: list[Verdict], wait_until: WaitUntil,
) -> None:  # fmt: skip
    other = builders.add_service(store, alice, retries=9)
    recorder = Recorder(write, verdicts.append)
    recorder.start()
    recorder.put(finding(service))
    wait_until(lambda: len(verdicts) == 1)
    for number in range(1, 4):
        recorder.put(finding(service, T0 + number))
        recorder.put(finding(other, T0 + number, ok=False))
        wait_until(lambda: len(verdicts) == 1 + 2 * number)  # noqa: B023
    assert (seen_at(store, service), seen_at(store, other)) == (0, None)

    recorder.stop()

    assert write.notes == [[service, other]]
    assert (seen_at(store, service), seen_at(store, other)) == (3, 3)


def test_who_was_seen_last_is_noted_though_nothing_else_comes(
    store: Store, service: int, recorder: Recorder, write: Failing, verdicts: list[Verdict],
    wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(recording, "SEE_EVERY_S", 0.5)
    for number in range(3):
        recorder.put(finding(service, T0 + number, ok=False))
        wait_until(lambda: len(verdicts) == number + 1)  # noqa: B023

    wait_until(lambda: seen_at(store, service) == 2)


def test_what_the_next_finding_is_judged_by_is_noted_with_each(
    store: Store, alice: User, rare_notes: None, recorder: Recorder,
    verdicts: list[Verdict], wait_until: WaitUntil,
) -> None:  # fmt: skip
    service = builders.add_service(store, alice, retries=9)
    remote, _ = builders.add_probe(store)
    shared = builders.add_service(store, alice, probe_ids=[1, remote])
    for number in range(3):
        recorder.put(finding(service, T0 + number, ok=False))
        wait_until(lambda: len(verdicts) == number + 1)  # noqa: B023
    assert seen_at(store, service) == 0

    recorder.put(finding(shared, T0 + 5, ok=False))

    wait_until(lambda: len(verdicts) == 4)
    assert (seen_at(store, shared), seen_at(store, service)) == (5, 2)


def test_news_is_noted_at_once(
    store: Store, service: int, rare_notes: None, recorder: Recorder,
    verdicts: list[Verdict], wait_until: WaitUntil,
) -> None:  # fmt: skip
    for number, ok in enumerate([True, False, False, True]):
        recorder.put(finding(service, T0 + number, ok=ok))
        wait_until(lambda: len(verdicts) == number + 1)  # noqa: B023

    # With the second failure it is down, with the success up again.
    assert [verdict.at_once for verdict in verdicts] == [True, False, True, True]
    assert seen_at(store, service) == 3


def test_on_a_full_disk_it_is_not_noted_who_was_seen_but_said_so(
    store: Store, alice: User, rare_notes: None, write: Failing, verdicts: list[Verdict],
    wait_until: WaitUntil, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    service = builders.add_service(store, alice, retries=9)
    recorder = Recorder(write, verdicts.append)
    recorder.start()
    for number in range(2):
        recorder.put(finding(service, T0 + number, ok=False))
        wait_until(lambda: len(verdicts) == number + 1)  # noqa: B023
    write.is_full = True

    recorder.stop()

    assert "recorder.stuck" in caplog.text
    assert (write.notes, seen_at(store, service)) == ([], 0)
    assert kept(store) == [0, 1]
