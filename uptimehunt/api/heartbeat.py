"""`/heartbeat/{key}`, which services call to say that they live, and `/services/{id}/heartbeats`.

The key is all that is asked for: calls come from cron lines and scripts that hold no token. Beside
`/api/v1/heartbeat/…`, the same is at `/heartbeat/…`: shorter to type.
"""

import re
from collections.abc import Callable
from typing import Any, Literal

import falcon
from pydantic import BaseModel, Field

from uptimehunt import clock
from uptimehunt.api.operation import Access, Answer, PageQuery, Resource, Timestamp, operation
from uptimehunt.api.parts import Parts
from uptimehunt.domain import heartbeats, services
from uptimehunt.domain.heartbeats import LARGEST_BODY, Call
from uptimehunt.domain.limits import Limit, Limiter
from uptimehunt.domain.paging import Page
from uptimehunt.errors import NotFoundError, TooManyError

MOST = Limit(60, 60)
"""How many calls a key is good for, within how many seconds."""

_KEY = re.compile(r"(?<=/heartbeat/)[^/]+")

BeatKind = Literal["start", "success", "fail"]


class BeatReceipt(BaseModel):
    """That a heartbeat was received."""

    kind: BeatKind = Field(examples=["success"])
    timestamp: Timestamp


class ReceivedBeat(BaseModel):
    """A heartbeat that was received."""

    id: int
    timestamp: Timestamp
    kind: BeatKind = Field(examples=["success"])
    exit_code: int | None = Field(examples=[0])
    duration_ms: int | None = Field(examples=[93_500])
    body: str = Field(examples=["1842 files saved"])
    address: str = Field(examples=["203.0.113.10"])


class Heartbeats(Resource):
    """`/heartbeat/{key}`, `/heartbeat/{key}/{signal}`, `/services/{id}/heartbeats`."""

    def __init__(self, parts: Parts, monotonic: Callable[[], float] = clock.monotonic) -> None:
        super().__init__(parts)
        # One of its own: a flood of calls must not make sign-in forget who guesses.
        self._limiter = Limiter(monotonic)

    @operation(
        "Report a success",
        access=Access.PUBLIC,
        answer=Answer(200, BeatReceipt),
        errors=(404, 429),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, key: str) -> dict[str, Any]:
        """HEAD does the same. Up to 60 calls a minute."""
        return self._receive(req, key, "success", None)

    @operation(
        "Report a success with a text",
        access=Access.PUBLIC,
        answer=Answer(200, BeatReceipt),
        errors=(404, 429),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, key: str) -> dict[str, Any]:
        """The body is any text, such as the output of the job; its first 10 KiB are kept."""
        return self._receive(req, key, "success", None)

    @operation(
        "Report a start, a failure or an exit code",
        access=Access.PUBLIC,
        answer=Answer(200, BeatReceipt, example={"kind": "start"}),
        errors=(404, 429),
    )
    def on_get_signal(
        self, req: falcon.Request, resp: falcon.Response, key: str, signal: str
    ) -> dict[str, Any]:
        """`start`, `fail`, or a number from 0 to 255, of which 0 is a success."""
        return self._receive(req, key, *_meaning(signal))

    @operation(
        "Report a start, a failure or an exit code with a text",
        access=Access.PUBLIC,
        answer=Answer(200, BeatReceipt, example={"kind": "start"}),
        errors=(404, 429),
    )
    def on_post_signal(
        self, req: falcon.Request, resp: falcon.Response, key: str, signal: str
    ) -> dict[str, Any]:
        """As without one; the first 10 KiB of the body are kept."""
        return self._receive(req, key, *_meaning(signal))

    def _receive(
        self, req: falcon.Request, key: str, kind: BeatKind, exit_code: int | None
    ) -> dict[str, Any]:
        with self.parts.store.reading():
            service_id = heartbeats.find(key)
        self._spend(key)
        body = req.bounded_stream.read(LARGEST_BODY) if req.method == "POST" else b""
        call = Call(kind, exit_code, body, req.remote_addr or "")
        beat = self.parts.store.write(heartbeats.receive, service_id, call)
        self.parts.engine.check_now(service_id)
        return {"kind": beat["kind"], "timestamp": beat["timestamp"]}

    def _spend(self, key: str) -> None:
        try:
            self._limiter.spend(MOST, key)
        except TooManyError as ex:
            raise TooManyError("Too many heartbeats", ex.retry_after_s) from None

    @operation(
        "List the heartbeats of a service",
        access=Access.USER,
        query=PageQuery,
        answer=Answer(200, ReceivedBeat, is_list=True, is_paged=True),
        errors=(404,),
    )
    def on_get_of_service(
        self, req: falcon.Request, resp: falcon.Response, service_id: int
    ) -> Page:
        """The last 20, newest first, each with the text that came with it."""
        service = services.find(req.context.user, service_id)
        query: PageQuery = req.context.query
        return heartbeats.page(service.id, query.paging)


class KeysKeptBack:
    """Middleware that takes keys out of paths before the line of the log is written."""

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Runs before what stands before it in the list of middleware."""
        # SECURITY: whoever reads the log must not be able to report in the name of a job.
        req.path = _KEY.sub("********", req.path)


def _meaning(signal: str) -> tuple[BeatKind, int | None]:
    """What the last part of the path says.

    Raises:
        NotFoundError: it is none of those that there are.
    """
    if signal == "start":
        return "start", None
    if signal == "fail":
        return "fail", None
    is_plain = signal.isascii() and signal.isdigit() and len(signal) <= 3
    if not is_plain or int(signal) > 255:
        raise NotFoundError("Resource")
    return ("fail" if int(signal) else "success"), int(signal)
