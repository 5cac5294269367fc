"""A server in a memory control group: what it must never need more of, and whether the kernel had to end it."""

import os
import shlex
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup/memory")


class MemoryGroup:
    """A group of the kernel's first version of control groups, where one controller has one tree."""

    def __init__(self, path):
        self.path = path

    def prefix(self):
        """The beginning of a command line that runs the rest of it in this group."""
        procs = shlex.quote(str(self.path / "cgroup.procs"))
        return ["sh", "-c", f'echo $$ > {procs} && exec "$@"', "in-the-group"]

    def number(self, name):
        return int((self.path / name).read_text())

    @property
    def peak_bytes(self):
        """The most that was charged to the group so far, the page cache of its files included."""
        return self.number("memory.max_usage_in_bytes")

    @property
    def kills(self):
        """Processes that the kernel ended because the group was full."""
        lines = dict(line.split() for line in (self.path / "memory.oom_control").read_text().splitlines())
        return int(lines["oom_kill"])


@contextmanager
def memory_group(name, limit_bytes):
    """A new group of at most `limit_bytes`; the test is skipped, with the reason, where none can be made."""
    path = ROOT / f"drystone-{os.getpid()}-{name}"
    try:
        path.mkdir()
        (path / "memory.limit_in_bytes").write_text(str(limit_bytes))
    except OSError as error:
        pytest.skip(f"no memory control group can be made here, so bounds are NOT checked: {error}")
    try:
        yield MemoryGroup(path)
    finally:
        # Its processes have ended by now, unless the test failed; the kernel needs a moment to notice.
        for _ in range(100):
            try:
                path.rmdir()
                break
            except OSError:
                os.sched_yield()
