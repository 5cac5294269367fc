"""One operation on one file system: run once to its end, then crashed at each of its steps."""

import os
import signal
import threading
import time
from dataclasses import dataclass, field

from client import LOST, connected
from disk import AT_ONCE, LOG_FIRST, Disk
from drystone import Server
from operations import Operation
from watch import WatchedServer, freeze_at, one_commit

# How the process ends, or the machine.
KILLED, CUT, CUT_AFTER_JOURNAL, CUT_AFTER_SOME_SYNCS = MODES = [
    "killed",
    "power cut",
    "power cut after the journal",
    "power cut after some syncs",
]

# A restart takes no longer, recovery included.
READY_SECONDS = 2
# What one request takes at most on a slow machine.
WORK_SECONDS = 20

# The point after the last system call.
END = "end"


@dataclass
class Run:
    """One run of an operation, in a thread of its own."""

    operation: Operation
    server: WatchedServer
    acknowledged: list = field(default_factory=list)
    error: Exception | None = None

    def __post_init__(self):
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self):
        try:
            with connected(self.server) as client:
                self.operation.run(client, self.acknowledged)
        except LOST:
            # The server is gone, as it should be: it has not answered.
            pass
        except Exception as error:
            self.error = error
        finally:
            with self.server.watch.changed:
                self.server.watch.changed.notify_all()

    @property
    def is_over(self):
        return not self.thread.is_alive()

    def finish(self):
        self.thread.join(WORK_SECONDS + 10)
        assert self.is_over, "a request outlives its server"
        if self.error:
            raise self.error


@dataclass
class Scene:
    """An operation, and the disk that it works on."""

    disk: Disk
    image: object
    before: dict = None
    after: dict = None
    # What servers are started with beside: another program, for one.
    options: dict = field(default_factory=dict)

    def server(self, **options):
        server = WatchedServer(self.disk.folder, data=self.disk.path / "data", **self.options, **options)
        server.log.unlink(missing_ok=True)
        return server

    def reset(self):
        """The disk is as it was prepared."""
        if self.disk.is_mounted():
            self.disk.unmount()
        self.disk.copy_of(self.image).mount()

    # What happens before the crash: each says what was acknowledged, and whether the point was reached.

    def record(self, operation):
        """Runs the operation to its end; its steps. Notes the states before and after it."""
        self.reset()
        server = self.server().start()
        with connected(server) as client:
            self.before = client.look()
            server.watch.is_quiet()
            server.watch.arm()
            acknowledged = []
            operation.run(client, acknowledged)
            assert acknowledged
            server.watch.is_quiet()
            labels = [call.label for call in server.watch.calls]
            self.after = client.look()
        server.finish()
        return labels

    def run_to(self, operation, label):
        """Runs the operation until it stands at `label`, or else to its end."""
        self.reset()
        server = self.server().start()
        server.watch.is_quiet()
        server.watch.arm(freeze_at(label))
        run = Run(operation, server)
        assert server.watch.wait_for(lambda: server.watch.frozen or run.is_over, WORK_SECONDS), "nothing happens any more"
        # Beyond the answer, the work in the background is looked for too.
        reached = not server.watch.frozen if label == END else not server.watch.is_quiet()
        if not server.watch.frozen:
            server.watch.freeze()
        return server, run, reached

    def record_start(self):
        """The steps of a start."""
        self.reset()
        server = self.server().start()
        server.watch.is_quiet()
        labels = [call.label for call in server.watch.calls]
        with connected(server) as client:
            self.before = self.after = client.look()
        server.finish()
        return labels

    def start_to(self, label):
        """Starts the server until it stands at `label`."""
        self.reset()
        server = self.server(rule=freeze_at(label))
        server.start_or_freeze()
        reached = server.watch.frozen or not server.watch.is_quiet()
        if not server.watch.frozen:
            server.watch.freeze()
        return server, None, reached

    def record_stop(self):
        """The steps of a stop."""
        self.reset()
        server = self.server().start()
        with connected(server) as client:
            self.before = self.after = client.look()
        server.watch.is_quiet()
        server.watch.arm()
        server.finish()
        return [call.label for call in server.watch.calls]

    def stop_to(self, label):
        """Stops the server until it stands at `label`."""
        self.reset()
        server = self.server().start()
        server.watch.is_quiet()
        server.watch.arm(freeze_at(label))
        server.process.send_signal(signal.SIGTERM)
        server.watch.wait_for(lambda: server.watch.frozen, WORK_SECONDS)
        return server, None, server.watch.frozen

    # What was called until a moment.

    def calls_until_answer(self, operation):
        """The calls of an operation up to its answer.

        It has one commit, so nothing that the metadata journal is given later is its own: the worker in the background,
        which must not be caught between its write and its sync, is held there.
        """
        self.reset()
        server = self.server().start()
        with connected(server) as client:
            server.watch.is_quiet()
            server.watch.arm(one_commit)
            operation.run(client, [])
            calls = list(server.watch.calls)
        server.kill()
        return calls

    def calls_of_start_and_stop(self):
        """The calls of a process that serves nobody."""
        self.reset()
        server = self.server().start()
        server.stop()
        return list(server.watch.calls)

    # What must be true after the crash.

    def check(self, complaint):
        """Starts the server again; `complaint(view)` says what is wrong with what it shows. Returns everything that is wrong."""
        server = Server(self.disk.folder, data=self.disk.path / "data", **self.options)
        server.log.unlink(missing_ok=True)
        wrong, begun = "", time.monotonic()
        try:
            server.start()
            ready = time.monotonic() - begun
            if ready > READY_SECONDS:
                wrong += f"it was ready after {ready:.1f} s; "
            with connected(server) as client:
                wrong += complaint(client.look())
            report = server.finish()
            owned = report["live_bytes"] + report["in_progress_bytes"] + report["reclaimable_bytes"]
            if owned != (taken := volume_bytes(server.data)):
                wrong += f"; {owned} bytes have an owner, but the volumes take {taken}"
            server.start()
            with connected(server) as client:
                client.empty()
            report = server.finish()
            if taken := volume_bytes(server.data):
                wrong += f"; the volumes take {taken} bytes of nothing: {report}"
        except AssertionError as error:
            wrong += str(error)
        finally:
            if server.is_running:
                server.kill()
        return wrong + (f"\n{server.log_text()[-1500:]}" if wrong else "")


def crash(disk, server, mode, chance):
    """Ends a server that stands still in one of the ways, and brings the disk back."""
    if mode == KILLED:
        server.kill()
        return
    if mode == CUT_AFTER_SOME_SYNCS:
        disk.sync_some(chance)
    disk.cut_power(LOG_FIRST if mode == CUT_AFTER_JOURNAL else AT_ONCE)
    server.kill()
    disk.restart()


def volume_bytes(data):
    """What the file system has given to the volumes."""
    total = 0
    for entry in os.scandir(data / "volumes"):
        if len(entry.name) == 16:
            total += entry.stat().st_blocks * 512
    return total
