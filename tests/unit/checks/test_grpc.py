from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import grpc as targets
from tests.targets import program, scripted
from uptimehunt.checks import Deadline, Outcome, grpc

SERVING = b"\0\0\0\0\2\x08\1"
HEAD = ((":status", "200"), ("content-type", "application/grpc"))
FINE = (("grpc-status", "0"),)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with targets.grpc_target() as port:
        yield port


def check(port: int, service: str = "", seconds: float = 5, **more: Any) -> Outcome:
    config = grpc.GrpcConfig.model_validate(
        {"host": "127.0.0.1", "port": port, "service": service, "timeout": 1, **more}
    )
    return grpc.check(config, Deadline(seconds))


def item(name: str, value: str, secret: bool = False) -> dict[str, Any]:
    return {"name": name, "value": value, "secret": secret}


@pytest.mark.parametrize("service", ["", "shop.Cart", "x" * 200])
def test_a_service_that_serves_is_up(server: int, service: str) -> None:
    outcome = check(server, service)

    assert outcome.ok and outcome.response_time_ms
    assert outcome.status_code == 200
    assert outcome.details["http_version"] == "2"
    assert outcome.details["grpc_status"] == 0
    assert outcome.details["remote_ip"] == "127.0.0.1"
    assert list(outcome.details["timing"]) == list(grpc.CHECK.timing_phases)


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("shop.Till", "Service says that it is not serving"),
        ("shop.Odd", "Service does not say whether it is healthy"),
        ("shop.Nothing", "The server does not know this service"),
    ],
)
def test_a_service_that_does_not_serve_is_a_failure(
    server: int, service: str, message: str
) -> None:
    outcome = check(server, service)

    assert (outcome.error, outcome.message) == ("assertion_failed", message)
    assert outcome.response_time_ms


def test_a_server_without_health_service_is_a_failure() -> None:
    with targets.grpc_target(with_health=False) as port:
        outcome = check(port)

    assert (outcome.error, outcome.message) == (
        "assertion_failed",
        "The server has no health service",
    )


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ("UNAUTHENTICATED", "authentication_failed"),
        ("PERMISSION_DENIED", "authentication_failed"),
        ("UNAVAILABLE", "assertion_failed"),
        ("DEADLINE_EXCEEDED", "timeout"),
        ("INTERNAL", "assertion_failed"),
    ],
)
def test_an_error_of_the_server_is_understood_and_shown_without_secrets(
    server: int, wanted: str, error: str
) -> None:
    metadata = [item("x-wanted", wanted), item("X-Token", targets.TOKEN, secret=True)]

    outcome = check(server, metadata=metadata)

    assert outcome.error == error
    assert outcome.message and "grün" not in outcome.message
    assert outcome.details["grpc_message"] == "no: ******** grün"
    assert targets.TOKEN not in repr(outcome)


def test_metadata_are_sent(server: int) -> None:
    assert check(server, metadata=[item("x-wanted", targets.TOKEN)]).ok


def test_tls_is_spoken_and_its_certificate_judged() -> None:
    with targets.grpc_target(secured=True) as port:
        outcome = check(port, tls=True, ca_pem=program.ca_pem())
        untrusted = check(port, tls=True)
        trusting = check(port, tls=True, verify_tls=False, certificate_warn_days=365)
        in_the_clear = check(port, "", 0.4)

    assert outcome.ok and trusting.ok
    assert outcome.details["certificate"]["days_left"] > 0
    assert outcome.details["timing"]["appconnect"] > 0
    assert untrusted.error == "certificate_invalid"
    assert in_the_clear.error in ("protocol_error", "connection_reset", "timeout")


@pytest.mark.parametrize(
    ("headers", "body", "trailers", "error"),
    [
        (HEAD, SERVING, FINE, None),
        ((*HEAD, *FINE), None, None, "protocol_error"),
        ((*HEAD, ("grpc-status", "16")), None, None, "authentication_failed"),
        (HEAD, SERVING, (("grpc-status", "99"),), "assertion_failed"),
        (HEAD, SERVING, (("grpc-status", "x"),), "protocol_error"),
        (HEAD, SERVING, (("x", "y"),), "protocol_error"),
        (HEAD, b"", FINE, "protocol_error"),
        (HEAD, b"\1\0\0\0\2\x08\1", FINE, "protocol_error"),
        (HEAD, b"\0\0\0\0\2\x08\5", FINE, "protocol_error"),
        (HEAD, b"\0\0\0\0\2\x10\1", FINE, "protocol_error"),
        (HEAD, b"\0\xff\xff\xff\xff\x08\1", FINE, "protocol_error"),
        (HEAD, b"\0\0\0\0\0", FINE, "assertion_failed"),
        (HEAD, b"x" * 30_000, FINE, "protocol_error"),
        (HEAD, SERVING, None, "timeout"),
        (((":status", "404"),), None, None, "status_mismatch"),
        (((":status", "401"),), None, None, "authentication_failed"),
        (((":status", "200"), ("content-type", "text/html")), b"hi", FINE, "protocol_error"),
    ],
)
def test_an_answer_is_judged_in_full(
    headers: Any, body: bytes | None, trailers: Any, error: str | None
) -> None:
    with targets.answering(headers, body, trailers) as port:
        outcome = check(port, "", 0.4 if error == "timeout" else 5)

    assert outcome.error == error
    assert outcome.ok is (error is None)


def test_a_server_that_speaks_no_http2_is_a_failure() -> None:
    # One that hangs up with our request half read may reset the connection before it is read.
    with scripted.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as port:
        assert check(port).error == "protocol_error"
    with scripted.saying(b"220 mail.example.com ready\r\n" * 9) as port:
        assert check(port, "", 0.4).error in ("protocol_error", "timeout")


def test_a_metadata_address_is_never_dialled() -> None:
    outcome = check(80, host="169.254.169.254")

    assert outcome.error == "network_unreachable"
    assert "is never probed" in outcome.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""), ("host", "a/b"), ("host", "a@b"), ("port", 0), ("port", "80"),
        ("service", "x" * 256), ("service", 1),
        ("metadata", [item("te", "x")]), ("metadata", [item("grpc-timeout", "1S")]),
        ("metadata", [item(":path", "/x")]), ("metadata", [item("x", "a\nb")]),
        ("tls", "yes"), ("verify_tls", 1), ("ca_pem", "x"), ("unknown", 1),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        grpc.GrpcConfig.model_validate({"host": "127.0.0.1", "port": 80, field: value})

    assert scripted.named_fields(caught) == {field}


def test_the_target_is_host_and_port() -> None:
    target = grpc.CHECK.target(grpc.GrpcConfig(host="Shop.lan", port=50051))

    assert (target.host, target.port, target.label) == ("shop.lan", 50051, "shop.lan:50051")
