"""DeleteObject and DeleteObjects."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from drystone import MIB
from multipart import pattern, read, refused
from signed import md5_base64


def test_a_deleted_object_is_gone_and_its_bytes_are_back(server, s3, bucket):
    baseline = server.disk_use()
    s3.put_object(Bucket=bucket, Key="key", Body=pattern(64 * MIB))
    s3.delete_object(Bucket=bucket, Key="key")
    server.assert_space_returned(baseline)
    with refused(404, "NoSuchKey"):
        read(s3, bucket)


def test_thousands_of_small_objects_give_their_bytes_back(server, s3, bucket):
    baseline = server.disk_use()
    keys, body = [f"key-{number}" for number in range(3000)], pattern(4096)
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=body), keys))
    for start in range(0, len(keys), 1000):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys[start : start + 1000]]})
    # What remains is the journal of so many changes, a third of the bodies; the bodies themselves are gone.
    server.assert_space_returned(baseline, tolerance=len(keys) * 4096 // 2)


def test_deleting_what_is_not_there_succeeds(signer, bucket):
    answer = signer.request("DELETE", "/bucket/nowhere")
    assert (answer.status, answer.body) == (204, b"")


def test_many_objects_go_in_one_request(s3, bucket):
    keys = [f"key {number}&<" for number in range(20)]
    for key in keys[:10]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(deleted["Key"] for deleted in answer["Deleted"]) == sorted(keys)
    assert "Errors" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_quiet_request_names_only_errors(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "key"}], "Quiet": True})
    assert "Deleted" not in answer and "Errors" not in answer


def document(count):
    return b"<Delete>" + b"".join(b"<Object><Key>key-%d</Key></Object>" % number for number in range(count)) + b"</Delete>"


@pytest.mark.parametrize("body", [b"", b"<Delete>", b"<Delete></Delete>", document(1001), b"<Delete><Object></Object></Delete>"])
def test_a_document_that_is_not_one_is_refused(signer, bucket, body):
    headers = {"content-md5": md5_base64(body)}
    signer.request("POST", "/bucket", query=[("delete", "")], headers=headers, body=body).refused(400, "MalformedXML")


def test_a_thousand_objects_are_allowed(signer, bucket):
    body = document(1000)
    answer = signer.request("POST", "/bucket", query=[("delete", "")], headers={"content-md5": md5_base64(body)}, body=body)
    assert (answer.status, len(answer.xml.findall("Deleted"))) == (200, 1000)


def test_a_document_whose_digest_is_wrong_deletes_nothing(s3, signer, bucket):
    s3.put_object(Bucket=bucket, Key="key-0", Body=b"x")
    headers = {"content-md5": md5_base64(b"other")}
    signer.request("POST", "/bucket", query=[("delete", "")], headers=headers, body=document(1)).refused(400, "BadDigest")
    assert read(s3, bucket, "key-0") == b"x"


def test_a_document_without_a_digest_is_refused(s3, signer, bucket):
    s3.put_object(Bucket=bucket, Key="key-0", Body=b"x")
    signer.request("POST", "/bucket", query=[("delete", "")], body=document(1)).refused(400, "InvalidRequest")
    assert read(s3, bucket, "key-0") == b"x"


@pytest.mark.parametrize("header", ["x-amz-if-match-size", "x-amz-if-match-last-modified-time"])
def test_conditions_of_directory_buckets_are_not_implemented(s3, signer, bucket, header):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    value = "1" if header.endswith("size") else "Wed, 21 Oct 2026 07:28:00 GMT"
    signer.request("DELETE", "/bucket/key", headers={header: value}).refused(501, "NotImplemented")
    assert read(s3, bucket) == b"x"
