"""The shape of every answer: `{"data": …, "meta": …}`, or the error envelope. JSON in and out."""

import json
import math
from typing import Any, NoReturn

import falcon
from pydantic_core import to_json

from uptimehunt import clock
from uptimehunt.domain.paging import Page
from uptimehunt.errors import BadRequestError

CONTENT_TYPE = "application/json; charset=utf-8"
DEEPEST = 32
LARGEST = 2**20
MOST_KEYS = 1000


def success(answer: Any) -> bytes:
    """The body for what a responder returned.

    Args:
        answer: a `Page`; a pair of data and meta; or the data alone.
    """
    if isinstance(answer, Page):
        return to_json({"data": answer.rows, "meta": answer.meta()})
    if isinstance(answer, tuple):
        data, meta = answer
        return to_json({"data": data, "meta": meta})
    return to_json({"data": answer})


def error(
    req: falcon.Request, code: str, message: str, details: dict[str, list[str]] | None = None
) -> bytes:
    """The error envelope for a request."""
    return error_body(req.path, req.context.request_id, code, message, details)


def error_body(
    path: str,
    request_id: str,
    code: str,
    message: str,
    details: dict[str, list[str]] | None = None,
) -> bytes:
    """The error envelope, as the API overview shows it."""
    told: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        told["details"] = details
    return to_json(
        {
            "error": told,
            "timestamp": clock.iso_seconds(clock.now_ms()),
            "path": path,
            "request_id": request_id,
        }
    )


def read_object(req: falcon.Request) -> dict[str, Any]:
    """The JSON object of a request's body, read strictly.

    Raises:
        BadRequestError: it is not UTF-8, not JSON, has a key twice, is nested too deep, or is no
            object. NaN and Infinity are no JSON.
        falcon.HTTPUnsupportedMediaType: it does not say that it is JSON, or is compressed.
        falcon.HTTPContentTooLarge: it is larger than 1 MiB.
    """
    if not _says_json(req.content_type):
        raise falcon.HTTPUnsupportedMediaType(
            description="The body must be sent as application/json"
        )
    if req.get_header("Content-Encoding") not in {None, "identity"}:
        raise falcon.HTTPUnsupportedMediaType(description="The body must not be compressed")
    raw = req.bounded_stream.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise falcon.HTTPContentTooLarge(description="The body is larger than 1 MiB")
    try:
        body = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
        _refuse_unusable(body, DEEPEST)
    except (ValueError, RecursionError):
        raise BadRequestError("The body is not valid JSON") from None
    if not isinstance(body, dict):
        raise BadRequestError("The body must be a JSON object")
    return body


def _says_json(content_type: str | None) -> bool:
    media, _, parameters = (content_type or "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media.strip().lower() == "application/json" and charset in {"", "charset=utf-8"}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs) or len(found) > MOST_KEYS:
        raise ValueError("a key stands twice, or there are too many")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _refuse_unusable(value: Any, levels: int) -> None:
    """Raises ValueError for what JSON can spell but no text, number or stack of ours can hold."""
    if isinstance(value, str):
        value.encode()  # A lone half of a surrogate pair cannot be.
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    elif isinstance(value, dict | list):
        if levels == 0:
            raise ValueError("nested too deep")
        for item in value:
            _refuse_unusable(item, levels - 1)
        if isinstance(value, dict):
            for item in value.values():
                _refuse_unusable(item, levels - 1)
