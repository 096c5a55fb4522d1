"""Passwords: which are accepted, and how they are kept and compared.

argon2id with the parameters of OWASP's floor (19 MiB, 2 passes), so that a sign-in costs little
beside the checks that run at the same moment; a semaphore bounds how many are computed at once.
"""

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import argon2
from pydantic_core import PydanticCustomError

from uptimehunt.errors import BusyError

_HASHER = argon2.PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16
)
_AT_ONCE = threading.BoundedSemaphore(2)
_PATIENCE_S = 5

_LEAKED = """
00000000 11111111 12121212 12341234 12344321 12345678 123456789 1234567890 0123456789 87654321
987654321 9876543210 11112222 11223344 88888888 99999999 123123123 147258369 159357159 1q2w3e4r
1q2w3e4r5t 1qaz2wsx 1qazxsw2 q1w2e3r4 q1w2e3r4t5 zaq12wsx qwertyui qwertyuiop qwerty12 qwerty123
qwerty1234 asdfghjk asdfghjkl zxcvbnm1 zxcvbnm123 asdf1234 qazwsxedc abcd1234 abcdefgh abc12345
a1b2c3d4 aa123456 a1234567 a12345678 password password1 password12 password123 password1234
passw0rd p@ssw0rd p@ssword pa55word passwort passwort1 motdepasse contrasena contraseña
changeme changeme1 changeme123 changeit letmein1 letmein123 welcome1 welcome123 iloveyou iloveyou1
sunshine princess football baseball superman batman123 starwars whatever trustno1 computer
internet corvette mercedes michelle jennifer jordan23 michael1 charlie1 samantha elephant
dragon12 dragon123 monkey123 master123 shadow123 killer123 freedom1 liverpool chocolate
butterfly blink182 rockyou1 babygirl admin123 admin1234 administrator adminadmin rootroot
root1234 toor1234 guest123 test1234 testtest testing1 default1 secret123 topsecret monitor1
monitoring uptimehunt uptimehunt1 uptimehunt123
"""
_COMMON = frozenset(_LEAKED.split())
"""Passwords of eight characters and more that head every list of leaked ones."""


def acceptable(password: str) -> str:
    """A new password, unchanged.

    Raises:
        PydanticCustomError: it is on the list of the most used ones, or is not valid text.
    """
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in password):
        raise PydanticCustomError("password", "Must not contain control characters")
    if password.lower() in _COMMON or len(set(password)) < 3:
        raise PydanticCustomError("password", "Password is too common")
    return password


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
