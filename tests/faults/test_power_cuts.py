"""Power cuts under a mixed load of eight clients, again and again on the same disk.

Each client works in a part of the store that is its own, one request at a time. So after a cut its part must look as before
the request that was not answered, or as after it: never otherwise, and never without what was answered.
"""

import random
import threading
import time

import pytest

from client import connected
from disk import KINDS
from drystone import Server
from load import Worker, look
from scene import CUT, CUT_AFTER_JOURNAL, CUT_AFTER_SOME_SYNCS, READY_SECONDS, crash, volume_bytes
from tally import LONG
from watch import stop_still

CLIENTS = 8
# Rounds of each test; four tests for each file system.
ROUNDS = 250 if LONG else 10
SEEDS = [1, 2, 3, 4]
# In a long run others may keep the machine busy now and then.
SLOW_MAX = ROUNDS // 50
# The power goes after so many seconds of load.
LOAD_SECONDS = (0.02, 0.5)
# What a file of many pieces takes beside them: blocks of the file system's tree of extents.
TREE_BYTES = 8192
# More than any client gets done until then.
REQUESTS_MAX = 100_000


@pytest.mark.timeout(120 * ROUNDS)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_answered_survives_every_cut(kind, seed, disk, tally):
    chance = random.Random(f"{kind} {seed}")
    place = disk(kind).make().mount()
    workers = [Worker(f"client-{number}", random.Random(chance.random())) for number in range(CLIENTS)]
    server = Server(place.folder, data=place.path / "data").start()
    try:
        with connected(server) as client:
            client.create_bucket("bucket")
        slow, slowest = 0, 0
        for number in range(ROUNDS):
            how = chance.choice([CUT, CUT_AFTER_JOURNAL, CUT_AFTER_SOME_SYNCS])
            load_and_cut(place, server, workers, how, chance)
            begun = time.monotonic()
            server.start()
            ready = time.monotonic() - begun
            slow += ready > READY_SECONDS
            assert slow <= SLOW_MAX, f"round {number}, {how}: ready after {ready:.1f} s\n{server.log_text()[-2000:]}"
            slowest = max(slowest, ready)
            if wrong := complaint(server, workers):
                pytest.fail(f"round {number}, {how}: {wrong}")
            tally.add("power cuts under load", f"{kind} {seed} {number} {how}")
            server.start()
        answered = sum(worker.answered for worker in workers)
        print(f"{ROUNDS} power cuts on {kind}: {answered} requests answered, slowest restart {slowest:.2f} s")
        assert answered > 20 * ROUNDS, "there was hardly any load"
        with connected(server) as client:
            client.empty()
        server.finish()
        assert volume_bytes(server.data) == 0
    finally:
        if server.is_running:
            server.kill()


def load_and_cut(place, server, workers, how, chance):
    """Everybody works until the power goes, and it comes back."""
    threads = [threading.Thread(target=worker.work, args=(server, REQUESTS_MAX)) for worker in workers]
    for thread in threads:
        thread.start()
    # Not a wait for anything: the moment of the cut is what the seed chooses.
    threading.Event().wait(chance.uniform(*LOAD_SECONDS))
    stop_still(server.process.pid)
    crash(place, server, how, chance)
    for thread in threads:
        thread.join()


def complaint(server, workers):
    """What is wrong with what a restarted server shows and with its bytes; it is stopped."""
    with connected(server) as client:
        views = look(client, workers)
    wrong = "".join(worker.settle(views[worker.name]) for worker in workers)
    wrong += "".join(str(refusal) for worker in workers for refusal in worker.refused)
    if wrong:
        return wrong
    report = server.finish()
    owned = report["live_bytes"] + report["in_progress_bytes"] + report["reclaimable_bytes"]
    taken, volumes = volume_bytes(server.data), sum(1 for _ in (server.data / "volumes").iterdir())
    return "" if owned <= taken <= owned + volumes * TREE_BYTES else f"{taken} bytes are taken, {report}"
