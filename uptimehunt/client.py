"""The Python SDK: the API of an UptimeHunt server as a few methods.

    with Client("https://uptime.example", email="me@example.com", password="…") as client:
        web = {"name": "Web", "type": "http", "config": {"url": "https://example.com"}}
        service = client.post("/services", web)
        uptime = client.get(f"/services/{service['id']}/metrics/uptime", period="7d")
        down = [each["name"] for each in client.pages("/services", status="down")]

The methods give the `data` of an answer; whatever fails is an `ApiError`. A client signs in, stays
signed in and tries again by itself; one of them serves all threads. Nothing else of uptimehunt
is needed here but the clock, the root of the errors, and the version.
"""

import contextlib
import itertools
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from uptimehunt import __version__, clock
from uptimehunt.errors import UptimeHuntError

BASE = "/api/v1"
PAGE = 100  # Items per page: the most that the API gives.
LARGEST = 16 * 2**20  # Bytes of an answer.
LONGEST_WAIT_S = 60  # A server that asks for more before the next try is not waited for.
EARLY_S = 60  # Before its end an access token is renewed; one of a short life at half of it.

_REFRESH = "/auth/refresh"
_REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}
_Headers = Mapping[str, str]


class ApiError(UptimeHuntError):
    """A call that did not succeed.

    Attributes:
        status: of the answer; 0 when no whole answer came.
        code: the API's, such as `NOT_FOUND`; `HTTP_502` and the like of what stands in between;
            or ours, `UNUSABLE_ANSWER`, and without an answer `UNREACHABLE` or `UNTRUSTED` (TLS).
        details: flat field name → messages, of a 422.
        request_id: what to look for in the server's log.
        retry_after_s: seconds after which the server says that it is worth trying again.
        was_not_done: for certain, so that repeating the call does it once.
    """

    retry_after_s: int | None = None
    was_not_done = False

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, list[str]] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(status, code, message, details, request_id)
        self.status, self.code, self.message = status, code, message
        self.details, self.request_id = dict(details or {}), request_id

    def __str__(self) -> str:
        fields = "".join(f"; {name}: {', '.join(told)}" for name, told in self.details.items())
        return f"{self.code}: {self.message}{fields} (request {self.request_id})"


class Answer(NamedTuple):
    """A successful answer; `data` is None for 204 and 304, `meta` empty where there is none."""

    status: int
    data: Any
    meta: dict[str, Any]
    headers: Mapping[str, str]


class Client(contextlib.AbstractContextManager["Client"]):
    """Calls the API as a user (`email` with `password`, or `refresh`), a program or nobody.

    Args:
        base_url: `https://uptime.example`, with or without `/api/v1`.
        email, password: of an account; it signs in at the first call that it makes.
        refresh: a refresh token to go on with. It rotates: `refresh_token` is the one to keep, and
            one must not be used by two programs.
        token, prober_token: sent as Bearer, and as X-Auth, just as they are.
        timeout: seconds for connecting, for the next bytes, and for the whole of a body.
        retries: how often a 5xx or a lost connection is followed by another try, after 1, 2, 4 …
            seconds. POST and PATCH are only repeated when it is certain that nothing was done.
        session: one with a proxy or a CA; it becomes the client's. None heeds the environment.
        sleep: waits for the next try.
    """

    def __init__(
        self,
        base_url: str,
        *,
        email: str | None = None,
        password: str | None = None,
        refresh: str | None = None,
        token: str | None = None,
        prober_token: str | None = None,
        timeout: float = 30,
        retries: int = 3,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        kinds = sum(given is not None for given in (email or refresh, token, prober_token))
        if (email is None) != (password is None) or kinds > 1:
            raise ValueError("give email and password, or refresh, or token, or prober_token")
        self._root = _root(base_url)
        self._login = {"email": email, "password": password} if email is not None else None
        tokens = {"Authorization": token and f"Bearer {token}", "X-Auth": prober_token}
        self._fixed = {name: value for name, value in tokens.items() if value}
        self._timeout, self._retries, self._sleep = timeout, retries, sleep
        self._http = session or requests.Session()
        self._http.trust_env = False
        self._http.headers["Accept"] = "application/json"
        self._http.headers["Accept-Encoding"] = "identity"  # What is counted is what is kept.
        self._http.headers["User-Agent"] = f"uptimehunt-client/{__version__}"
        self._lock = threading.Lock()
        self._bearer: dict[str, str] = {}
        self._renew_at = 0.0
        self.refresh_token = refresh

    def __exit__(self, *_: object) -> None:
        """Close the connections. The sign-in stays good; `POST /auth/logout` ends it."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The data at a path such as `/services/1`; a parameter that is None is left out."""
        return self.request("GET", path, query=query).data

    def post(self, path: str, body: Any = None) -> Any:
        """The data of what was created or done."""
        return self.request("POST", path, body).data

    def put(self, path: str, body: Any) -> Any:
        """The data after all of it was replaced."""
        return self.request("PUT", path, body).data

    def patch(self, path: str, body: Any) -> Any:
        """The data after a part of it was changed."""
        return self.request("PATCH", path, body).data

    def delete(self, path: str, **query: Any) -> Any:
        """What is told of a deletion: mostly nothing."""
        return self.request("DELETE", path, query=query).data

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a collection, fetched page by page."""
        for page in itertools.count(1):
            answer = self.request("GET", path, query={"limit": PAGE, **query, "page": page})
            yield from answer.data
            if page >= answer.meta.get("totalPages", 1):
                return

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any call, with meta and headers of its answer; raises `ApiError`."""
        sent = {"X-Request-ID": str(uuid.uuid4()), **(headers or {})}
        identity = self._identify()
        try:
            return self._call(method, path, body, query or {}, sent | identity)
        except ApiError as ex:
            if ex.code != "UNAUTHORIZED" or (renewed := self._identify(identity)) == identity:
                raise
        return self._call(method, path, body, query or {}, sent | renewed)

    def _identify(self, refused: Mapping[str, str] | None = None) -> dict[str, str]:
        """The header that says who calls; its token was not refused, and is not near its end."""
        if self._login is None and self.refresh_token is None:
            return self._fixed
        with self._lock:
            now = clock.monotonic()
            if now >= self._renew_at or self._bearer == refused:
                answer = self._sign_in()
                try:
                    life_s = float(answer.data["expires_in"])
                    self._bearer = {"Authorization": f"Bearer {answer.data['access']}"}
                    self.refresh_token = answer.data["refresh"]
                except (KeyError, TypeError, ValueError):
                    raise ApiError(answer.status, "UNUSABLE_ANSWER", "No tokens came") from None
                self._renew_at = now + max(life_s - EARLY_S, life_s / 2)
            return self._bearer

    def _sign_in(self) -> Answer:
        if self.refresh_token is not None:
            try:
                return self._call("POST", _REFRESH, {"refresh": self.refresh_token}, {}, {})
            except ApiError as ex:
                if ex.status != 401 or self._login is None:
                    raise
        return self._call("POST", "/auth/login", self._login, {}, {})

    def _call(
        self, method: str, path: str, body: Any, query: Mapping[str, Any], headers: _Headers
    ) -> Answer:
        """One call, repeated as long as that can help and does no harm."""
        # A refresh token stays good until its successor is used, so asking again is safe.
        is_repeatable = method in _REPEATABLE or path == _REFRESH
        tried = 0
        while True:
            try:
                return self._once(method, path, body, query, headers)
            except ApiError as ex:
                if method == "DELETE" and tried and ex.status == 404:
                    return Answer(204, None, {}, {})  # The answer of an earlier try was lost.
                wait_s = max(2**tried, ex.retry_after_s or 0)
                may_pass = ex.status >= 500 or ex.code == "UNREACHABLE"
                may_repeat = ex.was_not_done or (is_repeatable and may_pass)
                if not may_repeat or tried >= self._retries or wait_s > LONGEST_WAIT_S:
                    raise
            self._sleep(wait_s)
            tried += 1

    def _once(
        self, method: str, path: str, body: Any, query: Mapping[str, Any], headers: _Headers
    ) -> Answer:
        asked = {name: json.dumps(v) if v is True or v is False else v for name, v in query.items()}
        try:
            with self._http.request(
                method,
                self._root + path,
                params=asked,
                json=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return _answer(response, self._read(response), headers.get("X-Request-ID"))
        except (requests.ConnectionError, requests.Timeout, HTTPError) as ex:
            cause = getattr(ex.args[0], "reason", ex) if ex.args else ex
            is_tls = isinstance(ex, requests.exceptions.SSLError)
            code = "UNTRUSTED" if is_tls else "UNREACHABLE"
            lost = ApiError(0, code, f"No answer: {cause}", None, headers.get("X-Request-ID"))
            lost.was_not_done = isinstance(cause, NewConnectionError | ConnectTimeoutError)
            raise lost from ex

    def _read(self, response: requests.Response) -> bytes:
        """The whole body, if it is not too long and does not take too long."""
        end = clock.monotonic() + self._timeout
        body = bytearray()
        while part := response.raw.read1(2**16, decode_content=False):
            body += part
            if len(body) > LARGEST:
                raise ApiError(response.status_code, "UNUSABLE_ANSWER", "The answer is too large")
            if clock.monotonic() > end:
                raise requests.Timeout(f"not whole after {self._timeout} s")
        return bytes(body)


def _root(base_url: str) -> str:
    parts = urlsplit(base_url)
    # SECURITY: of an address with user:password, requests would send these instead of our token.
    if parts.scheme not in {"http", "https"} or not parts.hostname or set(base_url) & set("@?#"):
        raise ValueError("base_url must be an address such as https://uptime.example")
    return base_url.rstrip("/").removesuffix(BASE) + BASE


def _answer(response: requests.Response, raw: bytes, request_id: str | None) -> Answer:
    """What came, if it is a success; without an envelope all of it is data. Else it is raised."""
    status, headers = response.status_code, response.headers
    is_success = status in range(200, 300) or status == 304
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        body = None
    if is_success and isinstance(body, dict):
        return Answer(status, body.get("data", body or None), body.get("meta") or {}, headers)
    told = body.get("error") if isinstance(body, dict) else {}
    told = told if isinstance(told, dict) else {}
    details = told.get("details")
    ex = ApiError(
        status,
        str(told.get("code", "UNUSABLE_ANSWER" if is_success else f"HTTP_{status}")),
        str(told.get("message", "The answer is no JSON object" if is_success else response.reason)),
        details if isinstance(details, dict) else None,
        headers.get("X-Request-ID", request_id),
    )
    after = headers.get("Retry-After", "")
    ex.retry_after_s = int(after) if re.fullmatch("[0-9]{1,9}", after) else None
    ex.was_not_done = status == 503 and ex.retry_after_s is not None
    raise ex
