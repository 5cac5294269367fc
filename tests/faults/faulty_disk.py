"""A disk that fails on purpose, or takes its time: a FUSE file system of one file, which a loop device turns into a block device.

The kernel's file system above it meets the error where it would meet that of real hardware: in a write that was
acknowledged long ago, in a flush, in a read. It speaks the kernel's FUSE protocol itself, so it needs no library.
"""

import contextlib
import ctypes
import errno
import os
import stat
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from disk import Disk, run, succeeds
from drystone import within

# `struct fuse_in_header` and `fuse_out_header`.
ASKED, ANSWER = struct.Struct("IIQQIIIHH"), struct.Struct("IiQ")
ATTRIBUTES = struct.Struct("6Q10I")
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE = 1, 2, 3, 4, 14, 15, 16, 17, 18
FSYNC, FLUSH, INIT, OPENDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 20, 25, 26, 27, 29, 36, 42
ROOT, FILE = 1, 2
DIRECT_IO = 1
BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22
WRITE_BYTES_MAX = 1 << 20

# What can fail.
WRITES, FLUSHES, READS = "write", "flush", "read"


@dataclass
class FaultyDisk(Disk):
    """A disk whose k-th write, flush or read fails, once or from then on, or whose reads take their time."""

    counts: dict = field(default_factory=dict)
    failed: int = 0

    def __post_init__(self):
        super().__post_init__()
        self.fuse = self.folder / "fuse"
        self.fuse.mkdir(exist_ok=True)
        self.lock, self.loop = threading.Condition(), None
        self.work_well()

    # What fails

    def work_well(self):
        """Nothing fails, and counting begins anew."""
        with self.lock:
            self.kind_to_fail, self.first, self.last = None, 0, 0
            self.counts, self.failed = {WRITES: 0, FLUSHES: 0, READS: 0}, 0
            self.bytes_max = None
            self.seconds_a_read, self.stands_still, self.stuck = 0, False, 0
            self.lock.notify_all()

    def fail(self, kind, first, last=None):
        """From now on the calls `first` to `last` (to the end of all, without it) of a kind fail, counted from 1."""
        self.work_well()
        with self.lock:
            self.kind_to_fail, self.first, self.last = kind, first, last or 1 << 60

    def have_room_for(self, more):
        """From now on so many bytes more can be written to places that hold nothing yet: thin provisioning."""
        self.work_well()
        with self.lock:
            self.bytes_max = os.fstat(self.backing).st_blocks * 512 + more

    def read_slowly(self, seconds):
        """From now on each read takes so long."""
        with self.lock:
            self.seconds_a_read = seconds

    def stand_still(self):
        """From now on no read ends, until the disk is to work well again."""
        with self.lock:
            self.stands_still = True

    def _wait(self):
        with self.lock:
            self.lock.wait_for(lambda: False, self.seconds_a_read)
            self.stuck += self.stands_still
            self.lock.wait_for(lambda: not self.stands_still)

    def _is_full(self, offset, size):
        with self.lock:
            if self.bytes_max is None or os.fstat(self.backing).st_blocks * 512 + size <= self.bytes_max:
                return False
            full = os.lseek(self.backing, offset, os.SEEK_HOLE) < offset + size
            self.failed += full
            return full

    def _fails(self, kind):
        with self.lock:
            self.counts[kind] += 1
            fails = kind == self.kind_to_fail and self.first <= self.counts[kind] <= self.last
            self.failed += fails
            return fails

    # Mounting

    def mount(self, options=""):
        self.device = os.open("/dev/fuse", os.O_RDWR)
        data = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,max_read={WRITE_BYTES_MAX}"
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.mount(b"faulty", str(self.fuse).encode(), b"fuse", 0, data.encode())
        assert done == 0, os.strerror(ctypes.get_errno())
        self.backing = os.open(self.image, os.O_RDWR)
        self.size = os.fstat(self.backing).st_size
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        self.loop = run("losetup", "--find", "--show", str(self.fuse / "disk")).strip()
        # One request of the loop device is one of ours: the kernel takes a request of which a part was written for a success.
        queue = Path("/sys/block") / Path(self.loop).name / "queue/max_sectors_kb"
        queue.write_text(str(WRITE_BYTES_MAX // 2048))
        run("mount", *(["-o", options] if options else []), self.loop, str(self.path))
        return self

    def unmount(self):
        self.work_well()
        super().unmount()
        self.detach()

    def detach(self):
        """Lets go of everything below the file system."""
        if self.loop is None:
            return
        run("losetup", "--detach", self.loop)
        within(10, lambda: succeeds("umount", str(self.fuse)), lambda: f"{self.fuse} is busy")
        self.thread.join(10)
        assert not self.thread.is_alive(), "the disk does not end"
        os.close(self.device)
        os.close(self.backing)
        self.loop = None

    # The kernel's questions

    def _serve(self):
        handlers = {
            INIT: self._init,
            LOOKUP: self._lookup,
            GETATTR: self._getattr,
            SETATTR: self._getattr,
            OPEN: lambda *_: struct.pack("QII", 0, DIRECT_IO, 0),
            OPENDIR: lambda *_: struct.pack("QII", 0, 0, 0),
            READ: self._read,
            WRITE: self._write,
            FSYNC: self._flush,
            # A file is closed: nothing of it is on its way.
            FLUSH: lambda *_: b"",
            RELEASE: lambda *_: b"",
            RELEASEDIR: lambda *_: b"",
            STATFS: lambda *_: bytes(80),
        }
        while True:
            try:
                asked = os.read(self.device, WRITE_BYTES_MAX + 8192)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                # ENODEV: it was unmounted.
                return
            _, code, token, node, *_ = ASKED.unpack_from(asked)
            if code in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            handler = handlers.get(code)
            answer = handler(node, asked[ASKED.size :]) if handler else errno.ENOSYS
            failed = isinstance(answer, int)
            body = b"" if failed else answer
            with contextlib.suppress(FileNotFoundError):
                os.write(self.device, ANSWER.pack(ANSWER.size + len(body), -answer if failed else 0, token) + body)

    def _init(self, _, asked):
        major, minor, read_ahead, flags = struct.unpack_from("IIII", asked)
        flags &= BIG_WRITES | MAX_PAGES
        pages = WRITE_BYTES_MAX // 4096
        return struct.pack("IIIIHHIIHHI28x", 7, 31, read_ahead, flags, 16, 12, WRITE_BYTES_MAX, 1, pages, 0, 0)

    def _attributes(self, node):
        if node == ROOT:
            return ATTRIBUTES.pack(ROOT, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o700, 2, 0, 0, 0, 4096, 0)
        return ATTRIBUTES.pack(FILE, self.size, self.size // 512, 0, 0, 0, 0, 0, 0, stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0)

    def _getattr(self, node, _):
        return struct.pack("QII", 3600, 0, 0) + self._attributes(node)

    def _lookup(self, _, asked):
        if asked.rstrip(b"\0") != b"disk":
            return errno.ENOENT
        return struct.pack("QQQQII", FILE, 0, 3600, 3600, 0, 0) + self._attributes(FILE)

    def _read(self, _, asked):
        _, offset, size = struct.unpack_from("QQI", asked)
        self._wait()
        return errno.EIO if self._fails(READS) else os.pread(self.backing, size, offset)

    def _write(self, _, asked):
        _, offset, size = struct.unpack_from("QQI", asked)
        if self._fails(WRITES):
            return errno.EIO
        if self._is_full(offset, size):
            return errno.ENOSPC
        done = os.pwrite(self.backing, asked[40 : 40 + size], offset)
        return struct.pack("II", done, 0)

    def _flush(self, *_):
        return errno.EIO if self._fails(FLUSHES) else b""


def drop_caches():
    """What was read from disks is forgotten, so that it is read again."""
    subprocess.run(["sync"], check=True)
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")
