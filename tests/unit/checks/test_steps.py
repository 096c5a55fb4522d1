import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.targets import tcp, tls
from tests.targets.http import HttpTarget, http_target
from tests.targets.proxy import http_proxy
from tests.unit.checks.conftest import query
from uptimehunt.checks import Deadline, Outcome, steps
from uptimehunt.checks.steps_config import StepsConfig

SECRET = "canary-s3cret"


def step(url: str, name: str = "step", **more: Any) -> dict[str, Any]:
    return {"name": name, "url": url, **more}


def taking(variable: str, source: str, place: str) -> dict[str, Any]:
    return {"variable": variable, "source": source, "property": place}


def secret(name: str, value: str = SECRET) -> dict[str, Any]:
    return {"name": name, "value": value, "secret": True}


def run(*wanted: dict[str, Any], **more: Any) -> Outcome:
    config = StepsConfig.model_validate({"steps": list(wanted), "timeout": 1, **more})
    return steps.check(config, Deadline(config.timeout))


def body_header(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def test_steps_are_made_in_order_with_values_of_earlier_answers(site: HttpTarget) -> None:
    outcome = run(
        step(
            f"{site.url}/token",
            "login",
            method="POST",
            headers=[body_header("Authorization", "Basic {{login}}")],
            extract=[taking("token", "json", "$.access_token")],
        ),
        step(
            f"{site.url}/guarded?a={{{{token}}}}",
            "read",
            headers=[body_header("Authorization", "Bearer {{token}}")],
            assertions=[
                {"source": "json", "property": "$.method", "operator": "equals", "value": "GET"}
            ],
        ),
        secrets=[secret("login", "Ym9iOnMzY3JldC13b3Jk")],
    )

    assert outcome.ok and outcome.status_code == 200, outcome
    assert [seen.path for seen in site.requests] == ["/token", "/guarded"]
    assert site.requests[1].headers["authorization"] == "Bearer token-1"
    made = outcome.details["steps"]
    assert [(one["name"], one["status_code"]) for one in made] == [("login", 200), ("read", 200)]
    assert all(one["response_time"] >= 1 for one in made)
    timing = outcome.details["timing"]
    assert list(timing) == list(steps.CHECK.timing_phases)
    assert 0 < timing["connect"] < timing["total"] < 1
    assert outcome.response_time_ms == max(1, round(timing["total"] * 1000))
    assert (outcome.details["remote_ip"], outcome.details["redirects"]) == ("127.0.0.1", 0)
    assert not {"body", "response_headers"} & set(outcome.details)


def test_a_value_is_taken_from_json_header_and_body(site: HttpTarget) -> None:
    site.reply = b'{"id": 17, "ok": true, "name": "a b"} <csrf value="x/y">'
    outcome = run(
        step(
            f"{site.url}/answer",
            extract=[
                taking("kind", "header", "content-type"),
                taking("csrf", "body", 'csrf value="([^"]+)"'),
            ],
        ),
        step(f"{site.url}/say?" + urlencode({"text": '{"id": 17, "ok": true, "n": [1.5]}'}),
             extract=[taking("id", "json", "$.id"), taking("ok", "json", "$.ok"),
                      taking("n", "json", "$.n[*]")]),
        step(f"{site.url}/echo?id={{{{id}}}}&ok={{{{ok}}}}&n={{{{n}}}}", method="POST",
             body="{{kind}} {{csrf}} {{id}} {{ok}} {{n}}"),
    )  # fmt: skip

    assert outcome.ok, outcome
    assert site.requests[-1].body == b"application/json x/y 17 true 1.5"


@pytest.mark.parametrize(
    ("body_type", "body", "arrives"),
    [
        ("none", "v={{v}}", """v=a"b&<c> {{v}} d"""),
        ("text", "v={{v}}", """v=a"b&<c> {{v}} d"""),
        ("json", '{"v": "{{v}}"}', """{"v": "a\\"b&<c> {{v}} d"}"""),
        ("xml", "<v>{{v}}</v>", "<v>a&quot;b&amp;&lt;c&gt; {{v}} d</v>"),
        ("form", "v={{v}}&w=1", "v=a%22b%26%3Cc%3E+%7B%7Bv%7D%7D+d&w=1"),
    ],
)
def test_a_value_stays_a_value_wherever_it_stands(
    site: HttpTarget, body_type: str, body: str, arrives: str
) -> None:
    outcome = run(
        step(f"{site.url}/echo/{{{{v}}}}?q={{{{v}}}}", method="POST", body=body,
             body_type=body_type, headers=[body_header("X-V", "<{{v}}>")]),
        secrets=[{"name": "v", "value": 'a"b&<c> {{v}} d', "secret": False}],
    )  # fmt: skip

    assert outcome.ok, outcome
    seen = site.requests[-1]
    assert seen.body.decode() == arrives
    assert seen.path == "/echo/a%22b%26%3Cc%3E%20%7B%7Bv%7D%7D%20d"
    assert seen.headers["x-v"] == '<a"b&<c> {{v}} d>'


def test_the_first_failure_ends_the_steps_and_is_named(site: HttpTarget) -> None:
    outcome = run(
        step(f"{site.url}/", "home"),
        step(f"{site.url}/status/503", "shop"),
        step(f"{site.url}/echo", "never"),
    )

    assert (outcome.error, outcome.status_code) == ("status_mismatch", 503)
    assert outcome.message == "Step 2 (shop): Answered 503, expected 200-299"
    assert [one["name"] for one in outcome.details["steps"]] == ["home", "shop"]
    assert outcome.details["body"] == "as you wish"
    assert site.count("/echo") == 0


def test_what_each_step_expects_is_judged(site: HttpTarget) -> None:
    keyword = run(step(f"{site.url}/", keyword="heaven"))
    unwanted = run(step(f"{site.url}/", keyword_absent="hell"))
    status = run(step(f"{site.url}/status/404", expected_status_code=[404]))
    down = run(step(f"{site.url}/", assertions=[
        {"source": "body", "operator": "contains", "value": "heaven"}]))  # fmt: skip

    assert keyword.message == "Step 1 (step): Keyword not found in the answer"
    assert unwanted.error == "assertion_failed" and status.ok
    assert down.message == 'Step 1 (step): Assertion 1 failed: body contains "heaven"'


def test_a_failed_assertion_of_severity_degraded_is_a_warning(site: HttpTarget) -> None:
    slow = [{"source": "response_time", "operator": "lt", "value": 0, "severity": "degraded"}]

    outcome = run(step(f"{site.url}/", assertions=slow), step(f"{site.url}/"))

    assert outcome.ok and outcome.details["warning"] == "assertion_failed"
    assert len(outcome.details["failed_assertions"]) == 1


@pytest.mark.parametrize(
    ("source", "place", "why"),
    [
        ("json", "$.missing", "not found in the answer"),
        ("json", "$.list", "not found in the answer"),
        ("json", "$.none", "not found in the answer"),
        ("json", "$.long", "is longer than 4096 characters"),
        ("header", "X-Missing", "not found in the answer"),
        ("body", "nothing(like)this", "not found in the answer"),
        ("body", "(?:x)|(never)", "not found in the answer"),
    ],
)
def test_a_value_that_is_not_there_is_a_failure(
    site: HttpTarget, source: str, place: str, why: str
) -> None:
    site.reply = json.dumps({"list": [], "none": None, "long": "x" * 4097}).encode()

    outcome = run(step(f"{site.url}/answer", extract=[taking("v", source, place)]))

    assert outcome.error == "assertion_failed"
    assert outcome.message == f"Step 1 (step): Variable v {why}"


def test_a_value_cannot_be_taken_from_what_is_no_json(site: HttpTarget) -> None:
    outcome = run(step(f"{site.url}/", extract=[taking("v", "json", "$.v")]))

    assert outcome.message == "Step 1 (step): Variable v cannot be taken: the answer is not JSON"


@pytest.mark.parametrize("bad", ["a\r\nX-Evil: 1", "a\x00b", "\u65e5\u672c", "\ud800"])
def test_a_value_cannot_add_a_header(site: HttpTarget, bad: str) -> None:
    site.reply = json.dumps({"v": bad}).encode()

    outcome = run(
        step(f"{site.url}/answer", extract=[taking("v", "json", "$.v")]),
        step(f"{site.url}/echo?v={{{{v}}}}", "use", headers=[body_header("X-V", "{{v}}")]),
    )

    if bad == "\ud800":  # replaced by a question mark, as it cannot be sent at all
        assert site.requests[-1].headers["x-v"] == "?"
        return
    assert outcome.error == "assertion_failed"
    assert outcome.message == (
        "Step 2 (use): With the values of the variables there is no valid header"
    )
    assert site.count("/echo") == 0


def test_a_value_cannot_make_a_request_too_large(site: HttpTarget) -> None:
    site.reply = json.dumps({"v": "%" * 4096}).encode()
    first = step(f"{site.url}/answer", extract=[taking("v", "json", "$.v")])

    url = run(first, step(f"{site.url}/{{{{v}}}}"))
    body = run(first, step(f"{site.url}/", body="{{v}}" * 20, method="POST"))
    loose = run(first, step(f"{site.url}/", body='{"v": {{v}}}', body_type="json", method="POST"))

    assert url.message.endswith("no valid URL")
    assert body.message.endswith("no valid body") and loose.message.endswith("no valid body")


def test_cookies_are_kept_between_steps_and_forgotten_after(site: HttpTarget) -> None:
    setting = urlencode({"set": "sid=cookie-canary; HttpOnly"})
    wanted = [
        step(f"{site.url}/cookie?{setting}"),
        step(f"{site.url}/redirect?to=/cookie%3Fstatus=500", "see"),
    ]

    first = run(*wanted)
    again = run(wanted[1])

    assert site.requests[2].headers["cookie"] == "sid=cookie-canary"
    assert "cookie" not in site.requests[-1].headers
    assert first.error == "status_mismatch" and again.error == "status_mismatch"
    assert "cookie-canary" not in str(first)


def test_cookies_stay_with_their_host(site: HttpTarget) -> None:
    outcome = run(
        step(f"{site.url}/cookie?{urlencode({'set': 'sid=canary'})}"),
        step(f"http://localhost:{site.port}/echo"),
        ip_family="4",
    )

    assert outcome.ok
    assert "cookie" not in site.requests[-1].headers


def test_secrets_are_masked_in_the_evidence(site: HttpTarget) -> None:
    quoted = 'pa"ss & wörd'
    site.reply = json.dumps({"token": "token-from-the-target"}).encode()
    outcome = run(
        step(f"{site.url}/answer", extract=[taking("token", "json", "$.token")]),
        step(
            f"{site.url}/echo?status=500&q={{{{key}}}}",
            method="POST",
            headers=[body_header("X-Mine", "{{key}}"), body_header("X-More", "{{token}}")],
            body='{"p": "{{password}}"}',
            body_type="json",
        ),
        secrets=[secret("key"), secret("password", quoted)],
    )

    assert outcome.error == "status_mismatch"
    shown = str(outcome)
    assert SECRET not in shown and "token-from-the-target" not in shown
    assert quoted not in shown and json.dumps(quoted)[1:-1] not in outcome.details["body"]
    assert "********" in outcome.details["body"]


def test_headers_with_values_do_not_follow_to_another_origin(site: HttpTarget) -> None:
    headers = [
        body_header("User-Agent", "{{key}}"),
        body_header("X-Key", "{{key}}"),
        body_header("Accept", "text/plain"),
    ]
    with http_target() as other:
        to = query(f"{other.url}/echo")
        run(step(f"{site.url}/location?{to}", headers=headers), secrets=[secret("key")])

    arrived = other.requests[0].headers
    assert SECRET in str(site.requests[0].headers) and SECRET not in str(arrived)
    assert arrived["accept"] == "text/plain"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_body_with_values_does_not_follow_to_another_origin(
    site: HttpTarget, status: int
) -> None:
    with http_target() as other:
        to = query(f"{other.url}/echo")
        url = f"{site.url}/location?status={status}&{to}"
        outcome = run(step(url, method="POST", body="{{key}}"), secrets=[secret("key")])
        plain = run(step(url, method="POST", body="plain"))

    assert plain.ok
    assert outcome.ok is (status < 307)
    assert all(SECRET.encode() not in seen.body for seen in other.requests)
    if not outcome.ok:
        assert outcome.error == "protocol_error"
        assert "does not get the secrets" in outcome.message


@pytest.mark.alone
def test_all_steps_share_one_deadline(site: HttpTarget) -> None:
    began = time.monotonic()
    outcome = run(*(step(f"{site.url}/slow?s=0.4", f"s{number}") for number in range(20)))

    assert time.monotonic() - began < 1.2
    assert outcome.error == "timeout"
    assert outcome.message == "Step 3 (s2): No answer within 1 s"


def test_trouble_on_the_way_names_its_step(site: HttpTarget) -> None:
    with tcp.closed_port() as closed, tcp.resetting() as reset, tcp.silent() as silent:
        for port, error in (
            (closed, "connection_refused"),
            (reset, "connection_reset"),
            (silent, "timeout"),
        ):
            outcome = run(step(f"{site.url}/"), step(f"http://127.0.0.1:{port}/", "there"))
            assert outcome.error == error
            assert outcome.message.startswith("Step 2 (there): ")
            assert outcome.details["steps"][1]["status_code"] is None
    garbage = run(step(f"{site.url}/garbage"))
    endless = run(step(f"{site.url}/loop"))

    assert (garbage.error, endless.error) == ("protocol_error", "too_many_redirects")


def test_the_address_policy_holds_for_every_request(site: HttpTarget) -> None:
    later = run(step(f"{site.url}/"), step("http://169.254.169.254/"))
    strayed = run(step(f"{site.url}/location?{query('http://169.254.169.254/')}"))

    for outcome in (later, strayed):
        assert outcome.error == "network_unreachable"
        assert "is never probed" in outcome.message


def test_the_certificate_told_is_the_one_to_expire_first() -> None:
    with tls.https_target("expiring") as soon, tls.https_target("good") as late:
        outcome = run(
            step(f"{late.url}/"), step(f"{soon.url}/"), step(f"{late.url}/"), ca_pem=tls.ca_pem()
        )
        unknown = run(step(f"{late.url}/"))

    assert outcome.ok and outcome.details["warning"] == "certificate_expiring"
    assert outcome.details["certificate"]["days_left"] == 5
    assert unknown.error == "certificate_invalid"


def test_steps_go_through_a_proxy(site: HttpTarget) -> None:
    with http_proxy() as server:
        outcome = run(
            step(f"{site.url}/"), step(f"{site.url}/"), proxy=f"http://127.0.0.1:{server.port}"
        )

    assert outcome.ok and len(server.asked) == 2


def test_the_target_is_the_first_step() -> None:
    config = StepsConfig.model_validate(
        {
            "steps": [step("https://Example.com/{{key}}?q={{key}}"), step("http://other.example")],
            "secrets": [secret("key")],
        }
    )
    target = steps.CHECK.target(config)

    assert (target.host, target.port) == ("example.com", 443)
    assert target.label == "https://example.com/{{key}}?…"


def test_many_runs_leave_no_descriptors_behind(site: HttpTarget) -> None:
    import os

    run(step(f"{site.url}/"), step(f"{site.url}/close"))
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(10):
        run(step(f"{site.url}/"), step(f"{site.url}/close"))

    assert len(os.listdir("/proc/self/fd")) < before + 10
