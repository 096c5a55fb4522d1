"""On what kind of file system the data folder lies; SQLite needs one of this very machine.

Its log is shared through memory and guarded by locks. Over a network neither holds what it
promises, and such databases have been lost: so that is said at the start.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from uptimehunt.logs import about

log = logging.getLogger(__name__)

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs", "gfs2", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs",
}  # fmt: skip
_LOCAL_FUSE = {"fuseblk", "fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.ntfs-3g", "fuse.bindfs"}
"""What FUSE brings that lies on this machine; most else of it is a network's (sshfs, rclone …)."""


@dataclass(frozen=True)
class Mount:
    """A file system in its place."""

    point: str
    kind: str
    source: str

    @property
    def is_remote(self) -> bool:
        """Whether its files are, or may be, on another machine."""
        if self.kind == "fuse" or self.kind.startswith("fuse."):
            return self.kind not in _LOCAL_FUSE
        return self.kind in _NETWORK


def mount_of(path: str, mountinfo: str) -> Mount | None:
    """The file system that a path lies on.

    Args:
        path: absolute and without links.
        mountinfo: the text of `/proc/self/mountinfo`; see proc(5).

    Returns:
        the innermost one, of several at one place the last; None when no line tells.
    """
    found: Mount | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        place, what = before.split(" "), after.split(" ")
        if len(place) < 5 or len(what) < 2:
            continue
        point = _plain(place[4])
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if is_above and (found is None or len(point) >= len(found.point)):
            found = Mount(point, what[0], _plain(what[1]))
    return found


def _plain(text: str) -> str:
    r"""The kernel writes blanks and backslashes as `\040` and the like."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def warn_of_network(folder: Path, mounts: Path = MOUNTS) -> None:
    """Say so in the log when a folder lies on another machine."""
    try:
        text = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as ex:  # A system without /proc; then nothing can be said.
        log.debug("storage.mounts_unknown", extra=about(error=ex))
        return
    mount = mount_of(str(folder.resolve()), text)
    if mount is not None and mount.is_remote:
        log.warning(
            "storage.network_folder",
            extra=about(
                data_dir=folder,
                kind=mount.kind,
                source=mount.source,
                advice="keep the data folder on a disk of this machine",
            ),
        )
