"""Stores in the states that tests begin with, each as the image of a disk."""

from client import connected
from drystone import MIB, Server, within
from multipart import pattern
from operations import FLUSH_BYTES, FLUSH_OBJECTS, OPERATIONS, prepare
from scene import Run
from signed import Signer
from watch import FREEZE, GO, WatchedServer


def blank(disk):
    """A file system with nothing on it."""
    return disk.image


def stopped(disk):
    """A prepared store whose server was stopped in order."""
    disk.mount()
    server = Server(disk.folder, data=disk.path / "data").start()
    with connected(server) as client:
        prepare(client)
    server.finish()
    disk.unmount()
    return disk.image


def crashed(disk):
    """A prepared store whose server died with a part half received, and with freed bytes not given back yet."""
    stopped(disk)
    disk.mount()
    server = WatchedServer(disk.folder, data=disk.path / "data").start()
    with connected(server) as client:
        upload = client.upload_of("alpha", "open")
    query = [("partNumber", "9"), ("uploadId", upload)]
    baseline = server.disk_use()
    with Signer(server).open("PUT", "/alpha/open", query=query, headers={"content-length": str(8 * MIB)}) as connection:
        connection.sendall(pattern(3 * MIB))
        within(5, lambda: server.disk_use() >= baseline + 2 * MIB)
        # The next body that is freed is on the list, and no longer named, when the process ends.
        server.watch.arm(lambda call: FREEZE if call.name == "fallocate" else GO)
        run = Run(OPERATIONS["delete large"], server)
        assert server.watch.wait_for(lambda: server.watch.frozen, 10), "nothing is freed"
        server.kill()
    run.finish()
    disk.unmount()
    return disk.image


def with_tables(disk):
    """A prepared store with rows and small bodies in the engine's tables too."""
    stopped(disk)
    disk.mount()
    server = Server(disk.folder, data=disk.path / "data").start()
    with connected(server) as client:
        OPERATIONS["write metadata to tables"].run(client, [])
    server.finish()
    disk.unmount()
    return disk.image


def with_a_long_journal(disk):
    """A prepared store whose server died when its metadata journal was longer than its start reads again.

    Most of its rows are in tables too, the last ones only in the journal. Few keys are written many times: who looks at
    a store looks at each.
    """
    stopped(disk)
    disk.mount()
    server = Server(disk.folder, data=disk.path / "data").start()
    with connected(server) as client:
        for number in range(3 * FLUSH_OBJECTS):
            client.put("alpha", f"written-often-{number % 20}", pattern(FLUSH_BYTES, number))
    server.kill()
    written = sum(file.stat().st_blocks * 512 for file in (server.data / "meta").glob("*.jnl"))
    assert written > 3 * MIB // 4, f"the journal has only {written} bytes"
    disk.unmount()
    return disk.image


# The states that a start finds.
BEGINNINGS = [blank, stopped, crashed, with_a_long_journal]
