"""Where the executable starts: the `uptimehunt` command, with the bootloader as its parent.

PyInstaller's one file is two processes: a bootloader that unpacks the program into a temporary
folder, and the program. The bootloader passes TERM and INT on; but when it is killed with KILL
the program would go on serving as an orphan, holding the port and the data folder. So the program
asks the kernel to be stopped when its parent ends.
"""

import ctypes
import signal

from uptimehunt.cli import main

PR_SET_PDEATHSIG = 1


def stop_with_parent() -> None:
    """Have the kernel send us TERM, our orderly stop, when the bootloader ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


if __name__ == "__main__":
    stop_with_parent()
    raise SystemExit(main())
