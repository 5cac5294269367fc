"""`drystone uploads rule`: the rule is merged into the bucket's others, and what was set is what stands there."""

import pytest
from botocore.exceptions import ClientError

EXPIRE = {"ID": "expire-logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}


def rules(endpoint):
    try:
        return endpoint.s3.get_bucket_lifecycle_configuration(Bucket=endpoint.bucket)["Rules"]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration", error
        return []


def put(endpoint, *given):
    endpoint.s3.put_bucket_lifecycle_configuration(Bucket=endpoint.bucket, LifecycleConfiguration={"Rules": list(given)})


def days(rule):
    return rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")


def test_a_rule_is_set_changed_shown_and_removed(endpoint, run):
    run("uploads", "rule", "set", endpoint.bucket, "--after", "7d")
    assert [(rule["ID"], days(rule)) for rule in rules(endpoint)] == [("abort-unfinished-uploads", 7)]
    run("uploads", "rule", "set", endpoint.bucket, "--after", "3d")
    assert [days(rule) for rule in rules(endpoint)] == [3]
    run("uploads", "rule", "set", endpoint.bucket, "--after", "1d", "--prefix", "tmp/")
    shown = run("uploads", "rule", "show", endpoint.bucket, "--json").of("rule")
    assert {(rule["prefix"], rule["abort_after"]["days"]) for rule in shown} == {("", 3), ("tmp/", 1)}
    assert {rule["id"] for rule in shown} == {"abort-unfinished-uploads", "abort-unfinished-uploads-tmp/"}
    seen = run("uploads", "rule", "remove", endpoint.bucket, code=2)
    assert "name one with --id" in seen.err and len(rules(endpoint)) == 2
    run("uploads", "rule", "remove", endpoint.bucket, "--id", "abort-unfinished-uploads-tmp/")
    run("uploads", "rule", "remove", endpoint.bucket)
    assert rules(endpoint) == []
    run("uploads", "rule", "remove", endpoint.bucket, code=4)


# Drystone has no other actions yet: it refuses what it would not carry out.
with_other_actions = pytest.mark.parametrize("endpoint", ["moto", "garage"], indirect=True)


@with_other_actions
def test_the_bucket_s_other_rules_stay_as_they_are(endpoint, run):
    put(endpoint, EXPIRE)
    before = rules(endpoint)
    run("uploads", "rule", "set", endpoint.bucket, "--after", "7d")
    after = rules(endpoint)
    assert [rule for rule in after if rule["ID"] == "expire-logs"] == before and len(after) == 2
    run("uploads", "rule", "remove", endpoint.bucket)
    assert rules(endpoint) == before


@with_other_actions
def test_a_rule_that_does_more_keeps_what_it_does(endpoint, run):
    put(endpoint, EXPIRE | {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 9}})
    run("uploads", "rule", "set", endpoint.bucket, "--after", "2d", "--prefix", "logs/")
    [both] = rules(endpoint)
    assert (both["ID"], days(both), both["Expiration"]["Days"]) == ("expire-logs", 2, 30)
    seen = run("uploads", "rule", "remove", endpoint.bucket)
    [left] = rules(endpoint)
    assert days(left) is None and left["Expiration"]["Days"] == 30 and "stays" in seen.err


def test_a_rule_for_other_keys_is_not_taken_over(endpoint, run):
    put(
        endpoint,
        {
            "ID": "a",
            "Status": "Enabled",
            "Filter": {"Prefix": "a/"},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 9},
        },
    )
    seen = run("uploads", "rule", "set", endpoint.bucket, "--after", "7d", "--id", "a", code=2)
    assert "prefix `a/`" in seen.err
    assert [days(rule) for rule in rules(endpoint)] == [9]


def test_preview_lists_what_a_rule_would_abort_today(endpoint, run):
    endpoint.start_uploads(["tmp/a", "b"], parts=1, size=10)
    seen = run("uploads", "rule", "preview", endpoint.bucket, "--after", "7d", "--json")
    if endpoint.kind == "moto":  # every upload of moto's was started in 2010
        assert sorted(line["key"] for line in seen.of("upload")) == ["b", "tmp/a"]
        seen = run("uploads", "rule", "preview", endpoint.bucket, "--after", "7d", "--prefix", "tmp/", "--json")
        [line] = seen.of("upload")
        assert (line["key"], line["abort_date"]) == ("tmp/a", "2010-11-18T00:00:00.000Z")
        run("uploads", "rule", "set", endpoint.bucket, "--after", "7d", "--prefix", "b")
        assert [line["key"] for line in run("uploads", "rule", "preview", endpoint.bucket, "--json").of("upload")] == ["b"]
    else:
        assert seen.of("upload") == []
        assert "Nothing is due" in run("uploads", "rule", "preview", endpoint.bucket).err
    assert len(endpoint.listed()) == 2, "a preview aborts nothing"


def test_hours_and_idle_time_are_for_drystone_only(endpoint, run):
    code = 0 if endpoint.is_drystone() else 2
    seen = run("uploads", "rule", "set", endpoint.bucket, "--idle", "6h", code=code)
    if endpoint.is_drystone():
        [rule] = run("uploads", "rule", "show", endpoint.bucket, "--json").of("rule")
        assert rule["abort_after"] == {"idle_hours": 6}
        run("uploads", "rule", "set", endpoint.bucket, "--after", "36h")
        [rule] = run("uploads", "rule", "show", endpoint.bucket, "--json").of("rule")
        assert rule["abort_after"] == {"hours": 36}
        # The other rule keeps its hours, which no client but ours knows.
        run("uploads", "rule", "set", endpoint.bucket, "--after", "1d", "--prefix", "tmp/")
        shown = run("uploads", "rule", "show", endpoint.bucket, "--json").of("rule")
        assert [rule["abort_after"] for rule in shown] == [{"hours": 36}, {"days": 1}]
    else:
        assert "is not Drystone" in seen.err and rules(endpoint) == []


def test_a_server_s_refusal_is_passed_on(ours, run_ours):
    run_ours("uploads", "rule", "set", ours.bucket, "--after", "3d")
    seen = run_ours("uploads", "rule", "set", ours.bucket, "--after", "5d", "--prefix", "logs/", code=1)
    assert "set the lifecycle rules of s3://" in seen.err
    assert len(rules(ours)) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["set", "photos"], "--after 7d"),
        (["set", "photos", "--after", "90m"], "whole hours"),
        (["set", "photos", "--after", "7d", "--idle", "1d"], "cannot be used with"),
        (["set", "photos", "--after", "7d", "--id", ""], "1 to 255"),
        (["set", "photos/tmp", "--after", "7d"], "more than a bucket"),
        (["show"], "BUCKET"),
        (["show", "s3://"], "names no bucket"),
        (["remove", ""], "names no bucket"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_request(run_nowhere, arguments, says):
    seen = run_nowhere("uploads", "rule", *arguments, code=2)
    assert says in seen.err, seen.err
