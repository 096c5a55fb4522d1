"""Secrets inside a config: never shown, kept when a caller sends back what it was shown.

A secret is one of three:

* a field that its type declares as one (`checks.base.secret`): shown, it is left out, and
  `has_<name>` says that it is set; left out when sent, it stays; null clears it;
* an item `{"name": …, "value": …, "secret": true}` of one of the config's lists (a header, for
  one): shown, its value is left out and `has_value` says that one is set; an item that comes back
  without a value keeps the one that its name had;
* the password inside a URL: shown, and taken back, as `********`.
"""

import re
from collections.abc import Collection
from typing import Any

from uptimehunt.errors import ValidationError

_MASK = "********"
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):([^/?#@]*)@")


Names = Collection[str]
"""The fields that the type declares as secret."""


def hide(config: dict[str, Any], secrets: Names = ()) -> dict[str, Any]:
    """The config as it may be shown."""
    return {
        _flag(key) if key in secrets else key: True if key in secrets else _shown(value)
        for key, value in config.items()
        if not (key in secrets and value is None)
    }


def unflagged(config: dict[str, Any], secrets: Names) -> dict[str, Any]:
    """What was sent, without the `has_…` that an answer of ours had in it."""
    flags = {_flag(name) for name in secrets}
    return {key: value for key, value in config.items() if key not in flags}


def _flag(name: str) -> str:
    return f"has_{name}"


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\1:{_MASK}@", value)
    return [_hidden(item) for item in value] if isinstance(value, list) else value


def _hidden(item: Any) -> Any:
    if not _is_secret(item):
        return item
    shown = {key: value for key, value in item.items() if key != "value"}
    return {**shown, "has_value": True}


def kept_names(config: dict[str, Any], kept: dict[str, Any], secrets: Names = ()) -> list[str]:
    """The fields in which the config leaves out a secret value that is to stay."""
    inside = [
        key
        for key, value in config.items()
        if (any(map(_is_kept, value)) if isinstance(value, list) else _is_masked(value))
    ]
    return inside + _left_out(config, kept, secrets)


def _left_out(config: dict[str, Any], kept: dict[str, Any], secrets: Names) -> list[str]:
    return [name for name in sorted(secrets) if name in kept and name not in config]


def restore(config: dict[str, Any], kept: dict[str, Any], secrets: Names = ()) -> dict[str, Any]:
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
    return restored | {name: kept[name] for name in _left_out(config, kept, secrets)}


def _with_password(key: str, value: str, kept: dict[str, Any]) -> str:
    old = _PASSWORD.search(str(kept.get(key, "")))
    if old is None:
        raise ValidationError({key: ["Password is required"]})
    return value.replace(f":{_MASK}@", f":{old[2]}@", 1)


def _restored(key: str, at: int, item: Any, kept: dict[str, Any]) -> Any:
    if not _is_kept(item):
        return item
    olds = kept.get(key)
    for old in olds if isinstance(olds, list) else []:
        if _is_secret(old) and old["name"].lower() == str(item["name"]).lower():
            return old
    raise ValidationError({f"{key}.{at}.value": ["Value is required"]})


def _is_secret(item: Any) -> bool:
    return isinstance(item, dict) and item.get("secret") is True and "name" in item


def _is_kept(item: Any) -> bool:
    return _is_secret(item) and "value" not in item


def _is_masked(value: Any) -> bool:
    found = _PASSWORD.search(value) if isinstance(value, str) else None
    return found is not None and found[2] == _MASK
