"""The registry of check types: every module of this folder that has a `CHECK`.

A leaf: it knows neither the database nor the HTTP API, and a check runs from a Python prompt:

    >>> from uptimehunt import checks
    >>> kind = checks.REGISTRY["tcp"]
    >>> kind.check(kind.config(host="127.0.0.1", port=22), checks.Deadline(5))
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from uptimehunt.checks.base import CheckConfig, CheckType, Deadline, Outcome, Target

__all__ = ["REGISTRY", "CheckConfig", "CheckType", "Deadline", "Outcome", "Target"]


def _discover() -> Mapping[str, CheckType[Any]]:
    found: dict[str, CheckType[Any]] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        kind = getattr(module, "CHECK", None)
        if kind is not None:
            found[kind.type] = kind
    if not found:
        # An executable built without the check modules finds none, silently; that must not pass.
        raise RuntimeError("no check types found: the program was packaged without them")
    return MappingProxyType(dict(sorted(found.items())))


REGISTRY = _discover()


def is_passive(name: str) -> bool:
    """Whether a type is judged by what it is told, and not checked; not so of an unknown one."""
    kind = REGISTRY.get(name)
    return kind is not None and kind.judge is not None


def load_libraries() -> None:
    """Import all that check types import only when they need it.

    For the executable: a later import would read files that a cleaner of temporary folders, or an
    upgrade, may have removed by then.
    """
    for kind in REGISTRY.values():
        for name in kind.libraries:
            library = importlib.import_module(name.removesuffix(".*"))
            if name.endswith(".*"):
                for module in pkgutil.walk_packages(library.__path__, f"{library.__name__}."):
                    importlib.import_module(module.name)
