"""How an HTTP request says who is asking: fields, and what they amount to on the wire."""

import base64
import functools
import re
import textwrap
from typing import Annotated, Any, Literal, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from uptimehunt.checks.base import CheckConfig, place, refuse, secret
from uptimehunt.checks.http_fields import optional, valid_url
from uptimehunt.checks.url import parse_url

AuthType = Literal["none", "basic", "bearer", "digest", "mtls", "oauth2"]

_LOGIN: tuple[AuthType, ...] = ("basic", "digest")
_REQUIRED: dict[AuthType, tuple[str, ...]] = {
    "none": (),
    "basic": ("username", "password"),
    "bearer": ("token",),
    "digest": ("username", "password"),
    "mtls": ("client_certificate", "client_key"),
    "oauth2": ("token_url", "client_id", "client_secret"),
}
_TOKEN = re.compile(r"[\x21-\x7e]+")
_KEY_IN_ONE_LINE = re.compile(
    "(-----BEGIN [A-Z ]{1,40}-----)([A-Za-z0-9+/= ]+)(-----END [A-Z ]{1,40}-----)"
)
_SCOPE = re.compile(r"[\x20-\x7e]*")  # RFC 6749, section 3.3, a little wider


def _when(*kinds: AuthType) -> dict[str, Any]:
    return {"x-when": {"auth_type": list(kinds)}}


def _valid_line(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("line", "Must not contain control or invisible characters")
    return text


def _valid_token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise PydanticCustomError("token", "Token must be ASCII characters without blanks")
    return text


def _valid_scope(text: str) -> str:
    if not _SCOPE.fullmatch(text):
        raise PydanticCustomError("scope", "Scope must be ASCII words, with blanks between them")
    return text


def _valid_token_url(text: str) -> str:
    url = parse_url(valid_url(text))
    if url.user or url.password:
        raise PydanticCustomError("url", "Token URL must have neither user nor password")
    return text


def _valid_certificate(text: str) -> str:
    try:
        x509.load_pem_x509_certificates(text.encode())[0].public_key()
    except (UnsupportedAlgorithm, ValueError):
        raise PydanticCustomError("pem", "Client certificate must be valid PEM") from None
    return text


def _in_lines(pem: str) -> str:
    """A key with its line ends: the dashboard's box for secrets has one line, and drops them."""
    found = _KEY_IN_ONE_LINE.fullmatch(pem.strip())
    if found is None:
        return pem
    begin, data, end = found.groups()
    return "\n".join([begin, *textwrap.wrap("".join(data.split()), 64), end, ""])


class AuthConfig(CheckConfig):
    """Credentials; those that its kind of login does not use are kept, and not sent."""

    auth_type: AuthType = Field(
        default="none",
        title="Login",
        description="How the request says who is asking.",
        json_schema_extra=place(40, "auth"),
    )
    username: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=256,
            title="User name",
            description="Without a colon.",
            json_schema_extra=place(41, "auth", **_when(*_LOGIN)),
        ),
        optional(_valid_line),
    ] = None
    password: Annotated[
        str | None,
        Field(
            title="Password",
            description="Sent to this host only.",
            **secret(42, "auth", **_when(*_LOGIN)),
        ),
        optional(_valid_line),
    ] = None
    token: Annotated[
        str | None,
        Field(
            title="Token",
            description="Sent as a bearer token, to this host only.",
            **secret(43, "auth", 8000, **_when("bearer")),
        ),
        optional(_valid_token),
    ] = None
    client_certificate: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=65536,
            title="Client certificate",
            description="PEM; those of its authorities may follow it.",
            json_schema_extra=place(44, "auth", **{"x-multiline": True}, **_when("mtls")),
        ),
        optional(_valid_certificate),
    ] = None
    client_key: Annotated[
        str | None,
        Field(
            title="Client key",
            description="PEM, not encrypted; the one of the certificate.",
            **secret(45, "auth", 65536, **{"x-multiline": True}, **_when("mtls")),
        ),
        optional(_in_lines),
    ] = None
    token_url: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=4096,
            title="Token URL",
            description="Where the client gets its token from.",
            json_schema_extra=place(46, "auth", format="uri", **_when("oauth2")),
        ),
        optional(_valid_token_url),
    ] = None
    client_id: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            title="Client ID",
            description="As the authorization server knows it.",
            json_schema_extra=place(47, "auth", **_when("oauth2")),
        ),
        optional(_valid_line),
    ] = None
    client_secret: Annotated[
        str | None,
        Field(
            title="Client secret",
            description="Sent to the token URL only.",
            **secret(48, "auth", 4096, **_when("oauth2")),
        ),
        optional(_valid_line),
    ] = None
    scope: Annotated[
        str | None,
        Field(
            max_length=2048,
            title="Scope",
            description="What the token is to be good for, where the server wants that named.",
            json_schema_extra=place(49, "auth", **_when("oauth2")),
        ),
        optional(_valid_scope),
    ] = None

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        missing = {
            name: [f"{type(self).model_fields[name].title} is required"]
            for name in _REQUIRED[self.auth_type]
            if getattr(self, name) is None
        }
        if missing:
            raise refuse(missing)
        if self.auth_type in _LOGIN and ":" in (self.username or ""):
            raise refuse({"username": ["User name must not contain a colon"]})
        if self.auth_type == "mtls":
            self._check_key()
        return self

    def _check_key(self) -> None:
        """Refuse a key that is unreadable, or another's."""
        certificates = x509.load_pem_x509_certificates((self.client_certificate or "").encode())
        try:
            key = serialization.load_pem_private_key((self.client_key or "").encode(), None)
        except TypeError:
            raise refuse({"client_key": ["Client key must not be encrypted"]}) from None
        except (UnsupportedAlgorithm, ValueError):
            raise refuse({"client_key": ["Client key must be valid PEM"]}) from None
        if certificates[0].public_key() != key.public_key():
            raise refuse({"client_key": ["Client key does not fit the client certificate"]})

    @functools.cached_property
    def authorization(self) -> str:
        """The value of the `Authorization` header that is known beforehand; else empty."""
        match self.auth_type:
            case "basic":
                pair = f"{self.username}:{self.password}".encode()  # UTF-8: RFC 7617, section 2.1
                return "Basic " + base64.b64encode(pair).decode("ascii")
            case "bearer":
                return f"Bearer {self.token}"
        return ""

    @property
    def digest_login(self) -> tuple[str, str] | None:
        """User name and password for a server that challenges."""
        if self.auth_type != "digest":
            return None
        return self.username or "", self.password or ""

    @property
    def client_identity(self) -> tuple[str, str] | None:
        """Certificate and key, both PEM, for the TLS handshake."""
        if self.auth_type != "mtls":
            return None
        return self.client_certificate or "", self.client_key or ""

    @property
    def credentials(self) -> list[str]:
        """Every secret value there is, used or not."""
        secrets = (self.password, self.token, self.client_key, self.client_secret)
        return [*filter(None, secrets), *self.authorization.split()[1:]]
