"""The recorder: what it is given is kept, also when the database cannot take it for a while."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import builders
from tests.builders import T0, finding
from tests.conftest import WaitUntil
from uptimehunt.domain.results import Finding, Verdict
from uptimehunt.engine.recorder import Recorder
from uptimehunt.errors import StorageError
from uptimehunt.store import models
from uptimehunt.store.database import Store
from uptimehunt.store.models import CheckResult, User


class Failing:
    """The store's `write`, which can be told to fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failures: list[Exception] = []
        self.is_full = False
        self.batches: list[int] = []
        self.refused = 0

    def __call__(
        self, change: Callable[[list[Finding]], list[Verdict]], batch: list[Finding]
    ) -> list[Verdict]:
        if self.failures:
            self.refused += 1
            raise self.failures.pop(0)
        if self.is_full:
            self.refused += 1
            raise StorageError("the disk is full")
        self.batches.append(len(batch))
        return self._store.write(change, batch)


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
        return [row.checked_at - T0 for row in CheckResult.select().order_by(CheckResult.id)]


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
        recorder.put(finding(service, T0 + number, ok=False, body="x" * 5000))
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
    assert max(write.batches) <= 500
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
