import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import mysql as targets
from tests.targets import program, scripted
from uptimehunt.checks import Deadline, Outcome, mysql
from uptimehunt.checks.base import secret_names

PASSWORD = targets.PASSWORD
LOGIN: dict[str, Any] = {
    "username": targets.READER,
    "password": PASSWORD,
    "database": targets.DATABASE,
}
_CAPABILITIES = 0x000FA20F  # protocol 4.1, plugins; no TLS


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with targets.mysql_target() as running:
        yield running


def check(port: int, seconds: float = 5, **more: Any) -> Outcome:
    config = mysql.MysqlConfig(host="127.0.0.1", port=port, timeout=1, **more)
    return mysql.check(config, Deadline(seconds))


def ask(port: int, query: str, **more: Any) -> Outcome:
    return check(port, **LOGIN, query=query, **more)


def packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def greeting(plugin: bytes = b"mysql_native_password") -> bytes:
    low, high = _CAPABILITIES & 0xFFFF, _CAPABILITIES >> 16
    body = b"\n8.0.1\0" + struct.pack("<I", 7) + b"12345678\0"
    body += struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10) + b"123456789012\0"
    return packet(0, body + plugin + b"\0")


def error(number: int, code: int, state: bytes = b"#HY000") -> bytes:
    return packet(number, b"\xff" + struct.pack("<H", code) + state + b"words of the server")


def ok(number: int) -> bytes:
    return packet(number, b"\0\0\0\2\0\0\0")


def test_a_server_that_takes_the_login_is_up(port: int) -> None:
    outcome = check(port, **LOGIN)

    assert outcome.ok and outcome.response_time_ms
    assert "MariaDB" in outcome.details["server_version"]
    timing = outcome.details["timing"]
    assert list(timing) == list(mysql.CHECK.timing_phases)
    assert 0 < timing["connect"] < timing["total"]


@pytest.mark.parametrize("tls", [False, True])
def test_without_a_user_name_a_server_that_turns_us_away_is_up(port: int, tls: bool) -> None:
    outcome = check(port, tls=tls, ca_pem=program.ca_pem() if tls else None)

    assert outcome.ok
    assert ("certificate" in outcome.details) is tls


def test_tls_is_asked_for_and_its_certificate_judged(port: int) -> None:
    assert check(port, **LOGIN, tls=True, ca_pem=program.ca_pem()).ok

    untrusted = check(port, **LOGIN, tls=True)

    assert untrusted.error == "certificate_invalid"
    assert untrusted.details["certificate"]["days_left"] > 0


@pytest.mark.parametrize(
    ("more", "number"),
    [
        ({"password": "wrong-one"}, 1045),
        ({"password": None}, 1045),
        ({"database": "nowhere"}, 1044),
    ],
)
def test_a_login_that_fails_is_told_from_other_trouble(
    port: int, more: dict[str, Any], number: int
) -> None:
    outcome = check(port, **{**LOGIN, **more})

    assert (outcome.error, outcome.details["error_number"]) == ("authentication_failed", number)
    assert PASSWORD not in repr(outcome) and "wrong-one" not in repr(outcome)


def test_a_kind_of_login_that_is_not_spoken_is_named(port: int) -> None:
    outcome = check(port, username=targets.MODERN, password=PASSWORD)

    assert outcome.error == "authentication_failed"
    assert outcome.message == "The server wants a kind of login that is not supported"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1", "1"),
        ("select true", "1"),
        ("select 1.50, 'other'", "1.50"),
        (" (select 'a')", "a"),
        ("with x as (select 2) select * from x", "2"),
        ("show tables", "item"),
        ("select 'grün'", "grün"),
        ("select count(*) from item", "10000"),
        ("select id from item order by id", "1"),
        ("select null", None),
        ("select 1 from item where false", None),
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
        ("select 1 from item where false", "The query found nothing"),
    ],
)
def test_another_value_is_a_failure(port: int, query: str, message: str) -> None:
    outcome = ask(port, query, expected="something else")

    assert (outcome.error, outcome.message) == ("assertion_failed", message)
    assert outcome.details.get("value", "it is ******** 1") == "it is ******** 1"
    assert PASSWORD not in repr(outcome)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("select 1; drop table item", 1064),
        ("select * from item for update", 1792),
        ("select 1 into outfile '/tmp/uptimehunt-test'", 1227),
        ("select * from secret", 1142),
        ("select nothing", 1054),
    ],
)
def test_a_query_can_only_read(port: int, query: str, number: int) -> None:
    outcome = ask(port, query)

    assert (outcome.error, outcome.details["error_number"]) == ("assertion_failed", number)
    assert outcome.message
    assert ask(port, "select count(*) from item", expected="10000").ok


@pytest.mark.parametrize(
    "query",
    ["drop table item", "delete from item", "set @a = 1", "call f()", "; select 1", "selection"],
)
def test_what_does_not_begin_as_a_query_is_refused_on_save(query: str) -> None:
    with pytest.raises(ValidationError) as caught:
        mysql.MysqlConfig(host="127.0.0.1", username="x", query=query)

    assert scripted.named_fields(caught) == {"query"}


def test_a_million_rows_are_not_fetched(port: int) -> None:
    outcome = ask(port, "select a.id, a.name from item a, item b", expected="1")

    assert outcome.ok, outcome


@pytest.mark.parametrize(
    "query",
    ["select repeat('x', 5000000)", "select repeat('x', 9000) from item limit 1000"],
)
def test_an_endless_answer_is_not_read(port: int, query: str) -> None:
    outcome = ask(port, query)

    assert outcome.error == "body_too_large"


def test_a_query_ends_at_the_deadline_on_both_sides(port: int, wait_until: Any) -> None:
    began = time.monotonic()

    outcome = ask(port, "select sleep(60) + 1 from item", seconds=1)

    assert time.monotonic() - began < 2
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")
    mine = "select count(*) from information_schema.processlist where command = 'Query'"
    wait_until(lambda: ask(port, mine, expected="1").ok)


@pytest.mark.parametrize(
    ("number", "kind", "is_up"),
    [
        (1045, "authentication_failed", True),
        (1130, "authentication_failed", True),
        (1040, "assertion_failed", False),
        (1129, "assertion_failed", False),
        (1053, "assertion_failed", False),
        (1999, "assertion_failed", False),
    ],
)
def test_an_error_instead_of_a_greeting_is_understood(number: int, kind: str, is_up: bool) -> None:
    with scripted.saying(greeting=error(0, number, b"")) as port:
        outcome = check(port, **LOGIN)
        anonymous = check(port)

    assert outcome.error == kind
    assert outcome.message and "words of the server" not in repr(outcome)
    assert anonymous.ok is is_up


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog"])
def test_the_password_is_not_sent_in_the_clear(plugin: bytes) -> None:
    switch = packet(2, b"\xfe" + plugin + b"\0\4Password: ")

    with scripted.saying(switch, greeting=greeting()) as port:
        outcome = check(port, **LOGIN)

    assert outcome.error == "authentication_failed"
    assert outcome.message == "The server wants the password in the clear, which takes TLS"


def test_a_server_that_asks_for_our_files_gets_none() -> None:
    wanted = packet(1, b"\xfb/etc/passwd")
    with scripted.saying(ok(2), ok(1), wanted, greeting=greeting()) as port:
        outcome = check(port, **LOGIN, query="select 1")

    assert outcome.error == "protocol_error"
    assert outcome.message == "The server asks for files of this machine"


@pytest.mark.parametrize(
    ("hello", "answer", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"", "protocol_error"),
        (packet(0, b"\n"), b"", "protocol_error"),
        (packet(0, b"\nx.y\0"), b"", "protocol_error"),
        (packet(0, b""), b"", "protocol_error"),
        (packet(3, b"\n"), b"", "protocol_error"),
        (b"\xff\xff\xff\0", b"", "body_too_large"),
        (b"\x10\0\0\0x", b"", "timeout"),
        (greeting(), packet(2, b""), "protocol_error"),
        (greeting(), packet(2, b"\xff"), "protocol_error"),
        (greeting(), packet(2, b"\xfe"), "protocol_error"),
        (greeting(), packet(2, b"\xfemade_up\0"), "authentication_failed"),
        (greeting(b"caching_sha2_password"), packet(2, b"\1\7"), "protocol_error"),
        (greeting(b"caching_sha2_password"), packet(2, b"\1"), "protocol_error"),
        (greeting(), packet(2, b"\1x"), "protocol_error"),
    ],
)
def test_what_is_not_an_answer_to_a_login_is_a_failure(
    hello: bytes, answer: bytes, kind: str
) -> None:
    with scripted.saying(answer, greeting=hello) as port:
        outcome = check(port, 0.5 if kind == "timeout" else 5, **LOGIN)

    assert outcome.error == kind


def test_a_server_that_talks_without_end_is_cut_off() -> None:
    with scripted.saying(greeting=greeting(), endless=b"\xff\xff\xff\2" + b"x" * 10_000) as port:
        outcome = check(port, **LOGIN)

    assert outcome.error == "body_too_large"


def test_a_server_without_tls_fails_where_tls_is_asked_for() -> None:
    with scripted.saying(greeting=greeting()) as port:
        outcome = check(port, **LOGIN, tls=True)

    assert (outcome.error, outcome.message) == ("tls_error", "The server offers no TLS")


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
        ({"username": "x", "expected": "1"}, {"query"}),
        ({"username": "x\0y"}, {"username"}),
        ({"tls": "yes"}, {"tls"}),
        ({"unknown": 1}, {"unknown"}),
    ],
)
def test_a_bad_field_is_named(more: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        mysql.MysqlConfig.model_validate({"host": "127.0.0.1", **more})

    assert scripted.named_fields(caught) == fields


def test_the_target_is_host_and_port_and_the_password_a_secret() -> None:
    target = mysql.CHECK.target(mysql.MysqlConfig(host="DB.lan"))

    assert (target.host, target.port, target.label) == ("db.lan", 3306, "db.lan:3306")
    assert secret_names(mysql.MysqlConfig) == {"password"}
