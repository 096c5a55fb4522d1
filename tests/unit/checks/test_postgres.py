import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import postgres as targets
from tests.targets import program, scripted
from uptimehunt.checks import Deadline, Outcome, postgres
from uptimehunt.checks.base import secret_names

PASSWORD = targets.PASSWORD
LOGIN: dict[str, Any] = {"username": targets.READER, "password": PASSWORD, "database": "postgres"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with targets.postgres_target() as running:
        yield running


def check(port: int, seconds: float = 5, **more: Any) -> Outcome:
    config = postgres.PostgresConfig(host="127.0.0.1", port=port, timeout=1, **more)
    return postgres.check(config, Deadline(seconds))


def ask(port: int, query: str, **more: Any) -> Outcome:
    return check(port, **LOGIN, query=query, **more)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def request(code: int, more: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!i", code) + more)


def test_a_server_that_takes_the_login_is_up(port: int) -> None:
    outcome = check(port, **LOGIN)

    assert outcome.ok and outcome.response_time_ms
    assert outcome.details["server_version"].startswith("15.")
    timing = outcome.details["timing"]
    assert list(timing) == list(postgres.CHECK.timing_phases)
    assert 0 < timing["connect"] < timing["total"]


@pytest.mark.parametrize("tls", [False, True])
def test_without_a_user_name_a_server_that_asks_for_a_login_is_up(port: int, tls: bool) -> None:
    outcome = check(port, tls=tls, ca_pem=program.ca_pem() if tls else None)

    assert outcome.ok
    assert ("certificate" in outcome.details) is tls


def test_tls_is_asked_for_and_its_certificate_judged(port: int) -> None:
    assert check(port, **LOGIN, tls=True, ca_pem=program.ca_pem()).ok

    untrusted = check(port, **LOGIN, tls=True)

    assert untrusted.error == "certificate_invalid"
    assert untrusted.details["certificate"]["days_left"] > 0


def test_md5_is_spoken_and_a_password_in_the_clear_only_over_tls(port: int) -> None:
    login: dict[str, Any] = {"password": PASSWORD, "database": "postgres"}
    assert check(port, username=targets.MD5, **login).ok
    assert check(port, username=targets.CLEAR, **login, tls=True, ca_pem=program.ca_pem()).ok

    outcome = check(port, username=targets.CLEAR, **login)

    assert outcome.error == "authentication_failed"
    assert outcome.message == "The server wants the password in the clear, which takes TLS"


@pytest.mark.parametrize(
    ("more", "error", "sqlstate"),
    [
        ({"password": "wrong-one"}, "authentication_failed", "28P01"),
        ({"password": None}, "authentication_failed", "28P01"),
        ({"username": "ghost"}, "authentication_failed", "28P01"),
        ({"username": targets.TURNED_AWAY}, "authentication_failed", "28000"),
        ({"database": "nowhere"}, "assertion_failed", "3D000"),
    ],
)
def test_a_login_that_fails_is_told_from_other_trouble(
    port: int, more: dict[str, Any], error: str, sqlstate: str
) -> None:
    outcome = check(port, **{**LOGIN, **more})

    assert (outcome.error, outcome.details["sqlstate"]) == (error, sqlstate)
    assert PASSWORD not in repr(outcome) and "wrong-one" not in repr(outcome)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1", "1"),
        ("select true", "t"),
        ("select 1.50::numeric, 'other'", "1.50"),
        ("select 'a'::text, ':x' -- a comment", "a"),
        ("values ('grün')", "grün"),
        ("select count(*) from item", "100000"),
        ("select id from item order by id", "1"),
        ("select null", None),
        ("select 1 where false", None),
    ],
)
def test_the_first_value_is_compared_as_text(port: int, query: str, expected: str | None) -> None:
    outcome = ask(port, query, expected=expected)

    assert outcome.ok, outcome


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select name from item", "The query found another value than expected"),
        ("select null", "The query found NULL"),
        ("select 1 where false", "The query found nothing"),
    ],
)
def test_another_value_is_a_failure(port: int, query: str, message: str) -> None:
    outcome = ask(port, query, expected="something else")

    assert (outcome.error, outcome.message) == ("assertion_failed", message)
    assert outcome.details.get("value", "it is ******** 1") == "it is ******** 1"
    assert PASSWORD not in repr(outcome)


@pytest.mark.parametrize(
    ("query", "sqlstate"),
    [
        ("select 1; drop table item", "42601"),
        ("select 1; commit; drop table item", "42601"),
        ("delete from item", "42601"),
        ("drop table item", "42601"),
        ("copy item to stdout", "42601"),
        ("commit", "42601"),
        ("with gone as (delete from item returning 1) select * from gone", "0A000"),
        ("select set_config('transaction_read_only', 'off', true)", "25001"),
        ("select setval('counter', 5)", "25006"),
        ("select * from secret", "42501"),
        ("select * from nowhere", "42P01"),
        ("select 1/0", "22012"),
    ],
)
def test_a_query_can_only_read(port: int, query: str, sqlstate: str) -> None:
    outcome = ask(port, query)

    assert (outcome.error, outcome.details["sqlstate"]) == ("assertion_failed", sqlstate)
    assert outcome.message
    assert ask(port, "select count(*) from item", expected="100000").ok


def test_a_million_rows_are_not_fetched(port: int) -> None:
    outcome = ask(port, "select a.id, a.name from item a, item b", expected="1")

    assert outcome.ok, outcome


def test_an_endless_value_is_not_read(port: int) -> None:
    outcome = ask(port, "select repeat('x', 5000000)")

    assert outcome.error == "body_too_large"


def test_a_query_ends_at_the_deadline_on_both_sides(port: int, wait_until: Any) -> None:
    began = time.monotonic()

    outcome = ask(port, "select pg_sleep(60)", seconds=1)

    assert time.monotonic() - began < 2
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")
    others = "from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
    wait_until(lambda: ask(port, f"select count(*) {others}", expected="0").ok)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (message(b"E", b"SFATAL\0C57P03\0Mit is starting up\0\0"), "assertion_failed"),
        (message(b"E", b"SFATAL\0C53300\0Mtoo many clients\0\0"), "assertion_failed"),
        (message(b"E", b"\0"), "assertion_failed"),
        (message(b"E", b""), "assertion_failed"),
        (request(7), "authentication_failed"),
        (request(99), "authentication_failed"),
        (message(b"R", b""), "protocol_error"),
        (request(10, b"X-NEW\0\0"), "protocol_error"),
        (request(11, b"r=x,s=eHh4eHh4eHh4eHh4,i=999999999"), "protocol_error"),
        (request(11, b"r=x,s=eHh4eHh4eHh4eHh4,i=4096"), "protocol_error"),
        (request(12, b"v=x"), "protocol_error"),
        (request(0) + message(b"D", b"\0\5"), "protocol_error"),
        (request(0) + message(b"S", b"client_encoding\0punycode\0"), "timeout"),
        (b"R\x7f\xff\xff\xff", "body_too_large"),
        (b"R\xff\xff\xff\xff", "protocol_error"),
        (b"?\0\0\0\4", "protocol_error"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "body_too_large"),
        (b"R\0\0\0", "timeout"),
    ],
)  # fmt: skip
def test_what_is_not_an_answer_to_a_login_is_a_failure(answer: bytes, error: str) -> None:
    with scripted.saying(answer) as port:
        outcome = check(port, 1 if error == "timeout" else 5, **LOGIN)

    assert outcome.error == error
    assert "it is starting up" not in outcome.message


@pytest.mark.parametrize(
    ("sqlstate", "is_up"),
    [(b"28000", True), (b"3D000", True), (b"08P01", True), (b"53300", False), (b"57P03", False)],
)
def test_without_a_user_name_a_server_that_says_no_is_up(sqlstate: bytes, is_up: bool) -> None:
    with scripted.saying(message(b"E", b"SFATAL\0C" + sqlstate + b"\0Mno\0\0")) as port:
        outcome = check(port)

    assert outcome.ok is is_up
    assert outcome.details["sqlstate"] == sqlstate.decode()


def test_a_server_that_talks_without_end_is_cut_off() -> None:
    with scripted.saying(b"", endless=message(b"N", b"x" * 1000)) as port:
        outcome = check(port, 5, **LOGIN)

    assert outcome.error == "body_too_large"


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"N", "tls_error"), (b"E\0\0\0", "protocol_error"), (b"S", "timeout")],
)
def test_a_server_without_tls_fails_where_tls_is_asked_for(answer: bytes, error: str) -> None:
    with scripted.saying(answer) as port:
        seconds = 0.5 if error == "timeout" else 5
        assert check(port, seconds, **LOGIN, tls=True).error == error


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"host": ""}, {"host"}),
        ({"port": 0}, {"port"}),
        ({"username": ""}, {"username"}),
        ({"password": "x"}, {"username"}),
        ({"database": "x"}, {"username"}),
        ({"query": "select 1"}, {"username"}),
        ({"username": "x", "query": ""}, {"query"}),
        ({"username": "x", "query": "x" * 4097}, {"query"}),
        ({"username": "x", "expected": "1"}, {"query"}),
        ({"username": "x\0y"}, {"username"}),
        ({"username": "x", "password": "\0"}, {"password"}),
        ({"username": "x", "database": "a\0b"}, {"database"}),
        ({"username": "x", "query": "select '\0'"}, {"query"}),
        ({"tls": "yes"}, {"tls"}),
        ({"unknown": 1}, {"unknown"}),
    ],
)
def test_a_bad_field_is_named(more: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        postgres.PostgresConfig.model_validate({"host": "127.0.0.1", **more})

    assert scripted.named_fields(caught) == fields


def test_the_target_is_host_and_port_and_the_password_a_secret() -> None:
    target = postgres.CHECK.target(postgres.PostgresConfig(host="DB.lan"))

    assert (target.host, target.port, target.label) == ("db.lan", 5432, "db.lan:5432")
    assert secret_names(postgres.PostgresConfig) == {"password"}
