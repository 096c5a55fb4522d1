"""Files that are there whole or not at all, readable by their owner alone."""

import os
from pathlib import Path


def make_private(path: Path) -> int:
    """Make an empty file that was not there before; answers its descriptor.

    Raises:
        OSError: it was there (a link counts), or cannot be made.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def write_new(path: Path, content: bytes) -> None:
    """Write a file in one step, in the place of one that may be there."""
    unfinished(path).unlink(missing_ok=True)
    with open(make_private(unfinished(path)), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished(path).replace(path)
    sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """What `write_new` writes first, and leaves when it is killed."""
    return path.with_name(path.name + ".tmp")


def sync_folder(folder: Path) -> None:
    """See to it that the names in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
