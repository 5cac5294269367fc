"""CompleteMultipartUpload: refusals that help, one atomic publication, and retries that are harmless."""

import base64
import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from drystone import MIB
from multipart import PART, abort, complete, create, multipart_etag, pattern, put_part, read, refused, uploads


def body_of(*parts):
    """The request's document."""
    rows = "".join(f"<Part><PartNumber>{p['PartNumber']}</PartNumber><ETag>{p['ETag']}</ETag></Part>" for p in parts)
    return f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rows}</CompleteMultipartUpload>'.encode()


def test_the_parts_become_one_object(s3, signer, bucket):
    bodies = [pattern(PART, 1), pattern(PART + 1, 2), b"the end"]
    upload = create(s3, bucket)
    parts = [put_part(s3, bucket, upload, number, body) for number, body in enumerate(bodies, 1)]
    answer = signer.request("POST", "/bucket/key", query=[("uploadId", upload)], body=body_of(*parts))
    assert answer.status == 200 and answer.xml.tag == "CompleteMultipartUploadResult"
    assert (answer.text("Bucket"), answer.text("Key"), answer.text("ETag")) == (bucket, "key", multipart_etag(*bodies))
    assert answer.text("Location").endswith("/bucket/key")
    assert read(s3, bucket) == b"".join(bodies)
    assert s3.head_object(Bucket=bucket, Key="key")["ETag"] == multipart_etag(*bodies)
    assert uploads(s3, bucket) == []


def test_an_etag_without_quotes_is_the_same_etag(s3, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"x")
    complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": part["ETag"].strip('"')}])
    assert read(s3, bucket) == b"x"


def test_a_part_below_5_mib_that_is_not_the_last_is_refused_with_its_size(s3, bucket):
    upload = create(s3, bucket)
    parts = [put_part(s3, bucket, upload, 1, pattern(PART - 1)), put_part(s3, bucket, upload, 2, b"x")]
    with refused(400, "EntityTooSmall") as refusal:
        complete(s3, bucket, upload, parts)
    assert refusal.error["PartNumber"] == "1"
    assert refusal.error["ETag"].strip('"') == parts[0]["ETag"].strip('"')
    assert (refusal.error["ProposedSize"], refusal.error["MinSizeAllowed"]) == (str(PART - 1), str(PART))
    # The upload stays open: the part can be sent again.
    parts[0] = put_part(s3, bucket, upload, 1, pattern(PART))
    complete(s3, bucket, upload, parts)


def test_a_part_that_is_not_there_or_differs_is_named(s3, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"x")
    wrong = f'"{hashlib.md5(b"y").hexdigest()}"'
    for named in ({"PartNumber": 1, "ETag": wrong}, {"PartNumber": 2, "ETag": part["ETag"]}):
        with refused(400, "InvalidPart") as refusal:
            complete(s3, bucket, upload, [named])
        assert refusal.error["UploadId"] == upload
        assert refusal.error["PartNumber"] == str(named["PartNumber"])
        assert refusal.error["ETag"].strip('"') == named["ETag"].strip('"')
    complete(s3, bucket, upload, [part])


def test_parts_out_of_order_or_named_twice_are_refused(s3, bucket):
    upload = create(s3, bucket)
    one, two = put_part(s3, bucket, upload, 1, pattern(PART)), put_part(s3, bucket, upload, 2, pattern(PART))
    for parts in ([two, one], [one, one], [one, two, two]):
        with refused(400, "InvalidPartOrder"):
            complete(s3, bucket, upload, parts)
    complete(s3, bucket, upload, [one, two])


@pytest.mark.parametrize(
    "body",
    [
        b"nothing like xml",
        b"<CompleteMultipartUpload><Part>",
        b"<CompleteMultipartUpload><Part><PartNumber>one</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        b"<SomethingElse/>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><CompleteMultipartUpload>&b;</CompleteMultipartUpload>',
    ],
)
def test_a_document_that_is_not_one_is_refused(s3, signer, bucket, body):
    upload = create(s3, bucket)
    put_part(s3, bucket, upload, 1, b"x")
    signer.request("POST", "/bucket/key", query=[("uploadId", upload)], body=body).refused(400, "MalformedXML")
    assert uploads(s3, bucket) == [("key", upload)]


def test_a_list_without_a_part_is_refused(s3, signer, bucket):
    upload = create(s3, bucket)
    put_part(s3, bucket, upload, 1, b"x")
    query = [("uploadId", upload)]
    signer.request("POST", "/bucket/key", query=query, body=body_of()).refused(400, "MalformedXML")
    answer = signer.request("POST", "/bucket/key", query=query)
    assert "at least one part" in answer.refused(400, "InvalidRequest").text("Message")


def test_a_huge_document_is_refused_without_being_kept(server, s3, signer, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"x")
    body = body_of(*([part] * 200_000))
    before = server.resident_bytes_peak()
    answer = signer.request("POST", "/bucket/key", query=[("uploadId", upload)], body=body)
    assert answer.status == 400, answer.body[:500]
    assert server.resident_bytes_peak() - before < 64 * MIB


def test_an_unknown_id_is_refused_with_it(s3, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"x")
    abort(s3, bucket, upload)
    with refused(404, "NoSuchUpload") as refusal:
        complete(s3, bucket, upload, [part])
    assert refusal.error["UploadId"] == upload


def test_the_same_list_again_gets_the_same_answer_even_after_a_restart(server, s3, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"x")
    first = complete(s3, bucket, upload, [part])
    assert complete(s3, bucket, upload, [part])["ETag"] == first["ETag"]
    server.kill()
    server.start()
    assert complete(server.s3(), bucket, upload, [part])["ETag"] == first["ETag"]


def test_a_retry_publishes_nothing_again(s3, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"x")
    complete(s3, bucket, upload, [part])
    s3.put_object(Bucket=bucket, Key="key", Body=b"newer")
    complete(s3, bucket, upload, [part])
    assert read(s3, bucket) == b"newer"
    s3.delete_object(Bucket=bucket, Key="key")
    complete(s3, bucket, upload, [part])
    with refused(404, "NoSuchKey"):
        read(s3, bucket)


def test_another_list_after_the_completion_is_refused(s3, bucket):
    upload = create(s3, bucket)
    one, two = put_part(s3, bucket, upload, 1, pattern(PART)), put_part(s3, bucket, upload, 2, b"x")
    complete(s3, bucket, upload, [one, two])
    with refused(400, "InvalidPart"):
        complete(s3, bucket, upload, [one])
    assert read(s3, bucket) == pattern(PART) + b"x"


def test_completions_at_once_all_get_the_one_answer(s3, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, pattern(PART))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: complete(s3, bucket, upload, [part])["ETag"], range(8)))
    assert set(answers) == {multipart_etag(pattern(PART))}


def test_parts_that_are_not_named_are_freed(server, s3, bucket):
    baseline = server.disk_use()
    upload = create(s3, bucket)
    parts = [put_part(s3, bucket, upload, number, pattern(16 * MIB, number)) for number in range(1, 5)]
    complete(s3, bucket, upload, [parts[1]])
    assert read(s3, bucket) == pattern(16 * MIB, 2)
    server.assert_space_returned(baseline + 16 * MIB)


def test_an_object_that_is_replaced_gives_back_its_bytes(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=pattern(32 * MIB))
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, pattern(16 * MIB, 1))
    baseline = server.disk_use()
    complete(s3, bucket, upload, [part])
    server.assert_space_returned(baseline - 32 * MIB)


def test_a_condition_that_fails_keeps_the_upload(s3, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"new")
    with refused(404, "NoSuchKey"):
        complete(s3, bucket, upload, [part], IfMatch='"0123"')
    old = s3.put_object(Bucket=bucket, Key="key", Body=b"old")["ETag"]
    with refused(412, "PreconditionFailed"):
        complete(s3, bucket, upload, [part], IfNoneMatch="*")
    with refused(412, "PreconditionFailed"):
        complete(s3, bucket, upload, [part], IfMatch='"0123"')
    assert read(s3, bucket) == b"old"
    assert uploads(s3, bucket) == [("key", upload)]
    complete(s3, bucket, upload, [part], IfMatch=old)
    assert read(s3, bucket) == b"new"


def test_if_none_match_completes_where_there_is_no_object(s3, bucket):
    upload = create(s3, bucket)
    complete(s3, bucket, upload, [put_part(s3, bucket, upload, 1, b"new")], IfNoneMatch="*")
    assert read(s3, bucket) == b"new"


@pytest.mark.parametrize("condition", [{"IfNoneMatch": '"0123"'}, {"IfNoneMatch": "*", "IfMatch": '"0123"'}, {"IfMatch": "*"}])
def test_conditions_that_s3_does_not_know_are_not_implemented(s3, bucket, condition):
    s3.put_object(Bucket=bucket, Key="key", Body=b"old")
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"x")
    with refused(501, "NotImplemented"):
        complete(s3, bucket, upload, [part], **condition)
    assert read(s3, bucket) == b"old"


def test_exactly_one_of_many_conditional_completions_wins(s3, bucket):
    ids = [create(s3, bucket) for _ in range(8)]
    parts = [put_part(s3, bucket, upload, 1, str(number).encode()) for number, upload in enumerate(ids)]

    def attempt(pair):
        try:
            complete(s3, bucket, pair[0], [pair[1]], IfNoneMatch="*")
            return 200
        except s3.exceptions.ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(attempt, zip(ids, parts, strict=True)))
    assert answers.count(200) == 1 and set(answers) <= {200, 409, 412}, answers
    assert read(s3, bucket) == str(answers.index(200)).encode()


def test_the_size_that_the_client_names_must_be_the_size(s3, signer, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"stone")
    with refused(400, "InvalidRequest"):
        complete(s3, bucket, upload, [part], MpuObjectSize=6)
    for wrong in ("-1", "five"):
        answer = signer.request(
            "POST", "/bucket/key", query=[("uploadId", upload)], headers={"x-amz-mp-object-size": wrong}, body=body_of(part)
        )
        assert answer.status == 400, answer.body
    complete(s3, bucket, upload, [part], MpuObjectSize=5)


def test_sha256_of_parts_makes_a_composite_checksum(s3, bucket):
    bodies = [pattern(PART, 1), b"end"]
    upload = create(s3, bucket, ChecksumAlgorithm="SHA256")
    parts = []
    for number, body in enumerate(bodies, 1):
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        part = put_part(s3, bucket, upload, number, body, ChecksumSHA256=digest)
        parts.append(part | {"ChecksumSHA256": digest})
    whole = hashlib.sha256(b"".join(hashlib.sha256(body).digest() for body in bodies)).digest()
    expected = f"{base64.b64encode(whole).decode()}-2"
    answer = complete(s3, bucket, upload, parts)
    assert (answer["ChecksumSHA256"], answer["ChecksumType"]) == (expected, "COMPOSITE")
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert (head["ChecksumSHA256"], head["ChecksumType"]) == (expected, "COMPOSITE")
    part = s3.head_object(Bucket=bucket, Key="key", PartNumber=1, ChecksumMode="ENABLED")
    assert (part["ChecksumSHA256"], part["ChecksumType"]) == (parts[0]["ChecksumSHA256"], "COMPOSITE")


def test_crc32_of_the_whole_object_is_combined_from_its_parts(s3, bucket):
    bodies = [pattern(PART, 1), pattern(PART, 2), b"end"]
    upload = create(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [put_part(s3, bucket, upload, number, body, ChecksumAlgorithm="CRC32") for number, body in enumerate(bodies, 1)]
    expected = base64.b64encode(zlib.crc32(b"".join(bodies)).to_bytes(4, "big")).decode()
    with refused(400, "BadDigest"):
        complete(s3, bucket, upload, parts, ChecksumCRC32="AAAAAA==", ChecksumType="FULL_OBJECT")
    answer = complete(s3, bucket, upload, parts, ChecksumCRC32=expected, ChecksumType="FULL_OBJECT")
    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (expected, "FULL_OBJECT")


def test_an_upload_without_a_checksum_ends_with_crc64nvme(server, bucket):
    plain = server.s3(request_checksum_calculation="when_required")
    bodies = [pattern(PART, 1), b"end"]
    upload = create(plain, bucket)
    parts = [put_part(plain, bucket, upload, number, body) for number, body in enumerate(bodies, 1)]
    answer = complete(plain, bucket, upload, parts)
    assert answer["ChecksumType"] == "FULL_OBJECT"
    plain.put_object(Bucket=bucket, Key="whole", Body=b"".join(bodies))
    whole = plain.head_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
    assert answer["ChecksumCRC64NVME"] == whole["ChecksumCRC64NVME"]


def test_a_wrong_checksum_of_a_part_is_refused_at_the_end(s3, bucket):
    upload = create(s3, bucket, ChecksumAlgorithm="SHA256")
    part = put_part(s3, bucket, upload, 1, b"x", ChecksumAlgorithm="SHA256")
    wrong = base64.b64encode(hashlib.sha256(b"y").digest()).decode()
    with refused(400, "InvalidPart"):
        complete(s3, bucket, upload, [part | {"ChecksumSHA256": wrong}])


@pytest.mark.timeout(300)
def test_ten_thousand_parts_make_one_object_of_48_gib(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="stone", Body=pattern(PART))
    baseline = server.disk_use()
    upload = create(s3, bucket)

    def copy(number):
        source = {"Bucket": bucket, "Key": "stone"}
        answer = s3.upload_part_copy(Bucket=bucket, Key="key", UploadId=upload, PartNumber=number, CopySource=source)
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    with ThreadPoolExecutor(16) as threads:
        parts = list(threads.map(copy, range(1, 10_001)))
    complete(s3, bucket, upload, parts)
    head = s3.head_object(Bucket=bucket, Key="key")
    assert head["ContentLength"] == 10_000 * PART
    assert head["ETag"].endswith('-10000"')
    last = s3.get_object(Bucket=bucket, Key="key", PartNumber=10_000)
    assert last["PartsCount"] == 10_000
    assert last["Body"].read() == pattern(PART)
    across = f"bytes={4_999 * PART + PART - 3}-{5_000 * PART + 2}"
    assert read(s3, bucket, Range=across) == pattern(PART)[-3:] + pattern(PART)[:3]
    # Rows for 10,000 parts, no bytes of theirs.
    server.assert_space_returned(baseline, tolerance=64 * MIB)
