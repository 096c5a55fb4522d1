import json
import random
import re
import time

import pytest

from tests.targets import tcp
from tests.targets.http import HttpTarget
from tests.unit.checks.conftest import check, query
from uptimehunt.checks import Deadline, http
from uptimehunt.checks.http_config import HttpConfig


def test_a_refused_connection_is_named() -> None:
    with tcp.closed_port() as port:
        outcome = check(f"http://127.0.0.1:{port}/")

    assert not outcome.ok and outcome.response_time_ms is None and outcome.status_code is None
    assert outcome.error == "connection_refused"
    assert outcome.message == f"Connection refused by 127.0.0.1:{port}"


def test_a_name_that_cannot_be_resolved_is_a_dns_error() -> None:
    outcome = check("http://" + "a." * 125 + "abcde/")  # too long: no name server is asked

    assert outcome.error == "dns_error"


@pytest.mark.alone
def test_a_port_that_never_answers_is_a_connect_timeout() -> None:
    with tcp.blackhole() as port:
        began = time.monotonic()
        outcome = check(f"http://127.0.0.1:{port}/")

    assert time.monotonic() - began < 1.1
    assert outcome.error == "connect_timeout"
    assert outcome.message == f"No connection to 127.0.0.1:{port} within 1 s"


@pytest.mark.alone
@pytest.mark.parametrize("path", ["/slow?s=30", "/drip?part=headers", "/drip?part=body"])
def test_a_slow_answer_past_the_deadline_is_a_failure(site: HttpTarget, path: str) -> None:
    began = time.monotonic()
    outcome = check(f"{site.url}{path}")

    assert 0.99 < time.monotonic() - began < 1.1
    assert not outcome.ok and outcome.response_time_ms is None
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")


@pytest.mark.alone
def test_a_silent_tls_handshake_ends_at_the_deadline() -> None:
    with tcp.silent() as port:
        began = time.monotonic()
        outcome = check(f"https://127.0.0.1:{port}/")

        assert 0.99 < time.monotonic() - began < 1.1
    assert outcome.error == "timeout"


def test_interim_answers_without_end_end_at_the_deadline() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    with tcp.replying(interim * 200 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as port:
        assert check(f"http://127.0.0.1:{port}/").ok
    with tcp.replying(interim * 50_000) as port:
        assert not check(f"http://127.0.0.1:{port}/").ok


def test_a_deadline_that_has_passed_sends_nothing(site: HttpTarget) -> None:
    outcome = http.check(HttpConfig(url=site.url), Deadline(0))

    assert outcome.error == "timeout"
    assert site.requests == []


def test_a_reset_is_named() -> None:
    with tcp.resetting() as port:
        outcome = check(f"http://127.0.0.1:{port}/")

    assert outcome.error == "connection_reset"
    assert outcome.message == f"Connection reset by 127.0.0.1:{port}"


def test_a_reset_in_the_middle_of_an_answer_is_named() -> None:
    with tcp.resetting(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell") as port:
        outcome = check(f"http://127.0.0.1:{port}/")

    assert outcome.error == "connection_reset"


@pytest.mark.parametrize("path", ["/close", "/garbage", "/headers?n=1&size=400000"])
def test_what_is_no_http_is_a_protocol_error(site: HttpTarget, path: str) -> None:
    assert check(f"{site.url}{path}").error == "protocol_error"


@pytest.mark.parametrize("path", ["/headers?n=150", "/headers?n=1&size=70000"])
def test_many_or_long_headers_are_no_trouble(site: HttpTarget, path: str) -> None:
    assert check(f"{site.url}{path}").ok


@pytest.mark.parametrize(
    "reply",
    [b"", b"\r\n\r\n", b"hello", b"HTTP/1.1\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n",
     b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
     b"HTTP/1.1 200 OK\r\nX-Nul: a\x00b\r\nContent-Length: 0\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nno colon\x00 here\r\n\r\n",
     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 200 O", b"\x15\x03\x03\x00\x02\x02\x28"],
)  # fmt: skip
def test_a_malformed_answer_is_a_failure_in_our_own_words(reply: bytes) -> None:
    with tcp.replying(reply) as port:
        outcome = check(f"http://127.0.0.1:{port}/")

    assert outcome.error in ("protocol_error", "status_mismatch"), outcome
    assert not re.search("curl|nghttp|errno|exception|0x", outcome.message, re.IGNORECASE)


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.1 204 No Content\r\n\r\nbody all the same",
     b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
     b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nuntil the end",
     b"HTTP/1.1 200 \xff\xfe\r\nX-Odd: \xff\r\nContent-Length: 1\r\n\r\n\xff"],
)  # fmt: skip
def test_an_odd_but_readable_answer_is_read(reply: bytes) -> None:
    with tcp.replying(reply) as port:
        outcome = check(f"http://127.0.0.1:{port}/")
        failed = check(f"http://127.0.0.1:{port}/", expected_status_code=599)

    assert outcome.ok, outcome
    json.dumps(failed.details, allow_nan=False).encode()


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "2852039166", "0xa9fea9fe",
     "0", "0.0.0.0", "[::]", "169.254.170.2", "100.100.100.200", "255.255.255.255"],
)  # fmt: skip
def test_a_metadata_address_is_never_probed_however_it_is_written(
    site: HttpTarget, host: str
) -> None:
    direct = check(f"http://{host}/")
    redirected = check(f"{site.url}/location?{query(f'http://{host}/')}")

    for outcome in (direct, redirected):
        assert outcome.error == "network_unreachable"
        assert re.fullmatch("Address [0-9a-f.:]+ is never probed", outcome.message)
    assert redirected.details["redirects"] == 1


# Any URL at all: a refusal or an outcome, never another exception


def test_no_url_raises_anything_but_a_validation_error(site: HttpTarget) -> None:
    pieces = [
        "http", "https", "HTTP", "file", "://", ":/", "//", "@", ":", "[", "]", "::1", "%", "%25",
        "%00", "127.0.0.1", f"127.0.0.1:{site.port}", "127.1:1", "0x7f.1:1", "user:pw@", "/", "?",
        "#", "\\", "é", "/a%zz", "..", "{}", "|", "^", "'", '"', "<", ";", "&", "=", "+", "~", ":0",
        ":99999", ":-1", ":\uff11", "\t", "\n", "\x00", " ", "\u202e", "\U0001d7d9", "\u3002",
    ]  # fmt: skip
    source = random.Random(42)
    checked = 0
    for round_ in range(3000):
        tail = "".join(source.choices(pieces, k=source.randint(1, 6)))
        start = ("http://", f"http://127.0.0.1:{site.port}", f"{site.url}/")[round_ % 3]
        url = start + tail
        try:
            config = HttpConfig(url=url)
        except ValueError:
            continue
        if config.parsed_url.host in ("127.0.0.1", "::1", "127.1"):  # no traffic beyond loopback
            json.dumps(http.check(config, Deadline(5)).details)
            checked += 1

    assert checked > 300
