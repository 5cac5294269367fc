"""A full disk: refused before the body, and abort and delete always work.

The data lies on a small ext4 of its own behind a loop device, so these tests need root.
"""

import os
import re
import subprocess

import pytest

from drystone import MIB, within
from multipart import abort, create, pattern, put_part, read, refused
from signed import Signer, read_answer

# Room for the metadata's journals and for some volumes, small enough to fill in a second.
DISK_BYTES = 512 * MIB

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")


@pytest.fixture
def small_disk(tmp_path):
    """A mounted ext4 of 512 MiB."""
    image, mount = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    mount.mkdir()
    # No blocks kept back for root, so that "full" means full.
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


@pytest.fixture
def full(small_disk, servers):
    """A server whose disk takes no object of a MiB any more; its client; the keys that fill it."""
    server = servers(data=small_disk / "data")
    # A refusal for lack of space is something an operator must see.
    server.expect_log("space|full|storage")
    server.start()
    s3 = server.s3()
    s3.create_bucket(Bucket="bucket")
    keys = []
    for size in (16 * MIB, MIB):
        for _ in range(DISK_BYTES // size + 1):
            try:
                s3.put_object(Bucket="bucket", Key=f"key-{len(keys):03}", Body=pattern(size))
                keys.append(f"key-{len(keys):03}")
            except s3.exceptions.ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 507, error
                break
        else:
            pytest.fail("the disk did not get full")
    return server, s3, keys


def fill_to_the_last_block(mount):
    """What another program does to the same disk."""
    with (mount / "ballast").open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def free_bytes(mount):
    return os.statvfs(mount).f_bfree * os.statvfs(mount).f_frsize


def test_an_object_is_refused_before_its_body_with_the_space_that_it_needs(full):
    server, s3, keys = full
    headers = {"content-length": str(64 * MIB), "expect": "100-continue"}
    with Signer(server).open("PUT", "/bucket/more", headers=headers) as connection:
        answer = read_answer(connection)
    assert answer.status == 507, answer.body
    needed = re.search(r"(\d+) bytes are needed", answer.text("Message"))
    # The checks beside the bytes take room too.
    assert 64 * MIB <= int(needed[1]) < 65 * MIB
    assert all(read(s3, "bucket", key)[:10] == pattern(10) for key in keys[:3])


def test_a_delete_makes_room_at_once(full, small_disk):
    server, s3, keys = full
    before = free_bytes(small_disk)
    s3.delete_object(Bucket="bucket", Key=keys[0])
    server.assert_space_returned(server.disk_use())
    within(1, lambda: free_bytes(small_disk) >= before + 15 * MIB)
    s3.put_object(Bucket="bucket", Key="more", Body=pattern(8 * MIB))
    assert read(s3, "bucket", "more") == pattern(8 * MIB)


def test_abort_and_delete_work_when_not_a_block_is_left(small_disk, servers):
    server = servers(data=small_disk / "data")
    server.expect_log("space|full|storage")
    server.start()
    s3 = server.s3()
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=pattern(32 * MIB))
    upload = create(s3, "bucket", "open")
    for number in range(1, 5):
        put_part(s3, "bucket", upload, number, pattern(16 * MIB), key="open")
    fill_to_the_last_block(small_disk)
    with refused(507, "InsufficientStorage"):
        s3.put_object(Bucket="bucket", Key="more", Body=pattern(MIB))
    abort(s3, "bucket", upload, key="open")
    within(1, lambda: free_bytes(small_disk) >= 60 * MIB)
    fill_to_the_last_block(small_disk)
    s3.delete_object(Bucket="bucket", Key="key")
    within(1, lambda: free_bytes(small_disk) >= 30 * MIB)
    s3.put_object(Bucket="bucket", Key="more", Body=pattern(8 * MIB))
    assert read(s3, "bucket", "more") == pattern(8 * MIB)


def test_a_server_on_a_full_disk_starts_and_reads(full, small_disk):
    server, s3, keys = full
    fill_to_the_last_block(small_disk)
    server.kill()
    server.start()
    s3 = server.s3()
    assert read(s3, "bucket", keys[0]) == pattern(16 * MIB)
    # The room that metadata keeps for itself comes back first, before objects get any.
    for key in keys[:5]:
        s3.delete_object(Bucket="bucket", Key=key)
    within(1, lambda: free_bytes(small_disk) >= 64 * MIB)
    s3.put_object(Bucket="bucket", Key="more", Body=pattern(8 * MIB))
