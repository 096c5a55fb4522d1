import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from tests.targets import tcp as tcp_targets
from tests.targets import tls
from tests.targets.rdap import RdapTarget, in_days, rdap_target, registration
from uptimehunt.checks import Deadline, Outcome, domain
from uptimehunt.checks.domain_rdap import Registry
from uptimehunt.domain.validation import findings

DAY_S = 86_400


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[RdapTarget]:
    with rdap_target() as running:
        running.registrations["example.test"] = registration("example.test", in_days(100.5))
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(server: RdapTarget, clock: Clock) -> Registry:
    return Registry(f"{server.url}/dns.json", clock, most_kept=3)


def check(registry: Registry, name: str = "example.test", **more: Any) -> Outcome:
    config = domain.DomainConfig.model_validate({"domain": name, "timeout": 1, **more})
    return domain.check(config, Deadline(config.timeout), registry)


def with_card(lines: list[Any]) -> dict[str, Any]:
    return {"roles": ["registrar"], "vcardArray": ["vcard", lines]}


def test_a_registration_with_time_left_is_up_with_the_facts(
    server: RdapTarget, registry: Registry
) -> None:
    outcome = check(registry, "Example.TEST.")

    details = outcome.details
    assert outcome.ok and outcome.error is None, outcome.message
    assert outcome.response_time_ms is not None and outcome.response_time_ms >= 1
    assert details["days_left"] == 100 and "warning" not in details
    assert details["expires_at"].endswith("Z") and details["fetched_at"].endswith("Z")
    assert details["registrar"] == "Example Registrar"
    assert details["registration_status"] == ["active", "client transfer prohibited"]
    assert details["rdap_server"] == f"127.0.0.1:{server.port}"
    assert details["remote_ip"] == "127.0.0.1"
    assert list(details["timing"]) == list(domain.CHECK.timing_phases)
    assert server.paths == ["/dns.json", "/rdap/domain/example.test"]


def test_an_expiry_within_the_warning_is_up_with_a_warning(
    server: RdapTarget, registry: Registry
) -> None:
    outcome = check(registry, warn_days=101)

    assert outcome.ok and outcome.details["warning"] == "domain_expiring"
    assert "warning" not in check(registry, warn_days=100).details
    assert "warning" not in check(registry, warn_days=0).details


def test_a_registration_that_has_expired_is_a_failure(
    server: RdapTarget, registry: Registry
) -> None:
    server.registrations["example.test"] = registration("example.test", "2024-01-01T00:00:00Z")

    outcome = check(registry)

    assert (outcome.error, outcome.message) == (
        "assertion_failed", "Registration expired on 2024-01-01",
    )  # fmt: skip
    assert outcome.details["days_left"] < 0 and not outcome.is_unknown


@pytest.mark.parametrize("status", ["redemption period", "Pending Delete"])
def test_a_registration_about_to_be_deleted_is_a_failure(
    server: RdapTarget, registry: Registry, status: str
) -> None:
    server.registrations["example.test"] = registration(
        "example.test", in_days(300), status=["inactive", status]
    )

    outcome = check(registry)

    assert outcome.error == "assertion_failed" and not outcome.is_unknown


def test_a_domain_that_nobody_has_registered_is_a_failure(registry: Registry) -> None:
    outcome = check(registry, "free.test")

    assert (outcome.error, outcome.message) == ("assertion_failed", "free.test is not registered")
    assert not outcome.is_unknown and outcome.details["timing"]["total"] > 0


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        ("2124-01-01T00:00:00Z", "2124-01-01T00:00:00Z"),
        ("2124-01-01T02:00:00.123+02:00", "2124-01-01T00:00:00Z"),
        ("2124-01-01T00:00:00", "2124-01-01T00:00:00Z"),
        ("2124-01-01", "2124-01-01T00:00:00Z"),
    ],
)
def test_dates_are_read_as_registries_write_them(
    server: RdapTarget, registry: Registry, expires: str, seconds: str
) -> None:
    server.registrations["example.test"] = registration("example.test", expires)

    assert check(registry).details["expires_at"] == seconds


def test_the_longest_suffix_in_the_list_names_the_server(
    server: RdapTarget, registry: Registry
) -> None:
    server.registrations["a.deep.test"] = registration("a.deep.test", in_days(50))

    outcome = check(registry, "a.deep.test")

    assert outcome.ok
    assert server.paths[1:] == ["/moved/domain/a.deep.test", "/rdap/domain/a.deep.test"]


def test_a_domain_of_another_alphabet_is_asked_for_in_ascii(
    server: RdapTarget, registry: Registry
) -> None:
    name = "xn--e1afmkfd.xn--p1ai"
    server.registrations[name] = registration(name, in_days(50), unicodeName="пример.рф")

    assert check(registry, "Пример.рф").ok


def test_a_server_of_ones_own_needs_no_list(server: RdapTarget, registry: Registry) -> None:
    for base in (f"{server.url}/rdap", f"{server.url}/rdap/"):
        assert check(registry, rdap_url=base).ok

    assert server.paths == ["/rdap/domain/example.test"] * 2


def test_an_answer_is_good_for_a_day(server: RdapTarget, registry: Registry, clock: Clock) -> None:
    first = check(registry)
    clock.now += DAY_S - 1
    second = check(registry)

    assert second.ok and second.response_time_ms is None
    assert second.details["fetched_at"] == first.details["fetched_at"]
    assert second.details["days_left"] == 100 and "timing" not in second.details
    assert len(server.paths) == 2

    server.registrations["example.test"] = registration("example.test", in_days(465.5))
    clock.now += 1
    third = check(registry)

    assert third.details["days_left"] == 465 and third.response_time_ms is not None
    assert server.paths[2:] == ["/dns.json", "/rdap/domain/example.test"]


def test_trouble_and_missing_domains_are_asked_for_again_after_minutes(
    server: RdapTarget, registry: Registry, clock: Clock
) -> None:
    missing = [check(registry, "new.test") for _ in range(3)]
    server.status = 503
    trouble = [check(registry) for _ in range(3)]

    assert all(outcome.error == "assertion_failed" for outcome in missing)
    assert all(outcome.is_unknown for outcome in trouble)
    assert len(server.paths) == 3

    server.status = 200
    server.registrations["new.test"] = registration("new.test", in_days(365))
    clock.now += 300

    assert check(registry, "new.test").ok and check(registry).ok


def test_a_server_that_is_asked_too_often_is_left_alone_for_an_hour(
    server: RdapTarget, registry: Registry, clock: Clock
) -> None:
    check(registry, "free.test")  # the list is known from here on
    server.status = 429
    outcome = check(registry)
    clock.now += 3599
    check(registry)

    assert outcome.is_unknown and "too often" in outcome.message
    assert server.paths.count("/rdap/domain/example.test") == 1

    server.status = 200
    clock.now += 1

    assert check(registry).ok


def test_an_old_answer_serves_while_there_is_no_new_one(
    server: RdapTarget, registry: Registry, clock: Clock
) -> None:
    server.registrations["late.test"] = registration("late.test", "2024-01-01T00:00:00Z")
    fetched_at = check(registry).details["fetched_at"]
    check(registry, "late.test")
    server.status = 500
    clock.now += DAY_S

    good, late = check(registry), check(registry, "late.test")

    assert good.ok and good.details["fetched_at"] == fetched_at
    assert late.is_unknown  # it may have been renewed since


def test_of_too_many_domains_the_oldest_is_forgotten(
    server: RdapTarget, registry: Registry
) -> None:
    for name in ("a.test", "b.test", "example.test", "c.test", "a.test"):
        check(registry, name)

    assert server.paths.count("/rdap/domain/a.test") == 2
    assert server.paths.count("/dns.json") == 1


def test_many_checks_at_once_ask_once(server: RdapTarget, registry: Registry) -> None:
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=lambda: outcomes.append(check(registry))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [outcome.ok for outcome in outcomes] == [True] * 10
    assert server.paths == ["/dns.json", "/rdap/domain/example.test"]


def test_a_top_level_domain_without_a_server_is_unknown(registry: Registry) -> None:
    outcome = check(registry, "example.invalid")

    assert outcome.is_unknown and not outcome.ok
    assert outcome.message == "No RDAP server is known for .invalid domains"


def test_a_registry_that_tells_no_expiry_is_unknown(server: RdapTarget, registry: Registry) -> None:
    server.registrations["example.test"] = registration("example.test", None)

    outcome = check(registry)

    assert outcome.is_unknown and "does not say when" in outcome.message


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"canary", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"{" + b" " * 2_000_000 + b"}",
        {}, {"objectClassName": "domain"}, {"objectClassName": "entity"},
        registration("other.test", in_days(9)),
        registration("example.test", "soon"), registration("example.test", "9999-99-99"),
        registration("example.test", "0001-01-01T00:00:00+14:00"),
        registration("example.test", None, events=[1, {"eventAction": "expiration"}]),
        registration("example.test", None, events={"eventAction": "expiration"}),
        registration("example.test", None, events=[{"eventAction": [], "eventDate": {}}]),
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_unknown(
    server: RdapTarget, registry: Registry, answer: Any
) -> None:
    server.registrations["example.test"] = answer

    outcome = check(registry)

    assert outcome.is_unknown and outcome.error == "protocol_error"
    assert "canary" not in f"{outcome.message}{outcome.details}"


@pytest.mark.parametrize(
    "more",
    [
        {"entities": 1, "status": None}, {"entities": [1, {"roles": "registrar"}], "status": [1]},
        {"entities": [{"roles": ["registrar"]}]},
        {"entities": [with_card([1, [], ["fn", {}, "text"]])]},
        {"entities": [with_card([["fn", {}, "text", [[1]]]])]},
    ],
)  # fmt: skip
def test_without_a_readable_registrar_or_status_it_is_still_up(
    server: RdapTarget, registry: Registry, more: dict[str, Any]
) -> None:
    server.registrations["example.test"] = registration("example.test", in_days(90), **more)

    outcome = check(registry)

    assert outcome.ok and outcome.details["registrar"] == ""


def test_long_texts_of_the_registry_are_cut(server: RdapTarget, registry: Registry) -> None:
    entity = with_card([["fn", {}, "text", "r" * 5000]])
    server.registrations["example.test"] = registration(
        "example.test", in_days(90), status=["s" * 5000] * 50,
        entities=[entity],
    )  # fmt: skip

    details = check(registry).details

    assert details["registrar"] == "r" * 128
    assert details["registration_status"] == ["s" * 128] * 20


@pytest.mark.parametrize("answer", [b"", b"[]", {}, {"services": 1}, {"services": [[], [[1], 2]]}])
def test_a_list_that_makes_no_sense_is_unknown(
    server: RdapTarget, registry: Registry, answer: Any
) -> None:
    server.list = answer

    assert check(registry).is_unknown


def test_a_list_that_names_no_usable_url_is_unknown(server: RdapTarget, registry: Registry) -> None:
    server.list = {"services": [[["test"], ["file:///etc/passwd"]]]}

    assert check(registry).is_unknown


def test_an_encrypted_server_is_preferred(server: RdapTarget, registry: Registry) -> None:
    with tcp_targets.closed_port() as port:
        encrypted = f"https://127.0.0.1:{port}/"
        server.list = {"services": [[["test"], [f"{server.url}/rdap/", encrypted]]]}
        outcome = check(registry)

    assert outcome.is_unknown and outcome.error == "connection_refused"


def test_an_old_list_serves_while_there_is_no_new_one(
    server: RdapTarget, registry: Registry, clock: Clock
) -> None:
    check(registry)
    server.list = b"broken"
    clock.now += DAY_S

    assert check(registry).ok


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/loop", "too_many_redirects"),
        (f"/to/{quote('file:///etc/passwd', safe='')}", "protocol_error"),
        (f"/to/{quote('http://169.254.169.254/', safe='')}", "network_unreachable"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_unknown(
    server: RdapTarget, registry: Registry, path: str, error: str
) -> None:
    outcome = check(registry, rdap_url=f"{server.url}{path}")

    assert outcome.is_unknown and outcome.error == error
    assert len(server.paths) <= 6


@pytest.mark.alone
def test_a_server_that_cannot_be_reached_is_unknown(registry: Registry) -> None:
    with tcp_targets.closed_port() as port:
        refused = check(registry, rdap_url=f"http://127.0.0.1:{port}")
    with tls.https_target("good") as https:
        untrusted = check(registry, rdap_url=https.url)
    with tcp_targets.silent() as port:
        began = time.monotonic()
        silent = check(registry, rdap_url=f"http://127.0.0.1:{port}")
        assert time.monotonic() - began < 1.1

    assert refused.is_unknown and refused.error == "connection_refused"
    assert untrusted.is_unknown and untrusted.error == "certificate_invalid"
    assert silent.is_unknown and silent.error == "timeout"


def test_a_check_does_not_wait_past_its_deadline_for_another(server: RdapTarget) -> None:
    with tcp_targets.silent() as port:
        registry = Registry(f"http://127.0.0.1:{port}/")
        slow = threading.Thread(target=lambda: check(registry, timeout=2))
        slow.start()
        outcome = check(registry, "other.test")
        slow.join()

    assert outcome.is_unknown and outcome.error == "timeout"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("domain", ""), ("domain", "localhost"), ("domain", "192.0.2.1"), ("domain", "::1"),
        ("domain", "127.1"),
        ("domain", "a b.test"), ("domain", "-x.test"), ("domain", "a..test"), ("domain", "test."),
        ("domain", "http://example.test"), ("domain", "x" * 64 + ".test"), ("domain", "a/b.test"),
        ("domain", ".".join(["x" * 62] * 4) + ".te"), ("domain", 1), ("warn_days", -1),
        ("warn_days", 366), ("warn_days", "30"), ("rdap_url", ""), ("rdap_url", "ftp://a.test"),
        ("rdap_url", "http://user:secret@a.test/"), ("rdap_url", "http://a.test/?token=1"),
        ("timeout", 0), ("host", "example.test"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        domain.DomainConfig.model_validate({"domain": "example.test", field: value})

    assert set(findings(domain.DomainConfig, caught.value)) == {field}


def test_the_target_is_the_domain_or_the_server_of_ones_own() -> None:
    plain = domain.CHECK.target(domain.DomainConfig(domain="Example.test."))
    own = domain.DomainConfig(domain="example.test", rdap_url="https://rdap.test:8443/x")

    assert (plain.host, plain.port, plain.label) == ("example.test", 0, "example.test")
    target = domain.CHECK.target(own)
    assert (target.host, target.port, target.label) == ("rdap.test", 8443, "example.test")
