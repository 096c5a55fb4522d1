import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.targets import LoopbackServer, tls
from tests.targets import tcp as targets
from uptimehunt.checks import Deadline, Outcome, net
from uptimehunt.checks.base import CheckError
from uptimehunt.checks.peer import TlsConfig
from uptimehunt.checks.stream import LONGEST_LINE, PHASES, Stream, converse

PATIENCE_S = 10
"""Where nothing is to time out, a machine that stands still for a second is no fault."""


def talk_to(
    port: int,
    talk: Callable[[Stream], object],
    inspect: Any = None,
    timeout: int = PATIENCE_S,
    **more: Any,
) -> Outcome:
    config = TlsConfig(host="127.0.0.1", port=port, timeout=timeout, **more)

    def until_done(peer: Stream) -> net.Fault | None:
        talk(peer)
        return None

    return converse(config, Deadline(config.timeout), until_done, inspect=inspect)


def in_pieces(*pieces: bytes) -> Any:
    """Sends each piece in a packet of its own, and hangs up."""

    def behave(sock: socket.socket, server: LoopbackServer) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            sock.sendall(piece)
            server.stopping.wait(0.01)

    return targets.speaking(behave)


def test_a_line_is_put_together_from_many_reads_and_split_off_from_the_next() -> None:
    lines: list[bytes] = []

    def talk(peer: Stream) -> None:
        lines.extend(peer.read_line() for _ in range(4))
        lines.append(peer.read(2))
        lines.append(peer.read())

    with in_pieces(b"fi", b"rst\r", b"\nsecond\nthi\rrd\r\n\nrest") as port:
        outcome = talk_to(port, talk)

    assert outcome.ok
    assert lines == [b"first", b"second", b"thi\rrd", b"", b"re", b"st"]


def test_exactly_so_many_bytes_are_read_and_the_others_kept() -> None:
    seen: list[bytes] = []

    def talk(peer: Stream) -> None:
        seen.append(peer.read_exactly(0))
        seen.append(peer.read_exactly(5))
        seen.append(peer.read_line())
        seen.append(peer.read_exactly(3))

    with in_pieces(b"ab", b"cde", b"fg\nh", b"ij") as port:
        assert talk_to(port, talk).ok

    assert seen == [b"", b"abcde", b"fg", b"hij"]


def test_a_line_without_an_end_is_a_protocol_error_and_not_read_for_ever() -> None:
    with targets.endless(b"x" * 1000) as port:
        outcome = talk_to(port, Stream.read_line)

    assert outcome.error == "protocol_error"
    assert outcome.message == "The answer has a line without an end"


def test_a_line_may_be_as_long_as_the_bound() -> None:
    lengths: list[int] = []
    with in_pieces(b"x" * LONGEST_LINE + b"\r\n") as port:
        talk_to(port, lambda peer: lengths.append(len(peer.read_line())))

    assert lengths == [LONGEST_LINE]


@pytest.mark.parametrize(
    "read", [Stream.read_line, lambda peer: peer.read_exactly(10)], ids=["line", "exactly"]
)
def test_the_end_of_the_stream_in_an_answer_is_a_protocol_error(
    read: Callable[[Stream], bytes],
) -> None:
    with in_pieces(b"half") as port:
        outcome = talk_to(port, read, timeout=1)

    assert outcome.error == "protocol_error"
    assert outcome.message.startswith("The connection was closed")


def test_the_end_of_the_stream_reads_as_nothing() -> None:
    seen: list[bytes] = []
    with targets.accepting() as port:
        outcome = talk_to(port, lambda peer: seen.append(peer.read()))

    assert outcome.ok and seen == [b""]


@pytest.mark.alone
@pytest.mark.parametrize(
    "target", [targets.silent, lambda: targets.dripping(b"x")], ids=["silent", "drip"]
)
@pytest.mark.parametrize(
    "read", [Stream.read_line, lambda peer: peer.read_exactly(10**6)], ids=["line", "exactly"]
)
def test_reading_ends_at_the_deadline(target: Any, read: Callable[[Stream], bytes]) -> None:
    with target() as port:
        began = time.monotonic()
        outcome = talk_to(port, read, timeout=1)

        assert time.monotonic() - began < 1.1
    assert (outcome.error, outcome.message) == ("timeout", "No answer within 1 s")


@pytest.mark.alone
def test_sending_to_a_peer_that_does_not_read_ends_at_the_deadline() -> None:
    with targets.silent() as port:
        began = time.monotonic()
        outcome = talk_to(port, lambda peer: peer.send(bytes(10**8)), timeout=1)

        assert time.monotonic() - began < 1.5
    assert outcome.error == "timeout"


def test_last_words_to_a_peer_that_is_gone_are_no_failure() -> None:
    def talk(peer: Stream) -> None:
        peer.send(b"x")
        with pytest.raises(OSError):
            while peer.read():
                pass
        peer.take_leave(b"bye")

    with targets.resetting() as port:
        outcome = talk_to(port, talk)

    assert outcome.ok


def test_what_was_unread_before_tls_is_not_taken_for_an_answer_in_it() -> None:
    def behave(sock: socket.socket, _server: LoopbackServer) -> None:
        sock.sendall(b"go ahead\nslipped in\n")
        sock.recv(1)
        secured = tls.server_context("good").wrap_socket(sock, server_side=True)
        secured.sendall(b"encrypted\n")
        secured.recv(1)
        secured.close()

    lines: list[bytes] = []
    config = TlsConfig(host="127.0.0.1", port=1, ca_pem=tls.ca_pem())

    def talk(peer: Stream) -> None:
        lines.append(peer.read_line())
        peer.send(b"t")
        peer.secure(config)
        lines.append(peer.read_line())

    with targets.speaking(behave) as port:
        outcome = talk_to(port, talk, ca_pem=tls.ca_pem())

    assert outcome.ok
    assert lines == [b"go ahead", b"encrypted"]


def secured(port: int, inspect: Any = None, **more: Any) -> Outcome:
    config = TlsConfig(host="127.0.0.1", port=1, **more)
    return talk_to(port, lambda peer: peer.secure(config), inspect, **more)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("expired", "certificate_expired", "Certificate expired on 2024-01-01"),
        ("not_yet_valid", "certificate_invalid", "Certificate is not valid yet"),
        ("wrong_host", "certificate_invalid", "Certificate is not valid for this host"),
        ("self_signed", "certificate_invalid", "Certificate is self-signed"),
        (
            "incomplete_chain",
            "certificate_invalid",
            "Certificate is signed by an unknown authority",
        ),
    ],
)
def test_the_facts_of_a_certificate_that_did_not_pass_are_shown(
    kind: tls.Kind, error: str, message: str
) -> None:
    with tls.tls_target(tls.server_context(kind)) as port:
        outcome = secured(port, ca_pem=tls.ca_pem())

    assert (outcome.error, outcome.message) == (error, message)
    assert len(outcome.details["certificate"]["fingerprint_sha256"]) == 64
    assert "warning" not in outcome.details
    assert list(outcome.details["timing"]) == list(PHASES)
    assert outcome.details["timing"]["appconnect"] == 0


def test_a_certificate_that_cannot_be_read_costs_its_facts_and_no_more() -> None:
    with tls.tls_target(tls.server_context("malformed")) as port:
        verified, unverified = secured(port), secured(port, verify_tls=False)

    assert verified.error == "certificate_invalid"
    assert unverified.ok and "warning" not in unverified.details
    assert list(unverified.details["certificate"]) == ["fingerprint_sha256"]


def test_nothing_is_said_to_a_server_whose_certificate_did_not_pass() -> None:
    heard: list[bytes] = []

    def behave(sock: socket.socket, _server: LoopbackServer) -> None:
        context = tls.server_context("self_signed")
        with context.wrap_socket(sock, server_side=True) as connection:
            heard.append(connection.recv(1000))

    def talk(peer: Stream) -> None:
        peer.secure(TlsConfig(host="127.0.0.1", port=1))
        peer.send(b"secret")

    with targets.speaking(behave) as port:
        outcome = talk_to(port, talk)

    assert outcome.error == "certificate_invalid" and "certificate" in outcome.details
    assert b"secret" not in b"".join(heard)


def test_a_certificate_that_expires_soon_is_a_warning() -> None:
    with tls.tls_target(tls.server_context("expiring")) as port:
        soon = secured(port, ca_pem=tls.ca_pem())
        never = secured(port, ca_pem=tls.ca_pem(), certificate_warn_days=0)
        later = secured(port, ca_pem=tls.ca_pem(), certificate_warn_days=5)

    assert soon.ok and soon.details["warning"] == "certificate_expiring"
    assert soon.details["certificate"]["days_left"] == 5
    assert never.ok and later.ok
    assert "warning" not in never.details and "warning" not in later.details


def test_what_is_inspected_is_added_to_the_details_also_when_it_did_not_pass() -> None:
    def inspect(connection: ssl.SSLSocket) -> dict[str, Any]:
        return {"version": connection.version()}

    with tls.tls_target(tls.server_context("good")) as port:
        good = secured(port, inspect, ca_pem=tls.ca_pem())
        bad = secured(port, inspect)

    assert good.ok and good.details["version"] == "TLSv1.3"
    assert bad.error == "certificate_invalid" and bad.details["version"] == "TLSv1.3"


@pytest.mark.parametrize("_attempt", range(10))
def test_a_reset_before_the_handshake_is_a_reset(_attempt: int) -> None:
    with targets.resetting_at_once() as port:
        outcome = secured(port)

        # In here: where the block ends, Python 3.11 may know no line, and pytest fails to tell.
        assert outcome.error == "connection_reset", outcome
        assert outcome.message == f"Connection reset by 127.0.0.1:{port}"


def test_a_handshake_after_a_reset_is_a_reset() -> None:
    def talk(peer: Stream) -> None:
        peer.send(b"x")
        with pytest.raises(ConnectionResetError):
            peer.read()
        peer.secure(TlsConfig(host="127.0.0.1", port=1))

    with targets.resetting() as port:
        outcome = talk_to(port, talk)

    assert outcome.error == "connection_reset"


def test_a_dot_at_the_end_of_a_host_name_is_not_part_of_the_certificate() -> None:
    with tls.tls_target(tls.server_context("good")) as port:
        outcome = secured(port, ca_pem=tls.ca_pem(), server_name="localhost.")

    assert outcome.ok


def test_a_type_ends_its_check_by_an_error_or_a_fault_of_its_own() -> None:
    def raising(_peer: Stream) -> None:
        raise CheckError("assertion_failed", "Not what was expected")

    with targets.accepting() as port:
        raised = talk_to(port, raising)
        config = TlsConfig(host="127.0.0.1", port=port)
        returned = converse(config, Deadline(1), lambda _: ("tls_error", "No TLS"))

    assert (raised.error, raised.message) == ("assertion_failed", "Not what was expected")
    assert (returned.error, returned.message) == ("tls_error", "No TLS")
    assert raised.response_time_ms is None and not returned.ok
    assert returned.details["remote_ip"] == "127.0.0.1"


def test_a_server_name_with_an_ipv6_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="Server name must be a host name or an IP address"):
        TlsConfig(host="127.0.0.1", port=1, server_name="fe80::1%" + "x" * 100)
