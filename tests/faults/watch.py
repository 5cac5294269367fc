"""Sees every system call of a server that changes its data directory before it happens, and decides what becomes of it.

The kernel asks through a seccomp listener, so neither the server nor a library has to be changed, and raw system calls
are seen too. A rule lets a call happen, fails it with an error, holds it, or freezes the whole process just before it.
"""

import collections
import contextlib
import ctypes
import errno
import fcntl
import os
import re
import select
import signal
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from drystone import START_SECONDS, Server, within

# Numbers of x86_64.
CHANGES = {
    1: ("write", "files"),
    18: ("pwrite64", "files"),
    20: ("writev", "files"),
    26: ("msync", "always"),
    40: ("sendfile", "files"),
    74: ("fsync", "always"),
    75: ("fdatasync", "always"),
    76: ("truncate", "always"),
    77: ("ftruncate", "always"),
    82: ("rename", "always"),
    83: ("mkdir", "always"),
    84: ("rmdir", "always"),
    85: ("creat", "always"),
    86: ("link", "always"),
    87: ("unlink", "always"),
    88: ("symlink", "always"),
    90: ("chmod", "always"),
    91: ("fchmod", "always"),
    2: ("open", "makes", 1),
    257: ("openat", "makes", 2),
    258: ("mkdirat", "always"),
    263: ("unlinkat", "always"),
    264: ("renameat", "always"),
    265: ("linkat", "always"),
    277: ("sync_file_range", "always"),
    285: ("fallocate", "always"),
    296: ("pwritev", "files"),
    306: ("syncfs", "always"),
    316: ("renameat2", "always"),
    326: ("copy_file_range", "files"),
    328: ("pwritev2", "files"),
}
READS = {
    0: ("read", "files"),
    17: ("pread64", "files"),
    19: ("readv", "files"),
    295: ("preadv", "files"),
    327: ("preadv2", "files"),
}

# Where a call says which file it is about: a descriptor, a path, or a path below a descriptor.
PATHS = {"truncate", "rename", "mkdir", "rmdir", "creat", "link", "unlink", "symlink", "chmod", "open"}
PATHS_AT = {"openat", "mkdirat", "unlinkat", "renameat", "renameat2", "linkat"}

WRITES = {"write", "pwrite64", "pwritev", "pwritev2", "writev"}
SYNCS = {"fsync", "fdatasync", "syncfs", "sync_file_range", "msync"}
AT_FDCWD, TGKILL = -100, 234
LIBC = ctypes.CDLL(None)

# `struct seccomp_notif` and `struct seccomp_notif_resp`, and the calls that pass them.
ASKED, ANSWER = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI")
RECEIVE = 3 << 30 | ASKED.size << 16 | 0x21 << 8
SEND = 3 << 30 | ANSWER.size << 16 | 0x21 << 8 | 1
CONTINUE = 1

# What a rule may answer, beside the number of an error. A call on hold waits for the end of the process; others go on.
GO, HOLD, FREEZE = "go", "hold", "freeze"

# A call comes this long after the one before it at most, while anything is still going on.
QUIET_SECONDS = 0.03


@dataclass(frozen=True)
class Call:
    """One system call on the data directory."""

    name: str
    # The file, relative to the data directory.
    path: str
    # The call and its kind of file: numbers in names are left out, so that two runs agree.
    kind: str
    # How many calls of this kind there were since the watch was armed, this one included.
    nth: int

    @property
    def label(self):
        return f"{self.kind} #{self.nth}"

    @property
    def is_sync(self):
        return self.name in SYNCS


def kind_of(path):
    """The path without what differs from run to run."""
    return re.sub(r"[0-9a-f]{16}|(?<=\.tmp)\w+|\d+", "*", path)


def stop_still(pid):
    """Stops a process, and returns when none of its threads runs: each is stopped, or in a call that it will not leave."""
    # To each thread: the one that the kernel chooses may be waiting in a call that only a fatal signal ends.
    for task in os.listdir(f"/proc/{pid}/task"):
        LIBC.syscall(TGKILL, pid, int(task), signal.SIGSTOP)
    within(5, lambda: stands_still(pid), lambda: "the process does not stop")


def stands_still(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if (task / "stat").read_text().rpartition(")")[2].split()[0] not in "TtDZX":
                return False
    return True


class Watch:
    """What the process does to its data directory, and the thread that answers the kernel."""

    def __init__(self, listener, pid, data, rule=None):
        self.listener, self.pid, self.data = listener, pid, os.path.realpath(data)
        self.names = {number: entry[0] for number, entry in (CHANGES | READS).items()}
        self.changed = threading.Condition()
        self.stopping, self.frozen, self.ended = False, False, False
        self.arm(rule)
        self.thread = threading.Thread(target=self._answer, daemon=True)
        self.thread.start()

    def arm(self, rule=None):
        """Counts from zero, and asks `rule` about each call from now on."""
        with self.changed:
            self.calls, self.counts, self.rule = [], collections.Counter(), rule or (lambda call: GO)

    def is_quiet(self):
        """Waits until nothing has happened for a while."""
        with self.changed:
            seen = -1
            while seen != len(self.calls) and not self.frozen and not self.ended:
                seen = len(self.calls)
                self.changed.wait(QUIET_SECONDS)
            return not self.frozen

    def wait_for(self, condition, seconds):
        """Waits until `condition()` holds, which the watch looks at after each call; says whether it did."""
        with self.changed:
            return self.changed.wait_for(lambda: self.ended or condition(), seconds) and condition()

    def freeze(self):
        """Stops the whole process where it is; it can only be killed then."""
        self.stopping = True
        stop_still(self.pid)
        with self.changed:
            self.frozen = True
            self.changed.notify_all()

    def close(self):
        """After the process has ended."""
        self.thread.join(10)
        assert not self.thread.is_alive(), "the watch did not end with its process"
        os.close(self.listener)

    # The thread

    def _answer(self):
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        try:
            while not self.stopping:
                events = poll.poll(1000)
                if not events:
                    continue
                if not events[0][1] & select.POLLIN:
                    break
                asked = bytearray(ASKED.size)
                try:
                    fcntl.ioctl(self.listener, RECEIVE, asked)
                except OSError as error:
                    # The one who asked was killed meanwhile.
                    if error.errno in (errno.ENOENT, errno.EINTR):
                        continue
                    raise
                if not self.stopping:
                    self._judge(*ASKED.unpack(asked))
        finally:
            with self.changed:
                self.ended = not self.stopping
                self.changed.notify_all()

    def _judge(self, token, thread, _, number, __, ___, *arguments):
        path = self._path(thread, self.names[number], arguments)
        verdict = GO
        if path is not None:
            kind = f"{self.names[number]} {kind_of(path)}"
            with self.changed:
                self.counts[kind] += 1
                call = Call(self.names[number], path, kind, self.counts[kind])
                verdict = self.rule(call)
                if verdict != HOLD:
                    self.calls.append(call)
                self.changed.notify_all()
        if verdict == FREEZE:
            self.freeze()
        elif verdict == GO:
            self._send(ANSWER.pack(token, 0, 0, CONTINUE))
        elif verdict != HOLD:
            self._send(ANSWER.pack(token, 0, -verdict, 0))

    def _send(self, answer):
        # The one who asked may have been killed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            fcntl.ioctl(self.listener, SEND, answer)

    def _path(self, thread, name, arguments):
        """The file of a call relative to the data directory; None for another."""
        try:
            if name in PATHS:
                path = self._text(thread, arguments[0])
            elif name in PATHS_AT:
                path = self._text(thread, arguments[1])
                folder = ctypes.c_int(arguments[0] & 0xFFFFFFFF).value
                if not path.startswith("/") and folder != AT_FDCWD:
                    path = os.path.join(os.readlink(f"/proc/{thread}/fd/{folder}"), path)
            else:
                path = os.readlink(f"/proc/{thread}/fd/{arguments[0] & 0xFFFFFFFF}")
        except OSError:
            return None
        path = path.removesuffix(" (deleted)")
        if path == self.data:
            return "."
        return path[len(self.data) + 1 :] if path.startswith(self.data + "/") else None

    def _text(self, thread, address):
        """The path at an address of the process."""
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(4096).partition(b"\0")[0].decode(errors="replace")


@dataclass
class WatchedServer(Server):
    """A server whose system calls are watched from its first one on."""

    calls: dict = field(default_factory=lambda: CHANGES)
    # Asked about every call from the start on.
    rule: object = None
    watch: Watch | None = None

    def _launch(self, command):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            numbers = [[number, *entry[1:]] for number, entry in self.calls.items()]
            numbers = str(numbers).replace("'", '"')
            launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch_watched.py"))]
            process = super()._launch([*launcher, str(theirs.fileno()), numbers, *command], pass_fds=[theirs.fileno()])
            theirs.close()
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        assert descriptors, f"no listener: {self.log_text()[-1000:]}"
        self.watch = Watch(descriptors[0], process.pid, self.data, self.rule)
        return process

    def start_or_freeze(self):
        """Starts the server and waits until it is ready or frozen."""
        self.launch()
        within(START_SECONDS, lambda: self.watch.frozen or self.is_ready(), self.log_text)

    def wait(self):
        super().wait()
        self.watch.close()


def freeze_at(label):
    """A rule: the process stops for ever just before the call of this label."""
    return lambda call: FREEZE if call.label == label else GO


def hold_at(label):
    """A rule: the call of this label does not happen, and whoever makes it waits for the end of the process."""
    return lambda call: HOLD if call.label == label else GO


def fail_at(label, error):
    """A rule: the call of this label fails, and does nothing."""
    return lambda call: error if call.label == label else GO


def one_commit(call):
    """A rule: the metadata journal is written once; whoever writes to it again is held."""
    return HOLD if call.name in WRITES and call.path.endswith(".jnl") and call.nth > 1 else GO
