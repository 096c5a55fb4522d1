"""The `http` type against nginx: what a real server says, and HTTP/2."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from tests.targets import program, tls
from tests.unit.checks.conftest import check
from uptimehunt.checks.http_config import HttpConfig

CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{plain};
        return 200 "hello over $server_protocol";
    }}
    server {{
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {certificate};
        ssl_verify_client optional_no_ca;
        location / {{ return 200 "hello over $server_protocol"; }}
        location /json {{
            default_type application/json;
            return 200 '{{"status": "ok", "up": 3}}';
        }}
        location /moved {{ return 302 /; }}
        location /guarded {{
            auth_basic here;
            auth_basic_user_file {users};
            alias {users};
        }}
        location /client {{ return 200 "$ssl_client_s_dn"; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def nginx() -> Iterator[tuple[str, str]]:
    """The URLs of the running server, in the clear and over TLS."""
    with program.folder() as folder:
        certificate, key = program.certificate_files(folder)
        users = folder / "users"
        users.write_text("bob:{PLAIN}s3cret-word\n")
        folder.chmod(0o755)
        plain, secure = program.free_port(), program.free_port()
        config = Path(folder / "nginx.conf")
        config.write_text(
            CONFIG.format(plain=plain, tls=secure, certificate=certificate, key=key, users=users)
        )
        command = ["nginx", "-p", str(folder), "-c", str(config), "-e", "error.log"]
        with program.running(command, folder, program.listening(secure)):
            yield f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}"


@pytest.mark.parametrize(
    ("wanted", "spoken"), [("auto", "2"), ("2", "2"), ("1.1", "1.1")]
)  # fmt: skip
def test_the_version_is_the_one_that_is_wanted(
    nginx: tuple[str, str], wanted: str, spoken: str
) -> None:
    outcome = check(
        f"{nginx[1]}/moved",
        ca_pem=program.ca_pem(),
        http_version=wanted,
        keyword=f"hello over HTTP/{spoken.replace('2', '2.0')}",
    )

    assert outcome.ok, outcome
    assert outcome.details["http_version"] == spoken
    assert outcome.details["redirects"] == 1
    assert outcome.details["certificate"]["days_left"] > 0


def test_without_tls_it_is_always_version_1_1(nginx: tuple[str, str]) -> None:
    outcome = check(nginx[0], keyword="hello over HTTP/1.1")

    assert outcome.ok and outcome.details["http_version"] == "1.1"
    with pytest.raises(ValidationError, match="findings"):
        HttpConfig(url=nginx[0], http_version="2")


def test_a_server_that_speaks_1_1_only_is_spoken_to_in_1_1() -> None:
    with tls.https_target() as site:
        outcome = check(f"{site.url}/", ca_pem=tls.ca_pem(), http_version="2")

    assert outcome.ok and outcome.details["http_version"] == "1.1"


def test_assertions_hold_over_http_2(nginx: tuple[str, str]) -> None:
    outcome = check(
        f"{nginx[1]}/json",
        ca_pem=program.ca_pem(),
        assertions=[
            {"source": "header", "property": "Server", "operator": "matches", "value": "^nginx"},
            {"source": "json", "property": "$.status", "operator": "equals", "value": "ok"},
            {"source": "json", "property": "$.up", "operator": "gte", "value": 3},
            {"source": "certificate_days", "operator": "gt", "value": 1},
            {"source": "response_time", "operator": "lt", "value": 1000},
            {"source": "size", "operator": "equals", "value": 25},
        ],
    )

    assert outcome.ok, outcome
    assert "warning" not in outcome.details


def test_nginx_knows_the_login(nginx: tuple[str, str]) -> None:
    login = {"auth_type": "basic", "username": "bob", "ca_pem": program.ca_pem()}

    assert check(f"{nginx[1]}/guarded", **login, password="s3cret-word").ok
    assert check(f"{nginx[1]}/guarded", **login, password="x").error == "authentication_failed"


def test_nginx_sees_the_client_certificate(nginx: tuple[str, str]) -> None:
    issued = trustme.CA().issue_cert("me.example")

    outcome = check(
        f"{nginx[1]}/client",
        ca_pem=program.ca_pem(),
        auth_type="mtls",
        client_certificate=issued.cert_chain_pems[0].bytes().decode(),
        client_key=issued.private_key_pem.bytes().decode(),
        keyword="Testing cert",
    )

    assert outcome.ok, outcome
