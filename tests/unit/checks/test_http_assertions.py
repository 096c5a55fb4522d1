from typing import Any

import pytest

from tests.targets import tls
from tests.targets.http import HttpTarget
from tests.unit.checks.conftest import check
from uptimehunt.checks.http_config import HttpConfig
from uptimehunt.domain.validation import parse
from uptimehunt.errors import ValidationError


def said(source: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"source": source, "operator": operator, "value": value, **more}


def test_assertions_that_hold_leave_no_trace(site: HttpTarget) -> None:
    outcome = check(
        f"{site.url}/echo",
        assertions=[
            said("json", "equals", "GET", property="$.method"),
            said("header", "contains", "json", property="content-type"),
            said("response_time", "lt", 900),
        ],
    )

    assert outcome.ok
    assert not {"warning", "failed_assertions", "body"} & set(outcome.details)


def test_a_failed_assertion_is_down_with_evidence(site: HttpTarget) -> None:
    outcome = check(f"{site.url}/", assertions=[said("body", "matches", "^hell$")])

    assert (outcome.error, outcome.status_code) == ("assertion_failed", 200)
    assert outcome.message == 'Assertion 1 failed: body matches "^hell$"'
    assert outcome.details["body"] == "hello"
    assert outcome.details["failed_assertions"] == [
        {"message": outcome.message, "severity": "down"}
    ]


def test_a_failed_assertion_of_severity_degraded_is_a_warning(site: HttpTarget) -> None:
    slow = said("response_time", "lt", 0, severity="degraded")

    outcome = check(f"{site.url}/", assertions=[slow])
    both = check(f"{site.url}/", assertions=[slow, said("size", "equals", 6)])

    assert outcome.ok and outcome.details["warning"] == "assertion_failed"
    failed = outcome.details["failed_assertions"]
    assert failed == [
        {
            "message": "Assertion 1 failed: response_time lt 0",
            "severity": "degraded",
            "actual": outcome.response_time_ms,
        }
    ]
    assert both.error == "assertion_failed" and "warning" not in both.details
    assert both.message == "Assertion 2 failed: size equals 6"
    assert len(both.details["failed_assertions"]) == 2


def test_the_days_of_a_certificate_can_be_asserted() -> None:
    days = said("certificate_days", "gte", 10)
    with tls.https_target("expiring") as site:
        outcome = check(f"{site.url}/", ca_pem=tls.ca_pem(), assertions=[days])

    assert outcome.message == "Assertion 1 failed: certificate_days gte 10"
    assert outcome.details["failed_assertions"][0]["actual"] == 5


def test_headers_of_interim_answers_and_redirects_do_not_count(site: HttpTarget) -> None:
    outcome = check(
        f"{site.url}/redirect?to=/",
        assertions=[said("header", "exists", False, property="Location")],
    )

    assert outcome.ok


@pytest.mark.parametrize("text", ["null", "[]", '"x"', "{", "", "[" * 900 + "]" * 900])
def test_no_body_is_more_than_a_failed_assertion(site: HttpTarget, text: str) -> None:
    site.reply = text.encode()
    for path in ("$[-1]", "$..x", "$[99999999999]", "$[?@.a]"):
        wanted = said("json", "equals", 1, property=path)
        outcome = check(f"{site.url}/answer", assertions=[wanted])
        assert outcome.error == "assertion_failed"


def test_a_body_beyond_the_cap_is_a_failed_json_assertion(site: HttpTarget) -> None:
    wanted = said("json", "exists", property="$.x")
    outcome = check(f"{site.url}/big?mb=2", assertions=[wanted])

    assert outcome.message.endswith("the answer is too long to be read as JSON")
    assert outcome.details["truncated"] is True


def test_a_bad_assertion_is_named_by_its_place() -> None:
    with pytest.raises(ValidationError) as caught:
        parse(
            HttpConfig,
            {
                "url": "http://example.com/",
                "assertions": [
                    said("body", "exists"),
                    said("json", "equals"),
                    said("size", "lt", "many"),
                    {"source": "body"},
                ],
            },
        )

    assert caught.value.details == {
        "assertions.1.property": ["Property is required"],
        "assertions.1.value": ["Value is required"],
        "assertions.2.value": ["Value must be a number"],
        "assertions.3.operator": ["Operator is required"],
    }


# --- body types --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "content_type"),
    [
        ("none", "x", None), ("json", '{"a": 1}', "application/json"),
        ("xml", "<a/>", "application/xml"), ("text", "ü", "text/plain; charset=utf-8"),
        ("form", "a=b&c=d", "application/x-www-form-urlencoded"),
    ],
)  # fmt: skip
def test_the_type_of_a_body_is_named(
    site: HttpTarget, kind: str, body: str, content_type: str | None
) -> None:
    check(f"{site.url}/echo", method="POST", body=body, body_type=kind)

    assert site.requests[-1].body == body.encode()
    assert site.requests[-1].headers.get("content-type") == content_type


def test_a_header_goes_before_the_body_type(site: HttpTarget) -> None:
    own = {"name": "Content-Type", "value": "application/problem+json"}
    check(f"{site.url}/echo", method="PUT", body="{}", body_type="json", headers=[own])

    assert site.requests[-1].headers["content-type"] == "application/problem+json"


def test_without_a_body_its_type_is_not_named(site: HttpTarget) -> None:
    check(f"{site.url}/echo", method="POST", body_type="json")
    check(f"{site.url}/redirect?to=/echo", method="POST", body="{}", body_type="json")

    assert "content-type" not in site.requests[0].headers
    assert "content-type" not in site.requests[-1].headers


@pytest.mark.parametrize("body", ["", "{", "{'a': 1}", "NaN", "[" * 3000])
def test_a_json_body_must_be_json(body: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(HttpConfig, {"url": "http://a.example/", "body": body, "body_type": "json"})

    assert caught.value.details == {"body": ["Body must be valid JSON"]}
