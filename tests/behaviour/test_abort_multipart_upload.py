"""AbortMultipartUpload: one abort is final, exact and harmless."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions

from drystone import MIB
from multipart import PART, abort, complete, create, pattern, put_part, read, refused, uploads
from signed import read_answer


def test_the_answer_is_204_and_empty(s3, signer, bucket):
    upload = create(s3, bucket)
    answer = signer.request("DELETE", "/bucket/key", query=[("uploadId", upload)])
    assert (answer.status, answer.body) == (204, b"")
    assert uploads(s3, bucket) == []


def test_the_second_abort_is_refused_with_the_id(s3, bucket):
    upload = create(s3, bucket)
    abort(s3, bucket, upload)
    with refused(404, "NoSuchUpload") as refusal:
        abort(s3, bucket, upload)
    assert refusal.error["UploadId"] == upload


def test_a_wrong_key_or_bucket_aborts_nothing(s3, bucket):
    upload = create(s3, bucket)
    s3.create_bucket(Bucket="other-bucket")
    with refused(404, "NoSuchUpload"):
        abort(s3, bucket, upload, key="other-key")
    with refused(404, "NoSuchUpload"):
        abort(s3, "other-bucket", upload)
    assert uploads(s3, bucket) == [("key", upload)]


def test_the_space_is_back_within_a_second(server, s3, bucket):
    baseline = server.disk_use()
    upload = create(s3, bucket)
    for number in range(1, 101):
        put_part(s3, bucket, upload, number, pattern(MIB, number))
    assert server.disk_use() > baseline + 100 * MIB
    abort(s3, bucket, upload)
    server.assert_space_returned(baseline)


def test_only_the_upload_that_is_named_is_aborted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"object")
    first, second = create(s3, bucket), create(s3, bucket)
    part = put_part(s3, bucket, second, 1, pattern(PART))
    put_part(s3, bucket, first, 1, pattern(PART))
    abort(s3, bucket, first)
    assert read(s3, bucket) == b"object"
    complete(s3, bucket, second, [part])
    assert read(s3, bucket) == pattern(PART)


def test_an_abort_after_the_completion_is_refused_and_the_object_stays(s3, bucket):
    upload = create(s3, bucket)
    complete(s3, bucket, upload, [put_part(s3, bucket, upload, 1, pattern(PART))])
    with refused(404, "NoSuchUpload"):
        abort(s3, bucket, upload)
    assert read(s3, bucket) == pattern(PART)


def test_a_part_in_flight_loses_against_the_abort(server, s3, signer, bucket):
    baseline = server.disk_use()
    upload = create(s3, bucket)
    body, query = pattern(24 * MIB), [("partNumber", "1"), ("uploadId", upload)]
    with signer.open("PUT", "/bucket/key", query=query, headers={"content-length": str(len(body))}) as connection:
        connection.sendall(body[: 16 * MIB])
        abort(s3, bucket, upload)
        connection.sendall(body[16 * MIB :])
        answer = read_answer(connection).refused(404, "NoSuchUpload")
    assert answer.text("UploadId") == upload
    server.assert_space_returned(baseline)
    with refused(404, "NoSuchUpload"):
        s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)


def test_parts_that_race_the_abort_leave_no_byte(server, s3, bucket):
    baseline = server.disk_use()
    body = pattern(2 * MIB)
    for _ in range(5):
        upload = create(s3, bucket)

        def put(number, upload=upload):
            try:
                put_part(s3, bucket, upload, number, body)
                return 200
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "NoSuchUpload", error
                return 404

        with ThreadPoolExecutor(9) as threads:
            answers = [threads.submit(put, number) for number in range(1, 33)]
            answers[4].result()
            abort(s3, bucket, upload)
            assert {answer.result() for answer in answers} <= {200, 404}
        server.assert_space_returned(baseline)
    assert uploads(s3, bucket) == []


def attempt(work, *arguments, **options):
    """What became of a call: `done`, or the error code."""
    try:
        work(*arguments, **options)
        return "done"
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def test_abort_and_complete_at_once_have_one_winner(s3, bucket):
    outcomes = set()
    for round_number in range(20):
        key = f"key-{round_number}"
        upload = create(s3, bucket, key)
        part = put_part(s3, bucket, upload, 1, pattern(MIB, round_number), key=key)
        with ThreadPoolExecutor(2) as threads:
            completed = threads.submit(attempt, complete, s3, bucket, upload, [part], key=key)
            aborted = threads.submit(attempt, abort, s3, bucket, upload, key=key)
            outcome = (completed.result(), aborted.result())
        outcomes.add(outcome)
        if outcome[0] == "done":
            assert read(s3, bucket, key) == pattern(MIB, round_number)
        else:
            with refused(404, "NoSuchKey"):
                read(s3, bucket, key)
    assert outcomes <= {("done", "NoSuchUpload"), ("NoSuchUpload", "done")}, outcomes
    assert uploads(s3, bucket) == []


def test_an_initiation_time_that_does_not_match_protects_the_upload(s3, bucket):
    upload = create(s3, bucket)
    [listed] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    with refused(412, "PreconditionFailed"):
        abort(s3, bucket, upload, IfMatchInitiatedTime=listed["Initiated"] - datetime.timedelta(seconds=60))
    assert uploads(s3, bucket) == [("key", upload)]
    abort(s3, bucket, upload, IfMatchInitiatedTime=listed["Initiated"])
    assert uploads(s3, bucket) == []


def test_an_abort_survives_the_death_of_the_server(server, s3, bucket):
    baseline = server.disk_use()
    upload = create(s3, bucket)
    for number in range(1, 9):
        put_part(s3, bucket, upload, number, pattern(4 * MIB, number))
    abort(s3, bucket, upload)
    server.kill()
    server.start()
    s3 = server.s3()
    with refused(404, "NoSuchUpload"):
        abort(s3, bucket, upload)
    server.assert_space_returned(baseline)
