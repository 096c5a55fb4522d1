"""What /proc/self/mountinfo says of a folder."""

import contextlib
from pathlib import Path

import pytest

from uptimehunt.store.mounts import MOUNTS, Mount, mount_of, warn_of_network

SAMPLE = r"""22 28 0:20 / /proc rw,nosuid shared:12 - proc proc rw
28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
90 28 0:50 / /srv rw,relatime shared:50 - nfs4 nas:/export/a\040share rw,vers=4.2
91 90 8:1 / /srv/local rw,relatime shared:51 - xfs /dev/sda1 rw
92 28 0:52 / /mnt/two\040words rw - fuse.sshfs bob@host:/data rw,user_id=0
93 28 0:53 / /mnt/usb rw - fuseblk /dev/sdb1 rw
94 28 0:54 / /mnt/over rw - cifs //nas/old rw
95 28 0:55 / /mnt/over rw master:3 propagate_from:2 - tmpfs tmpfs rw
96 28 0:56 / /mnt/shared rw - 9p host rw
97 28 0:57 / /mnt/bare rw - fuse.rclone remote: rw
half a line
"""


@pytest.mark.parametrize(
    ("path", "kind", "is_remote"),
    [
        ("/", "ext4", False),
        ("/var/lib/uptimehunt", "ext4", False),
        ("/srv", "nfs4", True),
        ("/srv/data", "nfs4", True),
        ("/srvx", "ext4", False),
        ("/srv/local/data", "xfs", False),
        ("/mnt/two words/data", "fuse.sshfs", True),
        ("/mnt/usb", "fuseblk", False),
        ("/mnt/over/data", "tmpfs", False),
        ("/mnt/shared", "9p", True),
        ("/mnt/bare", "fuse.rclone", True),
    ],
)
def test_the_innermost_and_last_mount_counts(path: str, kind: str, is_remote: bool) -> None:
    mount = mount_of(path, SAMPLE)

    assert mount is not None
    assert (mount.kind, mount.is_remote) == (kind, is_remote)


def test_names_are_as_people_write_them() -> None:
    assert mount_of("/srv/x", SAMPLE) == Mount("/srv", "nfs4", "nas:/export/a share")
    assert mount_of("/srv/x", "") is None


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [
        vars(record)["facts"]
        for record in caplog.records
        if record.message == "storage.network_folder"
    ]


def test_a_folder_on_another_machine_is_warned_of_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, link, mounts = tmp_path / "data", tmp_path / "link", tmp_path / "mountinfo"
    data.mkdir()
    link.symlink_to(data)
    mounts.write_text(f"9 1 0:50 / {data} rw - cifs //nas/share rw\n")

    warn_of_network(link, mounts)

    (facts,) = told(caplog)
    assert (facts["data_dir"], facts["kind"], facts["source"]) == (link, "cifs", "//nas/share")


def test_this_very_machine_is_understood(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.suppress(FileNotFoundError):
        assert mount_of(str(tmp_path), MOUNTS.read_text()) is not None
    warn_of_network(tmp_path, tmp_path / "missing")

    assert told(caplog) == []
