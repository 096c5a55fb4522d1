import time

import pytest

from tests.targets.http import HttpTarget, http_target
from tests.unit.checks.conftest import check, header, query


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_counted(site: HttpTarget, status: int) -> None:
    outcome = check(f"{site.url}/redirect?n=3&status={status}&to=/")

    assert outcome.ok and outcome.status_code == 200
    assert outcome.details["redirects"] == 3
    assert site.count("/") == 1


def test_phases_add_up_over_redirects(site: HttpTarget) -> None:
    outcome = check(f"{site.url}/redirect?to=/slow%3Fs%3D0.2")

    timing = outcome.details["timing"]
    assert outcome.ok and outcome.response_time_ms is not None
    assert 0.2 < timing["starttransfer"] <= timing["total"] < 1
    assert outcome.response_time_ms == round(timing["total"] * 1000)


def test_a_redirect_is_judged_itself_when_it_is_not_to_be_followed(site: HttpTarget) -> None:
    options = {"follow_redirects": False, "expected_status_code": 302}

    assert check(f"{site.url}/redirect?to=/", **options).ok
    assert site.count("/") == 0


@pytest.mark.parametrize(("most", "path"), [(5, "/loop"), (0, "/redirect?to=/"), (2, "/loop")])
def test_too_many_redirects_are_a_failure(site: HttpTarget, most: int, path: str) -> None:
    outcome = check(f"{site.url}{path}", max_redirects=most)

    assert (outcome.error, outcome.status_code) == ("too_many_redirects", 302)
    assert outcome.message == f"Redirected more than {most} times"
    assert len(site.requests) == most + 1


def test_exactly_as_many_redirects_as_allowed_are_fine(site: HttpTarget) -> None:
    assert check(f"{site.url}/redirect?n=5&to=/", max_redirects=5).ok


@pytest.mark.alone
def test_a_slow_chain_of_redirects_shares_one_deadline() -> None:
    with http_target() as site:
        began = time.monotonic()
        outcome = check(f"{site.url}/redirect?n=3&to=/slow%3Fs%3D30")

        assert time.monotonic() - began < 1.1
    assert outcome.error == "timeout"


@pytest.mark.parametrize(
    "to",
    ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "javascript:alert(1)",
     "http://", "http://[bad", "http://127.0.0.1:99999/", "http://a b/", "http://é\u2028/"],
)  # fmt: skip
def test_a_redirect_to_anything_but_http_is_refused(site: HttpTarget, to: str) -> None:
    outcome = check(f"{site.url}/location?{query(to)}")

    assert outcome.error == "protocol_error"
    assert "root:" not in str(outcome)


@pytest.mark.parametrize(
    ("status", "method", "arrives_as"),
    [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"), (301, "PUT", "PUT"), (307, "POST", "POST"), (308, "POST", "POST"),
    ],
)  # fmt: skip
def test_a_redirect_keeps_or_drops_method_and_body_as_browsers_do(
    site: HttpTarget, status: int, method: str, arrives_as: str
) -> None:
    kind = header("Content-Type", "text/plain")
    check(f"{site.url}/redirect?status={status}&to=/echo", method=method, body="b", headers=[kind])

    last = site.requests[-1]
    assert (last.path, last.method) == ("/echo", arrives_as)
    kept = arrives_as == method and method != "HEAD"
    assert last.body == (b"b" if kept else b"")
    assert ("content-type" in last.headers) is (kept or method == "HEAD")


def test_credentials_stay_with_their_origin(site: HttpTarget) -> None:
    headers = [
        header("Authorization", "Bearer canary"),
        header("Cookie", "sid=canary"),
        header("X-Api-Key", "canary"),
        header("X-Whatever", "canary"),
        header("Accept-Language", "canary", secret=True),
        header("Accept", "text/plain"),
    ]

    with http_target() as other:
        outcome = check(f"{site.url}/redirect?to={other.url}/echo", headers=headers)

    assert outcome.ok
    assert "canary" in site.requests[0].headers["cookie"]
    arrived = other.requests[0].headers
    assert "canary" not in str(arrived)
    assert arrived["accept"] == "text/plain"
    assert arrived["host"] == f"127.0.0.1:{other.port}"


def test_credentials_of_the_url_stay_with_their_origin(site: HttpTarget) -> None:
    with http_target() as other:
        check(f"http://bob:canary@127.0.0.1:{site.port}/redirect?n=2&to={other.url}/echo")

    assert [("authorization" in seen.headers) for seen in site.requests] == [True, True]
    assert "authorization" not in other.requests[0].headers


def test_credentials_do_not_travel_on_from_another_origin_but_return_home(
    site: HttpTarget,
) -> None:
    with http_target() as other:
        back = f"{other.url}/location?{query(site.url + '/echo')}"
        check(f"{site.url}/location?{query(back)}", headers=[header("X-Api-Key", "canary")])

    assert "x-api-key" not in other.requests[0].headers
    assert site.requests[-1].headers["x-api-key"] == "canary"
