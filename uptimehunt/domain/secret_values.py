"""Secrets inside a config: never shown, kept when a caller sends back what it was shown.

A secret is an item `{"name": …, "value": …, "secret": true}` of one of the config's lists (a
header, for one): shown, its value is left out and `has_value` says that one is set; an item that
comes back without a value keeps the one that its name had. Or it is the password inside a URL:
shown, and taken back, as `********`.
"""

import re
from typing import Any

from uptimehunt.errors import ValidationError

_MASK = "********"
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):([^/?#@]*)@")


def hide(config: dict[str, Any]) -> dict[str, Any]:
    """The config as it may be shown."""
    return {key: _shown(value) for key, value in config.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\1:{_MASK}@", value)
    return [_hidden(item) for item in value] if isinstance(value, list) else value


def _hidden(item: Any) -> Any:
    if not _is_secret(item):
        return item
    shown = {key: value for key, value in item.items() if key != "value"}
    return {**shown, "has_value": True}


def has_kept(config: dict[str, Any]) -> bool:
    """Whether the config leaves out a secret value that is to stay."""
    return any(
        any(_is_kept(item) for item in value) if isinstance(value, list) else _is_masked(value)
        for value in config.values()
    )


def restore(config: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """The config with the values filled in that were left out.

    Raises:
        ValidationError: a value was left out that was never set.
    """
    restored = {}
    for key, value in config.items():
        if isinstance(value, list):
            value = [_restored(key, at, item, kept) for at, item in enumerate(value)]
        elif _is_masked(value):
            value = _with_password(key, value, kept)
        restored[key] = value
    return restored


def _with_password(key: str, value: str, kept: dict[str, Any]) -> str:
    old = _PASSWORD.search(str(kept.get(key, "")))
    if old is None:
        raise ValidationError({key: ["Password is required"]})
    return value.replace(f":{_MASK}@", f":{old[2]}@", 1)


def _restored(key: str, at: int, item: Any, kept: dict[str, Any]) -> Any:
    if not _is_kept(item):
        return item
    for old in kept.get(key, []):
        if _is_secret(old) and old["name"].lower() == str(item["name"]).lower():
            return old
    raise ValidationError({f"{key}.{at}.value": ["Value is required"]})


def _is_secret(item: Any) -> bool:
    return isinstance(item, dict) and item.get("secret") is True and "name" in item


def _is_kept(item: Any) -> bool:
    return _is_secret(item) and item.get("value") is None


def _is_masked(value: Any) -> bool:
    found = _PASSWORD.search(value) if isinstance(value, str) else None
    return found is not None and found[2] == _MASK
