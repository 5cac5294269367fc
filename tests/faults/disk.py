"""Small real file systems for tests: loop-mounted, cut off from power, made anew from an image.

Only a real file system shows what is lost without a sync, and ext4 alone hides much of it, so XFS is always tried too.
"""

import contextlib
import ctypes
import fcntl
import os
import platform
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from drystone import MIB, within

CLONE_NEWNS = 0x20000

# XFS takes no less than 300 MiB; ext4 with room for a few large bodies.
MEBIBYTES = {"ext4": 128, "xfs": 300}
KINDS = list(MEBIBYTES)

# The ioctl of `xfs_io -x -c shutdown`, which ext4 knows too: the file system goes down at once.
GOING_DOWN = 2 << 30 | 4 << 16 | ord("X") << 8 | 125
# Its own journal is written first (metadata may be newer than data then), or not.
LOG_FIRST, AT_ONCE = 1, 2


def what_is_missing():
    """Why file systems cannot be mounted and system calls not be watched here; empty when they can."""
    if platform.machine() != "x86_64":
        return "watching system calls knows only the numbers of x86_64"
    if os.geteuid() != 0:
        return "mounting file systems needs root"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    return ""


def require():
    """Skips a test, and says why, on a machine that cannot run it. Where root has loop devices, whatever else is missing is
    a failure."""
    if missing := what_is_missing():
        pytest.skip(missing)
    for tool in ("mkfs.ext4", "mkfs.xfs", "mount", "umount", "losetup", "setpriv"):
        assert shutil.which(tool), f"{tool} is missing: `cargo xtask test --only packages` installs it"


def hide_mounts():
    """Gives this process a mount table of its own, so that nothing stays mounted after it, however it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
    run("mount", "--make-rprivate", "/")


@dataclass
class Disk:
    """A file system in an image, and where it is mounted."""

    folder: Path
    kind: str
    mebibytes: int = 0
    # What mkfs is told beside.
    options: tuple = ()

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path, self.image = self.folder / "mount", self.folder / "image"
        self.path.mkdir(exist_ok=True)

    def make(self):
        """An empty file system, not mounted."""
        with self.image.open("wb") as file:
            file.truncate((self.mebibytes or MEBIBYTES[self.kind]) * MIB)
        make_file_system(self.kind, self.image, self.options)
        # The log is written full of zeros: they need no memory.
        run("fallocate", "--dig-holes", str(self.image))
        return self

    def copy_of(self, image):
        """Another image's content, not mounted."""
        run("cp", "--sparse=auto", str(image), str(self.image))
        return self

    def mount(self, options="loop"):
        run("mount", "-o", options, str(self.image), str(self.path))
        return self

    def unmount(self):
        # A process that was just killed may still be letting go of its files.
        within(10, lambda: succeeds("umount", str(self.path)), lambda: f"{self.path} is busy")

    def is_mounted(self):
        return os.path.ismount(self.path)

    def cut_power(self, how=AT_ONCE):
        """From now on every access fails, and only what was on the disk remains."""
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(folder, GOING_DOWN, struct.pack("I", how))
        finally:
            os.close(folder)

    def restart(self):
        """The power is back."""
        self.unmount()
        self.mount()

    def sync_some(self, chance):
        """Puts some files and folders on stable storage, as a kernel may do at any time, and others not."""
        entries = [Path(parent) / name for parent, folders, names in os.walk(self.path) for name in [*folders, *names]]
        for entry in sorted(entries):
            with contextlib.suppress(FileNotFoundError):
                if chance.random() < 0.5 and stat.S_IFMT(entry.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR):
                    file = os.open(entry, os.O_RDONLY)
                    os.fsync(file)
                    os.close(file)

    def free_bytes(self):
        numbers = os.statvfs(self.path)
        return numbers.f_bfree * numbers.f_frsize


def make_file_system(kind, device, options=()):
    """mkfs."""
    if kind == "ext4":
        # No blocks kept back for root, so that "full" means full; and blocks of the size that large disks have.
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", *options, str(device))
    else:
        run("mkfs.xfs", "-q", "-f", *options, str(device))


def run(*command):
    """Runs a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def succeeds(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
