"""Lists as CSV (RFC 4180) for who asks with `Accept: text/csv`: the values of the JSON, in lines.

A nested object becomes columns of its own (`probe.name`). A list, or an object whose fields are not
fixed, stays JSON in one cell. Null is an empty cell.
"""

import csv
import io
import types
from collections.abc import Iterable, Iterator
from typing import Any, Union, get_args, get_origin
from urllib.parse import parse_qsl, urlencode

import falcon
from pydantic import BaseModel
from pydantic_core import to_json

from uptimehunt.domain.paging import Page

MEDIA_TYPE = "text/csv"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8; header=present"

# SECURITY: spreadsheets run what begins with one of these, and names and messages come from
# others. The last four are full-width forms, which some take for the ASCII ones.
# Source: OWASP, "CSV Injection"; ASVS 5.0, 1.2.10.
_FORMULA = tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")


def is_preferred(req: falcon.Request) -> bool:
    """Whether the caller would rather have CSV than JSON; JSON when neither fits."""
    return req.client_prefers((falcon.MEDIA_JSON, MEDIA_TYPE)) == MEDIA_TYPE


def rows_of(result: Any) -> list[dict[str, Any]]:
    """The rows of what a responder of a list returned: a `Page`, data with meta, or data alone."""
    if isinstance(result, Page):
        return result.rows
    rows: list[dict[str, Any]] = result[0] if isinstance(result, tuple) else result
    return rows


def text(shape: type[BaseModel], rows: Iterable[dict[str, Any]]) -> str:
    """Rows as CSV, below a line with the names of the columns.

    Args:
        shape: the model of a row; its fields are the columns, whatever the rows hold.
        rows: as the API shows them.
    """
    columns = list(_columns(shape))
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(".".join(column) for column in columns)
    writer.writerows([_cell(row, column) for column in columns] for row in rows)
    return written.getvalue()


def headers(req: falcon.Request, result: Any) -> dict[str, str]:
    """What an envelope would say, and a name for the file."""
    name = req.path.strip("/").replace("/", "-").removeprefix("api-v1-")
    told = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    if isinstance(result, Page):
        told["X-Total-Count"] = str(result.total)
        told["Link"] = links(req.query_string, result)
    return told


def links(query: str, page: Page) -> str:
    """The pages around this one, as a `Link` header (RFC 8288).

    Each is the query alone, which is relative to what was asked for: so it holds behind a proxy
    that has another name, scheme or path.
    """
    last = max(1, page.meta()["totalPages"])
    numbers = {
        "first": 1, "prev": min(page.number - 1, last), "next": page.number + 1, "last": last,
    }  # fmt: skip
    asked = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "page"]
    return ", ".join(
        f'<?{urlencode([*asked, ("page", number)])}>; rel="{relation}"'
        for relation, number in numbers.items()
        if 1 <= number <= last
    )


def _columns(shape: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names that lead to each cell of a row."""
    for name, field in shape.model_fields.items():
        column = (*above, field.alias or name)
        nested = _model(field.annotation)
        if nested is None:
            yield column
        else:
            yield from _columns(nested, column)


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, be it with null beside it; None where it holds no model."""
    kinds = {annotation}
    if get_origin(annotation) in {Union, types.UnionType}:
        kinds = set(get_args(annotation)) - {types.NoneType}
    kind = kinds.pop()
    is_model = not kinds and isinstance(kind, type) and issubclass(kind, BaseModel)
    return kind if is_model else None


def _cell(row: dict[str, Any], column: tuple[str, ...]) -> str:
    value: Any = row
    for name in column:
        value = None if value is None else value[name]
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return to_json(value).decode()
