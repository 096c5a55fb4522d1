"""What configs of checks over HTTP share, however many requests they make."""

import functools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from uptimehunt.checks.base import place, refuse, secret
from uptimehunt.checks.http_fields import optional
from uptimehunt.checks.peer import AuthorityConfig, ExpiryConfig
from uptimehunt.checks.proxy import Proxy, parse_proxy, valid_proxy

HttpVersion = Literal["auto", "1.1", "2"]


class WebConfig(AuthorityConfig, ExpiryConfig):
    """How requests travel, and how far they may lead."""

    follow_redirects: bool = Field(
        default=True,
        title="Follow redirects",
        description="Judge the page that a redirect leads to, not the redirect.",
        json_schema_extra=place(30, "advanced"),
    )
    max_redirects: int = Field(
        default=5,
        ge=0,
        le=20,
        title="Most redirects",
        description="More of them one after the other are a failure.",
        json_schema_extra=place(31, "advanced"),
    )
    max_body_bytes: int = Field(
        default=1048576,
        ge=1,
        le=10485760,
        title="Most bytes to read",
        description="What comes after is neither read nor searched.",
        json_schema_extra=place(32, "advanced"),
    )
    http_version: HttpVersion = Field(
        default="auto",
        title="HTTP version",
        description="2 is asked for over https only; a server without it answers in 1.1.",
        json_schema_extra=place(33, "advanced"),
    )
    proxy: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            title="Proxy",
            description="http://host:port or socks5://host:port, with user@ before the host where "
            "it wants a login; it resolves the names of hosts.",
            json_schema_extra=place(34, "advanced"),
        ),
        optional(valid_proxy),
    ] = None
    proxy_password: Annotated[
        str | None,
        Field(
            title="Proxy password",
            description="For the user in the proxy's address.",
            **secret(35, "advanced"),
        ),
    ] = None

    @model_validator(mode="after")
    def _check_proxy(self) -> "WebConfig":
        if self.proxy_password is None or self.proxy is None:
            return self
        if not parse_proxy(self.proxy).user:
            raise refuse({"proxy": ["Proxy needs a user for the password"]})
        if not self.proxy_password.isprintable():
            raise refuse({"proxy_password": ["Must not contain control or invisible characters"]})
        return self

    @functools.cached_property
    def parsed_proxy(self) -> Proxy | None:
        """The proxy in parts."""
        return parse_proxy(self.proxy, self.proxy_password) if self.proxy else None
