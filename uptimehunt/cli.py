"""The command line. One sentence and exit code 2 for a bad option, 1 when it cannot start."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from uptimehunt import __version__, logs, settings
from uptimehunt.errors import RefusedError, StartError, StorageError, UsageError, ValidationError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; answers the exit code."""
    try:
        return _run(sys.argv[1:] if argv is None else list(argv))
    except ValidationError as ex:
        found = "; ".join(message for messages in ex.details.values() for message in messages)
        print(f"uptimehunt: {found}", file=sys.stderr)
        return 1
    except (UsageError, StartError, StorageError, RefusedError) as ex:
        print(f"uptimehunt: {ex}", file=sys.stderr)
        return 2 if isinstance(ex, UsageError) else 1


def _run(argv: list[str]) -> int:
    parser = _parser()
    if not argv or (argv[0].startswith("-") and argv[0] not in {"-h", "--help"}):
        argv = ["serve", *argv]
    given = vars(parser.parse_args(argv))
    command = given.pop("command")
    if command == "version":
        return _version()
    if command == "openapi":
        return _openapi()
    if command == "health":
        return _health(given["url"])
    chosen = settings.load(
        {name: text for name, text in given.items() if name in _NAMES and text is not None},
        os.environ,
    )
    logs.configure(chosen.log_level)
    # Imported late: each command needs its own part of the program alone.
    if command == "user":
        from uptimehunt import accounts_cli

        return accounts_cli.run(given["act"], given.get("email"), given.get("role"), chosen)
    if command in {"backup", "restore"}:
        from uptimehunt import backup_cli

        if command == "restore":
            return backup_cli.bring_back(given["file"], chosen)
        return backup_cli.back_up(given["file"], given["with_key"], chosen)
    if command == "check":
        from uptimehunt import check_cli

        return check_cli.run(
            given["type"], given["target"], given["set"], given["timeout"], given["json"], chosen
        )
    from uptimehunt.server import serve

    serve(chosen)
    return 0


_NAMES = {option.name for option in settings.options()}


def _parser() -> _Parser:
    parser = _Parser(prog="uptimehunt", description="A self-hosted uptime monitor.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    serve = commands.add_parser(
        "serve", help="watch services and serve the dashboard and the API (the default)"
    )
    for option in settings.options():
        if not option.secret:  # A secret on a command line can be read by every other user.
            _add_option(serve, option)
    _add_check(commands)
    user = commands.add_parser("user", help="see and change accounts, while the server is stopped")
    acts = user.add_subparsers(dest="act", required=True, parser_class=_Parser)
    for act, help in _ACTS.items():
        one = acts.add_parser(act, help=help)
        _add_options(one, "data_dir")
        if act != "list":
            one.add_argument("email", metavar="EMAIL")
        if act == "create":
            one.add_argument("--role", choices=("admin", "member", "viewer"), default="member")
    _add_backup(commands)
    commands.add_parser("openapi", help="print the OpenAPI document")
    health = commands.add_parser("health", help="ask a running server whether all of it is well")
    health.add_argument("url", metavar="URL", nargs="?", default="http://127.0.0.1:8080")
    commands.add_parser("version", help="print the versions of the program and its parts")
    return parser


_ACTS = {
    "list": "list all accounts",
    "create": "create an account; the password is asked for, or read from standard input",
    "reset-password": "give an account another password and end its sessions",
}


class _HelpWithTypes(argparse.Action):
    """Help that loads the types of services, which no other command line needs."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from uptimehunt import check_cli

        parser.epilog = check_cli.types_text()
        parser.print_help()
        parser.exit()


def _add_check(commands: "argparse._SubParsersAction[_Parser]") -> None:
    check = commands.add_parser(
        "check",
        help="check something once, now, without a server",
        description="Check something once, now. Exits with 0 when it is up, 1 when it is not.",
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("-h", "--help", nargs=0, action=_HelpWithTypes, help="show this text")
    check.add_argument("type", metavar="TYPE", help="a type of the list below")
    check.add_argument(
        "target", metavar="TARGET", nargs="?", help="a URL, host, host:port … as the type wants it"
    )
    check.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a field of the config, as JSON or text; @FILE reads the value from a file, @- from "
        "standard input, which is the way for secrets",
    )
    check.add_argument("--timeout", metavar="SECONDS", help="for the whole check")
    check.add_argument("--json", action="store_true", help="print JSON, with all of the details")
    _add_options(check, "ca_file", "block_private", "allow_cidrs")


def _add_backup(commands: "argparse._SubParsersAction[_Parser]") -> None:
    backup = commands.add_parser(
        "backup",
        help="write a checked copy of the database, while the server runs or not",
        description="Write a checked copy of the database, while the server runs or not.",
    )
    backup.add_argument("file", metavar="FILE", help="where to; there must be nothing yet")
    backup.add_argument(
        "--with-key",
        action="store_true",
        help="write FILE.key too: with it sessions outlive a move to another machine",
    )
    restore = commands.add_parser(
        "restore",
        help="put a backup in the place of the database, while the server is stopped",
        description="Put a backup in the place of the database, while the server is stopped. The"
        " old database stays beside it. The data folder may be a new one.",
    )
    restore.add_argument("file", metavar="FILE", help="a backup; FILE.key beside it is used too")
    for command in (backup, restore):
        _add_options(command, "data_dir")


def _add_options(parser: argparse.ArgumentParser, *names: str) -> None:
    for option in settings.options():
        if option.name in names:
            _add_option(parser, option)


def _add_option(parser: argparse.ArgumentParser, option: settings.Option) -> None:
    shown = f" (default: {option.shown_default})" if option.shown_default else ""
    parser.add_argument(option.flag, dest=option.name, metavar="VALUE", help=option.help + shown)


def _version() -> int:
    import platform

    from uptimehunt.checks import curl
    from uptimehunt.store.database import sqlite_version

    print(f"uptimehunt {__version__}")
    print(f"python {platform.python_version()}, sqlite {sqlite_version()}, {curl.LIBRARY}")
    return 0


def _health(url: str) -> int:
    from uptimehunt.client import ApiError, Client

    try:
        with Client(url, timeout=5, retries=0) as client:
            found = client.get("/health")
    except ValueError as ex:
        raise UsageError(str(ex)) from None
    except ApiError as ex:
        told = f"no answer from {url}" if ex.code == "UNREACHABLE" else str(ex)
        print(f"uptimehunt: {told}", file=sys.stderr)
        return 1
    print(f"{found['status']}, version {found['version']}, up {found['uptime_seconds']} s")
    return 0


def _openapi() -> int:
    from uptimehunt.api import openapi
    from uptimehunt.app import BASE, ROUTES

    json.dump(openapi.document(ROUTES, BASE), sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 0
