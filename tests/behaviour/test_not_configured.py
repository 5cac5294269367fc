"""What every tool reads from a bucket, answered honestly, and what is not built, named."""

import pytest

from multipart import read, uploads

ABSENT = {
    "tagging": "NoSuchTagSet",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "website": "NoSuchWebsiteConfiguration",
    "encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "policy": "NoSuchBucketPolicy",
    "cors": "NoSuchCORSConfiguration",
    "replication": "ReplicationConfigurationNotFoundError",
    "object-lock": "ObjectLockConfigurationNotFoundError",
    "publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
}
EMPTY = {
    "versioning": "VersioningConfiguration",
    "logging": "BucketLoggingStatus",
    "accelerate": "AccelerateConfiguration",
}
NOT_BUILT = [
    *["policy", "cors", "website", "versioning", "tagging", "encryption", "replication", "notification"],
    *["logging", "ownershipControls", "publicAccessBlock", "accelerate", "requestPayment"],
]


@pytest.mark.parametrize(("resource", "code"), ABSENT.items())
def test_what_is_not_configured_is_not_found(signer, bucket, resource, code):
    answer = signer.request("GET", "/bucket", query=[(resource, "")]).refused(404, code)
    assert answer.text("BucketName") == "bucket"


@pytest.mark.parametrize(("resource", "root"), EMPTY.items())
def test_what_is_off_is_an_empty_document(signer, bucket, resource, root):
    answer = signer.request("GET", "/bucket", query=[(resource, "")])
    assert (answer.status, answer.xml.tag, len(answer.xml)) == (200, root, 0)


def test_the_owner_has_full_control_and_pays(signer, bucket):
    acl = signer.request("GET", "/bucket", query=[("acl", "")])
    assert acl.text("AccessControlList/Grant/Permission") == "FULL_CONTROL"
    assert acl.text("Owner/ID") == acl.text("AccessControlList/Grant/Grantee/ID")
    assert signer.request("GET", "/bucket", query=[("requestPayment", "")]).text("Payer") == "BucketOwner"
    controls = signer.request("GET", "/bucket", query=[("ownershipControls", "")])
    assert controls.text("Rule/ObjectOwnership") == "BucketOwnerEnforced"


@pytest.mark.parametrize("resource", [*ABSENT, *EMPTY, "acl", "requestPayment", "ownershipControls", "location"])
def test_a_bucket_that_is_missing_comes_first(signer, resource):
    signer.request("GET", "/no-such-bucket", query=[(resource, "")]).refused(404, "NoSuchBucket")


@pytest.mark.parametrize("resource", NOT_BUILT)
def test_setting_it_is_not_implemented_by_name(signer, bucket, resource):
    answer = signer.request("PUT", "/bucket", query=[(resource, "")], body=b"<x/>").refused(501, "NotImplemented")
    assert len(answer.text("Message")) > 20


@pytest.mark.parametrize(
    ("method", "query"),
    [("GET", "torrent"), ("POST", "restore"), ("POST", "select"), ("PUT", "tagging")],
)
def test_what_is_not_built_for_objects_is_not_implemented(s3, signer, bucket, method, query):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    signer.request(method, "/bucket/key", query=[(query, "")]).refused(501, "NotImplemented")
    assert read(s3, bucket) == b"x"


def test_locks_and_lists_are_refused_as_in_a_bucket_that_has_none(s3, signer, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    for resource in ("retention", "legal-hold"):
        signer.request("PUT", "/bucket/key", query=[(resource, "")], body=b"<x/>").refused(400, "InvalidRequest")
    signer.request("PUT", "/bucket", query=[("object-lock", "")], body=b"<x/>").refused(409, "InvalidBucketState")
    for path in ("/bucket", "/bucket/key"):
        answer = signer.request("PUT", path, query=[("acl", "")], headers={"x-amz-acl": "public-read"})
        answer.refused(400, "AccessControlListNotSupported")
        assert signer.request("PUT", path, query=[("acl", "")], headers={"x-amz-acl": "private"}).status == 200


@pytest.mark.parametrize(
    ("name", "value", "status", "code"),
    [
        ("x-amz-server-side-encryption", "aws:kms", 501, "NotImplemented"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256", 501, "NotImplemented"),
        ("x-amz-tagging", "a=b", 501, "NotImplemented"),
        ("x-amz-storage-class", "GLACIER", 501, "NotImplemented"),
        ("x-amz-object-lock-mode", "GOVERNANCE", 400, "InvalidArgument"),
        ("x-amz-object-lock-legal-hold", "ON", 400, "InvalidRequest"),
        ("x-amz-acl", "public-read", 400, "AccessControlListNotSupported"),
        ("x-amz-acl", "everybody", 400, "InvalidArgument"),
        ("x-amz-grant-read", "id=x", 400, "AccessControlListNotSupported"),
    ],
)
def test_a_header_that_would_be_ignored_is_refused(s3, signer, bucket, name, value, status, code):
    signer.request("PUT", "/bucket/key", headers={name: value}, body=b"x").refused(status, code)
    signer.request("POST", "/bucket/key", query=[("uploads", "")], headers={name: value}).refused(status, code)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert uploads(s3, bucket) == []
