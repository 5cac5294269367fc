"""Keys of every kind: names of objects are never names of files."""

from urllib.parse import unquote_plus

import pytest

from multipart import abort, complete, create, put_part, read, refused, uploads
from signed import encode_path

ODD_KEYS = [
    "...",
    "./a",
    "\x00",
    "a\x00b",
    ".",
    "a/../b",
    "a/b/../../c",
    "a/./b",
    "/",
    "//",
    "/leading",
    "trailing/",
    "a//b",
    "\\",
    "a\\b",
    "C:",
    " ",
    "  ",
    "\x01\x02",
    "\x1f",
    "\x7f",
    "a\nb",
    "a\rb",
    "a\tb",
    "\ufffe",
    "\uffff",
    "\U0001f9f1",
    "e\u0301",
    "é",
    "-",
    "--help",
    "*",
    "?",
    "#",
    "%",
    "%2F",
    "%00",
    "con",
    "aux.txt",
    "&amp;",
    "<key>",
    "]]>",
    "'\"",
    "null",
]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_an_odd_key_names_its_own_object(server, s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.put_object(Bucket=bucket, Key="beside", Body=b"beside")
    assert read(s3, bucket, key) == key.encode()
    # boto3 asks for encoded names and decodes them.
    assert sorted(row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]) == sorted([key, "beside"])
    upload = create(s3, bucket, key)
    # For uploads it asks for them only when told to, and leaves the decoding to us.
    [(listed, _)] = uploads(s3, bucket, EncodingType="url")
    assert unquote_plus(listed) == key
    complete(s3, bucket, upload, [put_part(s3, bucket, upload, 1, b"by parts", key=key)], key=key)
    assert read(s3, bucket, key) == b"by parts"
    abort(s3, bucket, create(s3, bucket, key), key=key)
    s3.delete_object(Bucket=bucket, Key=key)
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["beside"]
    assert uploads(s3, bucket) == []


@pytest.mark.parametrize("key", ["..", "../a", "../../etc/passwd", "a/../../b", "./..", "a/..%2F../b"])
def test_a_key_that_leads_out_of_its_bucket_is_refused_as_aws_does(s3, signer, bucket, key):
    for method in ("PUT", "GET", "DELETE"):
        signer.request(method, f"/{bucket}/{key}").refused(400, "BadRequest")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_no_file_is_called_by_a_key(server, s3, bucket):
    for key in ("a/../outside", "/absolute-name", "plain-name"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    names = {path.name for path in server.folder.parent.rglob("*")}
    assert not names & {"outside", "absolute-name", "plain-name"}


@pytest.mark.parametrize("character", ["k", "ü"])
def test_a_key_has_at_most_1024_bytes(s3, bucket, character):
    longest = character * (1024 // len(character.encode()))
    s3.put_object(Bucket=bucket, Key=longest, Body=b"x")
    assert read(s3, bucket, longest) == b"x"
    with refused(400, "KeyTooLongError"):
        s3.put_object(Bucket=bucket, Key=longest + "k", Body=b"x")
    with refused(400, "KeyTooLongError"):
        create(s3, bucket, longest + "k")


def test_a_key_that_is_not_utf_8_is_refused(server, signer, bucket):
    answer = signer.request("PUT", "/bucket/%FF%FE", body=b"x")
    assert answer.status == 400, answer.body


def test_a_refused_key_is_named_in_a_document_that_xml_can_carry(signer, bucket):
    answer = signer.request("GET", encode_path("bucket", "no\x01where"))
    answer.refused(404, "NoSuchKey")
