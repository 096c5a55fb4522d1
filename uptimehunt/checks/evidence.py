"""What is kept of an answer that was no success: for people, with secrets masked."""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from uptimehunt.checks import curl
from uptimehunt.checks.http_fields import SENSITIVE_NAME

_MASK = "********"
_EXCERPT_BYTES = 2048
_SHORTEST_SECRET = 4  # hiding shorter ones would make the evidence unreadable, and hide nothing
_MOST_HEADERS_SHOWN = 64
_LONGEST_HEADER_SHOWN = 1024


def evidence(answer: curl.Answer, secrets: Iterable[str]) -> dict[str, Any]:
    """Headers and the start of the body, with our secrets and the target's masked."""
    if not answer.status:
        return {}
    hidden = spellings(secrets)

    def mask(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, _MASK)
        return text

    headers = [
        {
            "name": mask(name)[:256],
            "value": (_MASK if SENSITIVE_NAME.search(name) else mask(value))[
                :_LONGEST_HEADER_SHOWN
            ],
        }
        for name, value in answer.headers()[:_MOST_HEADERS_SHOWN]
    ]
    # Masked before it is cut, so that no half of a secret is left at the end.
    longest = max((len(secret.encode()) for secret in hidden), default=0)
    start = answer.body[: 4 * _EXCERPT_BYTES + longest].decode("utf-8", "replace")
    return {"response_headers": headers, "body": mask(start)[:_EXCERPT_BYTES]}


def spellings(secrets: Iterable[str]) -> list[str]:
    """Secrets in all forms in which a target may send them back, longest first."""
    found: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            quoted = (json.dumps(secret), json.dumps(secret, ensure_ascii=False))
            found |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
            found |= {text[1:-1] for text in quoted}
            # Headers travel in Latin-1, and bodies are read as UTF-8.
            found.add(secret.encode("latin-1", "replace").decode("utf-8", "replace"))
            found.add(secret.encode().decode("latin-1"))
    return sorted(found, key=len, reverse=True)
