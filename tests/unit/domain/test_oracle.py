"""Random histories: what the program tells of them is what an oracle works out by brute force.

In each, several services are checked by this server and by remote probes, through outages, gaps,
late results, pauses, edits, clocks that are set, merges, merges that break off, and retention.
"""

import heapq
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests import builders
from tests.unit.domain import oracle
from tests.unit.domain.oracle import Raw
from tests.wall_clock import WallClock, wall_clock
from uptimehunt import zones
from uptimehunt.checks import Outcome
from uptimehunt.domain import metrics, retention, services
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.uptime import Period
from uptimehunt.store import merging, queries
from uptimehunt.store.database import Store
from uptimehunt.store.models import LOCAL_PROBE, Merge, Service, User

HOUR, DAY = 3600, 86_400
LENGTH = 4 * DAY
INTERVALS = (120, 300, 900, 1800)
WEIGHTS = (3, 4, 2, 1)

PLACES = [
    ("Europe/Berlin", "2026-03-27"),
    ("Europe/Berlin", "2026-10-23"),
    ("America/New_York", "2026-03-06"),
    ("Australia/Lord_Howe", "2026-04-03"),
    ("Pacific/Apia", "2011-12-28"),
    ("Asia/Kathmandu", "2025-12-30"),
    ("America/Havana", "2026-10-30"),
    ("UTC", "2024-02-27"),
]
"""Time zones, and a day shortly before something happens to their clocks or calendars."""

HISTORIES = 8
"""How many are lived through; each has some three thousand results."""


class History:
    """Makes things happen, and tells the oracle of each."""

    def __init__(self, seed: int, store: Store, wall: WallClock, user: User) -> None:
        self.dice = random.Random(seed)
        self.store, self.wall, self.user = store, wall, user
        self.origin = wall.now // 1000
        self.end = self.origin + LENGTH
        self.counts: Counter[str] = Counter()
        self.results_from = self.figures_from = 0
        self.waiting: list[tuple[oracle.Service, Finding]] = []
        self.batch = 1
        self.remote = builders.add_probe(store)[0]
        self.is_stepping = seed % 3 == 0
        probes = [[LOCAL_PROBE]] * 3
        if not self.is_stepping:
            probes = [[LOCAL_PROBE], [LOCAL_PROBE, self.remote], [self.remote]]
        self.services = [self._service(of) for of in probes]
        self.off = self._spans(3, 20 * HOUR)
        self.cut = self._spans(3, 20 * HOUR)
        self.bad = {one.id: self._spans(12, 3 * HOUR) for one in self.services}
        self.buffers: dict[int, list[Finding]] = {one.id: [] for one in self.services}
        self.due: list[tuple[int, int, int, int]] = []
        self.order = itertools.count()

    def _service(self, probes: list[int]) -> oracle.Service:
        interval = self.dice.choices(INTERVALS, WEIGHTS)[0]
        made = builders.add_service(
            self.store, self.user, interval_seconds=interval, probe_ids=probes,
            retries=self.dice.randint(0, 2), recoveries=self.dice.randint(1, 2),
            degraded_after_ms=self.dice.choice([None, 400]),
            confirm_from=self.dice.choice(["any", "majority", "all"]),
        )  # fmt: skip
        return oracle.Service(made, self.origin, interval, probes, LENGTH + 3 * DAY)

    def _spans(self, most: int, longest: int) -> list[tuple[int, int]]:
        """Some spans of time in which something is so."""
        starts = [
            self.origin + self.dice.randrange(LENGTH) for _ in range(self.dice.randint(0, most))
        ]
        return [(at, at + int(longest * self.dice.random() ** 3)) for at in starts]

    def run(self) -> Iterator[int]:
        """Live through it; stops now and then for a comparison, at the instant that it yields."""
        for at, one in enumerate(self.services):
            for probe in one.probes:
                first = self.origin + self.dice.randrange(1, one.interval)
                heapq.heappush(self.due, (first, next(self.order), at, probe))
        skew, stops = 0, sorted(self.dice.randrange(HOUR, LENGTH) for _ in range(2))
        while self.due and self.due[0][0] < self.end:
            real, _, at, probe = heapq.heappop(self.due)
            if stops and real > stops[0]:
                stops.pop(0)
                yield self._now()
            if self.is_stepping and self.dice.random() < 0.004:
                skew = self.dice.choice([0, 0, -HOUR, 90, 3 * HOUR, 30 * HOUR])
                skew = max(skew, self.origin + 1 - real)
                self.counts["clock set"] += 1
            self._set(real + skew)
            following = self._check(self.services[at], probe, real)
            heapq.heappush(self.due, (real + following, next(self.order), at, probe))
            if len(self.waiting) >= self.batch:
                self.flush()
                self.batch = self.dice.choice([1, 20, 100, 200])
            if self.dice.random() < 0.01:
                self._something()
        self._set(self.end + skew)
        yield self._now()

    def _now(self) -> int:
        self.flush()
        return self.wall.now // 1000

    def _set(self, seconds: int) -> None:
        self.wall.now = seconds * 1000

    # --- checks ---

    def _check(self, one: oracle.Service, probe: int, real: int) -> int:
        """One check, if it can be made; answers in how many seconds the next one is due."""
        jitter = self.dice.randint(0, one.interval // 20)
        is_off = _is_within(self.off, real)
        if (is_off and probe == LOCAL_PROBE) or not one.is_enabled:
            return one.interval + jitter
        at = self.wall.now // 1000
        while (at, probe) in one.used:
            at += 1
        one.used.add((at, probe))
        outcome = self._outcome(one, real)
        finding = Finding(one.id, one.revision, probe, at * 1000, outcome)
        if probe == LOCAL_PROBE:
            self.waiting.append((one, finding))
        else:
            self.buffers[one.id].append(finding)
            if not is_off and not _is_within(self.cut, real):
                self._deliver(one)
        is_retried = not outcome.ok and self.dice.random() < 0.5
        return 20 if is_retried else one.interval + jitter

    def _deliver(self, one: oracle.Service) -> None:
        """A remote probe sends what it has; some of it twice, and late, is out of order."""
        held = self.buffers[one.id]
        if len(held) > 3:
            self.counts["late"] += len(held) - 1
            if self.dice.random() < 0.3:
                held.append(held.pop(self.dice.randrange(len(held))))
        for finding in held:
            if finding.checked_at >= one.edited * 1000 and one.is_enabled:
                self.waiting.append((one, replace(finding, revision=one.revision)))
        held.clear()

    def _outcome(self, one: oracle.Service, real: int) -> Outcome:
        luck = self.dice.random()
        if luck < 0.02:
            return Outcome(False, None, "dns_error", "We are blind", is_unknown=True)
        if luck < 0.05 or _is_within(self.bad[one.id], real):
            took = self.dice.choice([None, None, 70])
            return Outcome(False, took, "timeout", f"It failed, {self.dice.randint(1, 9)}")
        if luck < 0.07:
            return Outcome(True, None)
        return Outcome(True, max(1, int(self.dice.lognormvariate(4.5, 1.2))))

    def flush(self) -> None:
        """Have what waits recorded, and tell the oracle."""
        verdicts = iter(builders.record(self.store, [finding for _, finding in self.waiting]))
        for one, finding in self.waiting:
            if finding.outcome.is_unknown:
                self.counts["unknown outcomes"] += 1
                continue
            outcome = finding.outcome
            raw = Raw(
                finding.checked_at // 1000, finding.probe_id, outcome.response_time_ms, outcome.ok
            )
            one.raw.append(raw)
            self.counts["results"] += 1
            if one.is_judged(raw):
                verdict = next(verdicts)
                assert verdict.service_id == one.id
                one.take(raw, verdict.transition)
                self.counts["transitions"] += verdict.transition is not None
            else:
                self.counts["out of order"] += 1
        assert next(verdicts, None) is None
        self.waiting.clear()

    # --- what else happens ---

    def _something(self) -> None:
        self.flush()
        happens = self.dice.choice(
            [self._pause, self._edit, self._merge, self._break_off, self._break_off, self._expire]
        )
        happens()

    def _pause(self) -> None:
        paused = [one for one in self.services if not one.is_enabled]
        one = self.dice.choice(paused or self.services)
        one.say(self.wall.now // 1000, not one.is_enabled)
        self.store.write(services.change, self.user, one.id, {"enabled": one.is_enabled})
        self.counts["pauses"] += 1

    def _edit(self) -> None:
        one = self.dice.choice(self.services)
        interval = self.dice.choices(INTERVALS, WEIGHTS)[0]
        one.edit(self.wall.now // 1000, interval)
        self.store.write(services.change, self.user, one.id, {"interval_seconds": interval})
        self.counts["edits"] += 1

    def _merge(self) -> None:
        builders.merge(self.store)
        self.counts["merges"] += 1

    def _break_off(self) -> None:
        """Merge some services, and leave it at that."""
        self.store.write(merging.begin)
        with self.store.reading():
            upto = Merge.get().upto
        for one in self.services[: self.dice.randint(0, 2)]:
            if one.id > upto:
                self.store.write(merging.merge, merging.Slice(upto, one.id))
                upto = one.id
                self.counts["broken-off merges"] += 1

    def _expire(self) -> None:
        now = self.wall.now // 1000
        if now < self.origin + DAY * 3 // 2:
            return
        results_before = now - self.dice.randint(DAY // 4, 2 * DAY)
        figures_before = results_before - self.dice.randint(0, DAY)
        with self.store.reading():
            old = retention.expired(results_before * 1000, figures_before * 1000)
        for part in old:
            while deleted := self.store.write(retention.expire, part):
                self.counts["expired"] += deleted
        self.results_from = max(self.results_from, results_before)
        self.figures_from = max(self.figures_from, figures_before)


def _is_within(spans: list[tuple[int, int]], at: int) -> bool:
    return any(start <= at < end for start, end in spans)


class Comparison:
    """Compares what is told at one instant."""

    def __init__(self, history: History, now: int, zone_name: str) -> None:
        self.history, self.now = history, now
        self.dice = history.dice
        self.zone = zones.zone(zone_name)

    def _grid(self, at: int) -> int:
        """Where periods must begin and end so far back for figures to know them exactly."""
        slot = at // 1800 * 1800
        if slot < self.history.figures_from + 1800:
            return DAY
        return 1800 if slot < self.history.results_from else 1

    def _period(self) -> tuple[int, int]:
        history = self.history
        first = history.origin - HOUR
        start, end = sorted(self.dice.randrange(first, self.now + HOUR) for _ in range(2))
        grid = self._grid(start)
        start = start // grid * grid
        end = end // self._grid(end) * self._grid(end)
        grid = self._grid(start)  # Further back, it may be coarser.
        start = start // grid * grid
        if grid == DAY:
            end = -(-end // DAY) * DAY
        return start, max(end, start + grid)

    def all(self) -> None:
        history = self.history
        for one in history.services:
            with history.store.reading():
                service = Service.get_by_id(one.id)
                for _ in range(4):
                    self._uptime(one, service, *self._period())
                    self._timeline(one, *self._period())
                self._response_times(one, self.dice.choice([None, *one.probes]))
                self._days(one)

    def _uptime(self, one: oracle.Service, service: Service, start: int, end: int) -> None:
        told = metrics.uptime(service, Period("custom", start * 1000, end * 1000))

        results, outages = one.results(start, end), one.outages(start, end)
        sums = one.sums(start, end, self.now)
        ended = [over - began for began, over in outages if over is not None]
        assert told == {
            **_counted(results),
            "period": "custom",
            "downtime_seconds": sums["down"],
            "incident_count": len(outages),
            "mttr_seconds": sum(ended) // len(ended) if ended else None,
            "mtbf_seconds": (sums["up"] + sums["degraded"]) // len(outages) if outages else None,
            "coverage_percentage": oracle.coverage(sums),
            "seconds": sums,
        }

    def _timeline(self, one: oracle.Service, start: int, end: int) -> None:
        told = metrics.timeline(one.id, Period("custom", start * 1000, end * 1000))

        wanted = one.timeline(start, end, self.now)
        assert [(stretch["status"], stretch["seconds"]) for stretch in told] == wanted
        assert all(a["to"] == b["from"] for a, b in itertools.pairwise(told))

    def _response_times(self, one: oracle.Service, probe: int | None) -> None:
        start, end = self._period()
        grid = self._grid(start)
        bucket = self.dice.choice([size for size in (600, 1800, 5400, DAY) if size % grid == 0])
        period = Period("custom", start * 1000, end * 1000)
        rows, meta = metrics.response_times(one.id, period, bucket, probe)

        firsts = range(start // bucket * bucket, end, bucket)
        assert [row["timestamp"] for row in rows] == [_iso(first) for first in firsts]
        buckets: defaultdict[int, list[Raw]] = defaultdict(list)
        for result in one.results(start, end, probe):
            buckets[result.at // bucket * bucket].append(result)
        for first, row in zip(firsts, rows, strict=True):
            results = buckets[first]
            assert row["checks"] == len(results)
            assert row["failures"] == sum(not result.ok for result in results)
            _same_times(row, results)
        _same_times(meta, one.results(start, end, probe))

    def _days(self, one: oracle.Service) -> None:
        first, last = self._dates(one)
        told = metrics.days(one.id, first, last, self.zone)

        assert [row["date"] for row in told] == [
            (first + timedelta(days=at)).isoformat() for at in range((last - first).days + 1)
        ]
        seconds = one.seconds(self.now)
        quarters: dict[str, list[int]] = {}
        midnight = self.history.origin // DAY * DAY
        for at in range(midnight - 3 * DAY, self.now + 6 * DAY, 900):
            quarters.setdefault(oracle.date_of(at, self.zone), []).append(at)
        by_date: defaultdict[str, list[Raw]] = defaultdict(list)
        for result in one.raw:
            by_date[oracle.date_of_result(result.at, self.zone)].append(result)
        for row in told:
            of_day, results = quarters.get(row["date"], []), by_date[row["date"]]
            assert row.items() >= _counted(results).items()
            _same_times(row, results)
            sums = dict.fromkeys(row["seconds"], 0)
            for at in of_day:
                part = seconds[max(0, at - one.origin) : max(0, at + 900 - one.origin)]
                for kind, name in enumerate(sums):
                    sums[name] += part.count(kind)
            assert row["seconds"] == sums
            assert row["coverage_percentage"] == oracle.coverage(sums)
            if of_day:
                assert (row["from"], row["to"]) == (_iso(of_day[0]), _iso(of_day[-1] + 900))
                until = min(of_day[-1] + 900, self.now)
                touching = one.outages(of_day[0], until) if of_day[0] < until else []
                assert row["incident_count"] == len(touching)

    def _dates(self, one: oracle.Service) -> tuple[date, date]:
        """Some days, none so far back that it is counted by the day of UTC."""
        kept_from = max(queries.half_hours_since(one.id) // 1000, self.history.figures_from + DAY)
        oldest = max(self.history.origin - DAY, min(kept_from, self.now + DAY) + DAY)
        instants = [self.dice.randrange(oldest, max(oldest, self.now) + DAY) for _ in range(2)]
        first, last = (datetime.fromtimestamp(at, self.zone).date() for at in sorted(instants))
        return first, last


def _counted(results: list[Raw]) -> dict[str, Any]:
    failed = sum(not one.ok for one in results)
    return {
        "uptime_percentage": oracle.share(len(results) - failed, len(results)),
        "total_checks": len(results),
        "successful_checks": len(results) - failed,
        "failed_checks": failed,
    }


def _same_times(told: dict[str, Any], results: list[Raw]) -> None:
    times = oracle.times(results)
    if "min" in told:
        assert told["min"] == min(times, default=None)
        assert told["max"] == max(times, default=None)
    assert told["avg"] == (round(sum(times) / len(times), 1) if times else None)
    for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        exact = oracle.quantile(times, part)
        if exact is None:
            assert told[name] is None
        else:
            assert abs(told[name] - exact) <= exact / 64 + 1


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def compare(seed: int, store: Store) -> Counter[str]:
    """Live through a history and compare all along; what happened in it, counted."""
    zone_name, day = PLACES[seed % len(PLACES)]
    begins = datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(seconds=seed * 997)
    with wall_clock(int(begins.timestamp()) * 1000) as wall:
        user = builders.add_user(store, f"user{seed}@example.com")
        history = History(seed, store, wall, user)
        for now in history.run():
            Comparison(history, now, zone_name).all()
            history.counts["comparisons"] += 1
        for one in history.services:
            for name, seconds in one.sums(0, now, now).items():
                history.counts[name] += seconds
    return history.counts


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_random_history_is_told_as_it_was(store: Store, seed: int) -> None:
    counts = compare(seed, store)

    assert counts["results"] > 1000
    assert counts["comparisons"] == 3
    assert counts["merges"] + counts["broken-off merges"] > 0
    assert all(counts[kind] for kind in ("up", "unknown"))
