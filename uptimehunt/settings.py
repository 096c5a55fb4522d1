"""Every setting, as one table: the fields of `Settings`.

A field's line gives its name, default, parser and help; from it come the command line option
(`--data-dir`), the environment variable (`UPTIMEHUNT_DATA_DIR`), for a secret also the variable
naming a file (`UPTIMEHUNT_SECRET_KEY_FILE`), and the row in the README, which a test compares.
Options win over the environment. A value that cannot be used ends the program before it has
touched anything.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from uptimehunt.errors import UsageError

PREFIX = "UPTIMEHUNT_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Parser = Callable[[str], Any]
"""Turns the text of an option into its value, or raises ValueError saying what is expected."""


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _path(value: str) -> Path:
    return Path(_text(value)).expanduser()


def _file(value: str) -> Path:
    path = _path(value)
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise ValueError("must be a file that can be read")
    return path


def _url(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be a URL such as https://uptime.example.com")
    return value.strip().rstrip("/")


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        raise ValueError("must be an IP address") from None


def _yes_or_no(value: str) -> bool:
    word = value.strip().lower()
    if word not in {"true", "false"}:
        raise ValueError("must be true or false")
    return word == "true"


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(","))
    except ValueError:
        # Host bits that are set are refused too: 10.1.2.3/8 says two things at once.
        raise ValueError("must be networks such as 10.0.0.0/8, separated by commas") from None


def _whole(low: int, high: int) -> Parser:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise ValueError(f"must be a whole number between {low} and {high}")
        return int(value)

    return parse


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_LEAST_DISK = 50 * 10**6


def _disk_size(value: str) -> int:
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)", value.strip().upper(), re.ASCII)
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if not _LEAST_DISK <= size < 2**60:
        raise ValueError("must be a size such as 500M or 2G, and at least 50M")
    return size


def _one_of(*choices: str) -> Parser:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def _secret_key(value: str) -> bytes:
    key = value.strip().encode()
    if len(key) < 32:
        raise ValueError("must be at least 32 bytes long")
    return key


def _setting(default: Any, parse: Parser, help: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"parse": parse, "help": help, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """The settings of one run of the server."""

    host: str = _setting("127.0.0.1", _text, "Address to listen on.")
    port: int = _setting(8080, _whole(0, 65535), "Port to listen on; 0 picks a free one.")
    data_dir: Path = _setting(  # noqa: RUF009 - a field, as dataclasses.field is
        Path("uptimehunt-data"), _path, "Folder of the database, its backups and the secret key."
    )
    registration: str = _setting(
        "first",
        _one_of("first", "open", "closed"),
        "Who may create an account: only the `first` person, anyone (`open`), nobody (`closed`).",
    )
    public_url: str | None = _setting(
        None, _url, "Address under which people open it, such as `https://uptime.example.com`."
    )
    trusted_proxy: str | None = _setting(
        None,
        _address,
        "Address of the reverse proxy whose `X-Forwarded-For` and `-Proto` count.",
    )
    secret_key: bytes | None = _setting(
        None,
        _secret_key,
        "Key that signs sessions, at least 32 bytes; made in the data folder when not set.",
        secret=True,
    )
    ca_file: Path | None = _setting(  # noqa: RUF009
        None, _file, "CA certificates that checks trust; the system's, else bundled ones."
    )
    block_private: bool = _setting(
        False, _yes_or_no, "Refuse to probe addresses that are not on the public internet."
    )
    allow_cidrs: tuple[Network, ...] | None = _setting(
        None,
        _networks,
        "Networks that are probed all the same, such as `10.0.0.0/8,fd00::/8`.",
    )
    results_days: int = _setting(
        30, _whole(1, 3650), "Days for which single check results are kept."
    )
    figures_days: int = _setting(
        365, _whole(1, 3650), "Days for which half-hourly figures are kept; daily ones stay."
    )
    max_disk: int | None = _setting(
        None,
        _disk_size,
        "Size that the database is kept below, such as `2G`; old results that went well go first.",
    )
    nightly_backups: int = _setting(
        7, _whole(0, 365), "Nightly copies of the database that are kept; with 0 none is made."
    )
    log_level: str = _setting(
        "info", _one_of("debug", "info", "warning", "error"), "How much to log."
    )


@dataclass(frozen=True)
class Option:
    """One setting as the outside sees it."""

    name: str
    default: Any
    help: str
    secret: bool
    parse: Parser

    @property
    def flag(self) -> str:
        """The command line option, `--data-dir`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable, `UPTIMEHUNT_DATA_DIR`."""
        return PREFIX + self.name.upper()

    @property
    def shown_default(self) -> str:
        """The default as people would write it; empty when there is none."""
        if self.default is None:
            return ""
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    def read(self, source: str, text: str) -> Any:
        """The value of this setting given as text.

        Raises:
            UsageError: it cannot be used; names the source, never the value of a secret.
        """
        try:
            return self.parse(text)
        except ValueError as ex:
            shown = "" if self.secret else f", not {text!r}"
            raise UsageError(f"{source} {ex}{shown}") from None


def options() -> Iterator[Option]:
    """The table, in the order in which it is written."""
    for item in fields(Settings):
        yield _option(item)


def _option(item: "Field[Any]") -> Option:
    assert item.default is not MISSING
    return Option(
        name=item.name,
        default=item.default,
        help=item.metadata["help"],
        secret=item.metadata["secret"],
        parse=item.metadata["parse"],
    )


def load(given: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Read the settings of this run.

    Args:
        given: setting name → text, for the options that stood on the command line.
        environ: the environment; only `UPTIMEHUNT_*` is looked at.

    Raises:
        UsageError: a value cannot be used, or a variable is no setting (a misspelt setting must
            not pass silently).
    """
    values: dict[str, Any] = {}
    known: set[str] = set()
    for option in options():
        text, source = _find(option, given, environ)
        known |= {option.variable} | ({option.variable + "_FILE"} if option.secret else set())
        if text is not None:
            values[option.name] = option.read(source, text)
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known:
            names = [name.removeprefix(PREFIX) for name in known]
            close = difflib.get_close_matches(variable.removeprefix(PREFIX), names, n=1)
            hint = f"; did you mean {PREFIX}{close[0]}?" if close else ""
            raise UsageError(f"{variable} is not a setting{hint}")
    return Settings(**values)


def _find(
    option: Option, given: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[str | None, str]:
    """The text given for a setting, or None, and where it was given."""
    if option.name in given:
        return given[option.name], option.flag
    file_variable = option.variable + "_FILE"
    if option.secret and file_variable in environ:
        if option.variable in environ:
            raise UsageError(f"set either {option.variable} or {file_variable}, not both")
        try:
            return Path(environ[file_variable]).read_text(encoding="utf-8"), file_variable
        except (OSError, UnicodeDecodeError) as ex:
            raise UsageError(f"{file_variable} names a file that cannot be read: {ex}") from None
    return environ.get(option.variable), option.variable
