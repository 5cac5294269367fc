"""Lifecycle rules that abort unfinished uploads, as SDKs set and read them."""

import datetime

import pytest

from drystone import within
from multipart import create, pattern, put_part, refused, uploads

WEEK = {
    "ID": "week",
    "Status": "Enabled",
    "Filter": {"Prefix": "a/"},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}


def put_rules(s3, bucket, *rules):
    return s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)})


def test_rules_come_back_as_they_were_set_and_outlive_a_restart(server, s3, bucket):
    put_rules(s3, bucket, WEEK)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [WEEK]
    server.kill()
    server.start()
    s3 = server.s3()
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [WEEK]
    s3.delete_bucket_lifecycle(Bucket=bucket)
    with refused(404, "NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)


def test_create_and_list_parts_tell_the_date_and_the_rule(s3, bucket):
    put_rules(s3, bucket, WEEK)
    created = s3.create_multipart_upload(Bucket=bucket, Key="a/stone")
    assert created["AbortRuleId"] == "week"
    now = datetime.datetime.now(datetime.UTC)
    left = created["AbortDate"] - now
    assert datetime.timedelta(days=7) - datetime.timedelta(minutes=5) <= left <= datetime.timedelta(days=8)
    assert (created["AbortDate"].hour, created["AbortDate"].minute) == (0, 0)
    listed = s3.list_parts(Bucket=bucket, Key="a/stone", UploadId=created["UploadId"])
    assert (listed["AbortDate"], listed["AbortRuleId"]) == (created["AbortDate"], "week")
    assert "AbortDate" not in s3.create_multipart_upload(Bucket=bucket, Key="b/stone")


def test_nothing_is_aborted_before_its_time(server, s3, bucket):
    put_rules(s3, bucket, WEEK)
    upload = create(s3, bucket, "a/stone")
    put_part(s3, bucket, upload, 1, pattern(100_000), key="a/stone")
    server.stop()
    server.start()
    # The rules are carried out at the start, then every ten minutes.
    within(20, lambda: "drystone_lifecycle_last_run_timestamp_seconds" in server.admin("/metrics")[1], server.log_text)
    assert uploads(server.s3(), bucket) == [("a/stone", upload)]
    assert 'drystone_uploads_aborted_total{cause="lifecycle"} 0' in server.admin("/metrics")[1]


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}}, 400, "InvalidArgument"),
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}, "ID": "x" * 256}, 400, "InvalidArgument"),
        ({"Expiration": {"Days": 1}}, 501, "NotImplemented"),
        ({}, 400, "InvalidRequest"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused_and_the_old_ones_stay(s3, bucket, rule, status, code):
    put_rules(s3, bucket, WEEK)
    with refused(status, code):
        put_rules(s3, bucket, {"Status": "Enabled", "Filter": {"Prefix": "logs/"}} | rule)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [WEEK]


def test_a_rule_that_could_never_fire_first_is_refused_with_the_reason(s3, bucket):
    later = WEEK | {"ID": "later", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 30}}
    with refused(400, "InvalidRequest") as refusal:
        put_rules(s3, bucket, WEEK, later)
    assert "later" in refusal.error["Message"]
    assert "week" in refusal.error["Message"]
