import base64
import contextlib
import hashlib
import json
import re
import socket
import socketserver
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import LoopbackServer, running, scripted, tls
from tests.targets import tcp as peers
from tests.targets.websocket import websocket_target
from uptimehunt.checks import Deadline, Outcome, websocket

ACCEPT = b"{accept}"
HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Accept: {accept}\r\n\r\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with websocket_target() as port:
        yield port


def check(port: int, path: str = "/", seconds: float = 5, **more: Any) -> Outcome:
    config = websocket.WebsocketConfig.model_validate(
        {"url": f"ws://127.0.0.1:{port}{path}", "timeout": 1, **more}
    )
    return websocket.check(config, Deadline(seconds))


@contextlib.contextmanager
def answering(answer: bytes, endless: bytes = b"") -> Iterator[int]:
    """Answers the handshake with these bytes, the right key filled in, and stays connected."""

    class Handler(socketserver.BaseRequestHandler):
        server: LoopbackServer
        request: socket.socket

        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head and (more := self.request.recv(65536)):
                head += more
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
            assert key is not None
            digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            self.request.sendall(answer.replace(ACCEPT, base64.b64encode(digest)))
            while endless:
                self.request.sendall(endless)
            self.server.stopping.wait()

    server = LoopbackServer(Handler)
    with running(server):
        yield server.port


def test_a_server_that_switches_is_up(server: int) -> None:
    outcome = check(server, "/silent")

    assert outcome.ok and outcome.response_time_ms
    assert outcome.status_code == outcome.details["http_status_code"] == 101
    timing = outcome.details["timing"]
    assert list(timing) == list(websocket.CHECK.timing_phases)
    assert 0 < timing["connect"] < timing["total"]


def test_a_message_is_sent_and_its_answer_matched(server: int) -> None:
    long = "grün" * 1000

    assert check(server, "/echo", send="are you there?", expect="^are you there").ok
    assert check(server, "/echo", send=long, expect=f"^{long[:500]}").ok


def test_fragments_and_pings_between_are_understood(server: int) -> None:
    outcome = check(server, "/greet", expect="^hello$")

    assert outcome.ok
    assert outcome.details["messages"] == 1


def test_bytes_are_no_text(server: int) -> None:
    outcome = check(server, "/binary", expect="hello$")

    assert outcome.ok
    assert outcome.details["messages"] == 2


def test_a_message_that_does_not_match_is_shown_without_secrets(server: int) -> None:
    header = {"name": "X-Key", "value": "correct-horse", "secret": True}

    outcome = check(
        server, "/echo", 0.4, headers=[header], send="it is correct-horse!", expect="^yes$"
    )

    assert (outcome.error, outcome.message) == ("assertion_failed", "No message was as expected")
    assert outcome.details["message"] == "it is ********!"
    assert "correct-horse" not in repr(outcome)


def test_silence_ends_at_the_deadline(server: int) -> None:
    began = time.monotonic()
    outcome = check(server, "/silent", 0.4, expect="hello")

    assert time.monotonic() - began < 1
    assert (outcome.error, outcome.message) == ("timeout", "No message within 1 s")


def test_headers_and_login_are_sent(server: int) -> None:
    port = server
    config = websocket.WebsocketConfig.model_validate(
        {
            "url": f"ws://ada:p%40ss@127.0.0.1:{port}/headers?x=1",
            "headers": [{"name": "Origin", "value": "https://example.com"}],
            "expect": json.dumps("https://example.com"),
        }
    )
    outcome = websocket.check(config, Deadline(1))
    assert outcome.ok

    login = "Basic " + base64.b64encode(b"ada:p@ss").decode()
    config = config.model_copy(update={"expect": re.escape(login)})
    assert websocket.check(config, Deadline(1)).ok

    config = config.model_copy(update={"expect": "nothing of the kind"})
    failed = websocket.check(config, Deadline(1))
    assert failed.error == "assertion_failed"
    assert login.split()[1] not in repr(failed) and "p@ss" not in repr(failed)


def test_a_subprotocol_has_to_be_chosen(server: int) -> None:
    assert check(server, "/silent", subprotocol="chat").ok

    outcome = check(server, "/silent", subprotocol="other")

    assert outcome.error == "assertion_failed"
    assert outcome.message == "The server does not speak the subprotocol"


@pytest.mark.parametrize(
    ("path", "error", "status"),
    [("/denied", "authentication_failed", 403), ("/missing", "status_mismatch", 404)],
)
def test_a_server_that_does_not_switch_is_a_failure(
    server: int, path: str, error: str, status: int
) -> None:
    outcome = check(server, path)

    assert (outcome.error, outcome.status_code) == (error, status)
    assert outcome.message == f"Answered {status} instead of switching to WebSocket"


def test_a_server_that_says_goodbye_is_a_failure(server: int) -> None:
    outcome = check(server, "/goodbye", expect="hello")

    assert outcome.error == "assertion_failed"
    assert outcome.message == "The server closed the connection (code 4000)"


def test_tls_is_spoken_and_its_certificate_judged() -> None:
    with websocket_target(tls.server_context("good")) as port:
        url = f"wss://127.0.0.1:{port}/echo"
        outcome = check(port, url=url, ca_pem=tls.ca_pem(), send="x", expect="x")
        untrusted = check(port, url=url)
        trusting = check(port, url=url, verify_tls=False)

    assert outcome.ok and trusting.ok
    assert outcome.details["certificate"]["days_left"] > 0
    assert untrusted.error == "certificate_invalid"


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol_error"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "status_mismatch"),
        (b"HTTP/1.1 999 OK\r\n\r\n", "protocol_error"),
        (HEAD.replace(ACCEPT, b"made-up"), "protocol_error"),
        (HEAD.replace(b"WebSocket\r\n", b"h2c\r\n"), "protocol_error"),
        (HEAD.replace(b"keep-alive, Upgrade", b"close"), "protocol_error"),
        (HEAD[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "protocol_error"),
        (HEAD[:-2] + b"Sec-WebSocket-Protocol: chat\r\n\r\n", "assertion_failed"),
        (HEAD[:-2] + b"X: y\r\n" * 200 + b"\r\n", "protocol_error"),
        (HEAD[:-2] + b"X: " + b"y" * 20_000, "protocol_error"),
        (HEAD[:40], "timeout"),
    ],
)
def test_an_answer_that_does_not_switch_properly_is_a_failure(head: bytes, error: str) -> None:
    with answering(head) as port:
        assert check(port, "/", 0.4 if error == "timeout" else 5).error == error


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        (b"\x81\x85mask\0\0\0\0\0", "protocol_error"),
        (b"\xc1\x05hello", "protocol_error"),
        (b"\x83\x05hello", "protocol_error"),
        (b"\x80\x05hello", "protocol_error"),
        (b"\x01\x02he\x81\x03llo", "protocol_error"),
        (b"\x09\x00", "protocol_error"),
        (b"\x89\x7e\0\x7e" + b"x" * 126, "protocol_error"),
        (b"\x81\x7f\0\0\0\0\0\1\0\1", "body_too_large"),
        (b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "body_too_large"),
        (b"\x01\x7e\xff\xff" + b"x" * 65535 + b"\x80\x02xx", "body_too_large"),
        (b"\x88\x00", "assertion_failed"),
        (b"\x88\x01x", "assertion_failed"),
        (b"\x81\x7e\xff", "timeout"),
        (b"\x01\x02he", "timeout"),
    ],
)
def test_frames_that_break_the_protocol_are_a_failure(frames: bytes, error: str) -> None:
    with answering(HEAD + frames) as port:
        outcome = check(port, "/", 0.4 if error == "timeout" else 5, expect="nothing")

    assert outcome.error == error


@pytest.mark.parametrize("endless", [b"\x81\x05hello", b"\x89\x00", b"\x01\x00" + b"\x00\x00" * 99])
def test_a_server_that_talks_without_end_is_cut_off(endless: bytes) -> None:
    with answering(HEAD, endless) as port:
        outcome = check(port, expect="nothing")

    assert outcome.error in ("assertion_failed", "protocol_error")


def test_a_peer_that_speaks_no_tls_is_a_tls_error() -> None:
    with peers.dripping(b"nonsense") as port:
        assert check(port, url=f"wss://127.0.0.1:{port}").error == "tls_error"


@pytest.mark.parametrize("url", ["ws://169.254.169.254/", "ws://[::ffff:169.254.169.254]/"])
def test_a_metadata_address_is_never_dialled(url: str) -> None:
    outcome = check(0, url=url)

    assert outcome.error == "network_unreachable"
    assert "is never probed" in outcome.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("url", url) for url in ("", "http://a/", "file:///x", "ws://", "ws:a", "ws://a b/", "xws://a/")),
        ("url", "ws://a:0/"), ("url", 1),
        ("headers", [{"name": "Upgrade", "value": "x"}]),
        ("headers", [{"name": "Sec-WebSocket-Key", "value": "x"}]),
        ("headers", [{"name": "X", "value": "a\r\nb"}]),
        ("subprotocol", "a b"), ("subprotocol", "a\r\nb"), ("subprotocol", ""),
        ("send", ""), ("send", "x" * 4097), ("expect", "("), ("expect", "x" * 1001),
        ("verify_tls", 1), ("ca_pem", "x"), ("unknown", 1),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        websocket.WebsocketConfig.model_validate({"url": "ws://127.0.0.1/", field: value})

    assert scripted.named_fields(caught) == {field}


@pytest.mark.parametrize(
    ("url", "host", "port", "label"),
    [
        ("ws://Example.com", "example.com", 80, "ws://example.com/"),
        ("WSS://ada:secret@example.com:8443/a?key=secret", "example.com", 8443,
         "wss://ada:********@example.com:8443/a?…"),
        ("wss://[::1]/x", "::1", 443, "wss://[::1]/x"),
    ],
)  # fmt: skip
def test_the_target_is_labelled_without_secrets(url: str, host: str, port: int, label: str) -> None:
    target = websocket.CHECK.target(websocket.WebsocketConfig(url=url))

    assert (target.host, target.port, target.label) == (host, port, label)
