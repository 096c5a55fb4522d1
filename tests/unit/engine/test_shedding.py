"""A database that may not grow beyond a size: what goes, in which order, and what stays."""

import pytest

from tests import builders
from tests.builders import finding
from uptimehunt import clock
from uptimehunt.clock import DAY_MS
from uptimehunt.domain.disk_forecast import SHED_AT_PERCENT
from uptimehunt.domain.retention import Keeping
from uptimehunt.engine.upkeep import Upkeep
from uptimehunt.store import queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import SLOT_MS, Day, HalfHour, User
from uptimehunt.store.queries import Wanted

DAYS = 50
EVERY_MS = 3 * 3_600_000


@pytest.fixture
def services(store: Store, alice: User) -> list[int]:
    """Two services with fifty days of results, every fourth of which is a failure."""
    made = [builders.add_service(store, alice, retries=9) for _ in range(2)]
    first = clock.now_ms() - DAYS * DAY_MS
    for service in made:
        times = range(first, first + DAYS * DAY_MS, EVERY_MS)
        found = [finding(service, at, ok=n % 4 > 0, note="x") for n, at in enumerate(times)]
        builders.record(store, found)
    builders.merge(store)
    return made


def ages(store: Store, service: int, ok: bool) -> list[int]:
    """How many whole days ago the results of a service were, the oldest first."""
    today = clock.now_ms() // DAY_MS
    found = builders.results_of(store, service)
    return [today - one.checked_at // DAY_MS for one in found if (one.error is None) == ok]


def upkeep(store: Store, max_bytes: int | None) -> Upkeep:
    return Upkeep(store, Keeping(results_days=400, figures_days=400, max_bytes=max_bytes))


def size_of(store: Store) -> int:
    with store.reading():
        return queries.database_bytes()


def test_without_a_limit_nothing_goes_early(store: Store, services: list[int]) -> None:
    before = [builders.results_of(store, one) for one in services]

    upkeep(store, None).expire()

    assert [builders.results_of(store, one) for one in services] == before


def test_what_went_well_goes_before_what_failed(store: Store, services: list[int]) -> None:
    failures = [ages(store, one, ok=False) for one in services]
    limit = size_of(store) * 100 // SHED_AT_PERCENT - 1

    upkeep(store, limit).expire()

    for service, kept in zip(services, failures, strict=True):
        assert ages(store, service, ok=False) == kept
        assert 1 <= max(ages(store, service, ok=True)) < DAYS
    assert size_of(store) * 100 <= limit * SHED_AT_PERCENT


def test_under_the_hardest_limit_what_was_promised_stays(
    store: Store, services: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    figures = [builders.figures_of(store, one) for one in services]
    oldest_slot = (clock.now_ms() // DAY_MS - 34) * DAY_MS // SLOT_MS

    upkeep(store, 1).expire()

    for service in services:
        assert max(ages(store, service, ok=True)) == 1
        assert max(ages(store, service, ok=False)) == 6
    with store.reading():
        assert min(row.slot for row in HalfHour.select()) >= oldest_slot
        assert Day.select().count() >= 2 * DAYS
        left = [queries.count_results(Wanted(one)) for one in services]
        assert queries.result_count() == sum(left)
        assert [queries.figures(one, [0, 2**42])[0] for one in services] == figures
    assert "history.over_limit" in caplog.text
    assert {record.message for record in caplog.records} >= {"history.shed"}


def test_half_hours_that_are_gone_are_told_by_their_days(store: Store, services: list[int]) -> None:
    first = (clock.now_ms() // DAY_MS - 45) * DAY_MS
    edges = [first, first + DAY_MS, first + 2 * DAY_MS]
    with store.reading():
        before = queries.figures(services[0], edges)

    upkeep(store, 1).expire()

    with store.reading():
        assert queries.figures(services[0], edges) == before
    assert before[0].checks == DAY_MS // EVERY_MS
