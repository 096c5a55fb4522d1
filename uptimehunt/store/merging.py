"""The merge: from where results land to where they stay, and into the figures.

Results that come in in the order of time, but lie service by service, dirty a page each: nine
kilobytes written for twenty that are kept. So they land at the end of one table, and are merged
every half hour, service by service, in slices of a thousand: no other write waits long. A
result counts in the figures from the very transaction on that merges it; until then, reads add
what has landed. Whatever is late, out of order, or interrupted needs no care of its own for that.

    landed_result ──merge──▶ check_result, half_hour, day        landed_details ──▶ check_details

`landed`, `is_under_way` and `slices` read; all else runs inside `Store.write`. A merge is `begin`,
a `merge` for each of the `slices`, and `clear` until it answers 0; one that was broken off goes on
with the slices that are left.
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from uptimehunt.store import histogram
from uptimehunt.store.bulk import Put
from uptimehunt.store.models import (
    CheckDetails,
    CheckResult,
    Day,
    HalfHour,
    LandedDetails,
    LandedResult,
    Merge,
    Service,
)
from uptimehunt.store.queries import FIGURES, Figures, tuples

MOST_LANDED = 90_000
"""So many landed results are merged before their time; reading them all takes 2 ms."""

SLICE = 1_000
CLEARED = 20_000
"""So many rows are deleted, or put back, in one slice."""

EMPTIED = 200_000
"""So many are cleared away at once where the whole table is emptied, which takes 10 ms."""

MOST_VALUES = 10_000
"""A statement takes 32,766 at the most."""

KEPT_SUCCESSES = 5
KEPT_FAILURES = 500
"""Of how many results of a service the details are kept."""

_ALL = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Landed:
    """What waits to be merged: how many results, and since when in milliseconds."""

    count: int
    oldest_at: int | None


def landed() -> Landed:
    """What waits to be merged; counted by ids."""
    first, last = tuples(
        LandedResult.select(peewee.fn.MIN(LandedResult.id), peewee.fn.MAX(LandedResult.id))
    )[0]
    if last is None:
        return Landed(0, None)
    oldest = LandedResult.select(LandedResult.checked_at).where(LandedResult.id == first)
    return Landed(last - first + 1, oldest.scalar())


def is_under_way() -> bool:
    """Whether a merge has begun and not ended."""
    return bool(Merge.get().fence)


def begin() -> None:
    """Draw the line: what has landed by now is merged, unless an earlier merge is under way."""
    newest = LandedResult.select(peewee.fn.MAX(LandedResult.id)).scalar() or 0
    Merge.update(fence=newest, upto=0).where(Merge.fence == 0).execute()


@dataclass(frozen=True, slots=True)
class Slice:
    """Services with ids above `after` and up to `upto`, whose results are merged at once."""

    after: int
    upto: int


def slices() -> list[Slice]:
    """What is left of the merge."""
    merge = Merge.get()
    left = (
        LandedResult.select(LandedResult.service_id, peewee.fn.COUNT(LandedResult.id))
        .where(LandedResult.id <= merge.fence, LandedResult.service_id > merge.upto)
        .group_by(LandedResult.service_id)
        .order_by(LandedResult.service_id)
    )
    found: list[Slice] = []
    after, last, size = merge.upto, merge.upto, 0
    for service_id, count in tuples(left):
        if size and size + count > SLICE:
            found.append(Slice(after, last))
            after, size = last, 0
        last, size = service_id, size + count
    if size:
        found.append(Slice(after, last))
    return found


def merge(part: Slice) -> int:
    """Merge the results of some services; answers how many results that were."""
    row = Merge.get()
    if not row.fence or part.after != row.upto:
        return 0  # Another merge has done it.
    there = Service.select(Service.id).where(Service.id > part.after, Service.id <= part.upto)
    rows = tuples(
        LandedResult.select(*(getattr(LandedResult, name) for name in ("id", *_COLUMNS)))
        .where(
            LandedResult.id <= row.fence,
            LandedResult.service_id > part.after,
            LandedResult.service_id <= part.upto,
            LandedResult.service_id.in_(there),
        )
        .order_by(
            *(LandedResult.service_id, LandedResult.checked_at, LandedResult.probe_id),
            LandedResult.id,
        )
    )
    new = _without_known(rows)
    _PUT_RESULTS(result[1:] for result in new)
    for model in (HalfHour, Day):
        _add_figures(model, new)
    _move_details(new)
    Merge.update(upto=part.upto, results=Merge.results + len(new)).execute()
    return len(new)


_COLUMNS = (
    *("service_id", "checked_at", "probe_id"),
    *("response_time_ms", "status_code", "fault_id"),
)
_PUT_RESULTS = Put([getattr(CheckResult, name) for name in _COLUMNS])


def _without_known(rows: Sequence[Any]) -> list[Any]:
    """Those that are not there yet: of one probe, a check in a millisecond is one check."""
    known: set[Any] = set()
    for service_id, group in itertools.groupby(rows, key=lambda row: row[1]):
        times = [row[2] for row in group]
        for first in range(0, len(times), MOST_VALUES):
            there = CheckResult.select(
                CheckResult.service_id, CheckResult.checked_at, CheckResult.probe_id
            ).where(
                CheckResult.service_id == service_id,
                CheckResult.checked_at.in_(times[first : first + MOST_VALUES]),
            )
            known.update(tuples(there))
    new = []
    for row in rows:
        if row[1:4] not in known:
            known.add(row[1:4])
            new.append(row)
    return new


def _add_figures(model: Any, rows: Sequence[Any]) -> None:
    """Add results to what is kept of their slots."""
    figures: dict[tuple[int, int, int], Figures] = defaultdict(Figures)
    for _, service_id, checked_at, probe_id, took, _, fault_id in rows:
        key = (service_id, checked_at // model.SPAN_MS, probe_id)
        figures[key].add_result(took, fault_id is not None)
    for service_id, group in itertools.groupby(list(figures), key=lambda key: key[0]):
        kept = model.select(
            model.slot, model.probe_id, *(getattr(model, name) for name in FIGURES)
        ).where(model.service_id == service_id, model.slot.in_({slot for _, slot, _ in group}))
        for slot, probe_id, *sums in tuples(kept):
            if (service_id, slot, probe_id) in figures:
                figures[service_id, slot, probe_id].add_row(*sums)
    _PUT_FIGURES[model](
        (
            *key,
            *(getattr(total, name) for name in FIGURES[:-1]),
            histogram.encode(total.times) if total.timed else None,
        )
        for key, total in sorted(figures.items())
    )


def _put_figures(model: Any) -> Put:
    key = [model.service_id, model.slot, model.probe_id]
    return Put([*key, *(getattr(model, name) for name in FIGURES)], key=key)


_PUT_FIGURES = {model: _put_figures(model) for model in (HalfHour, Day)}


def _move_details(rows: Sequence[Any]) -> None:
    """Keep the details of failures and of the newest few successes of each service."""
    landed = _landed_details([row[0] for row in rows])
    of_kind: dict[tuple[int, bool], list[Any]] = defaultdict(list)
    for landed_id, service_id, checked_at, probe_id, _, _, fault_id in rows:
        if landed_id in landed:
            is_failure = fault_id is not None
            kept = (service_id, checked_at, probe_id, is_failure, landed[landed_id])
            of_kind[service_id, is_failure].append(kept)
    for (service_id, is_failure), group in of_kind.items():
        _PUT_DETAILS(group[-_kept(is_failure) :])
        _thin_details(service_id, is_failure)


def _kept(is_failure: bool) -> int:
    return KEPT_FAILURES if is_failure else KEPT_SUCCESSES


def _landed_details(ids: Sequence[int]) -> dict[int, bytes]:
    """The details of landed results, as they are stored, by id."""
    found: dict[int, bytes] = {}
    for at in range(0, len(ids), MOST_VALUES):
        of_some = LandedDetails.id.in_(ids[at : at + MOST_VALUES])
        found.update(
            tuples(LandedDetails.select(LandedDetails.id, LandedDetails.details).where(of_some))
        )
    return found


_PUT_DETAILS = Put(
    [
        CheckDetails.service_id,
        CheckDetails.checked_at,
        CheckDetails.probe_id,
        CheckDetails.is_failure,
        CheckDetails.details,
    ],
    # Details outlive a result that the retention took; it may be told once more.
    key=[CheckDetails.service_id, CheckDetails.checked_at, CheckDetails.probe_id],
    is_packed=True,
)


def _thin_details(service_id: int, is_failure: bool) -> None:
    """Drop the details of all but the newest results of a service."""
    of_kind = (CheckDetails.service_id == service_id) & (CheckDetails.is_failure == is_failure)
    oldest_kept = (
        CheckDetails.select(CheckDetails.checked_at)
        .where(of_kind)
        .order_by(CheckDetails.checked_at.desc())
        .offset(_kept(is_failure) - 1)
        .limit(1)
        .scalar()
    )
    if oldest_kept is not None:
        CheckDetails.delete().where(of_kind, CheckDetails.checked_at < oldest_kept).execute()


def clear() -> int:
    """Delete what is merged; answers how many results are left of it.

    All of it at once, and what has landed meanwhile is put back: of a table that is emptied SQLite
    lets the pages go as they are, where it would write each of them without its rows. Where there
    is too much of either for one slice, some of the oldest is deleted as usual.

    The merge ends with the last of them: its line stands as long as there is anything before it.
    """
    fence = Merge.get().fence
    Merge.update(upto=_ALL).execute()
    first, last = tuples(
        LandedResult.select(peewee.fn.MIN(LandedResult.id), peewee.fn.MAX(LandedResult.id))
    )[0]
    until = fence if first is None else min(first + CLEARED - 1, fence)
    if first is not None and fence - first < EMPTIED and last - fence <= CLEARED:
        until = fence
        _empty_up_to(fence)
    else:
        LandedDetails.delete().where(LandedDetails.id <= until).execute()
        LandedResult.delete().where(LandedResult.id <= until).execute()
    if until == fence:
        Merge.update(fence=0, upto=0).execute()
    return int(fence - until)


def _empty_up_to(fence: int) -> None:
    results = [LandedResult.id, *(getattr(LandedResult, name) for name in _COLUMNS)]
    details = [LandedDetails.id, LandedDetails.details]
    for columns in (results, details):
        model = columns[0].model
        later = tuples(model.select(*columns).where(model.id > fence))
        model.delete().execute()
        Put(columns, is_packed=True)(later)
