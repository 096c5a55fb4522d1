r"""Bytes to send, written as text: a config field of types that send what they are told to.

A backslash begins an escape: `\r`, `\n`, `\t`, `\0`, `\\`, and `\xHH` for the byte with that
hexadecimal number. Everything else goes out as UTF-8.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([rnt0\\]))")
_MEANT = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


def _valid(text: str) -> str:
    if b"\\" in _ESCAPE.sub(b"", text.encode()):
        raise PydanticCustomError(
            "payload",
            "Send must have a known escape after each backslash: {known}",
            {"known": r"\r \n \t \0 \xHH \\"},
        )
    return text


Payload = Annotated[str, AfterValidator(_valid), Field(max_length=4096)]


def to_bytes(payload: str) -> bytes:
    """What goes over the wire."""
    return _ESCAPE.sub(_byte, payload.encode())


def _byte(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode()) if escape[1] else _MEANT[escape[2]]
