import base64
import itertools
import json
import ssl
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from tests.targets import tls
from tests.targets.http import HttpTarget, http_target
from tests.unit.checks.conftest import check, header, query
from uptimehunt.checks import Deadline, Outcome, http
from uptimehunt.checks.http_config import HttpConfig

SECRET = "s3cret-word"
BASIC = {"auth_type": "basic", "username": "bob", "password": SECRET}
DIGEST = BASIC | {"auth_type": "digest"}
BEARER = {"auth_type": "bearer", "token": "token-of-ours"}
_numbers = itertools.count()


def bad_fields(**fields: object) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        HttpConfig.model_validate({"url": "https://example.com/"} | fields)
    found: set[str] = set()
    for error in caught.value.errors():
        context = error.get("ctx", {})
        found |= set(context["details"]) if "details" in context else {str(error["loc"][0])}
    return found


# --- basic, bearer, digest ---------------------------------------------------------------------


def test_basic_credentials_are_sent_in_utf_8(site: HttpTarget) -> None:
    pair = base64.b64encode("bo b:pä ss".encode()).decode()

    outcome = check(f"{site.url}/echo", auth_type="basic", username="bo b", password="pä ss")

    assert outcome.ok
    assert site.requests[-1].headers["authorization"] == f"Basic {pair}"


def test_a_bearer_token_is_sent(site: HttpTarget) -> None:
    assert check(f"{site.url}/echo", **BEARER).ok
    assert site.requests[-1].headers["authorization"] == "Bearer token-of-ours"


def test_a_login_goes_before_the_one_in_the_url(site: HttpTarget) -> None:
    check(f"http://eve:canary@127.0.0.1:{site.port}/echo", **BEARER)

    assert site.requests[-1].headers["authorization"] == "Bearer token-of-ours"


def test_credentials_of_another_kind_of_login_are_not_sent(site: HttpTarget) -> None:
    check(f"{site.url}/echo", **BASIC | BEARER | {"auth_type": "none"})

    assert "authorization" not in site.requests[-1].headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_a_digest_challenge_is_answered(site: HttpTarget, method: str) -> None:
    outcome = check(f"{site.url}/digest?a=b", **DIGEST, method=method, body="with a body")

    assert outcome.ok, outcome
    assert outcome.status_code == 200
    assert len(site.requests) == 2
    assert SECRET not in str([seen.headers for seen in site.requests])


@pytest.mark.parametrize("path", ["/digest", "/wants?authorization=Basic+x"])
def test_a_wrong_login_is_named_and_does_not_leak(site: HttpTarget, path: str) -> None:
    login = DIGEST if path == "/digest" else BASIC
    outcome = check(f"{site.url}{path}", **login | {"password": "wrong-canary"})

    assert (outcome.error, outcome.status_code) == ("authentication_failed", 401)
    assert outcome.message == "The login was refused (answered 401)"
    assert outcome.details["body"] == "who are you?"
    assert "wrong-canary" not in str(outcome)


def test_an_expected_401_is_no_failure_and_without_login_it_is_a_status(site: HttpTarget) -> None:
    url = f"{site.url}/wants?authorization=x"

    assert check(url, **BASIC, expected_status_code=401).ok
    assert check(url).error == "status_mismatch"


@pytest.mark.parametrize("login", [BASIC, DIGEST, BEARER])
def test_no_login_follows_a_redirect_to_another_origin(
    site: HttpTarget, login: dict[str, Any]
) -> None:
    with http_target() as other:
        to = query(f"{other.url}/digest")
        outcome = check(f"{site.url}/location?{to}", **login)
        home = query(f"{site.url}/echo")
        check(f"{site.url}/location?{to.replace('digest', f'location%3F{home}')}", **login)

    assert outcome.error == "authentication_failed"
    assert all("authorization" not in seen.headers for seen in other.requests)


def test_credentials_are_masked_however_they_come_back(site: HttpTarget) -> None:
    for login in (
        BASIC | {"password": 'quo"te\u00e9 & more'},
        BEARER | {"token": "canary/with+signs=="},
    ):
        secret = login.get("password") or login["token"]
        site.reply = f"{secret} {json.dumps(secret)}".encode()
        echoed = check(f"{site.url}/echo?status=500", **login)
        said = check(f"{site.url}/answer", **login, expected_status_code=500)

        for outcome in (echoed, said):
            assert secret not in str(outcome.details)
            assert json.dumps(secret)[1:-1] not in outcome.details["body"]
        sent = site.requests[-1].headers["authorization"].split()[1]
        assert sent not in str(echoed.details) and "********" in echoed.details["body"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"auth_type": "ntlm"}, {"auth_type"}),
        ({"auth_type": "basic"}, {"username", "password"}),
        (BASIC | {"password": None}, {"password"}),
        (BASIC | {"username": "a:b"}, {"username"}),
        (BASIC | {"username": "a\r\nb"}, {"username"}),
        (BASIC | {"password": "a\x00b"}, {"password"}),
        (BASIC | {"password": ""}, {"password"}),
        (DIGEST | {"username": None}, {"username"}),
        ({"auth_type": "bearer"}, {"token"}),
        (BEARER | {"token": "two words"}, {"token"}),
        (BEARER | {"token": "é"}, {"token"}),
        (BEARER | {"token": "x" * 8001}, {"token"}),
        (BEARER | {"headers": [header("authorization", "x")]}, {"auth_type"}),
        ({"auth_type": "oauth2"}, {"token_url", "client_id", "client_secret"}),
        ({"token_url": "ftp://x/"}, {"token_url"}),
        ({"token_url": "http://u:p@x/"}, {"token_url"}),
        ({"scope": "é"}, {"scope"}),
        ({"auth_type": "mtls"}, {"client_certificate", "client_key"}),
        ({"client_certificate": "no PEM"}, {"client_certificate"}),
    ],
)
def test_a_login_that_cannot_work_is_refused(fields: dict[str, Any], named: set[str]) -> None:
    assert bad_fields(**fields) == named


def test_a_secret_in_latin_1_is_masked_in_a_body_that_is_read_as_utf_8(site: HttpTarget) -> None:
    site.reply = "got café-canary".encode("latin-1")
    own = [header("X-Key", "café-canary", secret=True)]

    outcome = check(f"{site.url}/answer", headers=own, expected_status_code=500)

    assert outcome.details["body"] == "got ********"


# --- mutual TLS --------------------------------------------------------------------------------


def pem(certificate: trustme.LeafCert) -> dict[str, str]:
    return {
        "client_certificate": certificate.cert_chain_pems[0].bytes().decode(),
        "client_key": certificate.private_key_pem.bytes().decode(),
    }


def trusted(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@pytest.fixture(scope="module")
def clients() -> trustme.CA:
    """The authority of clients, and of the servers that ask for them."""
    return trustme.CA()


def asking(clients: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server's side that wants a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    clients.configure_trust(context)
    clients.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_where_it_is_asked_for(
    clients: trustme.CA, version: ssl.TLSVersion
) -> None:
    good, stranger = clients.issue_cert("me.example"), trustme.CA().issue_cert("me.example")
    with http_target(asking(clients, version)) as site:
        url, ca = f"{site.url}/", {"ca_pem": trusted(clients)}
        up = check(url, auth_type="mtls", **pem(good), **ca)
        wrong = check(url, auth_type="mtls", **pem(stranger), **ca)
        none = check(url, **ca)
        requests = len(site.requests)
        again = check(url, auth_type="mtls", **pem(good), **ca)

    assert up.ok and again.ok, up
    assert requests == 1
    assert "PRIVATE KEY" not in str((up, wrong))
    # In TLS 1.3 our request is under way when the server hangs up, and its reset may be first.
    late = {"connection_reset"} if version is ssl.TLSVersion.TLSv1_3 else set()
    assert {wrong.error, none.error} <= {"tls_error"} | late


def test_a_client_certificate_does_not_follow_to_another_origin(clients: trustme.CA) -> None:
    context = asking(clients, ssl.TLSVersion.TLSv1_2)
    identity = {"auth_type": "mtls", **pem(clients.issue_cert("me.example"))}
    with tls.https_target() as home, http_target(context) as other:
        url = f"{home.url}/location?{query(f'{other.url}/')}"
        outcome = check(url, ca_pem=tls.ca_pem() + trusted(clients), **identity)

    assert outcome.error == "tls_error"
    assert other.requests == []


def test_a_key_must_be_that_of_the_certificate(clients: trustme.CA) -> None:
    one, other = pem(clients.issue_cert("a.example")), pem(clients.issue_cert("b.example"))
    key = ec.generate_private_key(ec.SECP256R1())
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"pw"),
    ).decode()
    mtls = {"auth_type": "mtls", **one}

    assert HttpConfig.model_validate({"url": "https://a.example/", **mtls})
    for bad in (other["client_key"], locked, "no PEM", one["client_certificate"]):
        assert bad_fields(**mtls | {"client_key": bad}) == {"client_key"}
    assert bad_fields(**mtls | {"url": "http://a.example/"}) == {"url"}


def test_a_key_that_lost_its_line_ends_gets_them_back(clients: trustme.CA) -> None:
    identity = pem(clients.issue_cert("a.example"))
    for gap in ("", " "):
        key = gap.join(identity["client_key"].splitlines())
        fields = identity | {"client_key": key, "auth_type": "mtls", "url": "https://a.example/"}

        assert HttpConfig.model_validate(fields).client_key == identity["client_key"]


# --- OAuth 2.0 ---------------------------------------------------------------------------------


def oauth(site: HttpTarget, **more: Any) -> HttpConfig:
    """A config whose tokens no other test gets to see."""
    client_id, secret = site.login
    fields = {
        "url": f"{site.url}/guarded",
        "auth_type": "oauth2",
        "token_url": f"{site.url}/token?n={next(_numbers)}",
        "client_id": client_id,
        "client_secret": secret,
        "timeout": 1,
    }
    return HttpConfig.model_validate(fields | more)


def run(config: HttpConfig) -> Outcome:
    return http.check(config, Deadline(config.timeout))


def test_a_token_is_fetched_once_and_used_until_it_ends(site: HttpTarget) -> None:
    config = oauth(site, scope="read write")

    first, second = run(config), run(config)
    same = run(oauth(site, token_url=config.token_url, scope="read write"))
    other = run(oauth(site, token_url=config.token_url, scope="read"))

    assert first.ok and second.ok and same.ok and other.ok, first
    assert site.count("/token") == 2
    asked = next(seen for seen in site.requests if seen.path == "/token")
    assert asked.method == "POST"
    assert asked.body == b"grant_type=client_credentials&scope=read+write"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert first.details["token_time"] > 0 and "token_time" not in second.details


def test_a_kept_token_that_is_refused_is_replaced_once(site: HttpTarget) -> None:
    config = oauth(site)
    assert run(config).ok

    site.good_tokens.clear()
    outcome = run(config)

    assert outcome.ok and site.count("/token") == 2
    assert site.requests[-1].headers["authorization"] == "Bearer token-2"


def test_a_fresh_token_that_is_refused_is_a_failed_login(site: HttpTarget) -> None:
    config = oauth(site, url=f"{site.url}/status/401")

    assert [run(config).error for _ in range(3)] == ["authentication_failed"] * 3
    # The first was told twice of a fresh one; each later one had a kept one to replace.
    assert site.count("/token") == 3


@pytest.mark.parametrize(("lifetime", "fetched"), [(0, 3), (3600, 1), ("3600", 1), (None, 1)])
def test_a_token_is_kept_as_long_as_the_server_says(
    site: HttpTarget, lifetime: object, fetched: int
) -> None:
    site.token_answer = 200, json.dumps({"access_token": "abcd", "expires_in": lifetime}).encode()
    site.good_tokens.add("abcd")
    config = oauth(site)

    assert all(run(config).ok for _ in range(3))
    assert site.count("/token") == fetched


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"error": "invalid_client canary"}', "authentication_failed"),
        (400, b"", "authentication_failed"),
        (500, b"canary", "status_mismatch"),
        (302, b"", "status_mismatch"),
        (200, b"canary", "protocol_error"),
        (200, b"\xff", "protocol_error"),
        (200, b"[" * 5000, "protocol_error"),
        (200, b"null", "protocol_error"),
        (200, b'{"access_token": 5}', "protocol_error"),
        (200, b'{"access_token": "two\\r\\nX: lines"}', "protocol_error"),
        (200, b'{"access_token": "x", "token_type": "mac"}', "protocol_error"),
        (200, b'{"access_token": "' + b"x" * 100_000 + b'"}', "protocol_error"),
    ],
)
def test_without_a_token_there_is_no_request(
    site: HttpTarget, status: int, body: bytes, error: str
) -> None:
    site.token_answer = status, body

    outcome = run(oauth(site))

    assert (outcome.error, outcome.status_code) == (error, None)
    assert f"127.0.0.1:{site.port}" in outcome.message
    assert "canary" not in str(outcome) and SECRET not in str(outcome)
    assert site.count("/guarded") == 0


def test_fetching_a_token_shares_the_deadline_and_the_address_policy(site: HttpTarget) -> None:
    slow = run(oauth(site, token_url=f"{site.url}/slow?s=30"))
    never = run(oauth(site, token_url="http://169.254.169.254/token"))

    assert slow.error == "timeout"
    assert never.message == "Address 169.254.169.254 is never probed"


def test_neither_token_nor_client_secret_are_shown_or_follow_elsewhere(site: HttpTarget) -> None:
    with http_target() as other:
        strayed = run(oauth(site, url=f"{site.url}/location?{query(f'{other.url}/guarded')}"))
    echoed = run(oauth(site, expected_status_code=500))

    assert strayed.error == "authentication_failed"
    assert "authorization" not in other.requests[0].headers
    assert echoed.error == "status_mismatch" and "********" in echoed.details["body"]
    assert "token-" not in str(echoed.details["body"]) and SECRET not in str(echoed)


def test_a_token_fetched_without_verification_is_not_used_with_it() -> None:
    with tls.https_target("self_signed") as site:
        lax = oauth(site, verify_tls=False)
        strict = oauth(site, token_url=lax.token_url)

        assert run(lax).ok
        assert run(strict).error == "certificate_invalid"
