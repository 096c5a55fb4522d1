"""Tokens by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4), kept while good."""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from uptimehunt import clock
from uptimehunt.checks import curl
from uptimehunt.checks.base import CheckError, Deadline
from uptimehunt.checks.url import parse_url

_LARGEST_ANSWER = 65536
_MOST_KEPT = 1024
_USUAL_LIFETIME_S = 300.0  # where the server does not say
_LONGEST_LIFETIME_S = 86_400.0
_TOKEN = re.compile(r"[\x21-\x7e]{1,8000}")


@dataclass(frozen=True, slots=True)
class Grant:
    """A client, and where it gets its tokens from.

    Attributes:
        request: what fetches a token.
        key: tells this grant from others; holds no secret in the clear.
        peer: `host:port`, for messages.
    """

    request: curl.Request
    key: str
    peer: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and whether it was fetched just now (in so many seconds) or kept (None)."""

    value: str
    fetched_s: float | None = None


_kept: dict[str, tuple[str, float]] = {}  # key → token, end on the monotonic clock
_lock = threading.Lock()


def prepare(
    route: curl.Route, token_url: str, client_id: str, client_secret: str, scope: str | None
) -> Grant:
    """Work out how to get a token.

    Args:
        route: how to get there; tokens of one route are not used for another, because one that
            does not verify certificates may have been given a false token.
        token_url: where to.
        client_id: user name for that place (RFC 6749, section 2.3.1).
        client_secret: its password.
        scope: what the token is to be good for.
    """
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}".encode()
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    headers = [
        b"Accept: application/json",
        b"Accept-Encoding: identity",
        b"Content-Type: application/x-www-form-urlencoded",
        b"Authorization: Basic " + base64.b64encode(pair),
    ]
    url = parse_url(token_url)
    request = curl.prepare(
        url,
        route,
        method="POST",
        headers=headers,
        body=urlencode(form).encode(),
        max_body_bytes=_LARGEST_ANSWER,
    )
    parts = (url.wire, client_id, client_secret, scope, repr(route))
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return Grant(request, key, request.peer)


def token(grant: Grant, deadline: Deadline, timeout_s: int) -> Token:
    """A token that is good for a while yet, kept or fetched.

    Raises:
        CheckError: there is none to be had.
    """
    with _lock:
        kept = _kept.get(grant.key)
    if kept is not None and clock.monotonic() < kept[1]:
        return Token(kept[0])
    answer = curl.exchange(grant.request, deadline, timeout_s)
    if answer.fault is not None:
        raise CheckError(*answer.fault)
    value, good_for_s = _read(grant, answer)
    _keep(grant.key, value, good_for_s)
    return Token(value, round(answer.timing["total"], 6))


def forget(grant: Grant, refused: str) -> None:
    """Keep a token no longer: it was refused."""
    with _lock:
        if _kept.get(grant.key, ("", 0))[0] == refused:
            del _kept[grant.key]


def _keep(key: str, value: str, good_for_s: float) -> None:
    # A token that ends on the way to the service would be a false alarm.
    ends_at = clock.monotonic() + good_for_s - min(60.0, good_for_s / 10)
    with _lock:
        _kept.pop(key, None)  # so that the newest is last
        _kept[key] = (value, ends_at)
        while len(_kept) > _MOST_KEPT:
            del _kept[next(iter(_kept))]


def _read(grant: Grant, answer: curl.Answer) -> tuple[str, float]:
    """The token of an answer, and for how many seconds it is good (RFC 6749, section 5.1)."""
    if answer.status in (400, 401, 403):
        message = f"{grant.peer} refused to give a token (answered {answer.status})"
        raise CheckError("authentication_failed", message)
    if answer.status != 200:
        message = f"{grant.peer} gave no token: answered {answer.status}, expected 200"
        raise CheckError("status_mismatch", message)
    try:
        said: Any = json.loads(answer.body)
    except (RecursionError, ValueError):
        said = None
    fields = said if isinstance(said, dict) else {}
    value, kind = fields.get("access_token"), fields.get("token_type", "bearer")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value) or answer.truncated:
        raise CheckError("protocol_error", f"{grant.peer} answered without a usable token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise CheckError("protocol_error", f"{grant.peer} gave a token that is not of type bearer")
    return value, _lifetime_s(fields.get("expires_in"))


def _lifetime_s(said: Any) -> float:
    if isinstance(said, str) and re.fullmatch(r"[0-9]{1,9}", said):  # some servers quote it
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int | float) or not said >= 0:
        return _USUAL_LIFETIME_S
    return float(min(said, _LONGEST_LIFETIME_S))
