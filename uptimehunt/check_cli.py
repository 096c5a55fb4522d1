"""`uptimehunt check TYPE TARGET`: one check from a shell, now. No data folder is touched.

TARGET fills the main field of the type: the first one, in the order of its form, that is a text
and must be given. All other fields are set by name.
"""

import json
import signal
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from uptimehunt import checks
from uptimehunt.checks import CheckConfig, CheckType, Outcome, net
from uptimehunt.domain.validation import parse
from uptimehunt.engine.runner import Runner
from uptimehunt.errors import UsageError, ValidationError
from uptimehunt.settings import Settings

_LARGEST_FILE = 1_048_576
_BAR = 40
_LABEL = 15
_LONGEST_FACT = 200
_EIGHTHS = " ▏▎▍▌▋▊▉"
_PHASES = {
    "namelookup": "name look-up",
    "connect": "connect",
    "appconnect": "TLS handshake",
    "pretransfer": "request",
    "starttransfer": "first byte",
    "total": "answer",
}


def run(
    type_name: str,
    target: str | None,
    fields: Sequence[str],
    timeout: str | None,
    as_json: bool,
    chosen: Settings,
) -> int:
    """Check once, print what was found; answers the exit code.

    Args:
        type_name: a service type.
        target: whom to check; None when the fields say it.
        fields: further fields of the config, `name=value` each.
        timeout: seconds for the whole check.
        as_json: print JSON instead of text.
        chosen: the certificates to trust, and which addresses are probed.

    Returns:
        0 when it is up, 1 when it is down or nothing can be said of it.

    Raises:
        UsageError: no such type, or the config cannot be used.
    """
    kind = _kind(type_name)
    config = _config(kind, target, fields, timeout)
    if chosen.ca_file is not None:
        net.trust(chosen.ca_file)
    net.restrict(chosen.block_private, chosen.allow_cidrs or ())
    # Nothing is kept, so there is nothing to put in order: Ctrl-C ends it even inside a library.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    outcome = Runner(lambda _run, _outcome: None).make(kind, config, config.timeout)
    if as_json:
        # ASCII alone: text of the target must not steer the terminal.
        print(json.dumps(_as_json(outcome), indent=2))
    else:
        print("\n".join(_as_text(kind.target(config).label, outcome)))
    return 0 if outcome.ok else 1


def types_text() -> str:
    """The types that can be checked, a line each, for the help."""
    kinds = [kind for kind in checks.REGISTRY.values() if _is_active(kind)]
    width = max(len(kind.type) for kind in kinds) + 2
    lines = [
        textwrap.fill(
            kind.description,
            width=100,
            initial_indent=f"  {kind.type:<{width}}",
            subsequent_indent=" " * (width + 2),
        )
        for kind in kinds
    ]
    return "\n".join(["types:", *lines])


def _is_active(kind: CheckType[Any]) -> bool:
    """Whether a check of this type goes out; others are judged by what the server has heard."""
    return kind.judge is None


def _kind(type_name: str) -> CheckType[Any]:
    kind = checks.REGISTRY.get(type_name)
    if kind is None:
        known = ", ".join(kind.type for kind in checks.REGISTRY.values() if _is_active(kind))
        raise UsageError(f"{type_name!r} is no type of service; there are {known}")
    if not _is_active(kind):
        raise UsageError(
            f"a service of type {type_name} is judged by the server from what it has heard; "
            "there is nothing to check from here"
        )
    return kind


def _config(
    kind: CheckType[Any], target: str | None, fields: Sequence[str], timeout: str | None
) -> CheckConfig:
    """The config, from its fields as they were written.

    Raises:
        UsageError: names every field that cannot be used; never repeats a value.
    """
    schema = kind.config.model_json_schema()
    texts = dict(_named(field) for field in fields)
    if timeout is not None:
        texts["timeout"] = timeout
    unknown = texts.keys() - schema["properties"].keys()
    if unknown:
        known = sorted(schema["properties"], key=lambda name: _order(schema, name))
        raise UsageError(
            f"a config of type {kind.type} has no field {min(unknown)!r}; it has {', '.join(known)}"
        )
    values = {name: _value(schema["properties"][name], text) for name, text in texts.items()}
    if target is not None:
        values = _from_target(kind.type, schema, target) | values
    try:
        config: CheckConfig = parse(kind.config, values)
    except ValidationError as ex:
        found = [f"{name}: {message}" for name, all in ex.details.items() for message in all]
        raise UsageError("; ".join(found)) from None
    return config


def _from_target(type_name: str, schema: Mapping[str, Any], target: str) -> dict[str, Any]:
    """The fields that TARGET fills: the main one, and the port of a host."""
    fields = schema["properties"]
    texts = [name for name in schema.get("required", ()) if fields[name].get("type") == "string"]
    if not texts:
        raise UsageError(f"a check of type {type_name} takes no TARGET; name its fields with --set")
    main = min(texts, key=lambda name: _order(schema, name))
    if main != "host" or "port" not in fields:
        return {main: target}
    host, port = _split(target)
    if port is None:
        return {"host": host}
    return {"host": host, "port": _value(fields["port"], port)}


def _order(schema: Mapping[str, Any], name: str) -> int:
    """Where the form shows a field."""
    return int(schema["properties"][name].get("x-order", 50))


def _split(target: str) -> tuple[str, str | None]:
    """Host and port of `host`, `host:port`, `[v6]:port`, `[v6]` and `v6`."""
    if target.startswith("["):
        host, _, rest = target[1:].partition("]")
        return host, rest.removeprefix(":") or None
    if target.count(":") != 1:
        return target, None
    host, _, port = target.partition(":")
    return host, port


def _named(field: str) -> tuple[str, str]:
    """Name and text of `name=value`, `name=@file`, `name=@-`, and `name=@@…` for a real `@`."""
    name, equals, text = field.partition("=")
    if not equals:  # not repeated: it may be a secret whose name was forgotten
        raise UsageError("--set must be NAME=VALUE")
    if text.startswith("@@") or not text.startswith("@"):
        return name, text.removeprefix("@") if text.startswith("@@") else text
    try:
        if text == "@-":
            data = sys.stdin.buffer.read(_LARGEST_FILE + 1)
        else:
            with Path(text[1:]).open("rb") as file:
                data = file.read(_LARGEST_FILE + 1)
        if len(data) > _LARGEST_FILE:
            raise UsageError(f"{name}: the file has more than 1 MiB")
        return name, data.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as ex:
        raise UsageError(f"{name}: the file cannot be read: {ex}") from None


def _value(schema: Mapping[str, Any], text: str) -> Any:
    """A text as the JSON that the field wants; what is none is left for the field to judge.

    A list may also be written as in the dashboard's forms, with commas: `200,2xx`.
    """
    kinds = {one.get("type") for one in schema.get("anyOf", [schema])}
    if kinds <= {"string", "null"}:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if "array" not in kinds:
            return text
    parts = [part.strip() for part in text.split(",")]
    return [int(part) if part.isascii() and part.isdigit() else part for part in parts]


def _as_json(outcome: Outcome) -> dict[str, Any]:
    """As `POST /services/test` answers, with all of the details."""
    error = None if outcome.ok else {"code": outcome.error, "message": outcome.message}
    return {
        "status": "unknown" if outcome.is_unknown else "success" if outcome.ok else "failure",
        "response_time": outcome.response_time_ms,
        "status_code": outcome.status_code,
        "error": error,
        "details": dict(outcome.details),
    }


def _as_text(label: str, outcome: Outcome) -> list[str]:
    word = "UNKNOWN" if outcome.is_unknown else "OK" if outcome.ok else "FAIL"
    took = "" if outcome.response_time_ms is None else f" in {outcome.response_time_ms} ms"
    if outcome.ok:
        answer = outcome.message or (
            f"answered {outcome.status_code}" if outcome.status_code else "answered"
        )
        lines = [f"{word}  {label}  {_shown(answer)}{took}"]
    else:
        lines = [f"{word}  {label}  {_shown(outcome.message)} ({outcome.error})"]
    return [*lines, *_spaced(_bars(outcome.details)), *_spaced(_facts(outcome.details))]


def _spaced(lines: list[str]) -> list[str]:
    return ["", *lines] if lines else []


def _bars(details: Mapping[str, Any]) -> list[str]:
    """A bar a phase, as wide as the phase took, each beginning where the one before it ended."""
    timing = details.get("timing")
    if not isinstance(timing, Mapping):
        return []
    reached = [(phase, at) for phase, at in timing.items() if at]  # 0: the phase did not happen
    longest = max((at for _, at in reached), default=0)
    begin, lines = 0.0, []
    for phase, end in reached:
        took = max(0.0, end - begin)
        bar = _bar(begin / longest, took / longest)
        lines.append(f"  {_PHASES.get(phase, phase):<{_LABEL}}{bar:<{_BAR}}{took * 1000:>10.1f} ms")
        begin = max(begin, end)
    return lines


def _bar(begin: float, width: float) -> str:
    """A bar within `_BAR` columns, both as shares of them; at least a sliver of it is seen."""
    start = min(int(begin * _BAR), _BAR - 1)
    eighths = max(1, min(round(width * _BAR * 8), (_BAR - start) * 8))
    if not _can_print(_EIGHTHS):
        return " " * start + "#" * max(1, round(eighths / 8))
    return " " * start + "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _facts(details: Mapping[str, Any]) -> list[str]:
    """What else is known and fits in a line, the name of each before it."""
    facts: dict[str, str] = {}
    for name, value in details.items():
        if name == "certificate" and isinstance(value, Mapping):
            facts |= _certificate(value)
        elif name == "remote_ip":
            facts["address"] = _shown(value)
        elif isinstance(value, str | int | float) and name != "body":
            facts[name.replace("_", " ")] = _shown(value)
        elif isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
            facts[name.replace("_", " ")] = _shown(", ".join(map(str, value)))
    width = max(_LABEL, *(len(name) + 2 for name in facts)) if facts else 0
    return [f"  {name:<{width}}{value}" for name, value in facts.items() if value]


def _certificate(facts: Mapping[str, Any]) -> dict[str, str]:
    left = facts["days_left"]
    until = "expired" if left < 0 else f"{left} days left"
    return {
        "certificate": _shown(facts["subject"]),
        "issued by": _shown(facts["issuer"]),
        "valid until": _shown(f"{facts['not_after']} ({until})"),
        "SHA-256": _shown(facts["fingerprint_sha256"]),
    }


def _shown(value: object) -> str:
    """A value in one line; text of a target must not steer the terminal."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "".join(one if one.isprintable() else "\ufffd" for one in str(value))
    if not _can_print(text):
        text = text.encode("ascii", "replace").decode()
    return text if len(text) <= _LONGEST_FACT else text[: _LONGEST_FACT - 1] + "…"
