"""The examples of the documentation: each operation is asked for once, and succeeds."""

import pytest

from tests import examples
from tests.contract import BASE
from uptimehunt.app import ROUTES


def test_every_operation_has_an_example_that_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    status = examples.main()

    printed = capsys.readouterr()
    assert (status, printed.err) == (0, "")
    count = sum(1 for route in ROUTES for _ in route.operations())
    assert printed.out.count("\n### ") == printed.out.count(f" {BASE}/") == count
