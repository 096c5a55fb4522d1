from typing import Any

import pytest
from pydantic import ValidationError

from tests.targets import tls
from uptimehunt.checks import http
from uptimehunt.checks.http_config import HttpConfig

URL = "https://example.com/"


def errors(**fields: object) -> dict[str, str]:
    """Field → message of everything that is wrong with a config."""
    with pytest.raises(ValidationError) as caught:
        HttpConfig.model_validate({"url": URL, **fields})
    return {str(error["loc"][0]): error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "gopher://x/", "ftp://x/", "data:,x", "javascript:alert(1)",
     "source:file:///etc/passwd", "FILE:///etc/passwd", "example.com", "//example.com/", "http:",
     "http://", "http:///path", "http://:80/", "http://user@/", "http:/example.com",
     " http://example.com/", "\thttp://example.com/", "\x00http://example.com/",
     "http://example.com/ ", "http://exa mple.com/", "http://example.com/a b",
     "http://example.com/\r\nX: y", "http://example.com/\x7f", "http://example.com/\u2028",
     "http://example.com\\@evil/", "http://exa%6dple.com/", "http://-x.example/", "http://a..b/",
     "http://example.com:0/", "http://example.com:65536/", "http://example.com:x/",
     "http://example.com:-1/", "http://[::1/", "http://::1/", "http://[::g]/", "http://[]/",
     "http://" + "a" * 64 + "/", "http://exam\u202eple.com/", "http://\ufe64/"],
)  # fmt: skip
def test_a_url_that_cannot_be_requested_is_refused(url: str) -> None:
    assert errors(url=url) == {"url": "URL must be valid"}


def test_a_missing_an_empty_and_an_endless_url_are_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        HttpConfig.model_validate({})

    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [
        (("url",), "missing")
    ]
    assert set(errors(url="")) == set(errors(url="http://x/" + "a" * 5000)) == {"url"}
    assert set(errors(url=None)) == set(errors(url="http://x/\ud800")) == {"url"}


@pytest.mark.parametrize(
    ("url", "host", "port", "wire"),
    [
        ("HTTP://Example.COM", "example.com", 80, "http://example.com/"),
        ("https://example.com:443/a?b=c#d", "example.com", 443, "https://example.com/a?b=c"),
        ("http://bücher.example/ü?q=ä", "xn--bcher-kva.example", 80,
         "http://xn--bcher-kva.example/%C3%BC?q=%C3%A4"),
        ("http://[::1]:8080/", "::1", 8080, "http://[::1]:8080/"),
        ("http://u:p@db_1:81/%2f", "db_1", 81, "http://db_1:81/%2f"),
        ("https://example.com?x", "example.com", 443, "https://example.com/?x"),
    ],
)  # fmt: skip
def test_a_url_has_one_reading(url: str, host: str, port: int, wire: str) -> None:
    parsed = HttpConfig(url=url).parsed_url

    assert (parsed.host, parsed.port, parsed.wire) == (host, port, wire)


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("https://example.com", "https://example.com/"),
        (
            "https://bob:pw@example.com:8443/x?token=abc",
            "https://bob:********@example.com:8443/x?…",
        ),
        ("https://bob@example.com/", "https://bob@example.com/"),
        ("https://:pw@example.com/", "https://:********@example.com/"),
    ],
)
def test_a_label_shows_no_secrets(url: str, label: str) -> None:
    assert http.CHECK.target(HttpConfig(url=url)).label == label


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "get"), ("method", "TRACE"), ("method", 1),
        ("headers", {}), ("headers", [{"name": "X"}]), ("headers", [["X", "y"]]),
        ("headers", [{"name": "X", "value": "y"}] * 65),
        ("headers", [{"name": "X", "value": "y", "more": 1}]),
        ("headers", [{"name": "X", "value": 1}]),
        ("body", "x" * 65537), ("body", "ü" * 40000), ("body", 1),
        ("expected_status_code", 99), ("expected_status_code", 600),
        ("expected_status_code", True), ("expected_status_code", 200.0),
        ("expected_status_code", "200"), ("expected_status_code", []),
        ("expected_status_code", [200] * 21), ("expected_status_code", ["6xx"]),
        ("expected_status_code", ["299-200"]), ("expected_status_code", ["200-"]),
        ("expected_status_code", [None]), ("expected_status_code", [[200]]),
        ("follow_redirects", 1), ("max_redirects", -1), ("max_redirects", 21),
        ("verify_tls", "no"), ("ca_pem", "no PEM"), ("ca_pem", ""), ("ca_pem", "é"),
        ("ca_pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("keyword", ""), ("keyword", "x" * 1025), ("keyword_absent", 5),
        ("certificate_warn_days", 366), ("certificate_warn_days", -1),
        ("max_body_bytes", 0), ("max_body_bytes", 10485761),
        ("timeout", 0), ("timeout", "30"), ("ip_family", "both"), ("unknown", 1),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    assert set(errors(**{field: value})) == {field}


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "é", "a\x00", "Content-Length"])
def test_a_header_name_that_cannot_be_sent_is_refused(name: str) -> None:
    assert set(errors(headers=[{"name": name, "value": "x"}])) == {"headers"}


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00b", "日本", "\x7f", "x" * 4097])
def test_a_header_value_that_cannot_be_sent_is_refused(value: str) -> None:
    assert set(errors(headers=[{"name": "X", "value": value}])) == {"headers"}


def test_every_bad_field_is_named_at_once() -> None:
    assert set(errors(url="x", timeout=0, method="x", more=1)) == {
        "url", "timeout", "method", "more"
    }  # fmt: skip


def test_a_message_never_contains_the_value() -> None:
    for message in errors(url="http://a:canary@", ca_pem="canary", body=["canary"]).values():
        assert "canary" not in message


def test_a_form_can_be_drawn_from_the_schema_alone() -> None:
    for kind in (http.CHECK,):
        schema = kind.config.model_json_schema()
        fields: dict[str, Any] = schema["properties"]

        assert schema["additionalProperties"] is False
        for name, field in fields.items():
            assert field["title"] and field["description"], name
            assert isinstance(field["x-order"], int) and field["x-group"], name
            assert ("default" in field) is (name not in schema["required"]), name
            assert "type" in field or "anyOf" in field, name
        orders = [field["x-order"] for field in fields.values()]
        assert len(set(orders)) == len(orders)
        assert fields["url"]["format"] == "uri" and fields["url"]["maxLength"] == 4096
        assert fields["method"]["enum"][:3] == ["GET", "POST", "HEAD"]


def test_a_config_survives_being_stored() -> None:
    config = HttpConfig.model_validate(
        {
            "url": URL,
            "headers": [{"name": "X", "value": "y", "secret": True}],
            "expected_status_code": [200, "3xx"],
            "ca_pem": tls.ca_pem(),
        }
    )

    assert HttpConfig.model_validate(config.model_dump(mode="json")) == config
