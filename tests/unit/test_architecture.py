"""The shape of the source tree: who may import whom, and that all of it is shipped."""

import configparser
import subprocess
import sys
from pathlib import Path

from tests.process import ROOT


def test_imports_go_down_only_and_libraries_stay_in_their_room() -> None:
    # In a process of its own: it switches off the loggers of the one it runs in.
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports as l; exit(l())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_every_static_file_is_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    shipped = {
        path: Path(target) / path.name
        for target, pattern in setup["options.data_files"].items()
        for path in ROOT.glob(pattern)
    }

    static = ROOT / "static"
    assert shipped == {
        path: Path("share/uptimehunt/static") / path.relative_to(static)
        for path in static.rglob("*")
        if path.is_file()
    }
