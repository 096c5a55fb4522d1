"""Passwords: which are accepted, and how they are kept and compared.

argon2id with the parameters of OWASP's floor (19 MiB, 2 passes), so that a sign-in costs little
beside the checks that run at the same moment; a semaphore bounds how many are computed at once.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import argon2
from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from uptimehunt.domain.common_words import COMMON_WORDS
from uptimehunt.errors import BusyError

_HASHER = argon2.PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16
)
_AT_ONCE = threading.BoundedSemaphore(2)
_PATIENCE_S = 5


_KEYBOARD = ("qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm")
_WALKS = (
    *("1q2w3e4r5t6z7u8i9o0p", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8", "a1b2c3d4e5f6g7h8"),
    *("1qaz2wsx3edc4rfv5tgb", "qazwsxedcrfvtgb", "zaq12wsxcde34rfv", "1qazxsw23edcvfr4"),
    *("12qwaszx", "qweasdzxc", "qwaszxerdfcv"),
)
_PLAIN = str.maketrans("013457@$!", "oieastasi")
_SHORTEST_NUMBER = 14


def acceptable(password: str) -> str:
    """A new password, unchanged.

    Raises:
        PydanticCustomError: it is one of those that are tried first, or is not valid text.
    """
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in password):
        raise PydanticCustomError("password", "Must not contain control characters")
    if _is_tried_first(password):
        raise PydanticCustomError("password", "Password is too common")
    return password


def _is_tried_first(password: str) -> bool:
    """Whether a password is made the way most people make theirs."""
    taken_apart = unicodedata.normalize("NFKD", password.lower())
    folded = "".join(char for char in taken_apart if not unicodedata.combining(char))
    if len(set(folded)) < 4 or (folded.isdigit() and len(folded) < _SHORTEST_NUMBER):
        return True
    if not folded.isascii():
        return False  # The words below are of this alphabet.
    if any(folded in row or folded[::-1] in row for row in (*_KEYBOARD, *_WALKS)):
        return True
    # As typed, and with the figures that stand for letters read as such (p4ssw0rd).
    for text in (folded, folded.translate(_PLAIN)):
        core = text.strip("".join(char for char in set(text) if not char.isalpha()))
        halves = core[: len(core) // 2], core[len(core) // 2 :]
        word = halves[0] if halves[0] == halves[1] else core
        if word in COMMON_WORDS or any(len(word) > 3 and word in row for row in _KEYBOARD):
            return True
    # Of a word and figures in turn, each by itself is a guess: abcd1234, 123qwe456asd.
    parts = re.findall(r"[^\W\d_]+", folded)
    return len(set("".join(parts))) < 2 or all(part in COMMON_WORDS for part in parts)


def _not_the_email(password: str, info: ValidationInfo) -> str:
    if password.lower() == str(info.data.get("email", "")).lower():
        raise PydanticCustomError("password", "Password must not be the email address")
    return password


Password = Annotated[str, AfterValidator(acceptable), AfterValidator(_not_the_email)]
"""A new password; in a model with an `email`, that field stands before it."""


def hash_password(password: str) -> str:
    """The text to keep for a password.

    Raises:
        BusyError: too many are being computed.
    """
    with _one_of_few():
        return _HASHER.hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Whether a password is the one kept; as slow for an account that does not exist (None).

    Raises:
        BusyError: too many are being computed.
    """
    with _one_of_few():
        try:
            return _HASHER.verify(_NOBODY if kept is None else kept, password) and kept is not None
        except (argon2.exceptions.VerificationError, UnicodeEncodeError):
            return False


_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1$H0H86LhunpvtafqbzUfWpA$2epB9+"
    "wuY4Z/JiyYf8eE5gmaeNwqWUwXpGX/LROGa6Y"
)
"""The hash of a password that was thrown away, made with the parameters above."""


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _AT_ONCE.acquire(timeout=_PATIENCE_S):
        raise BusyError("Too many sign-ins at once", retry_after_s=_PATIENCE_S)
    try:
        yield
    finally:
        _AT_ONCE.release()
