"""GetObjectAttributes: size, tag, checksum and parts in one answer."""

from multipart import PART, complete, create, pattern, put_part, refused

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


def test_an_object_in_one_piece(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="key", Body=b"123456789", ChecksumAlgorithm="SHA256")
    got = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=ALL)
    assert got["ETag"] == put["ETag"].strip('"')
    assert got["Checksum"]["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert got["Checksum"]["ChecksumType"] == "FULL_OBJECT"
    assert (got["ObjectSize"], got["StorageClass"]) == (9, "STANDARD")
    assert "ObjectParts" not in got
    head = s3.head_object(Bucket=bucket, Key="key")
    assert got["LastModified"] == head["LastModified"]


def test_an_object_of_parts(s3, bucket):
    upload = create(s3, bucket, "key")
    parts = [put_part(s3, bucket, upload, 1, pattern(PART)), put_part(s3, bucket, upload, 4, b"end")]
    done = complete(s3, bucket, upload, parts)
    got = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=ALL)
    assert got["ETag"] == done["ETag"].strip('"')
    assert (got["ObjectSize"], got["ObjectParts"]["TotalPartsCount"]) == (PART + 3, 2)


def test_an_unknown_attribute_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    with refused(400, "InvalidArgument"):
        s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Colour"])
