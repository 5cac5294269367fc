"""The audit: one line of the log for each upload that begins and ends, which no key can forge and no secret is in."""

import json
import re

import pytest

from drystone import SECRET_KEY
from multipart import PART, abort, complete, create, pattern, put_part, refused
from signed import Signer

# A key that would be lines of its own if it were written as it is, in either form of the log.
FORGERY = (
    'x"\n2026-01-01T00:00:00.000000Z  INFO audit action="abort" bucket="bucket" key="stolen"\r\n'
    '{"level":"INFO","message":"audit","action":"abort"}\n\x1b[2J\u0085\u2028\x00'
)


def audit_lines(server):
    """The audit lines of a log in JSON, each of which must be whole."""
    lines = [json.loads(line) for line in server.log.read_bytes().split(b"\n") if line.startswith(b"{")]
    return [line for line in lines if line.get("message") == "audit"]


def request_id(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]


@pytest.fixture
def server(servers):
    """A running server whose log is JSON."""
    return servers(arguments=["--log-format", "json"]).start()


def test_every_upload_has_a_line_for_its_beginning_and_one_for_its_end(server, s3, bucket):
    answers = [s3.create_multipart_upload(Bucket=bucket, Key=key) for key in ("wall", "left")]
    wall, left = (answer["UploadId"] for answer in answers)
    parts = [put_part(s3, bucket, wall, number, pattern(size), key="wall") for number, size in ((1, PART), (2, 10), (4, 7))]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="wall", UploadId=wall, MultipartUpload={"Parts": [parts[0], parts[2]]})
    put_part(s3, bucket, left, 1, pattern(1000), key="left")
    put_part(s3, bucket, left, 2, pattern(234), key="left")
    gone = abort(s3, bucket, left, key="left")
    shown = [{name: line[name] for name in line if name not in ("timestamp", "level", "message")} for line in audit_lines(server)]
    account = s3.list_buckets()["Owner"]["ID"]
    common = {"account": account, "bucket": bucket}
    of_wall, of_left = common | {"key": "wall", "upload_id": wall}, common | {"key": "left", "upload_id": left}
    nothing, discarded = {"parts": 0, "bytes": 0}, {"discarded_parts": 1, "discarded_bytes": 10}
    assert shown == [
        of_wall | nothing | {"action": "create", "request_id": request_id(answers[0])},
        of_left | nothing | {"action": "create", "request_id": request_id(answers[1])},
        of_wall | discarded | {"action": "complete", "parts": 2, "bytes": PART + 7, "request_id": request_id(done)},
        of_left | {"action": "abort", "cause": "request", "parts": 2, "bytes": 1234, "request_id": request_id(gone)},
    ]


def test_what_did_not_happen_has_no_line(server, s3, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"x")
    with refused(412, "PreconditionFailed"):
        abort(s3, bucket, upload, IfMatchInitiatedTime="2001-01-01T00:00:00Z")
    with refused(404, "NoSuchBucket"):
        create(s3, "no-such-bucket")
    complete(s3, bucket, upload, [part])
    complete(s3, bucket, upload, [part])
    with refused(404, "NoSuchUpload"):
        abort(s3, bucket, upload)
    assert [line["action"] for line in audit_lines(server)] == ["create", "complete"]


def test_uploads_that_go_with_their_bucket_have_a_line_together(server, s3, bucket):
    for key in ("a", "b", "c"):
        put_part(s3, bucket, create(s3, bucket, key), 1, b"12345", key=key)
    s3.delete_bucket(Bucket=bucket)
    [line] = [line for line in audit_lines(server) if line["action"] != "create"]
    assert (line["action"], line["cause"], line["bucket"]) == ("delete-bucket", "bucket-deletion", bucket)
    assert (line["uploads"], line["parts"], line["bytes"]) == (3, 3, 15)
    assert "key" not in line
    text = server.admin("/metrics")[1]
    assert 'drystone_uploads_aborted_total{cause="bucket-deletion"} 3' in text
    assert 'drystone_uploads_freed_bytes_total{cause="bucket-deletion"} 15' in text
    assert 'drystone_uploads_aborted_total{cause="request"} 0' in text


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_key_can_forge_a_line(servers, form):
    server = servers("forged", arguments=["--log-format", form]).start()
    s3 = server.s3()
    s3.create_bucket(Bucket="bucket")
    abort(s3, "bucket", create(s3, "bucket", FORGERY), key=FORGERY)
    server.stop()
    text = server.log.read_bytes()
    assert b"\r" not in text and b"\x1b" not in text and b"\x00" not in text
    lines = text.removesuffix(b"\n").split(b"\n")
    if form == "json":
        assert [(line["action"], line["key"]) for line in audit_lines(server)] == [("create", FORGERY), ("abort", FORGERY)]
        assert all(json.loads(line) for line in lines)
        return
    assert all(re.match(rb"20\d\d-\d\d-\d\dT[\d:.]+Z  INFO ", line) for line in lines), text
    audit = [line for line in lines if re.match(rb"\S+  INFO audit ", line)]
    assert len(audit) == 2 and all(line.count(b" INFO audit ") == 2 for line in audit), "the forged one stands inside of the key"
    assert b"\xc2\x85" not in text and b"\xe2\x80\xa8" not in text, "nor does a reader that knows more ends of lines see one"


def test_no_line_holds_a_secret(server, s3, bucket):
    signed = Signer(server).presign("POST", "/bucket/key", query=[("uploads", "")])
    answer = Signer(server).send("POST", signed, {"host": f"127.0.0.1:{server.port}"})
    assert answer.status == 200
    abort(s3, bucket, answer.text("UploadId"))
    signature = re.search(r"X-Amz-Signature=(\w+)", signed)[1]
    lines = json.dumps(audit_lines(server))
    assert lines.count('"audit"') == 2
    for secret in (SECRET_KEY, signature):
        assert secret not in server.log_text()


def test_one_setting_turns_the_lines_off_and_the_level_of_the_log_does_not(servers):
    quiet = servers("quiet", arguments=["--log-format", "json", "--log", "error,drystone::serve=info"]).start()
    off = servers("off", arguments=["--log-format", "json"], environment={"DRYSTONE_AUDIT": "off"}).start()
    for server in (quiet, off):
        s3 = server.s3()
        s3.create_bucket(Bucket="bucket")
        create(s3, "bucket")
    assert [line["action"] for line in audit_lines(quiet)] == ["create"]
    assert "request answered" not in quiet.log_text()
    assert audit_lines(off) == []
    assert "request answered" in off.log_text()
