"""Lists as CSV: the values of the JSON, safe to open in a spreadsheet, and paged by headers."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import falcon
import pytest
from falcon import testing
from pydantic import BaseModel

from tests import builders
from tests.builders import HOUR_MS, T0, finding
from tests.conftest import RecordingEngine
from tests.contract import BASE, Client, Contract
from uptimehunt import clock
from uptimehunt.api import spreadsheet
from uptimehunt.api.operation import Access, Answer, Resource, operation
from uptimehunt.api.parts import Parts
from uptimehunt.app import ROUTES
from uptimehunt.domain.findings import Finding
from uptimehunt.domain.tokens import Tokens
from uptimehunt.store.database import Store
from uptimehunt.store.models import User

CSV = {"Accept": "text/csv"}
LISTS = {
    "/services/1/metrics/response-times": "services-1-metrics-response-times.csv",
    "/services/1/metrics/days": "services-1-metrics-days.csv",
    "/services/1/checks": "services-1-checks.csv",
    "/services/1/errors": "services-1-errors.csv",
    "/services/1/incidents": "services-1-incidents.csv",
    "/incidents": "incidents.csv",
}
PAGED = [path for path in LISTS if "metrics" not in path]
NAME = 'Shop "Süd", 2. Stock €'
DAY = "from=2023-11-14&to=2023-11-15"
SPAN = f"from={clock.iso_seconds(T0)}&to={clock.iso_seconds(T0 + HOUR_MS)}"


@pytest.fixture
def service(store: Store, alice: User) -> int:
    """A service of Alice that has failed twice among its seven checks, all from the hour `T0`."""
    made = builders.add_service(store, alice, name=NAME, retries=0)
    builders.record(store, [_check(made, minute) for minute in range(7)])
    return made


def _check(service_id: int, minute: int) -> Finding:
    at = T0 + minute * 60_000
    if minute not in {1, 4}:
        return finding(service_id, at)
    lines = ["a,b", 'say "x"\r\n']
    return finding(service_id, at, ok=False, remote_ip="192.0.2.1", lines=lines)


def read(answer: testing.Result) -> list[dict[str, str]]:
    """The rows of an answer in CSV, by the names of their columns."""
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))


def rows(client: Client, path: str) -> list[dict[str, str]]:
    return read(client.call("GET", path, headers=CSV))


def links(answer: testing.Result) -> dict[str, str]:
    """Relation → target, below the path of the API."""
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["Link"])
    return {relation: target for target, relation in found}


# --- what is in it -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS)
def test_a_list_as_csv_has_the_values_of_its_json(
    as_alice: Client, service: int, path: str
) -> None:
    span = DAY if path.endswith("days") else f"{SPAN}&interval_seconds=600"
    asked = path if path in PAGED else f"{path}?{span}"
    expected = as_alice.data(asked)
    assert expected

    found = rows(as_alice, asked)

    assert len(found) == len(expected)
    for line, row in zip(found, expected, strict=True):
        for column, cell in line.items():
            value: Any = row
            for name in column.split("."):
                value = None if value is None else value[name]
            if value is None:
                assert cell == "", column
            elif isinstance(value, str):
                assert cell == value, column
            else:
                assert json.loads(cell) == value, column


def test_what_is_nested_has_columns_of_its_own_and_what_is_free_is_json_in_one(
    as_alice: Client, service: int
) -> None:
    checks = rows(as_alice, f"/services/{service}/checks")

    assert list(checks[0]) == [
        "id", "timestamp", "probe.id", "probe.name", "probe.hostname", "probe.city",
        "probe.country", "probe.isp", "status", "response_time", "status_code", "error.code",
        "error.message", "details",
    ]  # fmt: skip
    up, down = checks[0], checks[2]
    assert (up["response_time"], up["error.code"], up["error.message"]) == ("10", "", "")
    assert (down["response_time"], down["error.code"]) == ("", "timeout")
    assert down["details"] == (
        r'{"remote_ip":"192.0.2.1","lines":["a,b","say \"x\"\r\n"]}'
    )  # fmt: skip
    [incident] = rows(as_alice, f"/services/{service}/incidents?limit=1")
    assert incident["service.name"] == NAME


def test_lines_end_and_cells_are_quoted_as_the_rfc_has_it() -> None:
    class Row(BaseModel):
        first: str
        second: str | None

    written = spreadsheet.text(
        Row,
        [
            {"first": 'a "b", c', "second": "one\r\ntwo"},
            {"first": "", "second": None},
            {"first": "line\nbreak", "second": "€"},
        ],
    )

    assert written == (
        "first,second\r\n"
        '"a ""b"", c","one\r\ntwo"\r\n'
        ",\r\n"
        '"line\nbreak",€\r\n'
    )  # fmt: skip


@pytest.mark.parametrize(
    "start", [*"=+-@\t\r\n\0", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH COMMERCIAL AT}"]
)
def test_text_that_a_spreadsheet_would_run_is_text_to_it(start: str) -> None:
    class Inner(BaseModel):
        note: str

    class Row(BaseModel):
        name: str
        inner: Inner | None
        count: int
        share: float
        is_known: bool
        tags: list[str]

    evil = f"{start}HYPERLINK(A1)"
    row = {
        "name": evil, "inner": {"note": evil}, "count": -5, "share": -0.5, "is_known": True,
        "tags": [evil],
    }  # fmt: skip

    names, cells = csv.reader(io.StringIO(spreadsheet.text(Row, [row]), newline=""))

    assert names == ["name", "inner.note", "count", "share", "is_known", "tags"]
    assert cells[:5] == [f"'{evil}", f"'{evil}", "-5", "-0.5", "true"]
    assert json.loads(cells[5]) == [evil]


def test_the_name_of_a_service_is_never_a_formula(
    as_alice: Client, store: Store, alice: User
) -> None:
    name = '=cmd|"/c calc"!A1'
    evil = builders.add_service(store, alice, name=name, retries=0)
    builders.record(store, [finding(evil, ok=False)])

    [incident] = rows(as_alice, "/incidents")

    assert incident["service.name"] == f"'{name}"
    assert as_alice.data("/incidents")[0]["service"]["name"] == name


# --- who gets it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("text/csv", True),
        ("text/csv; charset=utf-8", True),
        ("text/csv;header=present", True),
        ("text/*", True),
        ("text/csv, application/json;q=0.9", True),
        ("application/json;q=0.1, text/csv;q=0.2", True),
        ("text/html, text/csv;q=0.5, */*;q=0.1", True),
        ("*/*;q=0.1, text/csv", True),
        ("application/json;q=0, */*", True),
        ("application/json, text/csv", False),
        ("text/csv, application/json", False),
        ("text/csv;q=0.2, application/json;q=0.3", False),
        ("text/csv;q=0.9, */*", False),
        ("text/csv;q=0", False),
        ("text/csv;q=0, */*", False),
        ("*/*", False),
        ("application/*", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("text/html", False),
        ("application/xml", False),
        ("text/csv;q=x", False),
        ("csv", False),
        ("", False),
        (None, False),
    ],
)
def test_who_prefers_csv_gets_csv(as_alice: Client, accept: str | None, is_csv: bool) -> None:
    answer = as_alice.call(
        "GET", "/incidents", headers={} if accept is None else {"Accept": accept}
    )

    assert answer.headers["Content-Type"].startswith("text/csv" if is_csv else "application/json")
    assert answer.headers["Vary"] == "Accept"


def test_what_is_no_such_list_stays_json(as_alice: Client, service: int) -> None:
    for path in ("/services", f"/services/{service}", "/incidents/1", "/probes", "/health"):
        answer = as_alice.call("GET", path, headers=CSV)
        assert answer.json["data"], path
        assert "Vary" not in answer.headers, path


def test_the_lists_that_can_be_csv_are_these() -> None:
    declared = {
        re.sub(r"\{\w+:id\}", "1", route.path)
        for route in ROUTES
        for _, _, declared in route.operations()
        if declared.answer.has_csv
    }

    assert declared == LISTS.keys()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/services/12345/checks", 404),
        ("/services/12345/incidents", 404),
        ("/incidents?colour=red", 400),
        ("/incidents?limit=10001", 400),
        ("/services/1/metrics/response-times?period=1y", 400),
    ],
)
def test_an_error_is_json_to_everybody(
    as_alice: Client, service: int, path: str, status: int
) -> None:
    answer = as_alice.call("GET", path, headers=CSV)

    assert answer.status_code == status
    assert answer.json["error"]["message"]
    assert "Content-Disposition" not in answer.headers


def test_nobody_gets_csv_of_anything(as_nobody: Client, as_bob: Client, service: int) -> None:
    for path in LISTS:
        as_nobody.refusal("GET", path, status=401, headers=CSV)
        if path != "/incidents":
            as_bob.refusal("GET", path, status=404, headers=CSV)
    assert rows(as_bob, "/incidents") == []


# --- its headers -------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "name"), LISTS.items())
def test_csv_is_a_file_with_a_name(as_alice: Client, service: int, path: str, name: str) -> None:
    answer = as_alice.call("GET", path, headers=CSV)

    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Cache-Control"] == "no-store"
    head = as_alice.call("HEAD", path, headers=CSV)
    assert head.status_code == 200
    told = {"Content-Type", "Content-Disposition", "X-Total-Count", "Link", "Vary"}
    assert {n: head.headers.get(n) for n in told} == {n: answer.headers.get(n) for n in told}


def test_a_page_in_another_origin_may_read_its_headers(client: Client) -> None:
    exposed = client.call("GET", "/health").headers["Access-Control-Expose-Headers"].split(", ")

    assert {"Content-Disposition", "Link", "X-Total-Count", "ETag", "Retry-After"} <= set(exposed)


def follow(client: Client, path: str, relation: str = "next") -> Iterator[testing.Result]:
    """An answer, and those that its links lead to."""
    while True:
        answer = client.call("GET", path, headers=CSV)
        yield answer
        if relation not in links(answer):
            return
        path = urljoin(path, links(answer)[relation])


@pytest.mark.parametrize("path", PAGED)
def test_links_lead_through_all_pages(as_alice: Client, service: int, path: str) -> None:
    whole = rows(as_alice, path)

    pages = list(follow(as_alice, f"{path}?limit=1"))

    assert [row for page in pages for row in read(page)] == whole
    assert {page.headers["X-Total-Count"] for page in pages} == {str(len(whole))}
    assert {links(page)["last"] for page in pages} == {f"?limit=1&page={len(whole)}"}
    back = list(follow(as_alice, f"{path}?page={len(whole)}&limit=1", "prev"))
    assert [read(page) for page in back] == [read(page) for page in reversed(pages)]


def test_links_keep_what_was_asked(as_alice: Client, service: int) -> None:
    asked = f"status=success&{SPAN}&page=2&limit=2"

    answer = as_alice.call("GET", f"/services/{service}/checks?{asked}", headers=CSV)

    kept = f"?status=success&{SPAN}&limit=2&page=".replace(":", "%3A")
    numbers = {"first": 1, "prev": 1, "next": 3, "last": 3}
    assert links(answer) == {relation: f"{kept}{n}" for relation, n in numbers.items()}
    assert answer.headers["X-Total-Count"] == "5"


def test_a_page_past_the_end_leads_back(as_alice: Client, service: int) -> None:
    answer = as_alice.call("GET", f"/services/{service}/checks?page=9&limit=3", headers=CSV)

    assert read(answer) == []
    assert links(answer) == {
        "first": "?limit=3&page=1", "prev": "?limit=3&page=3", "last": "?limit=3&page=3",
    }  # fmt: skip


def test_a_list_with_nothing_in_it_names_its_columns(as_alice: Client) -> None:
    answer = as_alice.call("GET", "/incidents", headers=CSV)

    assert answer.text == (
        "id,service.id,service.name,service.type,status,started_at,resolved_at,"
        "duration_seconds,cause,message\r\n"
    )
    assert answer.headers["X-Total-Count"] == "0"
    assert links(answer) == {"first": "?page=1", "last": "?page=1"}


def test_all_of_a_list_can_be_had_in_a_few_calls(
    as_alice: Client, store: Store, alice: User
) -> None:
    busy = builders.add_service(store, alice)
    builders.record(store, [finding(busy, T0 + n) for n in range(150)])
    path = f"/services/{busy}/checks?limit="

    assert len(rows(as_alice, f"{path}10000")) == 150
    assert len(rows(as_alice, f"/services/{busy}/checks")) == 20
    refused = as_alice.call("GET", f"{path}10001", headers=CSV)
    assert refused.json["error"]["message"] == "Query parameter limit: Must be between 1 and 10000"
    told = as_alice.refusal("GET", f"{path}101", status=400)
    assert told["message"] == "Query parameter limit: Must be between 1 and 100"


# --- the declaration ---------------------------------------------------------------------------


def test_csv_is_documented_with_an_example_that_fits(contract: Contract) -> None:
    for path in LISTS:
        described = contract.described(BASE + path)
        assert described is not None
        success = described["get"]["responses"]["200"]
        as_csv = success["content"]["text/csv"]
        assert as_csv["schema"] == {"type": "string"}
        names, row = csv.reader(io.StringIO(as_csv["example"], newline=""))
        assert len(names) == len(row)
        assert {"id", "timestamp", "date"} & set(names)
        paging = {"X-Total-Count", "Link"} if path in PAGED else set()
        assert success["headers"].keys() == {"X-Request-ID", "Vary", "Content-Disposition"} | paging
        taken = {one["name"]: one["schema"] for one in described["get"]["parameters"]}
        assert "limit" not in taken or taken["limit"]["maximum"] == 10_000


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (lambda lines: ["id,name", *lines[1:]], "columns .'id', 'name'., not .'id', 'service.id'"),
        (lambda lines: [*lines[:-1], "1,2", ""], "a line of another length"),
        (lambda lines: lines[:-1], "the last line has no end"),
    ],
)
def test_other_lines_than_the_documented_ones_are_a_breach_of_contract(
    as_alice: Client,
    contract: Contract,
    service: int,
    lines: Callable[[list[str]], list[str]],
    told: str,
) -> None:
    answer = as_alice.call("GET", "/incidents", headers=CSV)
    body = "\r\n".join(lines(answer.text.split("\r\n"))).encode()
    wrong = testing.Result([body], answer.status, list(answer.headers.items()))

    with pytest.raises(AssertionError, match=told):
        contract.check("GET", f"{BASE}/incidents", wrong)


def test_each_form_of_a_list_has_an_etag_of_its_own(store: Store, tokens: Tokens) -> None:
    class Thing(BaseModel):
        id: int

    class Things(Resource):
        @operation(
            "List the things",
            access=Access.PUBLIC,
            answer=Answer(200, Thing, is_list=True, has_csv=True),
            has_etag=True,
        )
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> list[dict[str, int]]:
            """There is one."""
            return [{"id": 7}]

    app = falcon.App()
    app.add_route("/things", Things(Parts(store, tokens, RecordingEngine(), "open", dict)))

    def ask(**headers: str) -> testing.Result:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return testing.TestClient(app).simulate_get("/things", headers=sent)

    as_json, as_csv = ask(), ask(**CSV)

    assert (as_json.json, as_csv.text) == ({"data": [{"id": 7}]}, "id\r\n7\r\n")
    assert as_json.headers["ETag"] != as_csv.headers["ETag"]
    unchanged = ask(**CSV, If_None_Match=as_csv.headers["ETag"])
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["Vary"] == "Accept"
    assert ask(**CSV, If_None_Match=as_json.headers["ETag"]).status_code == 200
    assert ask(If_None_Match=as_json.headers["ETag"]).status_code == 304
