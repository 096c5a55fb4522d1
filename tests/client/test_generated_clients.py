"""Clients that others generate from the document: they must build, and the quick start must work.

Names are looked up in the document, so that the API may grow and be renamed.
"""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from tests.contract import METHODS
from tests.process import EMAIL, PASSWORD, ROOT, Program, running, target

CREDENTIALS = {"email": EMAIL, "password": PASSWORD}


def service(url: str) -> dict[str, Any]:
    """The service of the seed's quick start, in the first project."""
    config = {"url": url, "method": "GET", "expected_status_code": 200, "timeout": 30}
    return {"name": "Production Website", "type": "http", "config": config, "interval": 5}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("server"), "--registration", "open") as program:
        yield program


@pytest.fixture(scope="module")
def document(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document that the program serves, as a file."""
    with requests.Session() as http:
        http.trust_env = False
        served = http.get(f"{program.url}/api/v1/openapi.json", timeout=20)
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_bytes(served.content)
    return path


def run(*command: str | Path, cwd: Path) -> str:
    """What a command says; it must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{said}"
    return said


# --- Python ------------------------------------------------------------------------------------


class Generated:
    """What openapi-python-client makes of the document.

    Attributes:
        said: the generator's words.
    """

    def __init__(self, document: Path, folder: Path) -> None:
        self.document = json.loads(document.read_text())
        (folder / "config.yml").write_text("post_hooks: []\n")
        generator = (sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none")
        config = ("--config", folder / "config.yml", "--output-path", folder / "generated_client")
        self.said = run(*generator, *config, "--path", document, cwd=folder)

    def module(self, method: str, path: str) -> ModuleType:
        """The module of one operation."""
        described = self.document["paths"][path][method]
        tag, name = re.sub(r"\W", "_", described["tags"][0]), described["operationId"]
        return importlib.import_module(f"generated_client.api.{tag}.{name}")

    def call(self, method: str, path: str, client: Any, body: Any = None, **how: Any) -> Any:
        """The data of a call that succeeds, as the generated model of its answer."""
        called = self.module(method, path).sync_detailed
        if body is not None:
            how["body"] = typing.get_type_hints(called)["body"].from_dict(body)
        answer = called(client=client, **how)
        assert answer.status_code < 300, answer
        return answer.parsed.data


@pytest.fixture(scope="module")
def generated(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    folder = tmp_path_factory.mktemp("python")
    made = Generated(document, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield made
    for name in [name for name in sys.modules if name.startswith("generated_client")]:
        del sys.modules[name]


def test_nothing_of_the_document_is_lost_on_a_generator(generated: Generated) -> None:
    assert "WARNING" not in generated.said and "Unable" not in generated.said, generated.said


def test_every_operation_has_a_function(generated: Generated) -> None:
    for path, item in generated.document["paths"].items():
        for method in set(METHODS) & set(item):
            assert callable(generated.module(method, path).sync_detailed)


def test_the_quick_start_works_with_a_generated_python_client(
    generated: Generated, program: Program
) -> None:
    maker = importlib.import_module("generated_client")
    base = program.url + "/api/v1"
    with target() as port, maker.Client(base_url=base) as nobody:
        generated.call("post", "/auth/register", nobody, CREDENTIALS)
        tokens = generated.call("post", "/auth/login", nobody, CREDENTIALS)
        assert tokens.user.email == EMAIL
        with maker.AuthenticatedClient(base_url=base, token=tokens.access) as alice:
            project = generated.call("post", "/projects", alice, {"name": "Web"})
            wanted = service(f"http://127.0.0.1:{port}") | {"project_id": project.id}
            made = generated.call("post", "/services", alice, wanted)
            path = "/services/{service_id}/metrics/uptime"
            uptime = generated.call("get", path, alice, service_id=made.id)
            listed = generated.call("get", "/services", alice)

    assert (made.name, made.type_, made.status) == ("Production Website", "http", "pending")
    assert (uptime.period, uptime.total_checks - uptime.successful_checks) == ("30d", 0)
    assert [each.name for each in listed] == ["Production Website"]


def test_a_generated_python_client_reads_errors(generated: Generated, program: Program) -> None:
    maker = importlib.import_module("generated_client")
    with maker.Client(base_url=program.url + "/api/v1") as nobody:
        login = generated.module("post", "/auth/login").sync_detailed
        body = typing.get_type_hints(login)["body"].from_dict({**CREDENTIALS, "password": "no"})
        answer = login(client=nobody, body=body)

    assert (answer.status_code, answer.parsed.error.code) == (401, "INVALID_CREDENTIALS")


# --- TypeScript --------------------------------------------------------------------------------

TOOLS = {"openapi-typescript": "7.13.0", "typescript": "5.9.3"}

STRICT = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "noEmitOnError": True,
    "target": "es2022",
    "module": "es2022",
    "moduleResolution": "bundler",
    "types": [],
}

QUICK_START = """\
import type { paths } from "./api";

declare const process: { argv: string[] };
const [base, target, email, password] = process.argv.slice(2) as [string, string, string, string];

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Body<T> = T extends { requestBody: infer Sent } ? Json<Sent> : never;
type Success<T> = T extends { responses: infer R } ? Json<R[keyof R & (200 | 201)]> : never;
type Failure = Json<paths["/services"]["post"]["responses"][422]>;

async function call<T>(method: string, path: string, access = "", body?: Body<T>) {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${access}` };
  const sent = body === undefined ? null : JSON.stringify(body);
  const answer = await fetch(base + path, { method, headers, body: sent });
  if (!answer.ok) {
    const failure = (await answer.json()) as Failure;
    throw new Error(`${failure.error.code}: ${failure.error.message} ${failure.request_id}`);
  }
  return (await answer.json()) as Success<T>;
}

const login = await call<paths["/auth/login"]["post"]>("POST", "/auth/login", "", {
  email,
  password,
});
const access: string = login.data.access;
const made = await call<paths["/services"]["post"]>("POST", "/services", access, {
  name: "Production Website",
  type: "http",
  config: { url: target, method: "GET", expected_status_code: 200, timeout: 30 },
  interval: 5,
});
const id: number = made.data.id;
const project: string | undefined = made.data.project?.name;
const uptime = await call<paths["/services/{service_id}/metrics/uptime"]["get"]>(
  "GET",
  `/services/${id}/metrics/uptime`,
  access,
);
const percentage: number | null = uptime.data.uptime_percentage;
const list = await call<paths["/services"]["get"]>("GET", "/services?page=1", access);
const pages: number = list.meta.totalPages;
console.log(JSON.stringify([made.data.status, project, uptime.data.period, percentage, pages]));

// The types are types: what is wrong does not compile.
// @ts-expect-error
made.data.nope;
// @ts-expect-error
const text: string = uptime.data.total_checks;
// @ts-expect-error
const nameless: Body<paths["/services"]["post"]> = { type: "http", config: {} };
// @ts-expect-error
const status: "up" = made.data.status;
export { nameless, status, text };
"""


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The folder of the tools, installed once a machine below `build/`."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    folder = ROOT / "build" / "node" / "-".join(TOOLS.values())
    tools = folder / "node_modules"
    if not all((tools / name / "package.json").exists() for name in TOOLS):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": TOOLS}))
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "npm_config_fetch_retries": "0"},
        )
        if done.returncode != 0:
            pytest.skip(f"npm cannot install openapi-typescript: {done.stderr[-300:]}")
    return tools


def test_the_quick_start_compiles_strictly_and_works_in_typescript(
    node_modules: Path, document: Path, program: Program, tmp_path: Path
) -> None:
    account = {"email": "typescript@example.com", "password": PASSWORD}
    with requests.Session() as http:
        http.trust_env = False
        registered = http.post(f"{program.url}/api/v1/auth/register", json=account, timeout=20)
    assert registered.status_code == 201
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT}))
    (tmp_path / "quick_start.ts").write_text(QUICK_START)

    generator = node_modules / "openapi-typescript" / "bin" / "cli.js"
    # By default it would demand every field of a body that has a default.
    run("node", generator, document, "--default-non-nullable=false", "-o", "api.ts", cwd=tmp_path)
    run("node", node_modules / "typescript" / "bin" / "tsc", cwd=tmp_path)
    with target() as port:
        arguments = [f"{program.url}/api/v1", f"http://127.0.0.1:{port}", *account.values()]
        said = run("node", "quick_start.js", *arguments, cwd=tmp_path)

    assert json.loads(said) == ["pending", None, "30d", None, 1]
