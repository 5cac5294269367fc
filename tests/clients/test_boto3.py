"""boto3, as an application uses it: the transfer manager, virtual hosts, TLS, presigned addresses, copies."""

import socket
import threading
import urllib.request

import boto3
import boto3.s3.transfer
import botocore.config
import pytest

from drystone import ACCESS_KEY, MIB, REGION, SECRET_KEY
from multipart import abort, create, pattern, put_part, read, refused, uploads
from programs import digest

TRANSFER = boto3.s3.transfer.TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=8)


def test_a_file_of_600_mib_goes_and_comes_back(server, s3, bucket, big_file, tmp_path):
    path = big_file(600)
    s3.upload_file(str(path), bucket, "big", Config=TRANSFER)
    s3.download_file(bucket, "big", str(tmp_path / "back"), Config=TRANSFER)
    assert digest(tmp_path / "back") == digest(path)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_transfer_with_every_checksum(s3, bucket, big_file, tmp_path, algorithm):
    path = big_file(20)
    s3.upload_file(str(path), bucket, "key", Config=TRANSFER, ExtraArgs={"ChecksumAlgorithm": algorithm})
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"]
    s3.download_file(bucket, "key", str(tmp_path / "back"), Config=TRANSFER, ExtraArgs={"ChecksumMode": "ENABLED"})
    assert digest(tmp_path / "back") == digest(path)


def test_an_upload_that_was_left_is_listed_and_aborted(server, s3, bucket):
    baseline = server.disk_use()
    upload = create(s3, bucket)
    for number in range(1, 26):
        put_part(s3, bucket, upload, number, pattern(8 * MIB, number))
    assert uploads(s3, bucket) == [("key", upload)]
    assert server.disk_use() > baseline + 200 * MIB
    abort(s3, bucket, upload)
    server.assert_space_returned(baseline)


def test_a_transfer_that_fails_aborts_its_own_upload(server, s3, bucket):
    class Broken:
        """A file whose reading fails in the fifth part."""

        def __init__(self):
            self.left, self.lock = 40 * MIB, threading.Lock()

        def read(self, size=-1):
            with self.lock:
                if self.left <= 0:
                    raise OSError("the file is broken")
                self.left -= size
                return bytes(size)

    baseline = server.disk_use()
    with pytest.raises(OSError, match="the file is broken"):
        s3.upload_fileobj(Broken(), bucket, "key", Config=TRANSFER)
    assert uploads(s3, bucket) == []
    server.assert_space_returned(baseline)


def test_buckets_as_host_names(servers, monkeypatch):
    server = servers(arguments=["--domain", "s3.example.test"]).start()
    genuine = socket.getaddrinfo

    def resolve(host, *arguments, **options):
        here = host == "s3.example.test" or str(host).endswith(".s3.example.test")
        return genuine("127.0.0.1" if here else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = boto3.client(
        "s3",
        endpoint_url=f"http://s3.example.test:{server.port}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=botocore.config.Config(s3={"addressing_style": "virtual"}),
    )
    hosts = []
    client.meta.events.register("before-send.s3", lambda request, **_: hosts.append(request.url.split("/")[2]))
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="a/key", Body=b"stone")
    assert read(client, "bucket", "a/key") == b"stone"
    upload = create(client, "bucket")
    put_part(client, "bucket", upload, 1, b"x")
    assert uploads(client, "bucket") == [("key", upload)]
    abort(client, "bucket", upload)
    assert [row["Name"] for row in client.list_buckets()["Buckets"]] == ["bucket"]
    assert f"bucket.s3.example.test:{server.port}" in hosts
    # The same bucket by path, on the same server.
    assert read(server.s3(), "bucket", "a/key") == b"stone"


def test_tls_with_an_authority_of_our_own(servers, certificates, big_file, tmp_path):
    server = servers(authority=certificates.authority, arguments=certificates.arguments).start()
    s3 = server.s3()
    s3.create_bucket(Bucket="bucket")
    path = big_file(100)
    s3.upload_file(str(path), "bucket", "big", Config=TRANSFER)
    s3.download_file("bucket", "big", str(tmp_path / "back"), Config=TRANSFER)
    assert digest(tmp_path / "back") == digest(path)


def test_presigned_addresses_read_write_and_upload_parts(s3, bucket):
    def send(method, body=None, **options):
        address = s3.generate_presigned_url(method, Params={"Bucket": bucket, "Key": "key"} | options, ExpiresIn=60)
        verb = {"get_object": "GET", "put_object": "PUT", "upload_part": "PUT"}[method]
        with urllib.request.urlopen(urllib.request.Request(address, data=body, method=verb), timeout=30) as answer:
            return answer.read(), answer.headers["ETag"]

    send("put_object", b"stone")
    assert send("get_object")[0] == b"stone"
    upload = create(s3, bucket)
    _, etag = send("upload_part", b"by part", UploadId=upload, PartNumber=1)
    s3.complete_multipart_upload(
        Bucket=bucket, Key="key", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
    )
    assert send("get_object")[0] == b"by part"


def test_a_managed_copy_of_a_big_object_moves_no_byte(server, s3, bucket, big_file):
    path = big_file(100)
    s3.upload_file(str(path), bucket, "source", Config=TRANSFER)
    baseline = server.disk_use()
    s3.copy({"Bucket": bucket, "Key": "source"}, bucket, "copy", Config=TRANSFER)
    server.assert_space_returned(baseline)
    s3.delete_object(Bucket=bucket, Key="source")
    assert read(s3, bucket, "copy") == path.read_bytes()


def test_the_resource_interface_works(server, bucket):
    resource = boto3.resource(
        "s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )
    mine = resource.Bucket(bucket)
    for number in range(5):
        mine.put_object(Key=f"dir/{number}", Body=b"x")
    assert [summary.key for summary in mine.objects.filter(Prefix="dir/")] == [f"dir/{number}" for number in range(5)]
    upload = mine.Object("open").initiate_multipart_upload()
    assert [open_upload.id for open_upload in mine.multipart_uploads.all()] == [upload.id]
    upload.Part(1).upload(Body=b"x")
    assert [part.size for part in upload.parts.all()] == [1]
    upload.abort()
    mine.objects.all().delete()
    mine.delete()


def test_a_waiter_sees_what_was_made(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    s3.get_waiter("object_exists").wait(Bucket=bucket, Key="key")
    s3.get_waiter("bucket_exists").wait(Bucket=bucket)
    with refused(404, "NoSuchKey"):
        read(s3, bucket, "another")
