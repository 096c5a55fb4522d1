"""The `heartbeat` type: when one is due, and what is made of those that come and those that do not.

Nothing here waits: the judge is a function of what it is told.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt import clock
from uptimehunt.checks import Deadline, heartbeat
from uptimehunt.checks.base import Judgement, Outcome
from uptimehunt.checks.heartbeat import Beat, Told, judge
from uptimehunt.checks.heartbeat_config import HeartbeatConfig
from uptimehunt.domain.validation import parse
from uptimehunt.errors import ValidationError

S = 1000
HOUR = 3_600_000
DAY = 24 * HOUR
T0 = 1_700_000_000_000


def config(**fields: Any) -> HeartbeatConfig:
    """An hourly one with five minutes of grace, unless said otherwise."""
    schedule = {} if "cron" in fields else {"period_seconds": 3600}
    return HeartbeatConfig.model_validate({**schedule, "grace_seconds": 300, **fields})


def at(text: str, zone: str = "UTC") -> int:
    """An instant, milliseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * S


def told(now: int, **known: Any) -> Told:
    """What the judge is told of a service that is watched since T0."""
    return Told(**{"now": now, "since": T0, "awake_since": T0 - DAY, **known})


def missing(found: Judgement) -> Outcome:
    """The outcome that says that one did not come."""
    assert found.outcome is not None
    assert (found.outcome.ok, found.outcome.error) == (False, "no_heartbeat")
    assert found.outcome.response_time_ms is None
    return found.outcome


def due_at(found: Judgement) -> int:
    """When the one was due that did not come."""
    return clock.parse_iso(missing(found).details["due_at"])


# --- config ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, {"period_seconds": "Period is required"}),
        ({"schedule": "cron"}, {"cron": "Cron expression is required"}),
        ({"schedule": "cron", "period_seconds": 60}, {"cron": "Cron expression is required"}),
        ({"schedule": "often"}, {"schedule": "Must be one of 'period' or 'cron'"}),
        ({"period_seconds": 9}, {"period_seconds": "Must be between 10 and 31536000"}),
        ({"period_seconds": 60.5}, {"period_seconds": "Period must be a whole number"}),
        (
            {"period_seconds": 60, "cron": "* * * * *"},
            {"cron": "Give either a period or a cron expression, not both"},
        ),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, {"timezone": "Must be a time zone"}),
        ({"cron": "* * * * *", "timezone": "../etc/passwd"}, {"timezone": "Must be a time zone"}),
        ({"period_seconds": 60, "grace_seconds": -1}, {"grace_seconds": "Must be between 0 and"}),
        (
            {"period_seconds": 60, "max_runtime_seconds": 0},
            {"max_runtime_seconds": "Must be between 1 and"},
        ),
        ({"period_seconds": 60, "key": "x"}, {"key": "Unknown field"}),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_field(
    fields: dict[str, Any], bad: dict[str, str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(HeartbeatConfig, fields)

    assert caught.value.details.keys() == bad.keys()
    for name, message in bad.items():
        assert caught.value.details[name][0].startswith(message)


@pytest.mark.parametrize(
    "expression",
    ["", "*", "@daily", "60 * * * *", "* * * * * *", "0 0 30 2 *", "0 0 */29 2 MON#5", "a b c d e",
     "* * * * 9", "*/0 * * * *", "1-0 * * * *", "² * * * *", "* * * * ²L", "0 0 L L L",
     "x" * 129, f"*/{'9' * 100} * * * 1#"],
)  # fmt: skip
def test_an_expression_that_never_comes_true_is_refused(expression: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(HeartbeatConfig, {"cron": expression})

    assert caught.value.details.keys() == {"cron"}


@given(st.lists(st.text("*/-,#0123456789LWMONJA² ", max_size=8), min_size=5, max_size=5))
def test_no_expression_breaks_the_validation(parts: list[str]) -> None:
    try:
        made = parse(HeartbeatConfig, {"cron": " ".join(parts)})
    except ValidationError as ex:
        assert ex.details.keys() == {"cron"}
    else:
        assert made.after(T0) > T0


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"period_seconds": 86_400}, "every 1 d"),
        ({"period_seconds": 5400}, "every 90 min"),
        ({"period_seconds": 61}, "every 61 s"),
        ({"cron": "0 3 * * *", "timezone": "Europe/Berlin"}, "0 3 * * * Europe/Berlin"),
    ],
)
def test_its_label_is_its_schedule(fields: dict[str, Any], label: str) -> None:
    assert heartbeat.CHECK.target(config(**fields)).label == label


def test_it_is_judged_and_cannot_be_checked() -> None:
    with pytest.raises(TypeError):
        heartbeat.CHECK.check(config(), Deadline(1))


# --- when one is due ---------------------------------------------------------------------------


def test_a_period_is_counted_from_the_last_one() -> None:
    assert config(period_seconds=90).after(T0) == T0 + 90 * S


@pytest.mark.parametrize(
    ("cron", "zone", "moment", "due"),
    [
        ("0 3 * * *", "UTC", "2026-01-01T02:59:59", "2026-01-01T03:00:00"),
        ("0 3 * * *", "UTC", "2026-01-01T03:00:00", "2026-01-02T03:00:00"),
        ("0 3 * * *", "Europe/Berlin", "2026-01-01T02:00:00", "2026-01-02T02:00:00"),
        ("0 3 * * *", "Europe/Berlin", "2026-07-01T00:59:00", "2026-07-01T01:00:00"),
        ("*/5 * * * *", "Asia/Kolkata", "2026-01-01T00:01:00", "2026-01-01T00:05:00"),
        # 02:30 does not exist on the night that summer time begins: it comes at 03:00 (01:00 UTC).
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T01:00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00", "2026-03-30T00:30:00"),
        # On the night that it ends, 02:30 comes twice: the first one counts.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00", "2026-10-25T00:30:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),
        ("45 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00", "2026-10-26T01:45:00"),
        # What runs every hour runs in both of them.
        ("0 * * * *", "Europe/Berlin", "2026-10-25T00:00:00", "2026-10-25T01:00:00"),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00", "2026-10-25T01:00:00"),
    ],
)
def test_a_cron_expression_is_meant_in_its_zone_over_changes_of_the_clocks(
    cron: str, zone: str, moment: str, due: str
) -> None:
    found = config(cron=cron, timezone=zone).after(at(moment))

    assert datetime.fromtimestamp(found / 1000, UTC).isoformat() == f"{due}+00:00"


@given(
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 0 * * *", "59 1-3 * * 0", "0 */2 * 3,4,10 *"]),
    st.sampled_from(["Europe/Berlin", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe"]),
    st.integers(at("2026-01-01T00:00:00"), at("2027-01-01T00:00:00")),
)
def test_what_is_due_next_always_lies_ahead(cron: str, zone: str, moment: int) -> None:
    made = config(cron=cron, timezone=zone)

    first = made.after(moment)

    assert moment < first < made.after(first) <= first + 366 * DAY


# --- what comes --------------------------------------------------------------------------------


def test_a_success_is_an_outcome_of_its_own_time() -> None:
    found = judge(config(), told(T0 + 9 * S, beat=Beat(7, T0 + S, True), last_at=T0 + S))

    assert (found.at, found.again_at) == (T0 + S, T0 + 9 * S)
    assert found.outcome == Outcome(True, None, details={"beat_id": 7})


@pytest.mark.parametrize("took", [0, 1, 61_000])
def test_a_run_whose_start_is_known_has_a_response_time(took: int) -> None:
    found = judge(config(), told(T0, beat=Beat(7, T0, True, duration_ms=took)))

    assert found.outcome is not None
    assert found.outcome.response_time_ms == max(1, took)
    assert found.outcome.details["timing"] == {"total": took / 1000}


@pytest.mark.parametrize(
    ("code", "message"),
    [(None, "A failure was reported"), (3, "The job ended with exit code 3")],
)
def test_a_reported_failure_is_one_at_once_and_shows_what_the_job_said(
    code: int | None, message: str
) -> None:
    beat = Beat(7, T0, False, exit_code=code, body="No space left on device" + "!" * 1000)

    outcome = judge(config(), told(T0, beat=beat)).outcome

    assert outcome is not None
    assert (outcome.ok, outcome.error, outcome.message) == (False, "assertion_failed", message)
    assert outcome.details["body"].startswith("No space left on device!")
    assert len(outcome.details["body"]) == heartbeat.SHOWN
    assert outcome.details.get("exit_code") == code


# --- what does not -----------------------------------------------------------------------------


def test_nothing_new_is_said_while_the_next_one_may_still_come() -> None:
    deadline = T0 + HOUR + 300 * S
    for now in (T0, T0 + HOUR, deadline - 1):
        found = judge(config(), told(now))
        assert (found.outcome, found.again_at) == (None, deadline)


def test_silence_is_a_failure_at_the_end_of_the_grace() -> None:
    found = judge(config(), told(T0 + 2 * HOUR, since=T0 - DAY, last_at=T0, beat_id=7))

    assert found.at == T0 + HOUR + 300 * S
    assert due_at(found) == T0 + HOUR
    assert missing(found).details["beat_id"] == 7
    assert missing(found).message == "No heartbeat by 2023-11-14T23:18:20Z"


def test_a_service_that_never_called_is_silent_from_its_creation_on() -> None:
    assert due_at(judge(config(), told(T0 + 2 * HOUR))) == T0 + HOUR


def test_while_the_silence_lasts_each_period_is_one_failure() -> None:
    known = told(T0 + 10 * HOUR, last_at=T0)
    dues: list[int] = []
    for _ in range(20):
        found = judge(config(), known)
        if found.outcome is None:
            break
        dues.append(due_at(found))
        known = replace(known, missed_at=dues[-1])

    assert [due - dues[0] for due in dues] == [number * HOUR for number in range(9)]
    assert found.again_at == T0 + 10 * HOUR + 300 * S


def test_a_pause_and_a_new_schedule_start_the_clock_anew() -> None:
    known = told(T0 + HOUR, since=T0, last_at=T0 - 5 * HOUR, missed_at=T0 - 2 * HOUR)

    assert judge(config(), known).outcome is None


@pytest.mark.parametrize("early", [0, 1, 59])
def test_a_job_whose_clock_is_fast_is_not_expected_twice(early: int) -> None:
    daily = config(cron="0 3 * * *")
    came = at("2026-01-02T03:00:00") - early * S
    known = told(came + HOUR, since=came - DAY, awake_since=came - DAY, last_at=came)

    found = judge(daily, known)

    assert (found.outcome, found.again_at) == (None, at("2026-01-03T03:05:00"))


def test_a_call_long_before_its_time_does_not_stand_for_the_run() -> None:
    by_hand = at("2026-01-02T02:30:00")
    known = told(by_hand + HOUR, since=by_hand - DAY, awake_since=by_hand - DAY, last_at=by_hand)

    assert due_at(judge(config(cron="0 3 * * *"), known)) == at("2026-01-02T03:00:00")


def test_every_minute_is_expected_every_minute() -> None:
    came = at("2026-01-01T00:00:01")
    known = told(came, since=came - DAY, awake_since=came - DAY, last_at=came)

    found = judge(config(cron="* * * * *", grace_seconds=5), known)

    assert found.again_at == at("2026-01-01T00:01:05")


# --- runs --------------------------------------------------------------------------------------


def test_a_run_that_goes_on_is_no_silence() -> None:
    patient = config(max_runtime_seconds=7200)
    known = told(T0 + 2 * HOUR, last_at=T0, started_at=T0 + HOUR)

    found = judge(patient, known)

    assert (found.outcome, found.again_at) == (None, T0 + 3 * HOUR)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [({}, 300), ({"grace_seconds": 0}, 60), ({"max_runtime_seconds": 10}, 10)],
)
def test_a_run_that_does_not_end_is_a_failure(fields: dict[str, Any], seconds: int) -> None:
    known = told(T0 + HOUR, last_at=T0 + 1, started_at=T0 + 2)

    found = judge(config(**fields), known)

    assert found.at == T0 + 2 + seconds * S
    assert missing(found).message.startswith("A run was started, but did not end by 2023-")


def test_a_run_that_did_not_end_is_told_once_and_then_the_silence() -> None:
    known = told(T0 + 3 * HOUR, last_at=T0 + 1, started_at=T0 + 2)
    stuck = due_at(judge(config(), known))

    found = judge(config(), replace(known, missed_at=stuck))

    assert due_at(found) == T0 + HOUR + 1
    assert missing(found).message.startswith("No heartbeat by")


# --- our own absence ---------------------------------------------------------------------------


@pytest.mark.parametrize("late_ms", [0, 1, 299_999, DAY])
def test_one_that_was_due_while_we_were_away_is_not_missed(late_ms: int) -> None:
    back = T0 + HOUR + late_ms
    known = told(back + 1, awake_since=back + 1, last_at=T0)

    found = judge(config(), known)

    assert (found.outcome, found.again_at) == (None, back + 1 + HOUR + 300 * S)


def test_our_absence_before_it_was_due_excuses_nothing() -> None:
    known = told(T0 + 2 * HOUR, awake_since=T0 + HOUR - S, last_at=T0)

    assert due_at(judge(config(), known)) == T0 + HOUR


def test_after_our_absence_a_cron_job_is_expected_at_its_next_time() -> None:
    back = at("2026-01-05T12:00:00")
    known = told(back, since=0, awake_since=back, last_at=at("2026-01-01T03:00:01"))

    found = judge(config(cron="0 3 * * *"), known)

    assert (found.outcome, found.again_at) == (None, at("2026-01-06T03:05:00"))


def test_a_run_that_may_have_ended_while_we_were_away_is_let_go() -> None:
    known = told(
        T0 + HOUR, awake_since=T0 + 200 * S, last_at=T0 - HOUR + 1, started_at=T0 + 100 * S
    )

    found = judge(config(), replace(known, since=0))

    assert (found.outcome, found.again_at) == (None, T0 + 100 * S + HOUR + 300 * S)


# --- all of it together ------------------------------------------------------------------------


@given(st.lists(st.integers(1, 4 * 3600), max_size=30))
def test_each_heartbeat_and_each_missed_period_is_one_outcome(gaps: list[int]) -> None:
    """Calls come after these many seconds; the judge is asked whenever it wishes to be."""
    hourly = config(grace_seconds=600)
    known = told(T0, since=T0)
    arrivals: list[int] = []
    for gap in gaps:
        arrivals.append((arrivals[-1] if arrivals else T0) + gap * S)
    oks, misses, queue = 0, 0, list(enumerate(arrivals, 1))
    end = (arrivals[-1] if arrivals else T0) + 5 * HOUR
    while known.now < end:
        found = judge(hourly, known)
        if found.outcome is not None:
            oks += found.outcome.ok
            misses += not found.outcome.ok
            missed = None if found.outcome.ok else due_at(found)
            known = replace(known, beat=None, missed_at=missed)
            continue
        assert found.again_at is not None and found.again_at > known.now
        if queue and queue[0][1] < found.again_at:
            number, came = queue.pop(0)
            known = replace(known, now=came, beat=Beat(number, came, True), last_at=came)
        else:
            known = replace(known, now=found.again_at)

    assert oks == len(gaps)
    assert misses == 4 + sum(max(0, (gap - 600) // 3600) for gap in gaps)
