"""minio-py: objects, parts, conditions and listings."""

import io

import minio
import minio.commonconfig
import minio.deleteobjects
import pytest

from drystone import ACCESS_KEY, MIB, REGION, SECRET_KEY
from multipart import pattern
from programs import digest


@pytest.fixture
def client(server):
    return minio.Minio(f"127.0.0.1:{server.port}", access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False, region=REGION)


def test_a_file_of_300_mib_goes_and_comes_back(client, big_file, tmp_path):
    client.make_bucket("bucket")
    assert client.bucket_exists("bucket") and not client.bucket_exists("another")
    path = big_file(300)
    client.fput_object("bucket", "big", str(path), part_size=10 * MIB)
    assert client.stat_object("bucket", "big").size == 300 * MIB
    client.fget_object("bucket", "big", str(tmp_path / "back"))
    assert digest(tmp_path / "back") == digest(path)
    assert [row.object_name for row in client.list_objects("bucket")] == ["big"]


def test_an_upload_that_was_left_is_listed_and_aborted(client, server):
    client.make_bucket("bucket")
    baseline = server.disk_use()
    upload = client._create_multipart_upload("bucket", "key", {})
    for number in range(1, 4):
        client._upload_part("bucket", "key", pattern(20 * MIB, number), {}, upload, number)
    assert [row.upload_id for row in client._list_multipart_uploads("bucket").uploads] == [upload]
    assert [part.part_number for part in client._list_parts("bucket", "key", upload).parts] == [1, 2, 3]
    client._abort_multipart_upload("bucket", "key", upload)
    assert client._list_multipart_uploads("bucket").uploads == []
    server.assert_space_returned(baseline)


def test_a_stream_of_unknown_length_is_uploaded(client):
    client.make_bucket("bucket")
    client.put_object("bucket", "key", io.BytesIO(pattern(23 * MIB)), -1, part_size=5 * MIB)
    answer = client.get_object("bucket", "key", offset=5 * MIB - 3, length=7)
    try:
        assert answer.read() == pattern(23 * MIB)[5 * MIB - 3 : 5 * MIB + 4]
    finally:
        answer.close()
        answer.release_conn()


def test_objects_are_composed_copied_and_removed(client):
    client.make_bucket("bucket")
    for name in ("one", "two"):
        client.put_object("bucket", name, io.BytesIO(pattern(6 * MIB)), 6 * MIB)
    sources = [minio.commonconfig.ComposeSource("bucket", name) for name in ("one", "two")]
    client.compose_object("bucket", "both", sources)
    assert client.stat_object("bucket", "both").size == 12 * MIB
    client.copy_object("bucket", "copy", minio.commonconfig.CopySource("bucket", "one"))
    names = ["one", "two", "both", "copy"]
    assert list(client.remove_objects("bucket", [minio.deleteobjects.DeleteObject(name) for name in names])) == []
    client.remove_bucket("bucket")
