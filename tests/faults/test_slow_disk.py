"""A disk that is slow, and one that stands still: who needs nothing from it is answered.

Rows that are not in memory are looked up where they are asked for, and a server has few threads for that. Work that has to
wait for the disk must not keep these from everybody else.
"""

import os
import threading

import pytest

from client import connected
from drystone import Server, within
from faulty_disk import drop_caches

# Two rows fill a block of the engine's tables, and a table is written for a few hundred of them.
ROWS, ROW = 3000, {"x-amz-meta-row": "r" * 1900}
# More than the server has threads.
READERS = (os.cpu_count() or 1) + 4
SECONDS_A_READ = 0.05
# A request that needs no disk takes a millisecond.
PATIENCE_SECONDS = 10


class Readers:
    """Clients that ask for rows which are on the disk only, one after the other."""

    def __init__(self, server, keys):
        self.keys, self.lock, self.answered, self.wrong = keys, threading.Lock(), 0, []
        self.threads = [threading.Thread(target=self._read, args=(server,)) for _ in range(READERS)]
        for thread in self.threads:
            thread.start()

    def _read(self, server):
        with connected(server, timeout=120) as client:
            while True:
                with self.lock:
                    key = next(self.keys, None)
                if key is None:
                    return
                answer = client.request("HEAD", f"/bucket/{key}")
                with self.lock:
                    self.answered += 1
                    if answer.status != 200 or answer.headers["x-amz-meta-row"] != ROW["x-amz-meta-row"]:
                        self.wrong.append((key, answer))

    def stop(self):
        with self.lock:
            self.keys = iter(())
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a request is never answered"
        assert not self.wrong


@pytest.mark.timeout(300)
def test_who_needs_no_disk_is_answered_while_it_stands_still(faulty):
    place = faulty("ext4")
    place.make()
    place.mount()
    server = Server(place.folder, data=place.path / "data").start()
    with connected(server) as client:
        client.create_bucket("bucket")
        for number in range(ROWS):
            client.put("bucket", f"{number:04}", b"", headers=ROW)
    # What is in tables is in no cache of the new process.
    server.stop()
    server.start()
    with connected(server, timeout=PATIENCE_SECONDS) as client:
        client.put("bucket", "in-memory", b"small")
        drop_caches()
        place.read_slowly(SECONDS_A_READ)
        # Neighbours share a block.
        readers = Readers(server, (f"{number:04}" for first in range(7) for number in range(first, ROWS, 7)))
        try:
            # The server learns it from the first that are slow; many are read ahead.
            within(60, lambda: readers.answered >= ROWS // 15, lambda: f"{readers.answered} answers")
            assert client.get("bucket", "in-memory").body == b"small"
            place.stand_still()
            within(60, lambda: place.stuck > 0, lambda: "nobody reads from the disk")
            for _ in range(20):
                assert client.get("bucket", "in-memory").body == b"small"
            # New clients come in as well.
            with connected(server, timeout=PATIENCE_SECONDS) as other:
                assert other.get("bucket", "in-memory").body == b"small"
            assert server.health("/health/live") == 200
            assert place.stuck > 0 and place.stands_still
        finally:
            place.work_well()
            readers.stop()
    server.finish()
