"""Where the files that ship with the program are; the same from source and from the executable."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def static_dir() -> Path:
    """The folder of the dashboard.

    Beside the package from source and in the executable; in an installed environment under
    `share/uptimehunt`, where `setup.cfg` puts it.
    """
    beside = ROOT / "static"
    return beside if beside.is_dir() else Path(sys.prefix) / "share" / "uptimehunt" / "static"


def is_frozen() -> bool:
    """Whether this is the executable, which unpacked itself into a temporary folder."""
    return bool(getattr(sys, "frozen", False))
