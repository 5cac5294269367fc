"""A system call that fails: each operation with an error at each of its calls that change the data directory.

A client that was answered with success has what it asked for, also after a power cut that follows; one that was not has what
was before or what it asked for. After a failed sync nothing of that file is synced again: the second sync would succeed and
prove nothing, because the kernel forgets what it could not write.
"""

import errno

import pytest

from client import LOST, Refused, connected
from disk import KINDS
from multipart import pattern
from operations import MEDIUM, OPERATIONS, judge
from scene import CUT, Run, Scene, crash
from stores import with_tables
from tally import LONG
from watch import READS, WRITES, WatchedServer, fail_at

# The exit code of a server that cannot write metadata any more.
EXIT_POISONED = 3
# How a commit asks whether the file system still takes changes.
ALIVE = "fallocate LOCK"

# The longest that the calls of one operation take.
SECONDS = 6000 if LONG else 900

# Errors that calls like these give; every call may fail with EIO.
NO_ROOM = ("write", "pwrite64", "pwritev", "pwritev2", "openat", "fallocate", "rename", "mkdir", "ftruncate")


def errors_of(at, label):
    """What the call may fail with; in a short run one of them."""
    room = label.split()[0] in NO_ROOM
    if LONG:
        return [errno.EIO, errno.ENOSPC] if room else [errno.EIO]
    return [errno.ENOSPC if room and at % 2 else errno.EIO]


class Attempt(Run):
    """A run of an operation that may be refused."""

    def finish(self):
        self.thread.join(60)
        assert self.is_over, "a request is never answered"
        if isinstance(self.error, Refused):
            assert self.error.answer.status >= 500, self.error
        elif self.error:
            raise self.error


def fail(scene, operation, label, error):
    """Runs the operation with one failing call; says what is wrong, and whether the call came."""
    scene.reset()
    server = scene.server().start()
    server.watch.is_quiet()
    server.watch.arm(fail_at(label, error))
    run = Attempt(operation, server)
    run.finish()
    server.watch.is_quiet()
    wrong = ""
    try:
        # If it goes on, what it says is true.
        with connected(server) as client:
            wrong += judge(operation, scene.before, scene.after, client.look(), run.acknowledged)
            # What comes afterwards goes to another file, or is refused.
            second = client.request("PUT", "/alpha/afterwards", body=pattern(MEDIUM)).status == 200
    except LOST:
        server.process.wait(10)
        second = False
    server.watch.is_quiet()
    calls = server.watch.calls
    reached = any(call.label == label for call in calls)
    # A file system that is full is not at its end.
    is_the_end = label.startswith(ALIVE) and error != errno.ENOSPC
    wrong += synced_again(calls, label)
    if (code := server.process.poll()) is not None:
        server.wait()
        if code != EXIT_POISONED or not ("meta/" in label or is_the_end):
            wrong += f"; it ended with {code}"
    if "panicked" in (log := server.log_text()):
        wrong += f"; {log[-2000:]}"
    if code is None:
        server.watch.freeze()
    if code is None:
        crash(scene.disk, server, CUT, None)
    else:
        scene.disk.cut_power()
        scene.disk.restart()
    if code is None and reached and ("meta/*.jnl" in label or is_the_end):
        wrong += "; metadata could not be written, and the server goes on"

    def complaint(view):
        there = view.pop(("object", "alpha", "afterwards"), None)
        lost = "; what was answered afterwards is lost" if second and not there else ""
        return judge(operation, scene.before, scene.after, view, run.acknowledged) + lost

    wrong += scene.check(complaint)
    return wrong, reached


def synced_again(calls, label):
    """A file whose sync failed, while bytes of it waited for that sync, is never synced again for anybody's answer.

    The metadata engine's own threads sync its journal too, with fsync, when a table is written and at the end. Every batch was
    synced before, with fdatasync and under the same lock, so there is nothing that such a sync could lose, and no answer
    waits for it.
    """
    failed = next((call for call in calls if call.label == label), None)
    if failed is None or not failed.is_sync or failed.path in (".", "volumes", "meta"):
        return ""
    of_file = [call for call in calls if call.path == failed.path]
    before, after = of_file[: of_file.index(failed)], of_file[of_file.index(failed) + 1 :]
    again = [call for call in after if call.is_sync]
    if failed.path.endswith(".jnl"):
        again = [call for call in again if call.name == "fdatasync"] if has_unsynced(before) else []
    return f"; {failed.path} was synced again after its sync failed" if again else ""


def has_unsynced(calls):
    """Whether the calls on one file, all of which succeeded, leave bytes that were not synced."""
    for call in reversed(calls):
        if call.is_sync:
            return False
        if call.name in WRITES:
            return True
    return False


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("kind", KINDS if LONG else KINDS[:1])
def test_an_error_is_never_a_success(name, kind, disk, images, tally):
    operation = OPERATIONS[name]
    scene = Scene(disk(kind), images(kind))
    labels = scene.record(operation)
    found = []
    # The many steps of the tables' operation resemble each other.
    for at, label in list(enumerate(labels))[:: 1 if LONG else len(labels) // 40 + 1]:
        for error in errors_of(at, label):
            wrong, reached = fail(scene, operation, label, error)
            if wrong:
                found.append(f"{name}, {errno.errorcode[error]} at {label}: {wrong}")
            if reached:
                tally.add("failed system calls", f"{name} {kind} {label} {error}")
    assert not found, f"{len(found)} of them:\n" + "\n".join(found[:5])


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("kind", KINDS[:1])
def test_a_failed_read_is_never_a_wrong_byte(kind, disk, images, tally):
    """Each read of each object: an error, or a body that ends early, or the right bytes; and the right bytes afterwards."""
    scene = Scene(disk(kind), images(kind, with_tables))
    scene.reset()
    server = WatchedServer(scene.disk.folder, data=scene.disk.path / "data", calls=READS).start()
    server.expect_log("Input/output error|os error 5|could not be read|answered status=500")
    with connected(server) as client:
        before = client.look()
        # Calls of one GET of each, in a process that has them in no cache of its own.
    objects = [item[1:] for item in before if item[0] == "object"]
    tried = 0
    for bucket, key in objects[:12]:
        for nth in range(1, 40):
            server.watch.arm(fail_nth(nth))
            with connected(server) as client:
                try:
                    answer = client.get(bucket, key)
                    shown = answer.body
                except Refused as refusal:
                    assert refusal.answer.status >= 500, refusal
                    shown = None
                except LOST:
                    shown = None
                failed = len(server.watch.calls) >= nth
                server.watch.arm()
                whole = client.get(bucket, key).body
            assert shown in (None, whole), f"{key}, read {nth}: {len(shown)} wrong bytes"
            if not failed:
                break
            tried += 1
            tally.add("failed system calls", f"read {key} {nth}")
    assert tried >= 10, f"only {tried} reads failed"
    with connected(server) as client:
        assert client.look() == before
    server.finish()


def fail_nth(nth):
    seen = iter(range(1, 1 << 30))
    return lambda call: errno.EIO if next(seen) == nth else "go"
