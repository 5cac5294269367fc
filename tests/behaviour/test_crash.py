"""kill -9 at any moment: what was acknowledged is there, what was not has left nothing."""

import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import pytest

from drystone import MIB
from multipart import PART, abort, complete, create, pattern, put_part, read, refused, uploads

LOST = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)


def test_what_was_acknowledged_survives(server, s3, bucket):
    sizes = [0, 10, 4096, 70_000, 3 * MIB, 20 * MIB]
    for number, size in enumerate(sizes):
        s3.put_object(Bucket=bucket, Key=f"key-{number}", Body=pattern(size, number), Metadata={"n": str(number)})
    open_upload, done_upload = create(s3, bucket, "open"), create(s3, bucket, "done")
    part = put_part(s3, bucket, open_upload, 3, pattern(PART), key="open")
    complete(s3, bucket, done_upload, [put_part(s3, bucket, done_upload, 1, pattern(PART, 7), key="done")], key="done")
    s3.delete_object(Bucket=bucket, Key="key-5")
    server.kill()
    server.start()
    s3 = server.s3()
    for number, size in enumerate(sizes[:5]):
        assert read(s3, bucket, f"key-{number}") == pattern(size, number)
        assert s3.head_object(Bucket=bucket, Key=f"key-{number}")["Metadata"] == {"n": str(number)}
    with refused(404, "NoSuchKey"):
        read(s3, bucket, "key-5")
    assert read(s3, bucket, "done") == pattern(PART, 7)
    assert uploads(s3, bucket) == [("open", open_upload)]
    complete(s3, bucket, open_upload, [part], key="open")
    assert read(s3, bucket, "open") == pattern(PART)


def test_a_part_that_was_not_acknowledged_leaves_no_byte(server, s3, signer, bucket):
    upload = create(s3, bucket)
    server.stop()
    server.start()
    baseline = server.disk_use()
    with signer.open(
        "PUT", "/bucket/key", query=[("partNumber", "1"), ("uploadId", upload)], headers={"content-length": str(64 * MIB)}
    ) as connection:
        connection.sendall(pattern(48 * MIB))
        server.kill()
    server.start()
    server.assert_space_returned(baseline, seconds=5)
    assert uploads(server.s3(), bucket) == [("key", upload)]
    server.stop()
    code, report = server.verify()
    assert (code, report["orphaned_bytes"], report["in_progress_bytes"]) == (0, 0, 0), report


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_busy_server_may_die_again_and_again(server, s3, bucket, seed):
    chance = random.Random(seed)
    known, lock = {}, threading.Lock()
    for _ in range(4):
        stop = threading.Event()
        workers = [
            threading.Thread(
                target=write_until, args=(server.s3(), bucket, random.Random(chance.random()), worker, stop, known, lock)
            )
            for worker in range(6)
        ]
        for worker in workers:
            worker.start()
        # Not a wait for time: the moment of death is what the seed chooses.
        stop.wait(0.3 + chance.random())
        server.kill()
        stop.set()
        for worker in workers:
            worker.join()
        server.start()
        s3 = server.s3()
        for key, states in known.items():
            assert state_of(s3, bucket, key) in states, (seed, key)
            states[:] = [state_of(s3, bucket, key)]
        for key, upload in uploads(s3, bucket):
            abort(s3, bucket, upload, key=key)
        server.stop()
        code, report = server.verify()
        assert code == 0 and report["orphaned_bytes"] == 0 and report["in_progress_bytes"] == 0, (seed, report)
        server.start()


def state_of(s3, bucket, key):
    """The digest of an object; None when there is none."""
    try:
        return hashlib.sha256(read(s3, bucket, key)).hexdigest()
    except s3.exceptions.NoSuchKey:
        return None


def write_until(s3, bucket, chance, worker, stop, known, lock):
    """Writes, replaces, uploads and deletes its own keys until the server dies; notes every state that may be found."""
    while not stop.is_set():
        key = f"worker-{worker}/{chance.randrange(5)}"
        body = pattern(chance.choice([0, 100, 5000, 100_000, 2 * MIB]), chance.randrange(1000))
        after = None if chance.random() < 0.2 else hashlib.sha256(body).hexdigest()
        with lock:
            # From the first byte of the request on, the old state and the new one may both be found.
            before = known.get(key, [None])
            known[key] = [*before, after]
        try:
            if after is None:
                s3.delete_object(Bucket=bucket, Key=key)
            elif chance.random() < 0.5:
                s3.put_object(Bucket=bucket, Key=key, Body=body)
            else:
                upload = create(s3, bucket, key)
                complete(s3, bucket, upload, [put_part(s3, bucket, upload, 1, body, key=key)], key=key)
        except LOST:
            return
        with lock:
            known[key] = [after]


def test_many_at_once_before_the_death_are_all_there(server, s3, bucket):
    with ThreadPoolExecutor(16) as threads:
        list(
            threads.map(lambda number: s3.put_object(Bucket=bucket, Key=f"key-{number}", Body=pattern(9000, number)), range(200))
        )
    server.kill()
    server.start()
    s3 = server.s3()
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda number: read(s3, bucket, f"key-{number}") == pattern(9000, number), range(200)))
