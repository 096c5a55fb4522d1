"""`/auth`: who may sign up, how one stays signed in, and what ends a session."""

import base64
import datetime
import hmac
import http.cookies
import itertools
import json
import threading
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests import builders
from tests.builders import PASSWORD, SECRET
from tests.conftest import MakeClient
from tests.contract import BASE, Client
from uptimehunt.domain import sessions
from uptimehunt.domain.limits import REGISTRATION
from uptimehunt.domain.tokens import ACCESS, REFRESH, Tokens
from uptimehunt.store.database import Store
from uptimehunt.store.models import Session, User

ALICE = {"email": "alice@example.com", "password": PASSWORD}
COOKIE = "uh_refresh"


def as_bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def me_status(client: Client, access: str) -> int:
    return client.call("GET", "/auth/me", headers=as_bearer(access)).status_code


def unsigned(token: str) -> Any:
    """What a token claims."""
    return jwt.decode(token, options={"verify_signature": False})


def refresh(client: Client, token: str) -> Any:
    return client.add("/auth/refresh", {"refresh": token}, status=200)


def refresh_status(client: Client, token: str) -> int:
    return client.call("POST", "/auth/refresh", {"refresh": token}).status_code


@pytest.fixture
def signed_in(store: Store, tokens: Tokens, alice: User) -> dict[str, str]:
    """The tokens of a sign-in of Alice."""
    pair = builders.sign_in(store, tokens, alice)
    return {"access": pair.access, "refresh": pair.refresh}


# --- sign in -----------------------------------------------------------------------------------


def test_signing_in_answers_what_the_api_overview_shows(
    make_client: MakeClient, alice: User
) -> None:
    data = make_client().add("/auth/login", ALICE, status=200)

    assert data.keys() == {"access", "refresh", "token_type", "expires_in", "user"}
    assert (data["token_type"], data["expires_in"]) == ("Bearer", 900)
    user = data["user"]
    assert user.items() >= {"id": 1, "email": "alice@example.com", "role": "admin"}.items()
    assert user.keys() >= {"first_name", "last_name", "created_at", "avatar_url"}
    assert datetime.datetime.fromisoformat(user["created_at"]).utcoffset() == datetime.timedelta(0)
    lives = {
        kind: claims["exp"] - claims["iat"]
        for kind in ("access", "refresh")
        if (claims := unsigned(data[kind]))
    }
    assert lives == {"access": 15 * 60, "refresh": 7 * 86_400}


def test_an_answer_with_tokens_is_not_to_be_stored(client: Client, alice: User) -> None:
    answer = client.call("POST", "/auth/login", ALICE)

    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("typed", ["Alice@Example.COM", " alice@example.com", "ALICE@example.com"])
def test_an_address_is_known_in_whatever_case_it_is_typed(
    client: Client, alice: User, typed: str
) -> None:
    data = client.add("/auth/login", {"email": typed, "password": PASSWORD}, status=200)

    assert data["user"]["email"] == "alice@example.com"


def test_a_wrong_password_and_an_unknown_address_look_the_same(client: Client, alice: User) -> None:
    wrong = client.refusal("POST", "/auth/login", ALICE | {"password": "wrong"}, 401)
    unknown = client.refusal("POST", "/auth/login", ALICE | {"email": "zoe@example.com"}, 401)

    assert wrong == unknown
    assert wrong["code"] == "INVALID_CREDENTIALS"


def test_no_value_of_a_wrong_kind_signs_anybody_in(client: Client, alice: User) -> None:
    wrong = [None, "", [], {}, {"$ne": 1}, ["a", "b"], True, 0, 1.5, "x" * 1000, "\u212a@a"]

    for field, value in itertools.product(ALICE, wrong):
        answer = client.call("POST", "/auth/login", ALICE | {field: value})
        assert answer.status_code in {401, 422}, (field, value)


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
def test_every_missing_credential_is_named(client: Client, path: str) -> None:
    details = client.details("POST", path, {})

    assert details == {"email": ["Email is required"], "password": ["Password is required"]}


def test_the_oldest_session_ends_beyond_twenty_and_nobody_elses(
    client: Client, store: Store, tokens: Tokens, alice: User
) -> None:
    bobs = builders.sign_in(store, tokens, builders.add_user(store, "bob@example.com"))
    pairs = [builders.sign_in(store, tokens, alice) for _ in range(sessions.MOST_SESSIONS + 1)]

    states = [me_status(client, pair.access) for pair in pairs]

    assert states == [401] + [200] * sessions.MOST_SESSIONS
    assert me_status(client, bobs.access) == 200


# --- guessing ----------------------------------------------------------------------------------


def attempt(
    client: Client, password: str = "guess", email: str = "alice@example.com", **how: Any
) -> Any:
    return client.call("POST", "/auth/login", {"email": email, "password": password}, **how)


def spoofed(number: int) -> dict[str, str]:
    """Headers by which a caller would like to be somebody else each time."""
    names = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP")
    return dict.fromkeys(names, f"203.0.113.{number}") | {"User-Agent": f"Browser {number}"}


def test_the_eleventh_wrong_password_has_to_wait_and_so_has_the_right_one(
    client: Client, store: Store, alice: User, signed_in: dict[str, str]
) -> None:
    builders.add_user(store, "bob@example.com")

    statuses = [attempt(client, headers=spoofed(number)).status_code for number in range(10)]
    wrong = attempt(client, headers=spoofed(10))
    right = attempt(client, PASSWORD, " ALICE@Example.com", headers=spoofed(11))

    assert statuses == [401] * 10
    for answer in (wrong, right):
        assert answer.status_code == 429
        assert answer.json["error"]["code"] == "RATE_LIMITED"
        assert 890 < int(answer.headers["Retry-After"]) <= 900
    # Whoever is signed in already stays so, and others at the same address are let in.
    assert me_status(client, signed_in["access"]) == 200
    assert refresh_status(client, signed_in["refresh"]) == 200
    assert attempt(client, PASSWORD, "bob@example.com").status_code == 200


def test_the_right_password_before_the_limit_starts_the_count_anew(
    client: Client, alice: User
) -> None:
    for _ in range(2):
        assert [attempt(client).status_code for _ in range(9)] == [401] * 9
        assert attempt(client, PASSWORD).status_code == 200


def test_an_account_that_does_not_exist_is_limited_just_the_same(
    client: Client, alice: User
) -> None:
    found = [attempt(client, email="zoe@example.com") for _ in range(11)]

    assert [answer.status_code for answer in found] == [401] * 10 + [429]
    assert found[-1].json["error"]["message"] == "Too many failed attempts"


def test_fifty_failures_of_one_address_are_its_last_for_a_while(
    client: Client, store: Store, alice: User
) -> None:
    how = {"remote_addr": "2001:db8::1"}
    for number in range(50):
        email = f"user{number}@example.com"
        assert attempt(client, email=email, **how).status_code == 401

    same_network = attempt(client, PASSWORD, remote_addr="2001:db8::2", headers=spoofed(1))

    assert same_network.status_code == 429
    assert attempt(client, PASSWORD, remote_addr="2001:db8:0:1::1").status_code == 200


# --- sign up -----------------------------------------------------------------------------------


def test_the_first_account_is_admin_and_closes_the_door(make_client: MakeClient) -> None:
    client = make_client("first")

    first = client.add("/auth/register", ALICE)
    second = client.refusal("POST", "/auth/register", ALICE | {"email": "bob@example.com"}, 403)

    assert first["user"]["role"] == "admin"
    assert me_status(client, first["access"]) == 200
    assert second["code"] == "REGISTRATION_CLOSED"


def test_with_open_registration_further_people_are_members(make_client: MakeClient) -> None:
    client = make_client("open")
    client.add("/auth/register", ALICE)

    bob = client.add(
        "/auth/register",
        ALICE | {"email": "bob@example.com", "first_name": " Bob ", "last_name": "B"},
    )

    assert (bob["user"]["role"], bob["user"]["first_name"]) == ("member", "Bob")


def test_closed_registration_takes_not_even_the_first(make_client: MakeClient) -> None:
    refusal = make_client("closed").refusal("POST", "/auth/register", ALICE, 403)

    assert refusal["code"] == "REGISTRATION_CLOSED"


@pytest.mark.parametrize(
    "again", ["alice@example.com", "ALICE@EXAMPLE.COM", "alice@ex\uff41mple.com"]
)
def test_one_address_has_one_account(client: Client, alice: User, again: str) -> None:
    details = client.details("POST", "/auth/register", ALICE | {"email": again})

    assert details == {"email": ["Email is already in use"]}


NO_ADDRESSES = [
    "", "alice", "alice@", "@example.com", "a b@example.com", "\u212aevin@example.com",
    "al\u200bice@example.com", "\u0430lice@example.com", "a@example.com\r\nBcc: x@example.com",
    '"a b"@example.com', "a..b@example.com", "a@-example.com", "a@" + "b" * 64 + ".com",
]  # fmt: skip


def test_what_is_no_address_is_refused(client: Client) -> None:
    for email in NO_ADDRESSES:
        details = client.details("POST", "/auth/register", ALICE | {"email": email})
        assert details == {"email": ["Email must be valid"]}, email


BAD_PASSWORDS = {
    "short77": "Must be at least 8 characters",
    "x" * 300: "Must be at most 256 characters",
    "password123": "Password is too common",
    "PassWord123": "Password is too common",
    "aaaaaaaaaaaa": "Password is too common",
    "with\x00nul byte": "Must not contain control characters",
}


def test_a_password_that_is_easily_guessed_is_refused(client: Client) -> None:
    for password, message in BAD_PASSWORDS.items():
        details = client.details("POST", "/auth/register", ALICE | {"password": password})
        assert details == {"password": [message]}, password


def test_nobody_gives_themselves_more_than_was_asked(client: Client) -> None:
    fields = ["role", "is_admin", "id", "password_hash", "created_at", "__class__", "user_id"]

    details = client.details("POST", "/auth/register", ALICE | dict.fromkeys(fields, "admin"))

    assert details == {field: ["Unknown field"] for field in fields}


def test_of_many_first_registrations_at_once_one_wins(
    make_client: MakeClient, store: Store
) -> None:
    client = make_client("first")
    answers: list[int] = []
    start = threading.Barrier(20)

    def register(number: int) -> None:
        start.wait()
        body = {"email": f"user{number}@example.com", "password": PASSWORD}
        answers.append(client.call("POST", "/auth/register", body).status_code)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [201] + [403] * 19
    with store.reading():
        assert [user.role for user in User.select()] == ["admin"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://["])
def test_no_page_of_somebody_else_claims_a_new_instance(
    make_client: MakeClient, store: Store, origin: str
) -> None:
    make_client("first").refusal(
        "POST", "/auth/register", ALICE, status=403, headers={"Origin": origin}
    )

    with store.reading():
        assert not User.select().exists()


# --- stay signed in ----------------------------------------------------------------------------


def test_a_refresh_answers_a_new_pair(client: Client, signed_in: dict[str, str]) -> None:
    data = refresh(client, signed_in["refresh"])

    assert data.keys() == {"access", "refresh", "token_type", "expires_in"}
    assert data["refresh"] != signed_in["refresh"]
    assert me_status(client, data["access"]) == 200


def test_a_client_that_keeps_sending_its_first_refresh_token_stays_signed_in(
    client: Client, signed_in: dict[str, str]
) -> None:
    for _ in range(5):
        access = refresh(client, signed_in["refresh"])["access"]
        assert me_status(client, access) == 200


def test_an_answer_that_got_lost_can_be_asked_for_again(
    client: Client, signed_in: dict[str, str]
) -> None:
    refresh(client, signed_in["refresh"])
    second = refresh(client, signed_in["refresh"])

    third = refresh(client, second["refresh"])

    assert me_status(client, third["access"]) == 200


@pytest.mark.parametrize("replayed", [0, 1])
def test_a_retired_token_that_turns_up_again_ends_the_session(
    client: Client, signed_in: dict[str, str], replayed: int
) -> None:
    chain = [signed_in]
    for _ in range(3):
        chain.append(refresh(client, chain[-1]["refresh"]))

    assert refresh_status(client, chain[replayed]["refresh"]) == 401

    assert [refresh_status(client, pair["refresh"]) for pair in chain] == [401] * 4
    assert [me_status(client, pair["access"]) for pair in chain] == [401] * 4


def test_the_reuse_of_a_token_ends_no_other_session(
    client: Client, store: Store, tokens: Tokens, alice: User, signed_in: dict[str, str]
) -> None:
    other = builders.sign_in(store, tokens, alice)
    second = refresh(client, signed_in["refresh"])
    refresh(client, second["refresh"])

    refresh_status(client, signed_in["refresh"])

    assert me_status(client, other.access) == 200


def test_many_who_refresh_at_once_get_one_and_the_same_successor(
    client: Client, signed_in: dict[str, str]
) -> None:
    pairs: list[Any] = []
    threads = [
        threading.Thread(target=lambda: pairs.append(refresh(client, signed_in["refresh"])))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({unsigned(pair["refresh"])["jti"] for pair in pairs}) == 1
    for pair in pairs:
        refresh(client, pair["refresh"])
    # Else the thief of a token could go on beside its owner.
    assert refresh_status(client, signed_in["refresh"]) == 401
    assert refresh_status(client, pairs[0]["refresh"]) == 401


def test_the_two_kinds_of_token_do_not_stand_in_for_each_other(
    client: Client, signed_in: dict[str, str]
) -> None:
    assert me_status(client, signed_in["refresh"]) == 401
    assert refresh_status(client, signed_in["access"]) == 401


def test_a_session_ends_after_its_longest_life_however_often_it_is_refreshed(
    client: Client, store: Store, signed_in: dict[str, str]
) -> None:
    store.write(lambda: Session.update(expires_at=1).execute())

    assert refresh_status(client, signed_in["refresh"]) == 401
    assert me_status(client, signed_in["access"]) == 401


# --- sign out ----------------------------------------------------------------------------------


def by_refresh(client: Client, pair: Any) -> Any:
    return client.call("POST", "/auth/logout", {"refresh": pair["refresh"]})


def by_access(client: Client, pair: Any) -> Any:
    return client.call("POST", "/auth/logout", {}, headers=as_bearer(pair["access"]))


@pytest.mark.parametrize("sign_out", [by_refresh, by_access])
def test_signing_out_ends_both_tokens_at_once(
    client: Client, signed_in: dict[str, str], sign_out: Callable[[Client, Any], Any]
) -> None:
    answer = sign_out(client, signed_in)

    assert answer.status_code == 204
    assert me_status(client, signed_in["access"]) == 401
    assert refresh_status(client, signed_in["refresh"]) == 401


def test_signing_out_leaves_the_other_sessions(
    client: Client, store: Store, tokens: Tokens, alice: User, signed_in: dict[str, str]
) -> None:
    other = builders.sign_in(store, tokens, alice)

    by_access(client, signed_in)

    assert me_status(client, other.access) == 200
    assert refresh_status(client, other.refresh) == 200


def test_signing_out_with_tokens_of_two_sessions_ends_both(
    client: Client, store: Store, tokens: Tokens, alice: User, signed_in: dict[str, str]
) -> None:
    other = builders.sign_in(store, tokens, alice)

    client.ask("POST", "/auth/logout", {"refresh": other.refresh}, 204,
               headers=as_bearer(signed_in["access"]))  # fmt: skip

    assert [me_status(client, token) for token in (signed_in["access"], other.access)] == [401] * 2


def test_nobody_signs_out_without_a_token(client: Client) -> None:
    client.refusal("POST", "/auth/logout", {}, 401)


# --- the cookie --------------------------------------------------------------------------------


@pytest.fixture
def cookie(client: Client, alice: User) -> str:
    """The refresh token that a sign-in in cookie mode sets."""
    answer = client.call("POST", "/auth/login", ALICE | {"session": "cookie"})
    assert "refresh" not in answer.json["data"]
    return sole_cookie(answer).value


def sole_cookie(answer: Any) -> "http.cookies.Morsel[str]":
    jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])
    assert list(jar) == [COOKIE]
    return jar[COOKIE]


def with_cookie(client: Client, path: str, token: str, **headers: str) -> Any:
    sent = {"Cookie": f"{COOKIE}={token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return client.call("POST", path, {}, headers=sent)


@pytest.mark.parametrize(("protocol", "secure"), [("http", ""), ("https", True)])
def test_no_script_can_read_the_cookie_and_no_other_site_send_it(
    client: Client, alice: User, protocol: str, secure: object
) -> None:
    answer = client.call("POST", "/auth/login", ALICE | {"session": "cookie"}, protocol=protocol)

    morsel = sole_cookie(answer)
    assert morsel["httponly"] is True
    assert morsel["samesite"] == "Strict"
    assert morsel["secure"] == secure
    assert (morsel["path"], morsel["domain"]) == ("/", "")
    assert morsel["max-age"] == str(7 * 86_400)
    assert answer.headers.get("Access-Control-Allow-Credentials") is None


def test_the_cookie_refreshes_and_is_replaced(client: Client, cookie: str) -> None:
    answer = with_cookie(
        client,
        "/auth/refresh",
        cookie,
        Origin="http://falconframework.org",
        Sec_Fetch_Site="same-origin",
    )

    assert answer.status_code == 200
    assert "refresh" not in answer.json["data"]
    assert sole_cookie(answer).value not in {"", cookie}
    assert me_status(client, answer.json["data"]["access"]) == 200


FOREIGN = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://falconframework.org.evil.example"},
    {"Origin": "http://falconframework.org:81"},
    {"Origin": "http://["},
]


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_no_page_of_somebody_else_uses_the_cookie(client: Client, cookie: str, path: str) -> None:
    for headers in FOREIGN:
        answer = with_cookie(client, path, cookie, **headers)
        assert answer.status_code in {401, 403}, headers
    assert with_cookie(client, "/auth/refresh", cookie).status_code == 200


def test_the_cookie_signs_out_and_is_cleared(client: Client, cookie: str) -> None:
    answer = with_cookie(client, "/auth/logout", cookie)

    assert answer.status_code == 204
    assert sole_cookie(answer).value == ""
    assert refresh_status(client, cookie) == 401


def test_the_cookie_opens_nothing_else(client: Client, cookie: str) -> None:
    answer = client.call("GET", "/auth/me", headers={"Cookie": f"{COOKIE}={cookie}"})

    assert answer.status_code == 401


def test_a_cookie_that_is_of_no_use_is_cleared(client: Client) -> None:
    answer = with_cookie(client, "/auth/refresh", "nonsense")

    assert answer.status_code == 401
    assert sole_cookie(answer).value == ""


# --- forged tokens -----------------------------------------------------------------------------


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def deep() -> str:
    return part(b'{"typ":"at+jwt","alg":"HS256","x":' + b"[" * 2400 + b"]" * 200 + b"}")


HEADER = {"typ": "at+jwt", "alg": "HS256"}
DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
FORGERIES: dict[str, Callable[[Callable[..., str], str], str]] = {
    "alg none": lambda sign, good: f"{part(HEADER | {'alg': 'none'})}.{good.split('.')[1]}.",
    "alg None": lambda sign, good: f"{part(HEADER | {'alg': 'None'})}.{good.split('.')[1]}.",
    "alg nOnE": lambda sign, good: f"{part(HEADER | {'alg': 'nOnE'})}.{good.split('.')[1]}.",
    "no alg": lambda sign, good: f"{part({'typ': 'at+jwt'})}.{good.split('.', 1)[1]}",
    "alg list": lambda sign, good: f"{part(HEADER | {'alg': ['HS256']})}.{good.split('.', 1)[1]}",
    "HS384": lambda sign, good: sign(algorithm="HS384"),
    "HS512": lambda sign, good: sign(algorithm="HS512"),
    "unknown crit": lambda sign, good: sign(crit=["exp2"], exp2=1),
    "kid path": lambda sign, good: sign(key=b"", kid="../../dev/null"),
    "key empty": lambda sign, good: sign(key=b""),
    "key secret": lambda sign, good: sign(key=b"secret"),
    "key changeme": lambda sign, good: sign(key=b"changeme"),
    "key the secret itself": lambda sign, good: sign(key=SECRET),
    "typ JWT": lambda sign, good: sign(typ="JWT"),
    "typ of a refresh token": lambda sign, good: sign(typ="rt+jwt"),
    "no signature": lambda sign, good: good.rsplit(".", 1)[0] + ".",
    "two parts": lambda sign, good: good.rsplit(".", 1)[0],
    "trailing data": lambda sign, good: good + ".x",
    "other payload": lambda sign, good: ".".join(
        (good.split(".")[0], part({"sub": "1", "sid": 1}), good.split(".")[2])
    ),
    "deep header": lambda sign, good: f"{deep()}.{good.split('.', 1)[1]}",
    "a megabyte": lambda sign, good: "x" * 2**20,
    "header no object": lambda sign, good: f"{part([1])}.{good.split('.', 1)[1]}",
    "not base64": lambda sign, good: "!.!.!",
    "not ASCII": lambda sign, good: "\u00e9.\u00e9.\u00e9",
    "null": lambda sign, good: "null",
    "dots": lambda sign, good: "...",
    "empty": lambda sign, good: "",
}


def test_no_forged_token_passes(client: Client, signed_in: dict[str, str]) -> None:
    good = signed_in["access"]
    claims = part(unsigned(good))

    def sign(key: bytes = b"k" * 64, algorithm: str = "HS256", **header: Any) -> str:
        signed = f"{part(HEADER | {'alg': algorithm} | header)}.{claims}"
        return f"{signed}.{part(hmac.digest(key, signed.encode(), DIGESTS[algorithm]))}"

    for name, forge in FORGERIES.items():
        answer = client.call("GET", "/auth/me", headers=as_bearer(forge(sign, good)))
        assert answer.status_code == 401, name
        assert answer.json["error"]["code"] == "UNAUTHORIZED", name
    assert me_status(client, good) == 200


def test_a_genuine_signature_over_wrong_claims_does_not_pass(
    client: Client, tokens: Tokens, signed_in: dict[str, str]
) -> None:
    claims = unsigned(signed_in["access"])
    key = tokens._keys[ACCESS]

    def status_of(**changed: Any) -> int:
        wanted = {name: value for name, value in (claims | changed).items() if value is not None}
        token = jwt.encode(wanted, key, "HS256", headers={"typ": "at+jwt"})
        return me_status(client, token)

    assert status_of() == 200
    for name in ("iss", "sub", "sid", "jti", "iat", "exp"):
        assert status_of(**{name: None}) == 401, f"without {name}"
    wrong: list[dict[str, Any]] = [
        {"iss": "another instance"}, {"exp": 1}, {"exp": "soon"}, {"exp": float("nan")},
        {"sid": 10**6}, {"sid": "x"}, {"nbf": 2**40},
    ]  # fmt: skip
    for changed in wrong:
        assert status_of(**changed) == 401, changed


def test_a_token_of_another_instance_does_not_pass(
    client: Client, signed_in: dict[str, str]
) -> None:
    claims = unsigned(signed_in["access"])
    elsewhere = Tokens(SECRET, "another instance")
    other_key = Tokens(b"another key of at least 32 bytes", claims["iss"])

    for maker in (elsewhere, other_key):
        token, _ = maker.make(ACCESS, 1, claims["sid"])
        assert me_status(client, token) == 401
        token, _ = maker.make(REFRESH, 1, claims["sid"])
        assert refresh_status(client, token) == 401


def test_a_token_ends_with_its_time(
    client: Client, store: Store, alice: User, signed_in: dict[str, str]
) -> None:
    long_ago = Tokens(SECRET, unsigned(signed_in["access"])["iss"], clock=lambda: builders.T0)
    pair = builders.sign_in(store, long_ago, alice)

    refusal = client.refusal("GET", "/auth/me", status=401, headers=as_bearer(pair.access))

    assert long_ago.read(ACCESS, pair.access).user_id == alice.id
    assert (refusal["code"], refusal["message"]) == ("UNAUTHORIZED", "The token has expired")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_word_bearer_is_known_in_any_case(
    client: Client, signed_in: dict[str, str], scheme: str
) -> None:
    headers = {"Authorization": f"{scheme} {signed_in['access']}"}

    assert client.call("GET", "/auth/me", headers=headers).status_code == 200


def test_a_refusal_says_which_scheme_is_wanted(client: Client) -> None:
    answer = client.simulate_get(f"{BASE}/auth/me")

    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_address_cannot_register_one_account_after_the_other(client: Client) -> None:
    def register(number: int) -> int:
        body = {"email": f"user{number}@example.com", "password": "a long pass phrase"}
        return client.call("POST", "/auth/register", body).status_code

    assert [register(number) for number in range(REGISTRATION.failures)] == (
        [201] * REGISTRATION.failures
    )
    assert register(99) == 429
    forwarded = {"X-Forwarded-For": "192.0.2.9"}
    body = {"email": "other@example.com", "password": "a long pass phrase"}
    answer = client.call("POST", "/auth/register", body, headers=forwarded)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
