"""A disk that fails under the file system, is smaller than it says, is full, or takes no more writes.

Whatever happens, a client that was answered with success has what it asked for, before the server starts anew on a disk that
works again and after it; no read returns another byte; and deleting and aborting work on a disk that is full.
"""

import os
import random
import resource
import threading
from pathlib import Path

import pytest

import disk as disks
from client import LOST, Refused, connected
from disk import KINDS
from drystone import MIB, Server, within
from faulty_disk import FLUSHES, READS, WRITES, drop_caches
from load import Worker, look
from multipart import pattern
from operations import LARGE, MEDIUM
from scene import volume_bytes
from tally import LONG

# The k-th call that fails, counted from the moment when the load begins.
FIRST = range(1, 80) if LONG else [1, 2, 3, 5, 8, 13, 21, 34]
# One error, or a disk that fails from then on.
ONCE, FOR_GOOD = "once", "for good"

CLIENTS, REQUESTS = 4, 12


def load(server, chance, workers=None):
    """Several clients at once; what they know afterwards."""
    workers = workers or [Worker(f"client-{number}", random.Random(chance.random())) for number in range(CLIENTS)]
    threads = [threading.Thread(target=worker.work, args=(server, REQUESTS)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        # A request on a dead disk is answered or cut off, and not later than the commit lane gives up.
        thread.join(100)
        assert not thread.is_alive(), "a request is never answered"
    return workers


def settle(server, workers):
    """What is wrong with what the store shows."""
    with connected(server) as client:
        views = look(client, workers)
    wrong = "".join(worker.settle(views[worker.name]) for worker in workers)
    assert not wrong, f"{wrong}\n{server.log_text()[-3000:]}"


def prepared(disk):
    server = Server(disk.folder, data=disk.path / "data")
    # What a failing disk makes the server say.
    server.expect_log(".")
    server.start()
    with connected(server) as client:
        client.create_bucket("bucket")
    return server


def end(server):
    """Kills the server, if it has not given up by itself."""
    if server.is_running:
        server.process.kill()
    server.process.wait()
    assert server.process.returncode in (-9, 3), f"it ended with {server.process.returncode}\n{server.log_text()[-3000:]}"
    assert "panicked" not in server.log_text(), server.log_text()[-3000:]


def recovered(disk, workers):
    """A start on the disk that works again: all that was answered is there, and nothing is left over."""
    server = Server(disk.folder, data=disk.path / "data")
    server.log.unlink(missing_ok=True)
    server.start()
    settle(server, workers)
    report = server.finish()
    owned = report["live_bytes"] + report["in_progress_bytes"] + report["reclaimable_bytes"]
    assert volume_bytes(server.data) >= owned
    server.start()
    with connected(server) as client:
        client.empty()
    server.finish()
    assert volume_bytes(server.data) == 0


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("how", [ONCE, FOR_GOOD])
@pytest.mark.parametrize("what", [WRITES, FLUSHES])
@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_write_or_flush_is_no_success(kind, what, how, faulty, tally):
    place = faulty(kind)
    blank = disks.Disk(place.folder / "blank", kind).make().image
    for first in FIRST:
        chance = random.Random(f"{kind} {what} {how} {first}")
        place.copy_of(blank)
        place.mount()
        server = prepared(place)
        place.fail(what, first, first if how == ONCE else None)
        workers = load(server, chance)
        failed = place.failed
        # What is still to be written, by the kernel, must not be lost because the test ends the server.
        end(server)
        place.unmount()
        place.mount()
        recovered(place, workers)
        place.unmount()
        if failed:
            tally.add("errors of a disk", f"{kind} {what} {how} {first}")


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("how", [ONCE, FOR_GOOD])
@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_read_is_no_wrong_byte(kind, how, faulty, images, tally):
    place = faulty(kind)
    place.copy_of(images(kind))
    for first in FIRST:
        place.mount()
        server = Server(place.folder, data=place.path / "data")
        server.expect_log(".")
        server.start()
        with connected(server) as client:
            keys = client.keys("alpha")
            expected = {key: client.get("alpha", key).body for key in keys}
            drop_caches()
            place.fail(READS, first, first if how == ONCE else None)
            for key in keys:
                try:
                    assert client.get("alpha", key).body == expected[key], f"{key} has other bytes"
                except Refused as refusal:
                    assert refusal.answer.status >= 500, refusal
                except LOST:
                    # The body ended early.
                    pass
            if place.failed:
                tally.add("errors of a disk", f"{kind} read {how} {first}")
            place.work_well()
            assert {key: client.get("alpha", key).body for key in keys} == expected, "an error stays after its disk works again"
        server.finish()
        place.unmount()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20) if LONG else range(2))
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_is_smaller_than_it_says(kind, seed, faulty, tally):
    """Thin provisioning: the file system has room, what is below it has none."""
    place = faulty(kind)
    place.make()
    place.mount()
    server = prepared(place)
    place.have_room_for((2 + 3 * seed) * MIB)
    chance = random.Random(f"thin {kind} {seed}")
    workers = [Worker(f"client-{number}", random.Random(chance.random())) for number in range(CLIENTS)]
    for _ in range(40):
        working = [worker for worker in workers if not worker.refused]
        if not server.is_running or not working:
            break
        load(server, chance, working)
    assert place.failed, "what is below never got full"
    end(server)
    place.unmount()
    place.mount()
    recovered(place, workers)
    tally.add("errors of a disk", f"thin {kind} {seed}")


def fill(folder):
    """What another program does to the same disk: not a block is left, nor an inode."""
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_abort_and_delete_work_on_a_full_disk(kind, disk, images, tally):
    place = disk(kind).copy_of(images(kind)).mount()
    server = Server(place.folder, data=place.path / "data")
    server.expect_log("space|full|room|storage")
    server.start()
    fill(place.path)
    with connected(server) as client:
        for size in (100, MEDIUM, LARGE):
            answer = client.request("PUT", "/alpha/more", body=pattern(size))
            assert answer.status in (200, 507), answer
            if answer.status == 200:
                assert client.get("alpha", "more").body == pattern(size)
        before = disks.Disk.free_bytes(place)
        client.abort("alpha", "open", client.upload_of("alpha", "open"))
        client.delete("alpha", "large")
        within(2, lambda: place.free_bytes() >= before + 5 * MIB)
        client.delete_bucket("doomed")
        within(2, lambda: place.free_bytes() >= before + 10 * MIB)
        # The room that metadata keeps for itself, 12 MiB, comes back before objects get any.
        client.delete("alpha", "assembled")
        within(2, lambda: place.free_bytes() >= before + 15 * MIB)
        client.put("alpha", "again", pattern(MEDIUM))
        left = client.look()
    server.kill()
    server.start()
    with connected(server) as client:
        assert client.look() == left
    server.finish()
    tally.add("errors of a disk", f"full {kind}")


@pytest.mark.timeout(300)
def test_a_file_system_without_inodes(disk, tally):
    """No file can be made any more: refused, or done with the files that there are; abort and delete work."""
    place = disk("ext4", options=("-N", "128")).make().mount()
    server = prepared(place)
    with connected(server) as client:
        client.put("bucket", "large", pattern(LARGE))
        upload = client.create("bucket", "open")
        client.part("bucket", "open", upload, 1, pattern(LARGE, 1))
        made = 0
        for made in range(200):
            try:
                (place.path / f"file-{made}").touch()
            except OSError:
                break
        assert 0 < made < 199
        acknowledged = {}
        for number in range(100):
            key, size = f"key-{number}", [100, 8000, MEDIUM, LARGE][number % 4]
            answer = client.request("PUT", f"/bucket/{key}", body=pattern(size, number))
            assert answer.status == 200 or answer.status >= 500, answer
            if answer.status == 200:
                acknowledged[key] = pattern(size, number)
        client.abort("bucket", "open", upload)
        client.delete("bucket", "large")
    end(server)
    for number in range(made):
        (place.path / f"file-{number}").unlink()
    server.start()
    with connected(server) as client:
        assert sorted(client.keys("bucket")) == sorted(acknowledged)
        assert all(client.get("bucket", key).body == body for key, body in acknowledged.items())
        assert client.uploads("bucket") == []
    server.finish()
    tally.add("errors of a disk", "no inodes")


@pytest.mark.timeout(300)
def test_a_process_without_descriptors(disk, images, tally):
    """No file can be opened any more: requests on open connections are answered, and all is well when there are some again."""
    place = disk("ext4").copy_of(images("ext4")).mount()
    server = Server(place.folder, data=place.path / "data")
    server.expect_log("Too many open files|os error 24|descriptors|accept|answered status=5")
    server.start()
    with connected(server) as client:
        before = client.look()
        pid = server.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, hard))
        acknowledged = {}
        for number, size in enumerate([100, MEDIUM, LARGE, 5 * MIB, 8000]):
            answer = client.request("PUT", f"/alpha/key-{number}", body=pattern(size, number))
            assert answer.status == 200 or answer.status >= 500, answer
            if answer.status == 200:
                acknowledged[f"key-{number}"] = pattern(size, number)
        for bucket, key in [item[1:] for item in before if item[0] == "object"]:
            answer = client.request("GET", f"/{bucket}/{key}")
            assert answer.status == 200 or answer.status >= 500, answer
        client.abort("alpha", "open", client.upload_of("alpha", "open"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        client.put("alpha", "afterwards", pattern(LARGE))
        for key, body in acknowledged.items():
            assert client.get("alpha", key).body == body
        after = client.look()
    server.finish()
    server.start()
    with connected(server) as client:
        assert client.look() == after
        client.empty()
    server.finish()
    assert volume_bytes(server.data) == 0
    tally.add("errors of a disk", "no descriptors")


@pytest.mark.timeout(300)
def test_a_file_system_that_turns_read_only(disk, images, tally):
    """ext4 does so after an error of its own: reads go on, no write is answered with success."""
    place = disk("ext4").copy_of(images("ext4")).mount("loop,errors=remount-ro")
    server = Server(place.folder, data=place.path / "data")
    server.expect_log(".")
    server.start()
    loop = disks.run("findmnt", "--noheadings", "--output", "SOURCE", str(place.path)).strip()
    with connected(server) as client:
        before = client.look()
        Path(f"/sys/fs/ext4/{Path(loop).name}/trigger_fs_error").write_text("the test says so")
        with pytest.raises(OSError):
            (place.path / "file").touch()
        for bucket, key in [item[1:] for item in before if item[0] == "object"][:3]:
            assert client.get(bucket, key).body
        refused = 0
        for number, size in enumerate([MEDIUM, LARGE, 100]):
            try:
                assert client.request("PUT", f"/alpha/key-{number}", body=pattern(size)).status >= 500
                refused += 1
            except LOST:
                # Metadata could not be written: the process has ended.
                break
        assert refused
    end(server)
    place.restart()
    server.start()
    with connected(server) as client:
        assert client.look() == before
    server.finish()
    tally.add("errors of a disk", "read-only")
