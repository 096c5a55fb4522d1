"""Holds every answer of the API against its own OpenAPI document."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import falcon
from falcon import testing
from jsonschema import Draft202012Validator

BASE = "/api/v1"
METHODS = ("get", "post", "put", "patch", "delete")
ERROR = {"$ref": "#/components/schemas/Error"}
CSV = "text/csv"
OF_CSV = {"Content-Disposition", "X-Total-Count", "Link"}
"""The headers that only an answer in CSV has."""


class Contract:
    """The document, ready to be asked what may be answered."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        # A path that is written out wins over one with a field in the same place.
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item)
            for path, item in sorted(document["paths"].items(), key=lambda pair: pair[0].count("{"))
        ]
        self._validators: dict[int, Draft202012Validator] = {}

    def described(self, path: str) -> dict[str, Any] | None:
        """What the document says of a path, as it is called."""
        below = path.removeprefix(BASE)
        return next((item for pattern, item in self._paths if pattern.fullmatch(below)), None)

    def check(self, method: str, path: str, answer: testing.Result) -> None:
        """Fail when an answer is not as documented."""
        called = f"{method} {path} answered {answer.status}"
        assert re.fullmatch("[A-Za-z0-9-]{8,64}", answer.headers["X-Request-ID"]), called
        assert answer.status_code < 500 or "Traceback" not in answer.text, called
        if method == "HEAD":
            assert answer.content == b"", called
        elif answer.status_code >= 400:
            self._is_json(answer, called)
            self.validate(ERROR, answer.json, called)
            assert answer.json["request_id"] == answer.headers["X-Request-ID"], called
        if path.startswith(BASE + "/"):
            self._check_documented(method, path, answer, called)

    def _check_documented(
        self, method: str, path: str, answer: testing.Result, called: str
    ) -> None:
        item = self.described(path)
        if method == "OPTIONS":
            assert (answer.status_code, answer.content) == (204, b""), called
            return
        if item is None:
            assert answer.status_code == 404, called
            return
        operation = item.get("get" if method == "HEAD" else method.lower())
        if operation is None:
            assert answer.status_code in {404, 405}, called
            assert answer.status_code == 404 or answer.headers["Allow"], called
            return
        response = operation["responses"].get(str(answer.status_code))
        assert response is not None, f"{called}, which is not documented: {answer.text}"
        is_csv = answer.headers.get("Content-Type", "").startswith(CSV)
        for name in response["headers"]:
            is_wanted = is_csv or name not in OF_CSV
            assert (name in answer.headers) == is_wanted, f"{called}: {name}"
        if "content" not in response:
            assert answer.content == b"", called
        elif method != "HEAD" and is_csv:
            self._check_csv(response["content"], answer, called)
        elif method != "HEAD":
            self._is_json(answer, called)
            schema = response["content"]["application/json"]["schema"]
            self.validate(schema, answer.json, called)

    def _is_json(self, answer: testing.Result, called: str) -> None:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8", called

    def _check_csv(self, content: Mapping[str, Any], answer: testing.Result, called: str) -> None:
        assert CSV in content, f"{called} in CSV, which is not documented"
        kind = answer.headers["Content-Type"]
        assert kind == "text/csv; charset=utf-8; header=present", called
        assert answer.text.endswith("\r\n"), f"{called}: the last line has no end"
        names, *rows = csv.reader(io.StringIO(answer.text, newline=""), strict=True)
        listed = content["application/json"]["schema"]["properties"]["data"]
        documented = list(self._columns(listed["items"]))
        assert names == documented, f"{called}: columns {names}, not {documented}"
        assert {len(row) for row in rows} <= {len(names)}, f"{called}: a line of another length"

    def _columns(self, schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
        """The fields of an object; those of an object inside it with its name before them."""
        for name, field in self._fields(schema).items():
            kinds = [kind for kind in field.get("anyOf", [field]) if kind != {"type": "null"}]
            if len(kinds) == 1 and self._fields(kinds[0]):
                yield from self._columns(kinds[0], f"{above}{name}.")
            else:
                yield above + name

    def _fields(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        fields: dict[str, Any] = schema.get("properties", {})
        return fields

    def validate(self, schema: dict[str, Any], value: Any, called: str) -> None:
        """Fail when a value does not fit one of the document's schemas."""
        known = self._validators.get(id(schema))
        if known is None:
            components = {"components": self.document["components"]}
            known = self._validators[id(schema)] = Draft202012Validator({**schema, **components})
        for error in known.iter_errors(value):
            raise AssertionError(f"{called}: {error.json_path}: {error.message}")


class Client(testing.TestClient):
    """Calls the API as one person, or nobody; every answer must be as documented."""

    def __init__(
        self,
        app: "falcon.App[Any, Any]",
        contract: Contract,
        token: str | None = None,
        prober_token: str | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        super().__init__(app, headers=headers | ({"X-Auth": prober_token} if prober_token else {}))
        self.contract = contract
        self.token = token

    def simulate_request(self, *args: Any, **kwargs: Any) -> testing.Result:
        """Any call; `args` are the method and the whole path."""
        answer = super().simulate_request(*args, **kwargs)
        self.contract.check(args[0], unquote(args[1].partition("?")[0]), answer)
        return answer

    def call(self, method: str, path: str, body: Any = None, **how: Any) -> testing.Result:
        """A call of a path below `/api/v1`, with a JSON body unless it is None."""
        if body is not None:
            how["json"] = body
        return self.simulate_request(method, BASE + path, **how)

    def ask(self, method: str, path: str, body: Any = None, status: int = 200, **how: Any) -> Any:
        """The whole JSON answer of a call that must have this status."""
        answer = self.call(method, path, body, **how)
        assert answer.status_code == status, f"{method} {path}: {answer.status} {answer.text}"
        return answer.json if answer.content else None

    def data(self, path: str, **how: Any) -> Any:
        """The data of a GET that succeeds."""
        return self.ask("GET", path, **how)["data"]

    def add(self, path: str, body: Any, status: int = 201) -> Any:
        """The data of a POST that succeeds."""
        return self.ask("POST", path, body, status)["data"]

    def refusal(
        self, method: str, path: str, body: Any = None, status: int = 422, **how: Any
    ) -> Any:
        """The `error` of a call that is refused."""
        return self.ask(method, path, body, status, **how)["error"]

    def details(self, method: str, path: str, body: Any) -> Any:
        """What a call refused for its field values says of each of them."""
        refusal = self.refusal(method, path, body)
        assert refusal["code"] == "VALIDATION_ERROR"
        assert refusal["message"] == "Validation failed"
        return refusal["details"]

    def raw(
        self, method: str, path: str, body: bytes | str, type: str | None = "application/json"
    ) -> testing.Result:
        """A call with this very body."""
        headers = {} if type is None else {"Content-Type": type}
        return self.simulate_request(method, BASE + path, headers=headers, body=body)
