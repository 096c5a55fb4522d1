"""Nobody waits for anybody else: starts of checks, counted by service, while others hang."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import WaitUntil
from tests.unit.engine.kinds import FAILED, OK, Gate, assignment
from tests.unit.engine.test_prober import Clockwork
from uptimehunt import clock
from uptimehunt.checks import Outcome

HANGING = 200
HEALTHY = range(1000, 1050)
INTERVAL_S = 1


@pytest.fixture
def works(wait_until: WaitUntil) -> Clockwork:
    """A prober that watches nothing yet."""
    return Clockwork(wait_until)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A check that hangs until the test ends at the latest."""
    made = Gate(FAILED)
    yield made
    made.open()


def counted(starts: Counter[int], service_id: int) -> Callable[[], Outcome]:
    """A check that is well, and counts its starts."""

    def check() -> Outcome:
        starts[service_id] += 1
        return OK

    return check


@pytest.mark.parametrize("hosts", [HANGING, 1], ids=["many dead hosts", "one dead host"])
def test_two_hundred_that_hang_keep_nobody_waiting(
    works: Clockwork, gate: Gate, hosts: int
) -> None:
    starts: Counter[int] = Counter()
    for number in range(HANGING):
        host = f"dead{number % hosts}"
        works.watch(gate, number, interval_s=INTERVAL_S, timeout=30, host=host)
    for service_id in HEALTHY:
        works.watch(
            counted(starts, service_id), service_id, interval_s=INTERVAL_S, host=f"w{service_id}"
        )
    began = clock.monotonic()

    works.pulse_until(lambda: clock.monotonic() - began > 3.2 * INTERVAL_S)

    assert min(starts[service_id] for service_id in HEALTHY) >= 3
    assert max(starts.values()) <= 5
    assert (gate.inside, gate.calls) == (HANGING, HANGING)
    gate.open()
    works.pulse_until(lambda: {found.service_id for found in works.findings} >= set(range(HANGING)))
    assert gate.most_inside <= HANGING


def test_a_thousand_services_begin_spread_over_their_interval(works: Clockwork) -> None:
    for service_id in range(1000):
        works.source.services[service_id] = assignment(lambda: OK, service_id, interval_s=60)

    works.prober.load()

    now = clock.now_ms()
    by_second = Counter(
        ((works.prober.next_check_at(service_id) or 0) - now) // 1000 for service_id in range(1000)
    )
    assert min(by_second) >= -1 and max(by_second) <= 60
    assert max(by_second.values()) <= 3 * 1000 / 60
