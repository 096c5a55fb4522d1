"""The proxy of a check: `http://host:port` or `socks5://host:port`, maybe with a user."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic_core import PydanticCustomError

from uptimehunt.checks import net


@dataclass(frozen=True, slots=True)
class Proxy:
    """Whom to ask for connections.

    Attributes:
        kind: `http`, or `socks5`; either resolves the names of targets itself.
        host: name in ASCII and lower case, or address; IPv6 without brackets.
        port: 1-65535.
        user: empty when it wants none.
        password: likewise.
    """

    kind: Literal["http", "socks5"]
    host: str
    port: int
    user: str = ""
    password: str = ""

    @property
    def peer(self) -> str:
        """`host:port`, for messages."""
        return net.peer(self.host, self.port)


def parse_proxy(address: str, password: str | None = None) -> Proxy:
    """Read the address of a proxy.

    Raises:
        ValueError: another scheme, no host or port, a path, a password, or no URL at all.
    """
    if not address.isprintable() or " " in address or "\\" in address:
        raise ValueError("an address has no blanks, control characters or backslashes")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "socks5") or not parts.hostname or not parts.port:
        raise ValueError("an address is http://host:port or socks5://host:port")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.password is not None:
        raise ValueError("an address has neither a path nor a password")
    user = unquote(parts.username or "", errors="strict")
    if not user.isprintable() or ":" in user:
        raise ValueError("a user has neither control characters nor colons")
    kind: Literal["http", "socks5"] = "http" if parts.scheme == "http" else "socks5"
    return Proxy(kind, net.ascii_host(parts.hostname), parts.port, user, password or "")


def valid_proxy(address: str) -> str:
    """Refuse what is no address of a proxy; for validators."""
    try:
        parse_proxy(address)
    except ValueError:
        message = "Proxy must be http://host:port or socks5://host:port, without a password"
        raise PydanticCustomError("proxy", message) from None
    return address
