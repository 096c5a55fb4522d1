import json
import os
import re
import threading
from pathlib import Path

import pytest

from tests.targets import tls
from tests.targets.http import HttpTarget
from tests.unit.checks.conftest import check, header
from uptimehunt.checks import Deadline, Outcome, http
from uptimehunt.checks.http_config import HttpConfig

MASK = "********"


def test_an_answer_as_expected_is_up_with_all_its_facts(site: HttpTarget) -> None:
    outcome = check(f"{site.url}/")

    details = outcome.details
    assert outcome.ok and outcome.error is None and outcome.status_code == 200
    assert outcome.response_time_ms is not None and outcome.response_time_ms >= 1
    assert details["remote_ip"] == "127.0.0.1"
    assert (details["http_status_code"], details["http_version"]) == (200, "1.1")
    assert details["size_download"] == 5 and details["speed_download"] > 0
    assert details["redirects"] == 0
    timing = details["timing"]
    assert list(timing) == list(http.CHECK.timing_phases)
    assert 0 < timing["connect"] < timing["starttransfer"] <= timing["total"] < 1
    assert not {"body", "response_headers", "certificate", "truncated"} & set(details)


def test_every_check_is_a_connection_of_its_own(site: HttpTarget) -> None:
    config = HttpConfig(url=f"{site.url}/")

    for _ in range(3):
        assert http.check(config, Deadline(5)).details["timing"]["connect"] > 0

    assert site.count("/") == 3


def test_a_service_that_breaks_and_heals_is_seen_to(site: HttpTarget) -> None:
    assert check(f"{site.url}/").ok
    site.status = 503
    assert check(f"{site.url}/").error == "status_mismatch"
    site.status = 200
    assert check(f"{site.url}/").ok


def test_an_unexpected_status_is_a_failure_with_evidence(site: HttpTarget) -> None:
    outcome = check(f"{site.url}/status/503")

    assert (outcome.error, outcome.status_code) == ("status_mismatch", 503)
    assert outcome.message == "Answered 503, expected 200-299"
    assert outcome.response_time_ms is not None
    assert outcome.details["body"] == "as you wish"
    assert {"name": "Content-Length", "value": "11"} in outcome.details["response_headers"]


@pytest.mark.parametrize(
    ("expected", "status", "ok"),
    [
        (None, 204, True), (None, 300, False), (503, 503, True), (503, 200, False),
        ([200, 404], 404, True), (["2xx", "400-404"], 404, True), (["2XX"], 299, True),
        (["2xx", "400-404"], 405, False), ([401, "5xx"], 500, True),
    ],
)  # fmt: skip
def test_the_expected_status_may_be_codes_ranges_and_classes(
    site: HttpTarget, expected: object, status: int, ok: bool
) -> None:
    assert check(f"{site.url}/status/{status}", expected_status_code=expected).ok is ok


def test_what_was_expected_is_said_as_it_was_written(site: HttpTarget) -> None:
    outcome = check(f"{site.url}/status/500", expected_status_code=[200, "3xx", "400-404"])

    assert outcome.message == "Answered 500, expected 200, 3xx, 400-404"


def test_a_keyword_must_be_there_and_an_unwanted_one_must_not(site: HttpTarget) -> None:
    assert check(f"{site.url}/", keyword="hell").ok
    assert check(f"{site.url}/", keyword_absent="heaven").ok

    missing = check(f"{site.url}/", keyword="heaven")
    unwanted = check(f"{site.url}/", keyword_absent="hell")

    assert (missing.error, missing.message) == (
        "assertion_failed",
        "Keyword not found in the answer",
    )
    assert unwanted.error == "assertion_failed"
    assert unwanted.details["body"] == "hello"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method_is_sent_as_named(site: HttpTarget, method: str) -> None:
    outcome = check(f"{site.url}/echo", method=method)

    assert outcome.ok
    assert site.requests[-1].method == method


def test_headers_and_body_arrive_as_configured(site: HttpTarget) -> None:
    check(
        f"{site.url}/echo",
        method="PUT",
        body='{"grüße": 1}',
        headers=[
            header("Content-Type", "application/json"),
            header("X-Latin", "café"),
            header("X-Empty", ""),
            header("User-Agent", "mine"),
        ],
    )

    seen = site.requests[-1]
    assert seen.body == '{"grüße": 1}'.encode()
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-latin"] == "café"
    assert seen.headers["x-empty"] == ""
    assert seen.headers["user-agent"] == "mine"


def test_without_headers_of_ones_own_only_the_plain_ones_are_sent(site: HttpTarget) -> None:
    check(f"{site.url}/echo", method="POST", body="x")

    headers = site.requests[-1].headers
    assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "content-length"}
    assert headers["accept-encoding"] == "identity"
    assert re.fullmatch(r"UptimeHunt/\d+\.\d+\.\d+", headers["user-agent"])


def test_nothing_of_one_check_reaches_the_next(site: HttpTarget) -> None:
    check(f"{site.url}/", method="POST", body="x", headers=[header("Authorization", "Bearer a")])
    check(f"{site.url}/echo")

    seen = site.requests[-1]
    assert (seen.method, seen.body) == ("GET", b"")
    assert not {"authorization", "cookie", "content-type"} & set(seen.headers)


def test_user_and_password_of_the_url_are_sent_but_never_shown(site: HttpTarget) -> None:
    config = HttpConfig(url=f"http://bob:s3cr%65t-word@127.0.0.1:{site.port}/echo?status=500&k=v")
    outcome = http.check(config, Deadline(5))

    assert site.requests[-1].headers["authorization"] == "Basic Ym9iOnMzY3JldC13b3Jk"
    assert http.CHECK.target(config).label == f"http://bob:{MASK}@127.0.0.1:{site.port}/echo?…"
    assert not outcome.ok
    assert "Ym9iOnMzY3JldC13b3Jk" not in str(outcome) and "s3cret-word" not in str(outcome)


def test_secrets_are_masked_in_the_evidence(site: HttpTarget) -> None:
    outcome = check(
        f"{site.url}/echo?status=500",
        headers=[header("X-Mine", "canary-1", secret=True), header("X-Token", "Bearer canary-2")],
        body="canary-2",
    )

    assert "canary" not in str(outcome)
    assert json.loads(outcome.details["body"])["headers"]["x-mine"] == MASK


def test_cookies_of_the_target_are_masked_in_the_evidence(site: HttpTarget) -> None:
    site.status = 500

    outcome = check(f"{site.url}/")

    assert {"name": "Set-Cookie", "value": MASK} in outcome.details["response_headers"]
    assert "cookie-of-the-target" not in str(outcome)


def test_evidence_is_short_however_much_there_is(site: HttpTarget) -> None:
    many = check(f"{site.url}/headers?n=150&size=1500", expected_status_code=500)
    long = check(f"{site.url}/big?mb=2", expected_status_code=500)

    headers = many.details["response_headers"]
    assert len(headers) == 64 and max(len(each["value"]) for each in headers) == 1024
    assert len(long.details["body"]) == 2048


def test_an_endless_body_is_read_up_to_the_cap_and_judged(site: HttpTarget) -> None:
    for length in (0, 1):
        site.bytes_sent = 0
        outcome = check(f"{site.url}/big?mb=64&length={length}")

        assert outcome.ok and outcome.details["truncated"] is True
        assert site.bytes_sent < 4 * 2**20


def test_a_keyword_beyond_the_cap_is_not_found_and_the_message_says_why(site: HttpTarget) -> None:
    assert check(f"{site.url}/", max_body_bytes=5, keyword="hello").ok
    outcome = check(f"{site.url}/", max_body_bytes=4, keyword="hello")

    assert outcome.error == "assertion_failed"
    assert outcome.message == "Keyword not found in the first 4 bytes of the answer"
    assert outcome.details["truncated"] is True and outcome.details["body"] == "hell"


def test_proxies_and_netrc_of_the_environment_are_ignored(
    site: HttpTarget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login bob password canary\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    outcome = check(f"{site.url}/")

    assert outcome.ok
    assert "authorization" not in site.requests[0].headers


def test_many_checks_at_once_do_not_meet(site: HttpTarget) -> None:
    outcomes: list[tuple[int, Outcome]] = []

    def run(number: int) -> None:
        for _ in range(10):
            outcome = check(f"{site.url}/status/{number}", expected_status_code=number, timeout=30)
            outcomes.append((number, outcome))

    threads = [threading.Thread(target=run, args=(200 + number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 80
    assert all(outcome.ok and outcome.status_code == number for number, outcome in outcomes)


def test_checks_leave_no_descriptors_behind(site: HttpTarget) -> None:
    with tls.https_target("good") as secure:
        urls = [f"{site.url}/", f"{site.url}/close", f"{secure.url}/", "http://169.254.169.254/"]
        for url in urls:
            check(url, ca_pem=tls.ca_pem())
        before = len(os.listdir("/proc/self/fd"))

        for _ in range(10):
            for url in urls:
                check(url, ca_pem=tls.ca_pem())

        # The servers' sides close a moment later, in their own threads.
        assert len(os.listdir("/proc/self/fd")) < before + 10
