"""What the tests of the http check share."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.targets.http import HttpTarget, http_target
from uptimehunt.checks import Deadline, Outcome, http
from uptimehunt.checks.http_config import HttpConfig


@pytest.fixture
def site() -> Iterator[HttpTarget]:
    with http_target() as server:
        yield server


def check(url: str, **more: Any) -> Outcome:
    config = HttpConfig.model_validate({"url": url, "timeout": 1, **more})
    return http.check(config, Deadline(config.timeout))


def header(name: str, value: str, secret: bool = False) -> dict[str, Any]:
    return {"name": name, "value": value, "secret": secret}


def query(to: str) -> str:
    return urlencode({"to": to})
