"""`/users`: oneself, one's tokens and sessions, and for an admin everybody's account."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.builders import PASSWORD
from tests.contract import Client
from uptimehunt import clock
from uptimehunt.domain.tokens import Tokens
from uptimehunt.store.database import Store
from uptimehunt.store.models import ApiToken, User

OTHER = "a different battery staple"


def on(client: Client, token: str) -> Client:
    """The same application, as the owner of another token sees it."""
    return Client(client.app, client.contract, token)


def new_session(client: Client, store: Store, tokens: Tokens, email: str) -> Client:
    """One more sign-in of somebody."""
    with store.reading():
        user = User.get(User.email == email)
    return on(client, builders.sign_in(store, tokens, user).access)


# --- the profile -------------------------------------------------------------------------------


def test_a_profile_has_preferences(as_alice: Client) -> None:
    profile = as_alice.data("/users/profile")

    assert profile.items() >= {
        "email": "alice@example.com", "role": "admin", "timezone": "UTC", "theme": "auto",
        "locale": "en", "avatar_url": None,
    }.items()  # fmt: skip


def test_anybody_changes_their_own_profile(as_vera: Client) -> None:
    wanted = {
        "email": "vera@example.com", "first_name": " Vera ", "last_name": "M\u00fcller",
        "timezone": "Europe/Berlin", "theme": "dark", "locale": "de-CH",
    }  # fmt: skip

    answered = as_vera.ask("PUT", "/users/profile", wanted)["data"]

    assert answered == as_vera.data("/users/profile")
    assert answered.items() >= (wanted | {"first_name": "Vera", "role": "viewer"}).items()


def test_what_a_put_leaves_out_goes_back_and_what_a_patch_leaves_out_stays(
    as_alice: Client,
) -> None:
    as_alice.ask("PATCH", "/users/profile", {"theme": "dark", "first_name": "Alice"})
    as_alice.ask("PATCH", "/users/profile", {"locale": "fr"})
    patched = as_alice.data("/users/profile")

    put = as_alice.ask("PUT", "/users/profile", {"email": "alice@example.com"})["data"]

    assert (patched["theme"], patched["first_name"], patched["locale"]) == ("dark", "Alice", "fr")
    assert (put["theme"], put["first_name"], put["locale"]) == ("auto", "", "en")


def test_a_put_needs_the_address(as_alice: Client) -> None:
    assert as_alice.details("PUT", "/users/profile", {}) == {"email": ["Email is required"]}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("timezone", "Mars/Olympus", "Must be a time zone such as Europe/Berlin"),
        ("timezone", "", "Must be a time zone such as Europe/Berlin"),
        ("timezone", "../../etc/passwd", "Must be a time zone such as Europe/Berlin"),
        ("timezone", "/etc/localtime", "Must be a time zone such as Europe/Berlin"),
        ("timezone", "Europe", "Must be a time zone such as Europe/Berlin"),
        ("timezone", "U\u0422C", "Must be a time zone such as Europe/Berlin"),
        ("theme", "pink", "Must be one of 'auto', 'light' or 'dark'"),
        ("theme", None, "Must be one of 'auto', 'light' or 'dark'"),
        ("locale", "german!", "Locale must be valid"),
        ("locale", "de\n", "Locale must be valid"),
        ("locale", "", "Locale must be valid"),
        ("first_name", "x" * 129, "Must be at most 128 characters"),
        ("last_name", "a\u202eb", "Must not contain control or invisible characters"),
        ("email", "alice", "Email must be valid"),
        ("email", "\u0430lice@example.com", "Email must be valid"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(
    as_alice: Client, field: str, value: object, message: str
) -> None:
    before = as_alice.data("/users/profile")

    for method in ("PUT", "PATCH"):
        body = {"email": "alice@example.com", "current_password": PASSWORD, field: value}
        assert as_alice.details(method, "/users/profile", body) == {field: [message]}

    assert as_alice.data("/users/profile") == before


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_nobody_gives_themselves_more_by_their_profile(as_bob: Client, method: str) -> None:
    before = as_bob.data("/users/profile")
    fields = [
        "role", "is_admin", "id", "password_hash", "password", "created_at", "enabled",
        "disabled_at", "email_key", "email_verified", "token_version", "user_id", "__class__",
    ]  # fmt: skip
    body = {"email": "bob@example.com"} | dict.fromkeys(fields, "admin")

    details = as_bob.details(method, "/users/profile", body)

    assert details == {field: ["Unknown field"] for field in fields}
    assert as_bob.data("/users/profile") == before


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_another_address_needs_the_password(as_bob: Client, method: str) -> None:
    wanted = {"email": "robert@example.com"}

    missing = as_bob.details(method, "/users/profile", wanted)
    wrong = as_bob.details(method, "/users/profile", wanted | {"current_password": "guess"})
    assert as_bob.data("/auth/me")["email"] == "bob@example.com"
    changed = as_bob.ask(method, "/users/profile", wanted | {"current_password": PASSWORD})["data"]

    assert missing == {"current_password": ["Current password is required"]}
    assert wrong == {"current_password": ["Current password is wrong"]}
    assert changed["email"] == "robert@example.com"
    as_bob.add("/auth/login", wanted | {"password": PASSWORD}, status=200)
    as_bob.refusal("POST", "/auth/login", {"email": "bob@example.com", "password": PASSWORD}, 401)


def test_the_same_address_in_another_case_needs_none(as_bob: Client) -> None:
    changed = as_bob.ask("PATCH", "/users/profile", {"email": "Bob@Example.com"})["data"]

    assert changed["email"] == "Bob@Example.com"


def test_nobody_takes_the_address_of_another(as_bob: Client) -> None:
    wanted = {"email": "ALICE@example.com", "current_password": PASSWORD}

    details = as_bob.details("PATCH", "/users/profile", wanted)

    assert details == {"email": ["Email is already in use"]}


def test_the_password_cannot_be_guessed_by_way_of_the_profile(as_bob: Client) -> None:
    wanted = {"email": "robert@example.com", "current_password": "guess"}
    for _ in range(10):
        as_bob.details("PATCH", "/users/profile", wanted)

    answer = as_bob.call("PATCH", "/users/profile", wanted | {"current_password": PASSWORD})

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


# --- the password ------------------------------------------------------------------------------


def change_password(client: Client, **fields: Any) -> Any:
    body = {"current_password": PASSWORD, "new_password": OTHER} | fields
    return client.call("POST", "/users/password", body)


def test_another_password_ends_every_other_session_of_the_user_at_once(
    as_bob: Client, as_alice: Client, store: Store, tokens: Tokens, alice: User
) -> None:
    with store.reading():
        bob = User.get(User.email == "bob@example.com")
    elsewhere = builders.sign_in(store, tokens, bob)

    answer = change_password(as_bob, confirm_password=OTHER)

    assert answer.json["data"] == {"message": "Password changed; other sessions were signed out"}
    on(as_bob, elsewhere.access).refusal("GET", "/auth/me", status=401)
    as_bob.refusal("POST", "/auth/refresh", {"refresh": elsewhere.refresh}, 401)
    assert as_bob.data("/auth/me")["email"] == "bob@example.com"
    assert as_alice.data("/auth/me")["id"] == alice.id
    assert [session["is_current"] for session in as_bob.data("/users/sessions")] == [True]


def test_after_the_change_only_the_new_password_signs_in(as_bob: Client) -> None:
    change_password(as_bob)

    credentials = {"email": "bob@example.com", "password": OTHER}
    as_bob.add("/auth/login", credentials, status=200)
    as_bob.refusal("POST", "/auth/login", credentials | {"password": PASSWORD}, 401)


@pytest.mark.parametrize(
    ("fields", "details"),
    [
        ({"current_password": "guess"}, {"current_password": ["Current password is wrong"]}),
        ({"new_password": PASSWORD}, {"new_password": ["New password must be another one"]}),
        ({"new_password": "short"}, {"new_password": ["Must be at least 8 characters"]}),
        ({"new_password": "Password1"}, {"new_password": ["Password is too common"]}),
        ({"confirm_password": "else"}, {"confirm_password": ["The passwords are not the same"]}),
        (
            {"current_password": "guess", "confirm_password": "else"},
            {
                "current_password": ["Current password is wrong"],
                "confirm_password": ["The passwords are not the same"],
            },
        ),
    ],
)
def test_a_change_of_the_password_that_makes_no_sense_is_refused(
    as_bob: Client, fields: dict[str, str], details: dict[str, list[str]]
) -> None:
    answer = change_password(as_bob, **fields)

    assert answer.status_code == 422
    assert answer.json["error"]["details"] == details
    as_bob.add("/auth/login", {"email": "bob@example.com", "password": PASSWORD}, status=200)


def test_the_eleventh_wrong_current_password_has_to_wait(as_bob: Client, as_alice: Client) -> None:
    statuses = [change_password(as_bob, current_password="guess").status_code for _ in range(10)]

    answer = change_password(as_bob)

    assert statuses == [422] * 10
    assert answer.status_code == 429
    assert answer.json["error"]["code"] == "RATE_LIMITED"
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    assert as_bob.data("/auth/me")["email"] == "bob@example.com"
    assert change_password(as_alice).status_code == 200


def test_typing_the_new_password_wrong_is_no_guess_at_the_old_one(as_bob: Client) -> None:
    for _ in range(10):
        change_password(as_bob, confirm_password="else")

    assert change_password(as_bob).status_code == 200


# --- API tokens --------------------------------------------------------------------------------


@pytest.fixture
def script(as_bob: Client) -> dict[str, Any]:
    """A token of Bob that may write."""
    made: dict[str, Any] = as_bob.add("/users/tokens", {"name": "Script", "scope": "write"})
    return made


def test_a_token_is_shown_once(as_bob: Client, script: dict[str, Any]) -> None:
    (listed,) = as_bob.data("/users/tokens")

    assert script["token"].startswith("uh_") and len(script["token"]) == 43
    assert script["token"].startswith(script["prefix"]) and len(script["prefix"]) == 7
    assert listed == {name: value for name, value in script.items() if name != "token"}
    assert (listed["expires_at"], listed["last_used_at"]) == (None, None)


def test_a_token_may_read_unless_it_is_said_that_it_may_write(as_bob: Client) -> None:
    made = as_bob.add("/users/tokens", {"name": "Report"})
    as_script = on(as_bob, made["token"])

    assert made["scope"] == "read"
    assert as_script.data("/services") == []
    assert as_script.call("HEAD", "/services").status_code == 200
    refusal = as_script.refusal("POST", "/projects", {"name": "Shop"}, 403)
    assert refusal["message"] == "This token may only read"


def test_a_token_that_may_write_does_as_its_owner(as_bob: Client, script: dict[str, Any]) -> None:
    made = on(as_bob, script["token"]).add("/services", builders.service_body())

    assert [service["id"] for service in as_bob.data("/services")] == [made["id"]]


def test_a_token_of_one_who_may_only_look_only_looks(as_vera: Client) -> None:
    made = as_vera.add("/users/tokens", {"name": "Script", "scope": "write"})

    on(as_vera, made["token"]).refusal("POST", "/projects", {"name": "Shop"}, 403)


def test_a_token_makes_no_token_and_reaches_nothing_that_needs_the_password(
    as_alice: Client,
) -> None:
    as_script = on(
        as_alice, as_alice.add("/users/tokens", {"name": "Root", "scope": "write"})["token"]
    )

    for method, path, body in (
        ("POST", "/users/tokens", {"name": "More"}),
        ("GET", "/users/tokens", None),
        ("GET", "/users/sessions", None),
        ("PATCH", "/users/profile", {"first_name": "X"}),
        ("POST", "/users/password", {"current_password": PASSWORD, "new_password": OTHER}),
        ("GET", "/users", None),
        ("POST", "/probes", {"name": "X"}),
        ("PATCH", "/users/1", {"role": "viewer"}),
    ):
        refusal = as_script.refusal(method, path, body, 403)
        assert refusal["message"] == "This needs a sign-in with the password", path
    as_script.refusal("POST", "/auth/logout", status=403)
    assert as_script.data("/users/profile")["first_name"] == ""


def test_a_token_ends_with_its_time(as_bob: Client, store: Store) -> None:
    made = as_bob.add("/users/tokens", {"name": "Script", "expires_in_days": 30})
    life = datetime.datetime.fromisoformat(made["expires_at"]) - datetime.datetime.fromisoformat(
        made["created_at"]
    )
    assert life == datetime.timedelta(days=30)
    assert on(as_bob, made["token"]).data("/services") == []

    store.write(ApiToken.update(expires_at=clock.now_ms()).execute)

    refusal = on(as_bob, made["token"]).refusal("GET", "/services", status=401)
    assert (refusal["code"], refusal["message"]) == ("UNAUTHORIZED", "The token has expired")


def test_the_use_of_a_token_is_noted_once_a_minute(
    as_bob: Client, store: Store, script: dict[str, Any]
) -> None:
    as_script = on(as_bob, script["token"])

    def last_used_at() -> Any:
        return as_bob.data("/users/tokens")[0]["last_used_at"]

    as_script.data("/services")
    first = last_used_at()
    store.write(ApiToken.update(last_used_at=clock.now_ms() - 30_000).execute)
    before = last_used_at()
    as_script.data("/services")
    unchanged = last_used_at()
    store.write(ApiToken.update(last_used_at=clock.now_ms() - 61_000).execute)
    as_script.data("/services")

    assert first is not None
    assert unchanged == before < last_used_at()


def test_a_deleted_token_stops_at_once(as_bob: Client, script: dict[str, Any]) -> None:
    as_script = on(as_bob, script["token"])
    assert as_script.data("/services") == []

    as_bob.ask("DELETE", f"/users/tokens/{script['id']}", status=204)

    as_script.refusal("GET", "/services", status=401)
    as_bob.refusal("DELETE", f"/users/tokens/{script['id']}", status=404)


def test_nobody_sees_or_deletes_the_token_of_another(
    as_alice: Client, as_bob: Client, script: dict[str, Any]
) -> None:
    assert as_alice.data("/users/tokens") == []

    as_alice.refusal("DELETE", f"/users/tokens/{script['id']}", status=404)

    assert on(as_bob, script["token"]).data("/auth/me")["email"] == "bob@example.com"


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text + "x", lambda text: text.upper(),
               lambda text: text[:-1] + "\u00e9", lambda _: "uh_", lambda _: "uh_" + "x" * 40]
)  # fmt: skip
def test_a_token_that_is_not_quite_one_opens_nothing(
    as_bob: Client, script: dict[str, Any], change: Any
) -> None:
    on(as_bob, change(script["token"])).refusal("GET", "/auth/me", status=401)


def test_the_database_holds_no_token(
    as_alice: Client, store: Store, tmp_path: Path, script: dict[str, Any]
) -> None:
    prober = as_alice.add("/probes", {"name": "Frankfurt"})["token"]
    rotated = as_alice.add("/probes/2/token", None)["token"]

    kept = b"".join(path.read_bytes() for path in tmp_path.glob("uptimehunt.db*"))

    with store.reading():
        assert ApiToken.get().digest.encode() in kept
    for text in (script["token"], prober, rotated, PASSWORD):
        assert text.encode() not in kept
        assert text.removeprefix("uh_").encode() not in kept


def test_nobody_hoards_tokens(as_bob: Client) -> None:
    for _ in range(100):
        as_bob.add("/users/tokens", {"name": "One more"})

    refusal = as_bob.refusal("POST", "/users/tokens", {"name": "Too many"}, 409)

    assert "100" in refusal["message"]
    assert as_bob.ask("GET", "/users/tokens?limit=1")["meta"]["total"] == 100


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"name": ""}, "name"), ({"scope": "admin"}, "scope"), ({"expires_in_days": 0},
     "expires_in_days"), ({"expires_in_days": 3651}, "expires_in_days"), ({"token": "x"}, "token"),
     ({"expires_at": "2030-01-01T00:00:00Z"}, "expires_at")],
)  # fmt: skip
def test_a_token_that_makes_no_sense_is_not_made(
    as_bob: Client, fields: dict[str, Any], name: str
) -> None:
    details = as_bob.details("POST", "/users/tokens", {"name": "Script"} | fields)

    assert list(details) == [name]
    assert as_bob.data("/users/tokens") == []


# --- sessions ----------------------------------------------------------------------------------


def test_one_sees_where_one_is_signed_in(as_nobody: Client) -> None:
    credentials = {"email": "alice@example.com", "password": PASSWORD}
    how: dict[str, Any] = {"headers": {"User-Agent": "Curl"}, "remote_addr": "192.0.2.7"}
    access = as_nobody.ask("POST", "/auth/login", credentials, **how)["data"]["access"]

    listed = on(as_nobody, access).ask("GET", "/users/sessions")

    assert [session["is_current"] for session in listed["data"]] == [True, False]
    assert (listed["data"][0]["user_agent"], listed["data"][0]["address"]) == ("Curl", "192.0.2.7")
    assert listed["meta"]["total"] == 2


def test_a_session_that_is_ended_stops_at_once(
    as_alice: Client, store: Store, tokens: Tokens
) -> None:
    lost = new_session(as_alice, store, tokens, "alice@example.com")
    (lost_id,) = [one["id"] for one in as_alice.data("/users/sessions") if not one["is_current"]]

    as_alice.ask("DELETE", f"/users/sessions/{lost_id}", status=204)

    lost.refusal("GET", "/auth/me", status=401)
    as_alice.refusal("DELETE", f"/users/sessions/{lost_id}", status=404)
    (left,) = as_alice.data("/users/sessions")

    as_alice.ask("DELETE", f"/users/sessions/{left['id']}", status=204)

    as_alice.refusal("GET", "/auth/me", status=401)


def test_nobody_sees_or_ends_the_session_of_another(as_alice: Client, as_bob: Client) -> None:
    (own,) = as_alice.data("/users/sessions")

    assert [session["id"] for session in as_bob.data("/users/sessions")] != [own["id"]]
    as_bob.refusal("DELETE", f"/users/sessions/{own['id']}", status=404)

    assert as_alice.data("/users/sessions") == [own]


# --- what an admin does ------------------------------------------------------------------------


def bob_of(as_alice: Client) -> Any:
    return next(u for u in as_alice.data("/users") if u["email"] == "bob@example.com")


def test_an_admin_makes_accounts(as_alice: Client) -> None:
    wanted = {"email": "carol@example.com", "password": PASSWORD, "first_name": "Carol"}

    made = as_alice.add("/users", wanted)

    assert (made["role"], made["enabled"], made["first_name"]) == ("member", True, "Carol")
    assert as_alice.data(f"/users/{made['id']}") == made
    assert [user["email"] for user in as_alice.data("/users")] == [
        "alice@example.com", "carol@example.com",
    ]  # fmt: skip
    signed_in = as_alice.add(
        "/auth/login", {"email": "Carol@example.com", "password": PASSWORD}, status=200
    )
    assert signed_in["user"]["id"] == made["id"]


def test_an_account_that_makes_no_sense_is_not_made(as_alice: Client) -> None:
    details = as_alice.details("POST", "/users", {"email": "x", "role": "root", "enabled": True})
    taken = as_alice.details("POST", "/users", {"email": "ALICE@example.com", "password": PASSWORD})

    assert details.keys() == {"email", "password", "role", "enabled"}
    assert taken == {"email": ["Email is already in use"]}
    assert len(as_alice.data("/users")) == 1


def test_a_change_of_the_role_holds_from_the_next_request_on(
    as_alice: Client, as_bob: Client
) -> None:
    bob = bob_of(as_alice)
    path = f"/users/{bob['id']}"

    assert as_alice.ask("PATCH", path, {"role": "viewer"})["data"] == bob | {"role": "viewer"}
    as_bob.refusal("POST", "/projects", {"name": "Shop"}, 403)
    as_alice.ask("PATCH", path, {"role": "admin"})

    assert len(as_bob.data("/users")) == 2


def test_one_who_was_disabled_is_out_at_once(
    as_alice: Client, as_bob: Client, store: Store, tokens: Tokens, script: dict[str, Any]
) -> None:
    path = f"/users/{bob_of(as_alice)['id']}"
    as_script = on(as_bob, script["token"])
    assert as_script.data("/services") == []
    with store.reading():
        refresh = builders.sign_in(store, tokens, User.get(User.email == "bob@example.com")).refresh

    assert as_alice.ask("PATCH", path, {"enabled": False})["data"]["enabled"] is False

    as_bob.refusal("GET", "/auth/me", status=401)
    as_script.refusal("GET", "/services", status=401)
    as_bob.refusal("POST", "/auth/refresh", {"refresh": refresh}, 401)
    wrong = as_bob.refusal(
        "POST", "/auth/login", {"email": "bob@example.com", "password": PASSWORD}, 401
    )
    assert wrong["code"] == "INVALID_CREDENTIALS"


def test_one_who_is_enabled_again_has_to_sign_in_again(
    as_alice: Client, as_bob: Client, script: dict[str, Any]
) -> None:
    path = f"/users/{bob_of(as_alice)['id']}"

    for to in (False, True):
        as_alice.ask("PATCH", path, {"enabled": to})

    as_bob.refusal("GET", "/auth/me", status=401)
    assert on(as_bob, script["token"]).data("/services") == []
    as_bob.add("/auth/login", {"email": "bob@example.com", "password": PASSWORD}, status=200)


def test_one_who_was_deleted_is_gone_with_all_that_was_theirs(
    as_alice: Client, as_bob: Client, engine: Any, script: dict[str, Any]
) -> None:
    service = as_bob.add("/services", builders.service_body())["id"]
    bob = bob_of(as_alice)
    engine.refreshed.clear()

    as_alice.ask("DELETE", f"/users/{bob['id']}", status=204)

    as_bob.refusal("GET", "/auth/me", status=401)
    on(as_bob, script["token"]).refusal("GET", "/services", status=401)
    as_alice.refusal("GET", f"/users/{bob['id']}", status=404)
    assert engine.refreshed == [service]
    assert len(as_alice.data("/users")) == 1


@pytest.mark.parametrize(
    ("method", "body"),
    [("PATCH", {"role": "member"}), ("PATCH", {"enabled": False}), ("DELETE", None)],
)
def test_one_admin_remains(
    as_alice: Client, as_bob: Client, method: str, body: dict[str, Any] | None
) -> None:
    bob = f"/users/{bob_of(as_alice)['id']}"
    as_alice.ask("PATCH", bob, {"role": "admin"})
    as_alice.ask("PATCH", bob, {"enabled": False})  # A disabled admin does not count.

    refusal = as_alice.refusal(method, "/users/1", body, 409)

    assert refusal["message"] == "One admin must remain"
    assert as_alice.data("/users/1").items() >= {"role": "admin", "enabled": True}.items()
    as_alice.ask("PATCH", bob, {"enabled": True})
    as_alice.ask(method, "/users/1", body, 200 if body else 204)


def test_an_admin_changes_nothing_but_role_and_access(as_alice: Client, as_bob: Client) -> None:
    bob = bob_of(as_alice)
    fields = ["email", "password", "password_hash", "id", "created_at"]

    details = as_alice.details("PATCH", f"/users/{bob['id']}", dict.fromkeys(fields, "x"))

    assert details == {field: ["Unknown field"] for field in fields}
    assert bob_of(as_alice) == bob


def test_another_address_ends_every_other_session(
    as_alice: Client, store: Store, tokens: Tokens, alice: User
) -> None:
    other = Client(as_alice.app, as_alice.contract, builders.sign_in(store, tokens, alice).access)
    body = {"email": "alice@example.org", "current_password": PASSWORD}

    as_alice.ask("PATCH", "/users/profile", {"theme": "dark"})
    assert other.call("GET", "/auth/me").status_code == 200
    as_alice.ask("PATCH", "/users/profile", body)

    assert other.call("GET", "/auth/me").status_code == 401
    assert as_alice.data("/auth/me")["email"] == "alice@example.org"
