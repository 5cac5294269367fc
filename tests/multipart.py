"""Small words for tests that work with multipart uploads and with refusals."""

import contextlib
import hashlib
from dataclasses import dataclass, field

import botocore.exceptions
import pytest

from drystone import MIB

PART = 5 * MIB


@dataclass
class Refusal:
    """The error that the server answered with."""

    error: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)


@contextlib.contextmanager
def refused(status, code):
    """The calls inside must be refused with this status and S3 error code. HEAD has no body, so its code is the status."""
    seen = Refusal()
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        yield seen
    response = caught.value.response
    seen.error, seen.headers = response["Error"], response["ResponseMetadata"]["HTTPHeaders"]
    assert (response["ResponseMetadata"]["HTTPStatusCode"], seen.error["Code"]) == (status, code), response


def create(s3, bucket, key="key", **options):
    """Starts an upload and returns its id."""
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]


def put_part(s3, bucket, upload, number, body, key="key", **options):
    """Uploads one part and returns the element that Complete wants for it."""
    answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body, **options)
    return {"PartNumber": number, "ETag": answer["ETag"]}


def complete(s3, bucket, upload, parts, key="key", **options):
    """Completes an upload from these parts."""
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **options)


def abort(s3, bucket, upload, key="key", **options):
    """Aborts an upload."""
    return s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, **options)


def uploads(s3, bucket, **options):
    """The (key, id) of every upload that one listing call shows."""
    listed = s3.list_multipart_uploads(Bucket=bucket, **options)
    return [(upload["Key"], upload["UploadId"]) for upload in listed.get("Uploads", [])]


def read(s3, bucket, key="key", **options):
    """An object's bytes."""
    return s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()


def pattern(length, seed=0):
    """Bytes that repeat at no power of two, so that a block in the wrong place is seen."""
    unit = hashlib.shake_256(seed.to_bytes(8, "big")).digest(65_521)
    return (unit * (length // len(unit) + 1))[:length]


def multipart_etag(*bodies):
    """The ETag that S3 gives an object completed from these parts."""
    digests = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(bodies)}"'
