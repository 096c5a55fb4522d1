"""`uptimehunt check …` as a person types it: the real command, against real servers."""

import json
import os
import socketserver
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process import ROOT, SOURCE
from tests.targets import LoopbackServer, running, tcp, tls
from tests.targets.http import HttpTarget, http_target
from uptimehunt import check_cli
from uptimehunt.errors import UsageError
from uptimehunt.settings import Settings


@pytest.fixture(scope="module")
def site() -> Iterator[HttpTarget]:
    with http_target() as server:
        yield server


class Run:
    """One run of the command: its exit code, and what it said."""

    def __init__(self, *arguments: str, stdin: str = "", **environ: str) -> None:
        clean = {name: text for name, text in os.environ.items() if name[:11] != "UPTIMEHUNT_"}
        done = subprocess.run(
            [*SOURCE, "check", *arguments],
            cwd=ROOT,
            env=clean | {"PYTHONUTF8": "1"} | environ,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> Any:
        assert self.err == ""
        return json.loads(self.out)


def test_what_is_up_is_told_in_one_line_with_its_phases_as_bars(site: HttpTarget) -> None:
    run = Run("http", f"{site.url}/slow?s=0.3")

    assert (run.code, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[0].startswith(f"OK  {site.url}/slow?…  answered 200 in 3")
    connect, first_byte = (
        next(line for line in lines if line.startswith(f"  {phase} "))
        for phase in ("connect", "first byte")
    )
    assert first_byte.count("█") > 30 > connect.count("█")
    assert ["address", "127.0.0.1"] in [line.split() for line in lines]
    assert all(len(line) <= 100 for line in lines)


def test_without_a_terminal_of_many_letters_the_bars_are_ascii(site: HttpTarget) -> None:
    run = Run("http", site.url, PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")

    assert run.code == 0
    assert run.out.isascii() and "#" in run.out


def test_json_has_everything(site: HttpTarget) -> None:
    run = Run("http", f"{site.url}/status/503", "--json")

    assert run.code == 1
    assert run.json["status"] == "failure"
    assert run.json["status_code"] == 503
    assert run.json["response_time"] >= 1
    assert run.json["error"]["code"] == "status_mismatch"
    assert run.json["details"]["remote_ip"] == "127.0.0.1"
    assert run.json["details"]["body"] == "as you wish"


def test_json_of_what_is_up_has_no_error(site: HttpTarget) -> None:
    run = Run("http", site.url, "--json")

    assert run.code == 0
    assert (run.json["status"], run.json["error"]) == ("success", None)


def test_what_is_down_is_told_with_the_reason_and_1() -> None:
    with tcp.closed_port() as port:
        run = Run("tcp", f"127.0.0.1:{port}")

    assert run.code == 1
    assert run.out.splitlines()[0] == (
        f"FAIL  127.0.0.1:{port}  Connection refused by 127.0.0.1:{port} (connection_refused)"
    )


def test_the_timeout_holds() -> None:
    with tcp.silent() as port:
        run = Run("tcp", f"127.0.0.1:{port}", "--set", "tls=true", "--timeout", "1", "--json")

    assert run.code == 1
    assert run.json["error"] == {"code": "timeout", "message": "No answer within 1 s"}


def test_a_certificate_is_told(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(tls.ca_pem())
    with tls.https_target("good") as server:
        good = Run("tcp", f"localhost:{server.port}", "--set", "tls=true", "--ca-file", str(ca))
        other = Run(
            "tcp", f"127.0.0.1:{server.port}", "--set", "tls=true", "--set", f"ca_pem=@{ca}",
            "--set", "server_name=localhost",
        )  # fmt: skip

    for run in (good, other):
        assert run.code == 0, run.out
        assert "  TLS handshake" in run.out
        assert " days left)" in run.out


def test_fields_are_json_or_text_and_secrets_come_from_files_or_standard_input(
    site: HttpTarget, tmp_path: Path
) -> None:
    body = tmp_path / "body"
    body.write_text("@file\n")
    headers = json.dumps([{"name": "X-Key", "value": "hush hush", "secret": True}])
    run = Run(
        "http", f"{site.url}/echo", "--set", "method=POST", "--set", "headers=@-",
        "--set", f"body=@{body}", "--set", "expected_status_code=201, 2xx",
        "--set", "keyword=@@nowhere", stdin=headers,
    )  # fmt: skip

    assert run.code == 1
    assert site.requests[-1].headers["x-key"] == "hush hush"
    assert site.requests[-1].body == b"@file"
    assert "Keyword not found" in run.out
    assert "hush" not in run.out + run.err


def test_text_of_the_target_does_not_steer_the_terminal() -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: \x1b[2J\r\nContent-Length: 4\r\n\r\n\x1b[2J")

    server = LoopbackServer(Handler)
    with running(server):
        url = f"http://127.0.0.1:{server.port}/"
        run = Run("http", url, "--set", "keyword=no", "--json")

    assert run.json["details"]["body"] == "\x1b[2J"
    assert "\x1b" not in run.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tcp", "a b:0"), "host: Host must be a host name or an IP address; port: Must be between "
         "1 and 65535"),
        (("tcp", "a:1", "--ca-file", "/nonexistent"), "--ca-file must be a file"),
        (("tcp", "a:1", "b:2"), "unrecognized arguments: b:2"),
    ],
)  # fmt: skip
def test_bad_usage_is_one_sentence_that_names_it_and_2(
    arguments: tuple[str, ...], words: str
) -> None:
    run = Run(*arguments)

    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"uptimehunt: {words}")
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("type_name", "target", "fields", "words"),
    [
        ("gopher", "example.com", [], "'gopher' is no type of service; there are "),
        ("heartbeat", None, ["schedule=period"], "a service of type heartbeat is judged by "),
        ("group", "1", [], "a service of type group is judged by the server"),
        ("http", None, [], "url: URL is required"),
        ("http", "nonsense", [], "url: URL must be valid"),
        ("http", "http://a", ["expected_status_code=2xy"], "expected_status_code: Expected status"),
        ("tcp", "example.com", [], "port: Port is required"),
        ("tcp", "example.com:http", [], "port: Port must be a whole number"),
        ("tcp", "a:1", ["timeout=soon"], "timeout: Timeout must be a whole number"),
        ("tcp", "a:1", ["timeout=0"], "timeout: Must be between 1 and 120"),
        ("tcp", "a:1", ["tls=maybe"], "tls: TLS must be true or false"),
        (
            "tcp",
            "a:1",
            ["pasword=hush"],
            "a config of type tcp has no field 'pasword'; it has host",
        ),
        ("tcp", "a:1", ["hush"], "--set must be NAME=VALUE"),
        ("tcp", "a:1", ["ca_pem=@/nonexistent"], "ca_pem: the file cannot be read: "),
        ("tcp", "a:1", ["ca_pem=@/dev/zero"], "ca_pem: the file has more than 1 MiB"),
        ("redis", "a", ["password="], "password: Password is required"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_its_name(
    type_name: str, target: str | None, fields: list[str], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_cli.run(type_name, target, fields, None, False, Settings())

    assert str(caught.value).startswith(words)
    assert "hush" not in str(caught.value)


def test_the_address_policy_is_that_of_the_settings(site: HttpTarget) -> None:
    environ = {"UPTIMEHUNT_BLOCK_PRIVATE": "true"}

    refused = Run("http", site.url, "--json", **environ)
    allowed = Run("http", site.url, "--allow-cidrs", "127.0.0.0/8", **environ)

    assert refused.json["error"]["message"] == "Address 127.0.0.1 is never probed"
    assert allowed.code == 0


def test_nothing_is_written(site: HttpTarget, tmp_path: Path) -> None:
    assert Run("http", site.url, UPTIMEHUNT_DATA_DIR=str(tmp_path / "data")).code == 0

    assert list(tmp_path.iterdir()) == []


def test_the_help_lists_the_types() -> None:
    run = Run("--help")

    assert (run.code, run.err) == (0, "")
    assert "\n  http " in run.out and "\n  tcp " in run.out
    assert "--set NAME=VALUE" in run.out


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        ("db.lan:5432", "db.lan", "5432"),
        ("db.lan", "db.lan", None),
        ("[::1]:22", "::1", "22"),
        ("[::1]", "::1", None),
        ("::1", "::1", None),
        ("fe80::1%eth0", "fe80::1%eth0", None),
    ],
)
def test_a_target_is_split_at_its_port(target: str, host: str, port: str | None) -> None:
    assert check_cli._split(target) == (host, port)
