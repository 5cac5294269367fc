"""`drystone uploads ls`: every upload once, with what it holds, on every server."""

import os
import pty
import re
import subprocess

from drystone import BINARY


def test_an_upload_is_shown_with_what_it_holds(endpoint, run):
    [(_, upload)] = endpoint.start_uploads(["wall/a b+ä&<c>.jpg"], parts=3, size=1000)
    seen = run("uploads", "ls", endpoint.bucket, "--json")
    [shown] = seen.of("upload")
    assert (shown["bucket"], shown["key"], shown["id"]) == (endpoint.bucket, "wall/a b+ä&<c>.jpg", upload)
    assert (shown["parts"], shown["bytes"]) == (3, 3000)
    assert shown["initiated"] and shown["last_activity"] and shown["initiator"]
    [total] = seen.of("total")
    assert (total["buckets"], total["uploads"], total["parts"], total["bytes"]) == (1, 1, 3, 3000)


def test_2500_uploads_are_each_listed_once_though_many_share_a_key(endpoint, run):
    keys = [f"logs/{number % 90:02}/x y" for number in range(2_500)]
    started = endpoint.start_uploads(keys)
    seen = run("uploads", "ls", f"s3://{endpoint.bucket}/logs/", "--json")
    shown = [(line["key"], line["id"]) for line in seen.of("upload")]
    assert len(shown) == 2_500
    assert sorted(shown) == sorted(started)
    assert seen.of("total")[0]["uploads"] == 2_500


def test_only_what_begins_with_the_prefix_is_shown(endpoint, run):
    endpoint.start_uploads(["a/1", "a/2", "ab", "b/a/1"])
    shown = [line["key"] for line in run("uploads", "ls", f"{endpoint.bucket}/a/", "--json").of("upload")]
    assert sorted(shown) == ["a/1", "a/2"]


def test_all_buckets_are_looked_at_when_none_is_named(endpoint, run):
    endpoint.start_uploads(["k"])
    first, endpoint.bucket = endpoint.bucket, endpoint.bucket + "-2"
    endpoint.s3.create_bucket(Bucket=endpoint.bucket)
    endpoint.start_uploads(["k"])
    buckets = {line["bucket"] for line in run("uploads", "ls", "--json").of("upload")}
    assert {first, endpoint.bucket} <= buckets


def test_cutoffs_narrow_and_sorting_orders(endpoint, run):
    for key, size in [("small", 1_000), ("large", 30_000), ("medium", 20_000)]:
        endpoint.start_uploads([key], parts=1, size=size)

    def keys(*arguments):
        return [line["key"] for line in run("uploads", "ls", endpoint.bucket, "--json", *arguments).of("upload")]

    assert keys("--sort", "bytes") == ["large", "medium", "small"]
    assert keys("--sort", "key") == sorted(keys()) == ["large", "medium", "small"]
    assert keys("--min-size", "15kB", "--sort", "bytes") == ["large", "medium"]
    assert keys("--idle", "1h") == []
    assert keys("--initiated-before", "2001-01-01T00:00Z") == []
    assert keys("--min-size", "15kB", "--idle", "1h") == []
    if endpoint.kind != "moto":  # every upload of moto's was started in 2010
        assert keys("--older-than", "1h") == []
        by_age = run("uploads", "ls", endpoint.bucket, "--json", "--sort", "age").of("upload")
        assert [line["initiated"] for line in by_age] == sorted(line["initiated"] for line in by_age)


def test_a_pipe_gets_plain_lines_and_the_talk_goes_elsewhere(ours, run_ours):
    [(_, upload)] = ours.start_uploads(["wall\tb\n"], parts=1, size=2048)
    seen = run_ours("uploads", "ls", ours.bucket)
    [row] = seen.out.splitlines()
    cells = row.split("\t")
    assert cells[:4] == [f"{ours.bucket}/wall\\tb\\n", upload, "1", "2.0 KiB"]
    assert "\x1b" not in seen.out + seen.err
    assert re.fullmatch(r"1 upload with 1 part and 2.0 KiB in 1 bucket; the oldest was started \d+s ago\n", seen.err)


def on_a_terminal(environment, *arguments):
    """Runs a command whose standard output is a terminal; returns what the terminal got."""
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [BINARY, *arguments], stdin=secondary, stdout=secondary, stderr=subprocess.DEVNULL, env=environment
    )
    os.close(secondary)
    seen = b""
    while True:
        try:
            piece = os.read(primary, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(primary)
    assert process.wait(60) == 0
    return seen.decode()


def test_a_terminal_gets_a_table_with_a_heading_and_no_colour_when_that_is_wished(ours, run_ours):
    ours.start_uploads(["wall", "a"], parts=1, size=10)
    seen = on_a_terminal(run_ours.environment | {"NO_COLOR": "1"}, "uploads", "ls", ours.bucket)
    heading, first, _ = seen.splitlines()
    assert heading.startswith("KEY") and "\x1b" not in seen
    assert heading.index("UPLOAD ID") == first.index(" 0") + 1
    assert "\x1b[1m" in on_a_terminal(run_ours.environment, "uploads", "ls", ours.bucket)


def test_the_rule_that_will_abort_an_upload_is_named(ours, run_ours):
    rule = {
        "ID": "weekly",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    ours.s3.put_bucket_lifecycle_configuration(Bucket=ours.bucket, LifecycleConfiguration={"Rules": [rule]})
    ours.start_uploads(["wall"])
    [shown] = run_ours("uploads", "ls", ours.bucket, "--json").of("upload")
    assert shown["abort_rule_id"] == "weekly" and shown["abort_date"].endswith("T00:00:00.000Z")


def test_nothing_to_show_is_no_failure(endpoint, run):
    seen = run("uploads", "ls", endpoint.bucket)
    assert (seen.out, seen.err) == ("", "No unfinished uploads.\n")
    [total] = run("uploads", "ls", endpoint.bucket, "--json").lines
    assert total["uploads"] == 0 and total["oldest"] is None


def test_a_bucket_that_is_not_there_is_named(endpoint, run):
    seen = run("uploads", "ls", "no-such-bucket-here", code=1)
    assert "s3://no-such-bucket-here: NoSuchBucket" in seen.err and seen.out == ""
