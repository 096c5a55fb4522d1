"""Signed tokens: what a Bearer token and a refresh token say, and how they are read.

HS256 with a key a kind, derived from the instance's secret, and the kind in the `typ` header: a
refresh token never passes as an access token, nor a token of another instance. Whether the
session behind a token still stands is asked of the database, in `sessions`.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

import jwt

from uptimehunt.clock import Clock, now_ms
from uptimehunt.errors import UnauthorizedError

ACCESS_SECONDS = 900
REFRESH_SECONDS = 7 * 86_400

Kind = Literal["at+jwt", "rt+jwt"]
ACCESS: Kind = "at+jwt"
REFRESH: Kind = "rt+jwt"

_LONGEST = 4096
_CLAIMS = ["iss", "sub", "sid", "jti", "iat", "exp"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token that was found genuine says."""

    user_id: int
    session_id: int
    token_id: str


class Tokens:
    """Makes and reads the tokens of one instance."""

    def __init__(self, secret: bytes, instance: str, clock: Clock = now_ms) -> None:
        self._keys = {
            kind: hmac.digest(secret, f"uptimehunt {kind}".encode(), "sha256")
            for kind in (ACCESS, REFRESH)
        }
        self._instance = instance
        self._clock = clock

    def make(
        self, kind: Kind, user_id: int, session_id: int, parent: str | None = None
    ) -> tuple[str, str]:
        """A new token and its id (32 hex digits).

        Args:
            kind: what it is good for.
            user_id: whose it is.
            session_id: the session it belongs to.
            parent: id of the token it is issued for: the same parent always has the same
                successor, so that a client that asks twice does not hold two.
        """
        now = self._clock() // 1000
        token_id = secrets.token_hex(16)
        if parent is not None:
            token_id = hmac.digest(self._keys[kind], parent.encode(), "sha256").hex()[:32]
        life = ACCESS_SECONDS if kind == ACCESS else REFRESH_SECONDS
        claims = {
            "iss": self._instance,
            "sub": str(user_id),
            "sid": session_id,
            "jti": token_id,
            "iat": now,
            "exp": now + life,
        }
        token = jwt.encode(claims, self._keys[kind], "HS256", headers={"typ": kind})
        return token, token_id

    def read(self, kind: Kind, token: str) -> Claims:
        """What a token says.

        Raises:
            UnauthorizedError: it is not ours, not of this kind, damaged or expired.
        """
        try:
            if len(token) > _LONGEST or not token.isascii():
                raise jwt.InvalidTokenError
            if jwt.get_unverified_header(token).get("typ") != kind:
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token,
                self._keys[kind],
                algorithms=["HS256"],
                issuer=self._instance,
                # Times are compared below, with our own clock; `iat` after a clock step is fine.
                options={"require": _CLAIMS, "verify_iat": False, "verify_exp": False},
            )
            read = Claims(int(claims["sub"]), int(claims["sid"]), str(claims["jti"]))
            expires_at = int(claims["exp"])
            if not 0 < read.session_id < 2**63:
                raise jwt.InvalidTokenError
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise UnauthorizedError("The token is not valid") from None
        if expires_at <= self._clock() // 1000:
            raise UnauthorizedError("The token has expired")
        return read


def digest(token_id: str) -> str:
    """What is kept of a refresh token."""
    return hashlib.sha256(token_id.encode()).hexdigest()
