"""An operation: what an endpoint takes and answers, declared beside its responder.

    class Projects(Resource):
        @operation("Create a project", access=Access.EDITOR, body=ProjectInput,
                   answer=Answer(201, Project))
        def on_post(self, req, resp):
            return self.parts.store.write(projects.create, req.context.user, req.context.body)

From the declaration come the check of who calls, the validation of body and query, the status of
the answer and its envelope, and the OpenAPI document; so they cannot disagree. A responder without
one does not start (`app.create_app` refuses it).
"""

import contextlib
import enum
import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import falcon
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError, to_json

from uptimehunt.api import envelope, spreadsheet
from uptimehunt.api.parts import Parts
from uptimehunt.domain import api_tokens, probes, sessions
from uptimehunt.domain.paging import DEFAULT_LIMIT, MOST, MOST_EXPORTED, Paging
from uptimehunt.domain.sessions import Identity
from uptimehunt.domain.validation import parse
from uptimehunt.errors import (
    BadRequestError,
    ForbiddenError,
    StorageError,
    UnauthorizedError,
    ValidationError,
)

Q = TypeVar("Q", bound=BaseModel)


class Access(enum.Enum):
    """Who may call an operation."""

    PUBLIC = "anyone"
    USER = "a signed-in user"
    EDITOR = "a member or admin"
    SELF = "a user who signed in with their password, not with an API token"
    ADMIN = "an admin who signed in with their password"
    PROBER = "a remote prober, by its X-Auth token"


_ROLES = {Access.EDITOR: {"admin", "member"}, Access.ADMIN: {"admin"}}
_BY_PASSWORD = {Access.SELF, Access.ADMIN}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a successful call answers.

    Attributes:
        status: 200, 201 or 204.
        shape: of `data`; of one item when `is_list`. None for an answer without a body.
        meta: shape of `meta`; of paging when `is_paged`.
        is_bare: the data stands alone, without the envelope.
        has_csv: the list is answered as CSV to who prefers that.
        example: fields in which the documented example differs from that of the shape.
    """

    status: int = 200
    shape: type[BaseModel] | None = None
    is_list: bool = False
    is_paged: bool = False
    meta: type[BaseModel] | None = None
    is_bare: bool = False
    has_csv: bool = False
    example: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deprecation:
    """That an endpoint will go: since when it is said, and when it ends (HTTP dates)."""

    since: str
    sunset: str


@dataclass(frozen=True, slots=True)
class Operation:
    """The declaration of one endpoint.

    Attributes:
        csv_query: the query where the answer is CSV; the same, but for a longer page.
    """

    summary: str
    access: Access
    answer: Answer
    body: type[BaseModel] | None = None
    is_partial: bool = False
    is_body_optional: bool = False
    query: type[BaseModel] | None = None
    csv_query: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()
    has_etag: bool = False
    cache: str | None = None
    deprecated: Deprecation | None = None

    @property
    def cache_control(self) -> str:
        """The `Cache-Control` of its answers."""
        if self.cache is not None:
            return self.cache
        # What a prober is told holds secrets.
        may_keep = self.has_etag and self.access is not Access.PROBER
        return "private, no-cache" if may_keep else "no-store"


class Resource:
    """Base of all resources; one instance serves all threads, and keeps nothing of a request."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def __init_subclass__(cls) -> None:
        """Answer HEAD wherever GET is answered."""
        for name in [name for name in vars(cls) if name.startswith("on_get")]:
            setattr(cls, name.replace("on_get", "on_head", 1), getattr(cls, name))


Responder = Callable[..., Any]


def operation(
    summary: str,
    *,
    access: Access,
    answer: Answer,
    body: type[BaseModel] | None = None,
    is_partial: bool = False,
    is_body_optional: bool = False,
    query: type[BaseModel] | None = None,
    errors: tuple[int, ...] = (),
    has_etag: bool = False,
    cache: str | None = None,
    deprecated: Deprecation | None = None,
) -> Callable[[Responder], Responder]:
    """Declare what a responder is; it then returns the data, and everything else is done here.

    Args:
        summary: one imperative line, for the documentation.
        access: who may call it; the caller is `req.context.user`.
        answer: what a success looks like.
        body: model of the JSON body; the valid one is `req.context.body`.
        is_partial: the body may lack any field: it is then a dict with known fields, and the
            domain validates the whole.
        is_body_optional: no body at all is the same as `{}`.
        query: model of the query parameters; the valid one is `req.context.query`.
        errors: statuses that it answers besides those that follow from the declaration.
        has_etag: answers carry an ETag, and 304 when the caller has the same.
        cache: the `Cache-Control` of answers; `no-store` when left out, and with an ETag
            `private, no-cache`.
        deprecated: answers say that it will go, as does the documentation.
    """
    declared = Operation(
        summary=summary,
        access=access,
        answer=answer,
        body=body,
        is_partial=is_partial,
        is_body_optional=is_body_optional,
        query=query,
        csv_query=_csv_query(query) if answer.has_csv else query,
        errors=errors,
        has_etag=has_etag,
        cache=cache,
        deprecated=deprecated,
    )

    def declare(responder: Responder) -> Responder:
        @functools.wraps(responder)
        def respond(self: Resource, req: falcon.Request, resp: falcon.Response, **ids: int) -> None:
            if declared.deprecated is not None:  # Said with errors too.
                resp.set_header("X-API-Deprecation", declared.deprecated.since)
                resp.set_header("X-API-Sunset", declared.deprecated.sunset)
            if declared.answer.has_csv:  # Which query is fit depends on it, so errors say it too.
                resp.set_header("Vary", "Accept")
            req.context.as_csv = declared.answer.has_csv and spreadsheet.is_preferred(req)
            if req.method in {"GET", "HEAD"}:
                with self.parts.store.reading():
                    _identify(self.parts, req, declared.access)
                    _read_request(req, declared)
                    result = responder(self, req, resp, **ids)
            else:
                with self.parts.store.reading():
                    _identify(self.parts, req, declared.access)
                _read_request(req, declared)
                result = responder(self, req, resp, **ids)
            _send(req, resp, declared, result)

        respond.operation = declared  # type: ignore[attr-defined]
        return respond

    return declare


def declaration(responder: object) -> Operation | None:
    """The operation that a responder was declared as, or None."""
    return getattr(responder, "operation", None)


# --- who calls ---------------------------------------------------------------------------------


def _identify(parts: Parts, req: falcon.Request, access: Access) -> None:
    """Find out who calls, and refuse whom the operation is not for."""
    prober_token = req.get_header("X-Auth")
    if prober_token is not None:
        if req.get_header("Authorization") is not None:
            raise BadRequestError("Send either Authorization or X-Auth, not both")
        # SECURITY: a token that does not fit is refused wherever it is shown, never ignored.
        req.context.probe = probes.identify(prober_token)
        if access not in {Access.PROBER, Access.PUBLIC}:
            raise UnauthorizedError("A prober token opens /prober/ only")
    elif access is Access.PROBER:
        raise UnauthorizedError("A prober token is required in X-Auth")
    elif access is not Access.PUBLIC:
        identity = bearer(parts, req)
        if identity.user.role not in _ROLES.get(access, {identity.user.role}):
            raise ForbiddenError("Your role does not allow this")
        if access in _BY_PASSWORD and identity.session_id is None:
            raise ForbiddenError("This needs a sign-in with the password")
        req.context.user = identity.user
        req.context.session_id = identity.session_id


def bearer(parts: Parts, req: falcon.Request) -> Identity:
    """The caller behind the request's Bearer token. Reads.

    Raises:
        UnauthorizedError: there is none, or it is not valid any more.
        ForbiddenError: it is an API token that may only read.
    """
    scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise UnauthorizedError("Authentication is required")
    if not token.startswith(api_tokens.PREFIX):
        return sessions.identify(parts.tokens, token)
    found = api_tokens.identify(token)
    if found.scope != "write" and req.method not in {"GET", "HEAD"}:
        raise ForbiddenError("This token may only read")
    if api_tokens.is_use_due(found):
        with contextlib.suppress(StorageError):  # A full disk keeps no script from reading.
            parts.store.write(api_tokens.note_use, found.id)
    return Identity(found.user, None)


# --- what is asked -----------------------------------------------------------------------------


def _read_request(req: falcon.Request, declared: Operation) -> None:
    query = declared.csv_query if req.context.as_csv else declared.query
    req.context.query = _read_query(req, query)
    if declared.body is None:
        return
    is_empty = req.content_type is None and not req.content_length
    sent = {} if declared.is_body_optional and is_empty else envelope.read_object(req)
    if not declared.is_partial:
        req.context.body = parse(declared.body, sent)
        return
    unknown = sorted(set(sent) - set(declared.body.model_fields))
    if unknown:
        raise ValidationError({name: ["Unknown field"] for name in unknown})
    req.context.body = sent


def _read_query(req: falcon.Request, model: type[BaseModel] | None) -> BaseModel | None:
    try:
        pairs = parse_qsl(req.query_string, keep_blank_values=True, errors="strict")
    except ValueError:
        raise BadRequestError("The query is not valid UTF-8") from None
    sent = dict(pairs)
    if len(sent) != len(pairs):
        raise BadRequestError("A query parameter stands twice")
    known = {} if model is None else {f.alias or n: n for n, f in model.model_fields.items()}
    for name in sent:
        if name not in known:
            raise BadRequestError(f"Unknown query parameter: {name[:64]}")
    if model is None:
        return None
    try:
        return parse(model, sent)
    except ValidationError as ex:
        name, messages = next(iter(ex.details.items()))
        raise BadRequestError(f"Query parameter {name}: {messages[0]}") from None


class Query(BaseModel):
    """Base of query models: every parameter is text until its field has parsed it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def digits(value: object) -> object:
    """Only plain ASCII digits are a number here; what else `int()` would take is refused."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise PydanticCustomError("whole_number", "Must be a whole number")
        return int(value)
    return value


WholeNumber = Annotated[int, BeforeValidator(digits)]

Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""An instant in an answer."""


class PageQuery(Query):
    """Which page of a collection."""

    page: WholeNumber = Field(default=1, ge=1, le=10**9, description="Page number, from 1.")
    limit: WholeNumber = Field(default=DEFAULT_LIMIT, ge=1, le=MOST, description="Items per page.")

    @property
    def paging(self) -> Paging:
        """The page as the domain knows it."""
        return Paging(self.page, self.limit)


def _csv_query(query: type[BaseModel] | None) -> type[BaseModel] | None:
    """The query of a list as CSV; when it is paged, a page may be much longer."""
    if query is None or not issubclass(query, PageQuery):
        return query
    told = f"Items per page: up to {MOST} as JSON, up to {MOST_EXPORTED} as CSV."
    limit = Field(default=DEFAULT_LIMIT, ge=1, le=MOST_EXPORTED, description=told)
    return create_model(f"{query.__name__}AsCsv", __base__=query, limit=(WholeNumber, limit))


# --- what is answered --------------------------------------------------------------------------


def _send(req: falcon.Request, resp: falcon.Response, declared: Operation, result: Any) -> None:
    resp.status = falcon.code_to_http_status(declared.answer.status)
    resp.set_header("Cache-Control", declared.cache_control)
    if declared.answer.status == 204:
        return
    shape = declared.answer.shape
    content_type = envelope.CONTENT_TYPE
    if shape is not None and req.context.as_csv:
        content_type = spreadsheet.CONTENT_TYPE
        resp.set_headers(spreadsheet.headers(req, result))
        resp.data = spreadsheet.text(shape, spreadsheet.rows_of(result)).encode()
    elif shape is not None:
        resp.data = to_json(result) if declared.answer.is_bare else envelope.success(result)
    if declared.has_etag and resp.data is not None:
        etag = f'"{hashlib.blake2b(resp.data, digest_size=12).hexdigest()}"'
        resp.set_header("ETag", etag)
        sent = req.get_header("If-None-Match") or ""
        if {etag, "*"} & {part.strip().removeprefix("W/") for part in sent.split(",")}:
            resp.status = falcon.HTTP_304
            resp.data = None
            return
    resp.content_type = content_type
