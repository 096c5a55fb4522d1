"""`/auth`: sign in, sign up, stay signed in, sign out, who am I.

The refresh token travels in the answer's body, as the API overview has it, or with
`"session": "cookie"` in a cookie that scripts cannot read (the dashboard's way). The cookie is
looked at by refresh and logout alone, and only on calls from our own origin.
"""

import ipaddress
from typing import Any

import falcon
from pydantic import BaseModel, ConfigDict, Field

from uptimehunt.api.operation import Access, Answer, Resource, Timestamp, bearer, operation
from uptimehunt.domain import accounts, limits, passwords, sessions, tokens
from uptimehunt.domain.accounts import Credentials, Registration, Role, SessionKind
from uptimehunt.domain.sessions import Pair
from uptimehunt.errors import ForbiddenError, UnauthorizedError
from uptimehunt.store.models import User as UserRow

COOKIE = "uh_refresh"

_SOME_TOKEN = "eyJhbGciOiJIUzI1NiIs..."
"""For examples: how every token of ours begins."""


class User(BaseModel):
    """An account."""

    id: int
    email: str = Field(examples=["user@example.com"])
    first_name: str = Field(examples=["John"])
    last_name: str = Field(examples=["Doe"])
    role: Role = Field(examples=["member"])
    created_at: Timestamp
    avatar_url: str | None = Field(examples=[None])


class SignedIn(BaseModel):
    """Tokens, and whose they are. `refresh` is missing when it travels in a cookie."""

    access: str = Field(examples=[_SOME_TOKEN])
    refresh: str | None = Field(default=None, examples=[_SOME_TOKEN])
    token_type: str = Field(examples=["Bearer"])
    expires_in: int = Field(examples=[tokens.ACCESS_SECONDS])
    user: User


class Refreshed(BaseModel):
    """Fresh tokens."""

    access: str = Field(examples=[_SOME_TOKEN])
    refresh: str | None = Field(default=None, examples=[_SOME_TOKEN])
    token_type: str = Field(examples=["Bearer"])
    expires_in: int = Field(examples=[tokens.ACCESS_SECONDS])


class RefreshInput(BaseModel):
    """The refresh token, unless it comes in the cookie."""

    model_config = ConfigDict(extra="forbid", strict=True)

    refresh: str | None = Field(default=None, title="Refresh", examples=[_SOME_TOKEN])


class Register(Resource):
    """`/auth/register`."""

    @operation(
        "Create an account",
        access=Access.PUBLIC,
        body=Registration,
        answer=Answer(201, SignedIn),
        errors=(403, 429),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """The first account becomes the admin; then registration is closed unless it is open."""
        wanted: Registration = req.context.body
        store, registration = self.parts.store, self.parts.registration
        with store.reading():
            first = not accounts.exists_any()
        if registration == "closed" or (registration == "first" and not first):
            raise ForbiddenError("Registration is closed", code="REGISTRATION_CLOSED")
        if first:
            _refuse_foreign_origin(req)
            _refuse_foreign_name(req, self.parts.public_host)
        self.parts.limiter.spend(limits.REGISTRATION, req.remote_addr or "")
        password_hash = passwords.hash_password(wanted.password)
        user = store.write(accounts.register, wanted, password_hash, registration)
        if first:
            store.settle()
        return _sign_in(self, req, resp, user, wanted.session)


class Login(Resource):
    """`/auth/login`."""

    @operation(
        "Authenticate and receive tokens",
        access=Access.PUBLIC,
        body=Credentials,
        answer=Answer(200, SignedIn),
        errors=(401, 429),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Sign in with e-mail and password."""
        sent: Credentials = req.context.body
        with self.parts.store.reading():
            found = accounts.find(sent.email)
        account = sent.email.strip().lower() if found is None else found.email_key
        with self.parts.limiter.guard(account, req.remote_addr):
            user = accounts.check_password(found, sent.password)
        return _sign_in(self, req, resp, user, sent.session)


class Refresh(Resource):
    """`/auth/refresh`."""

    @operation(
        "Refresh the access token",
        access=Access.PUBLIC,
        body=RefreshInput,
        answer=Answer(200, Refreshed),
        errors=(401, 403),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """The token that was used stays good until its successor is used for the first time."""
        sent = req.context.body.refresh
        token = sent if sent is not None else _cookie(req)
        if token is None:
            raise UnauthorizedError("A refresh token is required")
        pair = self.parts.store.write(sessions.refresh, self.parts.tokens, token)
        if isinstance(pair, UnauthorizedError):
            if sent is None:
                _clear_cookie(resp)
            raise pair
        return _tokens(req, resp, pair, "cookie" if sent is None else "body")


class Logout(Resource):
    """`/auth/logout`."""

    @operation(
        "End the current session",
        access=Access.PUBLIC,
        body=RefreshInput,
        is_body_optional=True,
        answer=Answer(204),
        errors=(401, 403),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Both tokens of the session stop working at once. Any one of them names it."""
        store, maker = self.parts.store, self.parts.tokens
        token = req.context.body.refresh or _cookie(req)
        named = None if token is None else sessions.session_of(maker, token)
        if named is None or req.get_header("Authorization") is not None:
            with store.reading():
                own = bearer(self.parts, req).session_id
            if own is None:
                raise ForbiddenError("An API token has no session; delete it instead")
            store.write(sessions.end, own)
        if named is not None:
            store.write(sessions.end, named)
        _clear_cookie(resp)


class Me(Resource):
    """`/auth/me`."""

    @operation("Get the current user", access=Access.USER, answer=Answer(200, User))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Who the access token belongs to."""
        return accounts.to_dict(req.context.user)


def _sign_in(
    resource: Resource,
    req: falcon.Request,
    resp: falcon.Response,
    user: UserRow,
    kind: SessionKind,
) -> dict[str, Any]:
    pair = resource.parts.store.write(
        sessions.start,
        resource.parts.tokens,
        user,
        req.user_agent or "",
        req.remote_addr or "",
    )
    return {**_tokens(req, resp, pair, kind), "user": accounts.to_dict(pair.user)}


def _tokens(
    req: falcon.Request, resp: falcon.Response, pair: Pair, kind: SessionKind
) -> dict[str, Any]:
    told = {"access": pair.access, "token_type": "Bearer", "expires_in": tokens.ACCESS_SECONDS}
    if kind == "body":
        return {**told, "refresh": pair.refresh}
    resp.set_cookie(
        COOKIE,
        pair.refresh,
        max_age=tokens.REFRESH_SECONDS,
        path="/",
        secure=req.scheme == "https",
        http_only=True,
        same_site="Strict",
    )
    return told


def _cookie(req: falcon.Request) -> str | None:
    """The refresh token in the cookie, if our own page sends it."""
    values = req.get_cookie_values(COOKIE)
    if not values or req.get_header("Sec-Fetch-Site") not in {None, "same-origin"}:
        return None
    _refuse_foreign_origin(req)
    return values[0]


def _clear_cookie(resp: falcon.Response) -> None:
    resp.unset_cookie(COOKIE, path="/", same_site="Strict")


def _refuse_foreign_origin(req: falcon.Request) -> None:
    """SECURITY: a page of somebody else's must not act with our cookie, nor claim our set-up."""
    origin = req.get_header("Origin")
    if origin is not None and origin.rpartition("//")[2] != req.netloc:
        raise ForbiddenError("This call is not accepted from another origin")


_LOCAL_NAMES = (".localhost", ".local", ".lan", ".home.arpa", ".internal")


def _refuse_foreign_name(req: falcon.Request, public_host: str | None) -> None:
    """SECURITY: a name of somebody else's that leads to us must not claim our set-up.

    Their page could make the visitor's browser call us under that name (DNS rebinding), and the
    call would look as if it came from our own page.
    """
    host = req.host.rstrip(".").lower()
    if "." not in host or host == public_host or host.endswith(_LOCAL_NAMES):
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ForbiddenError(
            "Open this page by its IP address or as localhost for the first account,"
            " or start UptimeHunt with --public-url",
            code="UNKNOWN_HOST",
        ) from None
