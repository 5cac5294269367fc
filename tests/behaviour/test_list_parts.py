"""ListParts: what an upload holds, page by page."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from multipart import abort, create, put_part, refused


def numbers(page):
    return [part["PartNumber"] for part in page.get("Parts", [])]


def test_parts_come_in_the_order_of_their_numbers_with_size_and_etag(s3, bucket):
    upload = create(s3, bucket)
    tags = {number: put_part(s3, bucket, upload, number, b"x" * number)["ETag"] for number in (7, 10_000, 1)}
    page = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in page["Parts"]] == [
        (number, number, tags[number]) for number in (1, 7, 10_000)
    ]
    assert all(part["LastModified"] for part in page["Parts"])
    assert (page["Bucket"], page["Key"], page["UploadId"]) == (bucket, "key", upload)
    assert page["StorageClass"] == "STANDARD"
    assert page["Owner"]["ID"] and page["Initiator"]["ID"] == page["Owner"]["ID"]
    assert page["IsTruncated"] is False


def test_pages_hold_every_part_once(s3, bucket):
    upload = create(s3, bucket)
    for number in (1, 2, 3, 5, 8, 13, 21):
        put_part(s3, bucket, upload, number, b"x")
    seen, marker = [], 0
    while True:
        page = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload, MaxParts=3, PartNumberMarker=marker)
        assert (page["MaxParts"], page["PartNumberMarker"]) == (3, marker)
        seen += numbers(page)
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
        assert marker == seen[-1]
    assert seen == [1, 2, 3, 5, 8, 13, 21]


def test_a_page_holds_at_most_a_thousand_parts(s3, bucket):
    upload = create(s3, bucket)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: put_part(s3, bucket, upload, number, b"x"), range(1, 1003)))
    for options in ({}, {"MaxParts": 5000}):
        page = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload, **options)
        assert numbers(page) == list(range(1, 1001))
        assert page["IsTruncated"] and page["NextPartNumberMarker"] == 1000
    rest = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload, PartNumberMarker=1000)
    assert numbers(rest) == [1001, 1002]


@pytest.mark.parametrize(
    "query", [("max-parts", "-1"), ("max-parts", "many"), ("part-number-marker", "x"), ("part-number-marker", "-1")]
)
def test_a_wrong_number_is_refused(s3, signer, bucket, query):
    upload = create(s3, bucket)
    signer.request("GET", "/bucket/key", query=[("uploadId", upload), query]).refused(400, "InvalidArgument")


def test_the_document_is_called_ListPartsResult(s3, signer, bucket):
    answer = signer.request("GET", "/bucket/key", query=[("uploadId", create(s3, bucket))])
    assert answer.xml.tag == "ListPartsResult"
    assert answer.text("PartNumberMarker") == "0"
    assert answer.text("MaxParts") == "1000"


def test_an_upload_that_is_over_has_no_parts_to_list(s3, bucket):
    upload = create(s3, bucket)
    put_part(s3, bucket, upload, 1, b"x")
    abort(s3, bucket, upload)
    with refused(404, "NoSuchUpload") as refusal:
        s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)
    assert refusal.error["UploadId"] == upload


def test_a_part_without_a_checksum_is_listed_with_one(s3, server, bucket):
    plain = server.s3(request_checksum_calculation="when_required")
    upload = create(plain, bucket)
    put_part(plain, bucket, upload, 1, b"stone")
    [part] = plain.list_parts(Bucket=bucket, Key="key", UploadId=upload)["Parts"]
    assert part["ChecksumCRC64NVME"]


def test_every_page_shows_what_the_whole_upload_holds(s3, signer, bucket):
    upload = create(s3, bucket)
    for number in (1, 2, 3):
        put_part(s3, bucket, upload, number, b"x" * number)
    for query in ([], [("max-parts", "1")], [("part-number-marker", "3")], [("max-parts", "0")]):
        answer = signer.request("GET", "/bucket/key", query=[("uploadId", upload), *query])
        [shown] = answer.extensions(".")
        assert (shown["Parts"], shown["Bytes"]) == ("3", "6"), query
        assert shown["LastActivity"].endswith("Z")
    last = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)["Parts"][-1]["LastModified"]
    assert shown["LastActivity"] == last.strftime("%Y-%m-%dT%H:%M:%S.000Z")
