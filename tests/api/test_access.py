"""Who may call what: every route, as nobody, as somebody else, and as one who may only look."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests import builders
from tests.contract import BASE, METHODS, Client
from uptimehunt.api.operation import Access
from uptimehunt.app import ROUTES
from uptimehunt.domain import incidents
from uptimehunt.domain.tokens import Tokens
from uptimehunt.store.database import Store
from uptimehunt.store.models import User

PUBLIC = {
    ("post", "/auth/login"),
    ("post", "/auth/register"),
    ("post", "/auth/refresh"),
    ("post", "/auth/logout"),  # A refresh token or the cookie signs out as well.
    ("get", "/health"),
    ("get", "/heartbeat/{key}"),  # The key is what lets in.
    ("post", "/heartbeat/{key}"),
    ("get", "/heartbeat/{key}/{signal}"),
    ("post", "/heartbeat/{key}/{signal}"),
    ("get", "/openapi.json"),
    ("get", "/service-types"),
    ("get", "/service-types/{type_name}"),
    ("get", "/service-types/{type_name}/schema"),
}


def operations() -> Iterator[tuple[tuple[str, str], Access]]:
    """(method, path as documented) of every route there is, and who may call it."""
    for route in ROUTES:
        for method, _, declared in route.operations():
            yield (method, re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)), declared.access


ACCESS = dict(sorted(operations()))
PRIVATE = [called for called in ACCESS if called not in PUBLIC]
CHANGING = [(method, path) for method, path in PRIVATE if method != "get"]
OWNED = {"{project_id}", "{service_id}", "{incident_id}", "{token_id}", "{session_id}"}
OF_ONE = [called for called in PRIVATE if OWNED & set(called[1].split("/"))]
BODIES: dict[str, Any] = {
    "/projects": {"name": "Shop"},
    "/projects/{project_id}": {"name": "Shop"},
    "/projects/reorder": {"project_ids": []},
    "/services": builders.service_body(),
    "/services/{service_id}": builders.service_body(),
}


def call(client: Client, method: str, path: str, number: int = 1, **how: Any) -> Any:
    """A call that would be fine, was it allowed."""
    called = re.sub(r"\{\w+_id\}", str(number), path)
    body = BODIES.get(path) if method in {"post", "put", "patch"} else None
    return client.call(method.upper(), called, body, **how)


def test_the_list_of_public_routes_is_complete_and_current() -> None:
    assert {called for called, access in ACCESS.items() if access is Access.PUBLIC} == PUBLIC
    assert all(method in METHODS for method, _ in ACCESS)


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_nobody_gets_anywhere(as_nobody: Client, method: str, path: str) -> None:
    headers: list[dict[str, str]] = [
        {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
        {"Authorization": "Bearer null"}, {"Authorization": "Basic YTpi"},
        {"Authorization": "Token x"}, {"X-Auth": "x" * 32}, {"Cookie": "uh_refresh=x"},
    ]  # fmt: skip
    for sent in headers:
        answer = call(as_nobody, method, path, headers=sent)
        assert answer.status_code == 401, sent
        assert answer.json["error"]["code"] == "UNAUTHORIZED"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_nobody_is_refused_before_the_body_is_looked_at(as_nobody: Client) -> None:
    for method, path in CHANGING:
        called = re.sub(r"\{\w+_id\}", "1", path)
        answer = as_nobody.raw(method.upper(), called, "{broken", type="text/plain")
        assert answer.status_code == 401, (method, path)


def spellings(path: str) -> list[str]:
    """Other ways to write a path, none of which may get around the question who is calling."""
    first, _, rest = path.removeprefix("/").partition("/")
    return [
        f"/{BASE}{path}", f"{BASE}/{path}", f"{BASE}{path}/", f"{BASE}{path}//",
        f"{BASE}/./{first}/{rest}", f"{BASE}/x/../{first}", f"{BASE}/%2e/{first}",
        f"{BASE.upper()}{path}", f"{BASE}{path.upper()}", f"{BASE}{path};x", f"{BASE}{path}%2f",
        f"{BASE}{path}%00", f"//evil.example{BASE}{path}", f"{BASE}{path}.json",
    ]  # fmt: skip


def test_no_spelling_of_a_path_lets_nobody_in(as_nobody: Client) -> None:
    for method, path in PRIVATE:
        for spelled in spellings(re.sub(r"\{\w+_id\}", "1", path)):
            answer = as_nobody.simulate_request(method.upper(), spelled)
            assert answer.status_code in {401, 404, 405}, f"{method} {spelled}"


@pytest.mark.parametrize("role", ["viewer", "nonsense", ""])
def test_one_who_may_only_look_changes_nothing(
    as_alice: Client, store: Store, tokens: Tokens, role: str
) -> None:
    viewer = builders.add_user(store, "vera@example.com", role)
    as_viewer = Client(
        as_alice.app, as_alice.contract, builders.sign_in(store, tokens, viewer).access
    )

    for method, path in CHANGING:
        if ACCESS[method, path] in {Access.EDITOR, Access.ADMIN}:
            answer = call(as_viewer, method, path)
            assert answer.status_code == 403, (method, path)
            assert answer.json["error"]["code"] == "FORBIDDEN"
    for path in ("/projects", "/services"):
        assert as_viewer.data(path) == []


USERS = {Access.USER, Access.SELF}
LET_IN: dict[str, set[Access]] = {
    "nobody": set(),
    "viewer": USERS,
    "member": USERS | {Access.EDITOR},
    "admin": USERS | {Access.EDITOR, Access.ADMIN},
    "token that may read": {Access.USER},
    "token that may write": {Access.USER, Access.EDITOR},
    "prober": {Access.PROBER},
}


def refused(caller: str, access: Access) -> int:
    """401 says that this kind of token is not for here, 403 that its owner may not."""
    is_known = caller not in {"nobody", "prober"} and access is not Access.PROBER
    return 403 if is_known else 401


@pytest.fixture
def callers(
    as_alice: Client, as_bob: Client, as_vera: Client, as_prober: Client, as_nobody: Client
) -> dict[str, Client]:
    """Everybody there is; the API tokens are Alice's, who may do everything herself."""

    def with_token(scope: str) -> Client:
        token = as_alice.add("/users/tokens", {"name": "Script", "scope": scope})["token"]
        return Client(as_alice.app, as_alice.contract, token)

    return {
        "nobody": as_nobody,
        "viewer": as_vera,
        "member": as_bob,
        "admin": as_alice,
        "token that may read": with_token("read"),
        "token that may write": with_token("write"),
        "prober": as_prober,
    }


def test_each_caller_gets_where_the_declaration_lets_them_and_no_further(
    callers: dict[str, Client],
) -> None:
    assert callers.keys() == LET_IN.keys()
    for caller, client in callers.items():
        for method, path in PRIVATE:
            access = ACCESS[method, path]
            # Without a body and of an unknown id, nothing can come of it but who was let in.
            called = re.sub(r"\{\w+_id\}", "12345", path)
            status = client.call(method.upper(), called).status_code
            if access in LET_IN[caller]:
                assert status in {200, 404, 415}, (caller, method, path)
            else:
                assert status == refused(caller, access), (caller, method, path)


def test_a_role_that_was_taken_away_is_gone_at_once(
    as_bob: Client, store: Store, alice: User
) -> None:
    as_bob.add("/projects", {"name": "Shop"})

    demote = User.update(role="viewer").where(User.id != alice.id)
    store.write(demote.execute)

    as_bob.refusal("POST", "/projects", {"name": "Other"}, 403)


def test_the_token_of_a_deleted_account_opens_nothing(
    as_bob: Client, store: Store, alice: User
) -> None:
    store.write(User.delete().where(User.id != alice.id).execute)

    as_bob.refusal("GET", "/auth/me", status=401)


# --- somebody else's ---------------------------------------------------------------------------


@pytest.fixture
def of_alice(as_alice: Client) -> tuple[int, int]:
    """A project of Alice with a service in it."""
    project = as_alice.add("/projects", {"name": "Secret"})["id"]
    service = as_alice.add("/services", builders.service_body(project_id=project))["id"]
    return project, service


def everything_of(client: Client) -> list[Any]:
    """All that somebody owns."""
    paths = ("/services", "/projects", "/users/tokens", "/users/sessions")
    return [client.data(path) for path in paths]


def bare(answer: Any, number: int) -> Any:
    """An answer without what differs between any two."""
    told = {
        key: value for key, value in answer.json.items() if key not in {"timestamp", "request_id"}
    }
    return answer.status, told | {"path": told["path"].replace(f"/{number}", "/N")}


def test_what_is_somebody_elses_looks_as_if_it_was_not_there(
    as_alice: Client, as_bob: Client, of_alice: tuple[int, int], store: Store
) -> None:
    store.write(incidents.open_one, of_alice[1], builders.T0, "timeout", "It failed")
    incident = as_alice.data("/incidents")[0]["id"]
    token = as_alice.add("/users/tokens", {"name": "Script"})["id"]
    session = as_alice.data("/users/sessions")[0]["id"]
    numbers = {"{project_id}": of_alice[0], "{service_id}": of_alice[1],
               "{incident_id}": incident, "{token_id}": token,
               "{session_id}": session}  # fmt: skip
    before = everything_of(as_alice)

    for method, path in OF_ONE:
        number = next(numbers[part] for part in path.split("/") if part in OWNED)
        foreign = call(as_bob, method, path, number)
        unknown = call(as_bob, method, path, 12345)
        assert foreign.status_code == 404, (method, path)
        assert bare(foreign, number) == bare(unknown, 12345), (method, path)
        assert foreign.headers.keys() == unknown.headers.keys()

    assert everything_of(as_alice) == before
    assert as_bob.data("/services") == as_bob.data("/projects") == []


def test_what_is_for_admins_tells_a_member_not_even_what_there_is(
    as_alice: Client, as_bob: Client
) -> None:
    for (method, path), access in ACCESS.items():
        if access is Access.ADMIN and "_id}" in path:
            there, unknown = (call(as_bob, method, path, number) for number in (1, 12345))
            assert there.status_code == 403, (method, path)
            assert bare(there, 1) == bare(unknown, 12345), (method, path)


def test_nobody_refers_to_somebody_elses_project(as_bob: Client, of_alice: tuple[int, int]) -> None:
    project, _ = of_alice
    own = as_bob.add("/services", builders.service_body())["id"]

    def details(method: str, path: str, number: int) -> Any:
        body = builders.service_body() if method != "PATCH" else {}
        return as_bob.details(method, path, {**body, "project_id": number})

    for method, path in (("POST", ""), ("PUT", f"/{own}"), ("PATCH", f"/{own}")):
        foreign = details(method, f"/services{path}", project)
        assert foreign == details(method, f"/services{path}", 12345)
    as_bob.details("POST", "/projects/reorder", {"project_ids": [project]})

    assert as_bob.data(f"/services/{own}")["project_id"] is None
    assert as_bob.data(f"/services?project_id={project}") == []


def test_no_header_makes_one_person_another(as_bob: Client, of_alice: tuple[int, int]) -> None:
    headers = {"X-User-Id": "1", "tenantid": "1", "X-Project-Id": str(of_alice[0])}

    assert as_bob.call("GET", "/services", headers=headers).json["data"] == []
    as_bob.refusal("GET", f"/services/{of_alice[1]}", status=404, headers=headers)
