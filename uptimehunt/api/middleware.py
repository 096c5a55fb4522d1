"""What every request passes: its id, the CORS headers of the API overview, one line in the log."""

import logging
import re
import uuid

import falcon

from uptimehunt import clock
from uptimehunt.errors import NotFoundError
from uptimehunt.logs import about

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_USABLE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Auth, X-Request-ID, "
    "If-None-Match, Idempotency-Key",
    "Access-Control-Max-Age": "86400",
    "Access-Control-Expose-Headers": "Content-Disposition, ETag, Link, Retry-After, "
    "X-API-Deprecation, X-API-Sunset, X-Request-ID, X-Total-Count",
}

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}

API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def request_id(sent: str | None) -> str:
    """The id of a request: the one that was sent, if it can be one, else a new one."""
    return sent if sent is not None and _USABLE_ID.fullmatch(sent) else str(uuid.uuid4())


class Everywhere:
    """Runs before and after each request, whatever becomes of it."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Give the request its id; answer a preflight."""
        req.context.started_at = clock.monotonic()
        req.context.request_id = request_id(req.get_header("X-Request-ID"))
        if req.method not in falcon.constants.HTTP_METHODS:
            raise falcon.HTTPMethodNotAllowed(METHODS)  # Falcon itself would answer 400.
        if "//" in req.path:
            # Falcon would route it as if the slash stood there once; and one thing has one address.
            raise NotFoundError("Resource")
        if req.method == "OPTIONS" and req.path.startswith("/api/"):
            resp.status = falcon.HTTP_204
            resp.complete = True

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Set the headers of every answer, and write the line."""
        resp.set_headers(SAFE)
        resp.set_header("X-Request-ID", req.context.request_id)
        if req.path.startswith("/api/"):
            resp.set_headers(CORS)
            resp.set_header("Content-Security-Policy", API_POLICY)
        _log(req, resp)


def _log(req: falcon.Request, resp: falcon.Response) -> None:
    is_routine = req.method in {"GET", "HEAD", "OPTIONS"} and resp.status_code < 400
    log.log(
        logging.DEBUG if is_routine else logging.INFO,
        "request",
        extra=about(
            method=req.method,
            path=req.path,
            status=resp.status_code,
            ms=round((clock.monotonic() - req.context.started_at) * 1000, 1),
            request_id=req.context.request_id,
        ),
    )
