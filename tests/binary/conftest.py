"""The executable, built when the sources have changed since it was."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.process import ROOT


def sources() -> str:
    """A hash of everything that goes into the executable."""
    digest = hashlib.sha256()
    for folder in ("packaging", "static", "uptimehunt"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    digest.update((ROOT / "setup.cfg").read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="session")
def executable() -> Path:
    built, made_of = ROOT / "dist" / "uptimehunt", ROOT / "build" / "executable" / "sources"
    now = sources()
    if not (built.is_file() and made_of.is_file() and made_of.read_text() == now):
        made_of.unlink(missing_ok=True)
        build = subprocess.run(
            ["sh", ROOT / "packaging" / "build.sh"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert build.returncode == 0, build.stdout
        made_of.write_text(now)
    return built
