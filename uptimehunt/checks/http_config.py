"""The config of the `http` service type, and what can be worked out from it once for all checks.

The check itself is in `http.py`; fields that other types share are in `web_config.py`,
`http_auth.py` and `expectations.py`.
"""

import functools
from typing import Annotated, Self
from urllib.parse import unquote

from pydantic import Field, model_validator

from uptimehunt.checks import curl, oauth2
from uptimehunt.checks.base import place, refuse
from uptimehunt.checks.expectations import Expectations
from uptimehunt.checks.http_auth import AuthConfig
from uptimehunt.checks.http_fields import (
    CONTENT_TYPES,
    SENSITIVE_NAME,
    BodyType,
    Header,
    Method,
    UrlText,
    is_json,
    optional,
    valid_body,
)
from uptimehunt.checks.url import Url, parse_url
from uptimehunt.checks.web_config import WebConfig

# What may follow a redirect to another origin: headers that describe the request, nothing that
# could identify the caller. A list of what to keep, because secrets go by any name.
_TRAVELS = frozenset(("accept", "accept-language", "cache-control", "content-type", "user-agent"))
_ALWAYS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


class HttpConfig(AuthConfig, WebConfig, Expectations):
    """What to request, and what to expect of the answer."""

    url: UrlText = Field(
        min_length=1,
        max_length=4096,
        title="URL",
        description="Address to request, starting with http:// or https://.",
        json_schema_extra=place(1, "request", format="uri"),
    )
    method: Method = Field(
        default="GET",
        title="Method",
        description="HEAD asks for no content, so it cannot be searched for a keyword.",
        json_schema_extra=place(2, "request"),
    )
    headers: list[Header] = Field(
        default=[],
        max_length=64,
        title="Headers",
        description="Sent with the request; most of them do not follow to another host.",
        json_schema_extra=place(3, "request"),
    )
    body: Annotated[
        str | None,
        Field(
            max_length=65536,
            title="Body",
            description="Sent as it is, in UTF-8; a form is written as a=b&c=d.",
            json_schema_extra=place(4, "request", **{"x-multiline": True}),
        ),
        optional(valid_body),
    ] = None
    body_type: BodyType = Field(
        default="none",
        title="Body type",
        description="Names it in the Content-Type, unless a header does; none names nothing.",
        json_schema_extra=place(5, "request"),
    )

    @model_validator(mode="after")
    def _check_request(self) -> Self:
        details: dict[str, list[str]] = {}
        if self.body_type == "json" and self.body is not None and not is_json(self.body):
            details["body"] = ["Body must be valid JSON"]
        is_https = self.parsed_url.scheme == "https"
        if self.http_version == "2" and not is_https:
            details["http_version"] = ["HTTP version 2 needs a URL with https://"]
        if self.auth_type == "mtls" and not is_https:
            details["url"] = ["URL must start with https:// for a client certificate"]
        names = {header.name.lower() for header in self.headers}
        if self.auth_type not in ("none", "mtls") and "authorization" in names:
            details["auth_type"] = ["Login and an Authorization header exclude each other"]
        if details:
            raise refuse(details)
        return self

    @functools.cached_property
    def parsed_url(self) -> Url:
        """The URL in parts."""
        return parse_url(self.url)

    @functools.cached_property
    def route(self) -> curl.Route:
        """How its requests travel."""
        return curl.Route(
            ip_family=self.ip_family,
            verify_tls=self.verify_tls,
            ca_pem=self.ca_pem,
            http_version=self.http_version,
            proxy=self.parsed_proxy,
        )

    @functools.cached_property
    def first_request(self) -> curl.Request:
        """What every check starts with."""
        return self.request_to(self.parsed_url, self.method, with_body=True)

    @functools.cached_property
    def grant(self) -> oauth2.Grant | None:
        """Where the token comes from, when one is needed."""
        if self.auth_type != "oauth2":
            return None
        assert self.token_url and self.client_id and self.client_secret
        return oauth2.prepare(
            self.route, self.token_url, self.client_id, self.client_secret, self.scope
        )

    @property
    def secret_values(self) -> list[str]:
        """What must not appear in the evidence of a failure."""
        url = self.parsed_url
        secrets = {url.password, unquote(url.password), *url.basic_credentials.split()}
        for header in self.headers:
            if header.secret or SENSITIVE_NAME.search(header.name):
                secrets |= {header.value, *header.value.split()}
        return [*secrets, *self.credentials, self.proxy_password or ""]

    @property
    def secret_destinations(self) -> list[str]:
        """Whom secrets go to, besides the target."""
        places = [self.parsed_proxy.peer] if self.parsed_proxy else []
        if self.auth_type == "oauth2" and self.token_url:
            places.append(parse_url(self.token_url).origin)
        return places

    def request_to(
        self, url: Url, method: str, *, with_body: bool, token: str = ""
    ) -> curl.Request:
        """The request to send to `url`, the first one or where a redirect led.

        Another origin than the configured one gets neither credentials nor any header that could
        hold some.
        """
        body = self.body.encode() if self.body is not None and with_body else None
        if body is None and method in _ALWAYS_WITH_BODY:
            body = b""
        is_home = url.origin == self.parsed_url.origin
        headers = {"accept-encoding": b"Accept-Encoding: identity"}
        if body is not None:
            # Without a type of ours, libcurl would say that it is a form.
            kind = CONTENT_TYPES.get(self.body_type, "") if self.body is not None else ""
            headers["content-type"] = f"Content-Type: {kind}".rstrip().encode("ascii")
        if is_home and (authorization := self._authorization(token)):
            headers["authorization"] = f"Authorization: {authorization}".encode("ascii")
        own: list[bytes] = []
        for header in self.headers:
            name = header.name.lower()
            travels = is_home or (name in _TRAVELS and not header.secret)
            if travels and (body is not None or name != "content-type"):
                headers.pop(name, None)
                own.append(header.line)
        return curl.prepare(
            url,
            self.route,
            method=method,
            headers=[*headers.values(), *own],
            body=body,
            max_body_bytes=self.max_body_bytes,
            digest_login=self.digest_login if is_home else None,
            client_identity=self.client_identity if is_home else None,
        )

    def _authorization(self, token: str) -> str:
        if self.auth_type == "digest":  # libcurl's, and not that of the URL
            return ""
        bearer = f"Bearer {token}" if token else ""
        return bearer or self.authorization or self.parsed_url.basic_credentials
