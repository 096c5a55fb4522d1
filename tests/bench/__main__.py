"""Measurements: `python -m tests.bench [name] [options]`, from the top of the tree.

Each prints a table and writes `build/bench/<name>.json`. Compare figures of one run only: they
differ from machine to machine, and from hour to hour.
"""

import argparse
import importlib
import json
import pkgutil
import platform
from typing import Any

from tests import bench
from tests.process import ROOT

Row = dict[str, Any]


def main() -> None:
    names = [info.name for info in pkgutil.iter_modules(bench.__path__) if info.name[0] != "_"]
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("name", nargs="?", choices=names, help="which; all when left out")
    parser.add_argument(
        "--rates", type=numbers, default=[100, 300, 1000], help="checks a second, with commas"
    )
    parser.add_argument("--interval", type=int, default=5, help="seconds between checks of one")
    parser.add_argument("--seconds", type=int, default=20, help="how long each row is measured")
    parser.add_argument(
        "--results", type=numbers, default=[1, 10, 50], help="millions of results, with commas"
    )
    parser.add_argument(
        "--services", type=numbers, default=[100, 1000, 10_000], help="how many, with commas"
    )
    parser.add_argument(
        "--landing-seconds", type=int, default=60, help="how long results land in real time"
    )
    options = parser.parse_args()
    for name in [options.name] if options.name else names:
        rows: list[Row] = importlib.import_module(f"tests.bench.{name}").measure(options)
        show(name, rows)
        folder = ROOT / "build" / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"machine": platform.platform(), "python": platform.python_version()}
        text = json.dumps({"name": name, **facts, "rows": rows}, indent=2)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def numbers(text: str) -> list[int]:
    """`100,300` as numbers."""
    return [int(part) for part in text.split(",")]


def show(name: str, rows: list[Row]) -> None:
    """Print a table: a row a line, the columns as wide as what stands in them."""
    table = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    print(name)
    for line in table:
        cells = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print("  " + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()
