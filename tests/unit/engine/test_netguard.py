"""Whether trouble is ours or theirs: told what was found and when, without any network or clock."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptimehunt.engine.netguard import (
    ASKED_OF_EACH_REACH,
    HOLD_S,
    SETTLE_S,
    NetGuard,
    Ruling,
    kin_of,
    reach_of,
)

NAMES = [f"www.site{number}.example" for number in range(10)]
PUBLIC = [f"8.{number}.8.8" for number in range(5)]
LAN = [f"192.168.1.{number}" for number in range(1, 6)]


class Watch:
    """A guard over hosts, and a clock that a test moves on."""

    def __init__(self, *hosts: str) -> None:
        self.guard = NetGuard()
        self.now = 1000.0
        for host in hosts:
            self.guard.watch(host)

    def hear(self, host: str, failed: bool) -> Ruling:
        """A check that took a tenth of a second, and what became of its finding at once."""
        self.now += 0.1
        ruling = self.guard.hear(host, failed, self.now - 0.05, self.now)
        self.asked = self.guard.pop_questions()
        self.guard.decide(self.now)
        return self.guard.rule(host) if ruling == "hold" else ruling

    def lose(self, *hosts: str) -> None:
        """All of these fail, and nobody else is heard of until it is decided."""
        self.fail(*hosts)
        self.now += HOLD_S
        self.guard.decide(self.now)

    def fail(self, *hosts: str) -> list[Ruling]:
        return [self.hear(host, failed=True) for host in hosts]

    def answer(self, *hosts: str) -> list[Ruling]:
        return [self.hear(host, failed=False) for host in hosts]

    @property
    def is_blind(self) -> bool:
        return self.guard.blind is not None


@pytest.mark.parametrize(
    ("host", "reach", "kin"),
    [
        ("www.shop.example", "name", "shop.example"),
        ("shop.example", "name", "shop.example"),
        ("shop.example.", "name", "shop.example"),
        ("nas", "name", "nas"),
        ("8.8.8.8", "public", "8.8.8.0/24"),
        ("8.8.8.9", "public", "8.8.8.0/24"),
        ("2606:4700::1111", "public", "2606:4700::/48"),
        ("10.0.0.1", "private", "10.0.0.1"),
        ("192.168.1.7", "private", "192.168.1.7"),
        ("fd00::1", "private", "fd00::1"),
        ("127.0.0.1", None, None),
        ("127.9.9.9", None, None),
        ("::1", None, None),
        ("localhost", None, None),
        ("shop.localhost", None, None),
        ("", None, None),
    ],
)
def test_how_a_host_is_reached_and_what_it_belongs_to(
    host: str, reach: str | None, kin: str | None
) -> None:
    assert reach_of(host) == reach
    if kin is not None:
        assert kin_of(host) == kin


def test_the_first_failure_is_held_and_others_are_asked() -> None:
    watch = Watch(*NAMES, *PUBLIC, *LAN, "127.0.0.1")

    assert watch.fail(NAMES[0]) == ["hold"]

    assert NAMES[0] not in watch.asked
    for hosts in (NAMES, PUBLIC, LAN):
        assert len(watch.asked & set(hosts)) == ASKED_OF_EACH_REACH
    assert "127.0.0.1" not in watch.asked
    watch.fail(NAMES[1])
    assert watch.asked == set()


def test_three_hosts_that_fail_make_us_blind() -> None:
    watch = Watch(*NAMES)

    assert watch.fail(NAMES[0]) == ["hold"]
    *before, last = watch.asked
    assert watch.fail(*before, last) == ["hold"] * len(before) + ["unknown"]

    assert watch.guard.rule(NAMES[0]) == "unknown"
    assert watch.fail(*NAMES) == ["unknown"] * 10


def test_nothing_is_decided_before_those_that_were_asked_are_heard() -> None:
    watch = Watch(*NAMES)
    watch.fail(NAMES[0])
    asked = watch.asked

    assert watch.fail(*(set(NAMES) - asked)) == ["hold"] * (10 - len(asked))
    assert not watch.is_blind


def test_a_dead_neighbour_that_was_excused_with_others_is_judged_in_the_end() -> None:
    watch = Watch(*NAMES, LAN[0])
    watch.lose(*NAMES, LAN[0])
    assert watch.fail(LAN[0]) == ["unknown"]

    watch.answer(*NAMES)
    assert not watch.is_blind
    watch.now += SETTLE_S
    watch.fail(LAN[0])
    watch.answer(*watch.asked)

    assert watch.fail(LAN[0]) == ["judge"]


def test_one_host_that_fails_while_others_answer_is_judged() -> None:
    watch = Watch(*NAMES)

    assert watch.fail(NAMES[0]) == ["hold"]
    watch.answer(*watch.asked)

    assert not watch.guard.is_suspicious
    assert watch.guard.rule(NAMES[0]) == "judge"
    assert watch.fail(NAMES[0], NAMES[0]) == ["judge", "judge"]
    assert watch.asked == set()


def test_two_hosts_at_fault_are_judged_too() -> None:
    watch = Watch(*NAMES)

    watch.fail(NAMES[0], NAMES[1])
    watch.answer(*NAMES[2:])

    assert watch.fail(NAMES[0], NAMES[1]) == ["judge", "judge"]
    assert not watch.is_blind


def test_who_was_found_guilty_is_no_evidence_until_it_answered() -> None:
    watch = Watch(*NAMES)
    watch.fail(NAMES[0], NAMES[1])
    watch.answer(*NAMES[2:])

    watch.fail(NAMES[0], NAMES[1], NAMES[2])
    assert not watch.is_blind
    watch.answer(*NAMES)
    watch.lose(*NAMES[:3])

    assert watch.is_blind


def test_what_answers_is_judged_as_ever_while_we_are_blind() -> None:
    watch = Watch(*NAMES, *LAN)
    watch.lose(*NAMES[:5])

    assert watch.answer(*LAN) == ["judge"] * 5
    assert watch.is_blind
    assert watch.hear("127.0.0.1", failed=True) == "judge"


def test_a_dead_neighbour_is_judged_while_the_way_out_is_gone() -> None:
    watch = Watch(*NAMES, *LAN)
    watch.lose(*NAMES[:5])
    watch.answer(*LAN[1:])

    assert watch.fail(LAN[0]) == ["judge"]
    assert watch.fail(NAMES[6]) == ["unknown"]


def test_a_few_addresses_are_excused_with_the_names() -> None:
    watch = Watch(*NAMES, *PUBLIC[:2])
    watch.lose(*NAMES[:3])

    assert watch.fail(*PUBLIC[:2]) == ["unknown", "unknown"]


def test_addresses_that_answer_are_judged_while_the_name_server_is_gone() -> None:
    watch = Watch(*NAMES, *PUBLIC)
    watch.lose(*NAMES[:3])
    watch.answer(*PUBLIC)

    assert watch.is_blind
    assert watch.fail(PUBLIC[0]) == ["judge"]


def test_hosts_of_one_domain_that_fail_together_are_at_fault_themselves() -> None:
    """Their own name servers are down: nobody can resolve them."""
    kin = [f"{name}.shop.example" for name in ("www", "api", "mail", "git", "db")]
    watch = Watch(*kin, *NAMES)

    assert watch.fail(*kin[:1]) == ["hold"]
    asked = watch.asked
    assert watch.fail(*kin[1:]) == ["hold"] * 4
    watch.answer(*asked)

    assert not watch.is_blind
    assert watch.fail(*kin) == ["judge"] * 5


def test_who_watches_one_domain_only_is_blind_when_all_of_it_fails() -> None:
    kin = [f"{name}.shop.example" for name in ("www", "api", "mail", "git", "db")]
    watch = Watch(*kin)

    watch.lose(*kin)

    assert watch.is_blind


def test_without_anybody_else_to_ask_nothing_is_held() -> None:
    watch = Watch(NAMES[0], "127.0.0.1")

    assert watch.fail(NAMES[0]) == ["judge"]


def test_without_a_decision_what_is_held_is_judged_in_the_end() -> None:
    watch = Watch(*NAMES)
    watch.fail(NAMES[0])

    watch.guard.decide(watch.now + HOLD_S - 1)
    assert watch.guard.rule(NAMES[0]) == "hold"
    watch.guard.decide(watch.now + HOLD_S + 0.1)

    assert watch.guard.rule(NAMES[0]) == "judge"


def test_an_answer_from_before_the_trouble_says_nothing() -> None:
    watch = Watch(*NAMES)
    watch.fail(NAMES[0], NAMES[1])

    for host in NAMES[2:]:
        watch.guard.hear(host, False, started_at=1000.0, now=watch.now + 1)
    watch.lose(NAMES[2])

    assert watch.is_blind


def test_we_see_again_when_several_answer_in_a_row() -> None:
    watch = Watch(*NAMES)
    watch.lose(*NAMES)
    since = watch.guard.blind

    watch.answer(NAMES[0], NAMES[1])
    watch.fail(NAMES[2])
    watch.answer(NAMES[0], NAMES[1])
    assert watch.is_blind
    watch.answer(NAMES[3])

    ended = watch.guard.pop_ended()
    assert not watch.is_blind
    assert since is not None and ended is not None and ended.until is not None
    assert (ended.since, ended.hosts) == (since.since, 10)
    assert ended.until == pytest.approx(watch.now - 0.2)
    assert watch.guard.pop_ended() is None


def test_shortly_after_we_see_again_stragglers_are_still_excused() -> None:
    watch = Watch(*NAMES)
    watch.lose(*NAMES)
    watch.answer(*NAMES[:3])
    assert not watch.is_blind

    assert watch.fail(NAMES[4], NAMES[5]) == ["unknown", "unknown"]
    assert not watch.guard.is_suspicious
    watch.now += SETTLE_S
    assert watch.fail(NAMES[4]) == ["hold"]


def test_with_few_hosts_fewer_answers_are_enough_to_see_again() -> None:
    watch = Watch(*NAMES[:3])
    watch.lose(*NAMES[:3])

    watch.answer(NAMES[0], NAMES[1])

    assert not watch.is_blind


def test_hosts_that_nobody_watches_any_more_keep_nobody_blind() -> None:
    watch = Watch(*NAMES[:3])
    watch.guard.watch(NAMES[0])
    watch.lose(*NAMES[:3])

    watch.guard.forget(NAMES[0])
    watch.guard.decide(watch.now)
    assert watch.is_blind  # Another service is still at that host.
    watch.guard.forget(NAMES[0])
    watch.guard.decide(watch.now)

    assert not watch.is_blind


def test_a_whole_outage_is_told_once() -> None:
    watch = Watch(*NAMES)
    dice = random.Random(7)
    told = 0

    for _ in range(50):
        watch.fail(dice.choice(NAMES))
        told += watch.guard.pop_ended() is not None
    watch.answer(*NAMES)

    assert told == 0
    assert watch.guard.pop_ended() is not None


hosts = st.sampled_from([*NAMES[:4], "a.shop.example", "b.shop.example", *PUBLIC[:3], *LAN[:3]])
checks = st.lists(st.tuples(hosts, st.booleans()), max_size=80)


def rulings(found: Iterable[tuple[str, bool]], watch: Watch) -> list[Ruling]:
    return [watch.hear(host, failed) for host, failed in found]


@given(checks)
def test_what_answers_is_always_judged(found: list[tuple[str, bool]]) -> None:
    watch = Watch(*NAMES, *PUBLIC, *LAN)

    for (_, failed), ruling in zip(found, rulings(found, watch), strict=True):
        assert failed or ruling == "judge"


@given(checks)
def test_fewer_than_three_hosts_never_make_us_blind(found: list[tuple[str, bool]]) -> None:
    watch = Watch(*NAMES, *PUBLIC, *LAN)
    troubled = {NAMES[0], LAN[0]}

    for host, failed in found:
        assert watch.hear(host, failed and host in troubled) != "unknown"
    assert not watch.is_blind


@given(checks, st.sets(hosts, min_size=3))
def test_when_all_fail_nothing_is_judged_down(
    found: list[tuple[str, bool]], first: set[str]
) -> None:
    watch = Watch(*NAMES, *PUBLIC, *LAN)

    seen = rulings(((host, True) for host in [*sorted(first), *(host for host, _ in found)]), watch)

    assert "judge" not in seen


@given(checks)
def test_when_all_answer_again_we_see(found: list[tuple[str, bool]]) -> None:
    watch = Watch(*NAMES, *PUBLIC, *LAN)
    rulings(found, watch)

    for _ in range(3):
        watch.answer(*NAMES, "a.shop.example", "b.shop.example", *PUBLIC, *LAN)

    assert not watch.is_blind
    assert not watch.guard.is_suspicious
