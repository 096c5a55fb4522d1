"""From what went wrong to the answer: one table, and the last resort."""

import logging

import falcon

from uptimehunt.api import envelope
from uptimehunt.errors import (
    BadRequestError,
    BusyError,
    ConflictError,
    ForbiddenError,
    LaterError,
    NotFoundError,
    RefusedError,
    StorageError,
    TooManyError,
    UnauthorizedError,
    ValidationError,
)
from uptimehunt.logs import about

log = logging.getLogger(__name__)

STATUS: dict[type[RefusedError], int] = {
    BadRequestError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    ValidationError: 422,
    TooManyError: 429,
    BusyError: 503,
}
"""The status of each refusal."""

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}
"""The code of each status, where the error has none of its own."""


_MESSAGES = {405: "This method is not allowed here"}
"""Where Falcon's own words are none that help."""


def install(app: "falcon.App[falcon.Request, falcon.Response]") -> None:
    """Have every error of every route answered with the envelope."""
    app.add_error_handler(Exception, _internal)
    app.add_error_handler(StorageError, _storage)
    app.add_error_handler(falcon.HTTPError, _falcon)
    app.add_error_handler(RefusedError, _refused)


def not_found(req: falcon.Request, resp: falcon.Response, **_: str) -> None:
    """Answer a path that nothing is at."""
    raise NotFoundError("Resource")


def _refused(
    req: falcon.Request, resp: falcon.Response, ex: RefusedError, params: dict[str, str]
) -> None:
    status = next(STATUS[kind] for kind in type(ex).__mro__ if kind in STATUS)
    if isinstance(ex, LaterError):
        resp.set_header("Retry-After", str(ex.retry_after_s))
    if isinstance(ex, UnauthorizedError):
        resp.set_header("WWW-Authenticate", "Bearer")
    details = ex.details if isinstance(ex, ValidationError) else None
    _send(req, resp, status, ex.code, ex.message, details)


def _falcon(
    req: falcon.Request, resp: falcon.Response, ex: falcon.HTTPError, params: dict[str, str]
) -> None:
    if ex.headers:
        resp.set_headers(ex.headers)
    message = ex.description or _MESSAGES.get(ex.status_code) or ex.title or "Not answered"
    code = CODES.get(ex.status_code, "BAD_REQUEST" if ex.status_code < 500 else "INTERNAL_ERROR")
    _send(req, resp, ex.status_code, code, message)


def _storage(
    req: falcon.Request, resp: falcon.Response, ex: StorageError, params: dict[str, str]
) -> None:
    # The store tells of each trouble once; a line a request would help to fill a disk.
    log.debug("request.no_storage", extra=about(error=ex, request_id=req.context.request_id))
    resp.set_header("Retry-After", "5")
    _send(req, resp, 503, CODES[503], "The database is not available at the moment")


def _internal(
    req: falcon.Request, resp: falcon.Response, ex: Exception, params: dict[str, str]
) -> None:
    log.error("request.failed", exc_info=ex, extra=about(request_id=req.context.request_id))
    _send(req, resp, 500, CODES[500], "An unexpected error occurred")


def _send(
    req: falcon.Request,
    resp: falcon.Response,
    status: int,
    code: str,
    message: str,
    details: dict[str, list[str]] | None = None,
) -> None:
    resp.status = falcon.code_to_http_status(status)
    resp.content_type = envelope.CONTENT_TYPE
    resp.data = envelope.error(req, code, message, details)
    resp.set_header("Cache-Control", "no-store")
