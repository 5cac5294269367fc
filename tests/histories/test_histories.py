"""Ten clients for half a minute, in the middle of which the server is killed: some order explains every answer."""

import os
import random
import threading
import time
from dataclasses import replace

import pytest

from drystone import REGION, launch
from history import NEVER, UNKNOWN, NotLinearizable, Operation
from objects import NO_KEY, conditional, multipart
from recorder import Recording, now
from search import check
from wire import Client
from workloads import Counters, RegisterOverUploads, Registers, Uploads
from zones import check_register

IS_LONG = os.environ.get("DRYSTONE_LONG", "0") not in ("", "0")
SECONDS = 600 if IS_LONG else 30
SEED = os.environ.get("DRYSTONE_SEED", "1")
# How often the server is killed: each time up to ten operations stay open for ever, on whichever object they are.
KILLS = 20 if IS_LONG else 2
# Fewer operations than this prove little: the slowest machine so far does ten times as many.
OPERATIONS_MIN = 30 * SECONDS

pytestmark = pytest.mark.timeout(10 * SECONDS + 300)


@pytest.fixture
def record(server, bucket, tmp_path, capsys):
    """Runs a workload and returns what was seen, by object."""

    def run(workload):
        folder = tmp_path / "recording"
        folder.mkdir()
        recording = Recording(server, folder, workload.__name__, bucket, REGION)
        chance = random.Random(f"{SEED} {workload.__name__}")
        kills = sorted(chance.uniform(0.1, 0.9) * SECONDS for _ in range(KILLS))
        begin = time.monotonic()
        recording.start(launch, SECONDS, SEED)
        for moment in kills:
            wait_until(begin + moment)
            server.kill()
            server.start()
            recording.tell_port()
        seen = recording.operations(SECONDS + 60)
        count = sum(map(len, seen.values()))
        unknown = sum(operation.is_unknown for operations in seen.values() for operation in operations)
        with capsys.disabled():
            print(
                f"\n{workload.__name__}: {count} operations on {len(seen)} objects by {recording.clients} clients "
                f"in {SECONDS} s, {unknown} of unknown fate, {KILLS} kills, seed {SEED}"
            )
        assert count > OPERATIONS_MIN, f"only {count} operations"
        assert unknown > 0, "some request is cut off, or the kills hit nobody"
        return seen

    return run


def wait_until(moment):
    """Waits for a moment of the clock, which is the event here: when the server dies is part of the history."""
    threading.Event().wait(max(0.0, moment - time.monotonic()))


def reader(server, bucket, workload):
    """A client that looks when all others are done."""
    return workload(Client(lambda: server.port, *server.credentials, REGION), bucket, "last", random.Random(0))


def look(last, key, seen):
    """Reads the key once more, after everything: what was acknowledged is there for good."""
    start = now()
    tag, body = last.get(key)
    seen.setdefault(key, []).append(Operation(start, now(), ("read",), tag))
    return body


def test_plain_objects_are_registers(record, server, bucket):
    seen = record(Registers)
    last = reader(server, bucket, Registers)
    for key in Registers.KEYS:
        look(last, key, seen)
        check_register(seen[key])


@pytest.mark.parametrize("workload", [Counters, RegisterOverUploads])
def test_no_update_is_lost(record, server, bucket, workload):
    seen = record(workload)
    last = reader(server, bucket, workload)
    for key in workload.KEYS:
        count = int(look(last, key, seen).split(b" ")[0])
        swaps = [operation for operation in seen[key] if operation.call[0] == "swap"]
        done = sum(operation.answer == "done" for operation in swaps)
        unknown = sum(operation.answer is UNKNOWN for operation in swaps)
        assert done > 10, f"only {done} swaps of {key}"
        assert done <= count <= done + unknown, f"{key} is {count} after {done} swaps, and {unknown} of unknown fate"
        check(relevant(seen[key]), None, conditional)


def relevant(operations):
    """Without the swaps of unknown fate whose value nobody ever saw: such a swap may never have happened."""
    saw = {operation.answer for operation in operations} | {operation.call[1] for operation in operations if operation.call[1:]}
    return [operation for operation in operations if not operation.is_unknown or operation.call[2] in saw]


def test_uploads_have_one_order(record):
    seen = record(Uploads)
    for key, operations in seen.items():
        try:
            check(with_names(operations), NO_KEY, multipart)
        except NotLinearizable as error:
            raise AssertionError(f"{key}: {error}") from error


def with_names(operations):
    """Gives creations of unknown fate the ids that others saw and nobody else created, the older to the earlier."""
    created = {operation.answer for operation in operations if operation.call[0] == "create"}
    shown = {upload for operation in operations if operation.call[0] == "uploads" for upload in operation.answer}
    nameless = [operation for operation in operations if operation.call[0] == "create" and operation.answer is UNKNOWN]
    found = sorted(shown - created)
    assert len(found) <= len(nameless), f"nobody created {found}"
    named = [
        replace(operation, answer=upload, end=NEVER)
        for operation, upload in zip(sorted(nameless, key=lambda operation: operation.start), found, strict=False)
    ]
    return [operation for operation in operations if operation not in nameless] + named
