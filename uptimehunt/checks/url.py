"""One reading of a URL, for the guard, the people and the wire alike.

The check never hands a URL on as it was written: what goes to libcurl is put together again from
the parts that were judged here, so that the two cannot read it differently.
"""

import base64
import string
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

from uptimehunt.checks.net import ascii_host

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL in parts.

    Attributes:
        scheme: `http` or `https`.
        host: name in ASCII and lower case, or address; IPv6 without brackets.
        port: 1-65535, the scheme's own when none was written.
        path: from the first `/`, in ASCII, without the query.
        query: after the `?`, in ASCII; empty when there is none.
        user: percent-encoded, as written; empty when there is none.
        password: likewise.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str
    user: str = ""
    password: str = ""

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`, which decides where headers may travel."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        """`host[:port]`, the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def wire(self) -> str:
        """The whole URL in ASCII, without user and password."""
        return self.origin + self.path + (f"?{self.query}" if self.query else "")

    @property
    def label(self) -> str:
        """For people: neither password nor query values, which may be secrets."""
        user = f"{self.user}:********@" if self.password else f"{self.user}@" if self.user else ""
        query = "?…" if self.query else ""
        return f"{self.scheme}://{user}{self.netloc}{self.path}{query}"

    @property
    def basic_credentials(self) -> str:
        """User and password as the value of an `Authorization` header; empty without them."""
        if not self.user and not self.password:
            return ""
        pair = unquote_to_bytes(self.user) + b":" + unquote_to_bytes(self.password)
        return "Basic " + base64.b64encode(pair).decode("ascii")


def parse_url(text: str) -> Url:
    """Read an absolute http or https URL.

    Raises:
        ValueError: another scheme, no host, blanks or control characters, or not a URL at all.
    """
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("a URL has no blanks, control characters or backslashes")
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("a URL starts with http:// or https:// and a host")
    if parts.port == 0:
        raise ValueError("port 0 cannot be dialled")
    return Url(
        scheme=parts.scheme,
        host=ascii_host(parts.hostname),
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        path=_ascii(parts.path) or "/",
        query=_ascii(parts.query),
        user=_ascii(parts.username or ""),
        password=_ascii(parts.password or ""),
    )


def _ascii(text: str) -> str:
    return quote(text, safe=string.punctuation)
