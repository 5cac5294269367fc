"""What makes no sense is refused with an example, before any request, and never widens what is aborted."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ls", "--older-than", "7"], "as in 7d"),
        (["ls", "--older-than", "1mo"], "as in 30d"),
        (["ls", "--older-than", "-7d"], "-7"),
        (["ls", "--idle", "0s"], "above zero"),
        (["ls", "--initiated-before", "2026-11-01"], "2026-11-01T00:00Z"),
        (["ls", "--initiated-before", "9999-01-01T00:00Z"], "lies in the future"),
        (["ls", "--min-size", "1G"], "as in 1GiB"),
        (["ls", "--sort", "size"], "bytes, age, key"),
        (["ls", ""], "names no bucket"),
        (["ls", "s3://"], "names no bucket"),
        (["ls", "http://127.0.0.1/b"], "cannot be a bucket"),
        (["ls", "--endpoint-url", "127.0.0.1:9000"], "http://127.0.0.1:9000"),
        (["ls", "--no-such-option"], "--no-such-option"),
        ([], "Usage"),
        (["abort"], "spell out --all"),
        (["abort", "photos"], "spell out --all"),
        (["abort", "photos", "--yes"], "spell out --all"),
        (["abort", "", "--all", "--yes"], "names no bucket"),
        (["abort", "/", "--all", "--yes"], "names no bucket"),
        (["abort", "photos", "--all", "--older-than", "7d", "--yes"], "cannot be used with"),
        (["abort", "photos", "--all", "--idle", "7d", "--yes"], "cannot be used with"),
        (["abort", "photos", "--all", "--initiated-before", "2026-11-01T00:00Z", "--yes"], "cannot be used with"),
        (["abort", "photos/wall", "--id", "1", "--all", "--yes"], "cannot be used with"),
        (["abort", "photos/wall", "--id", "1", "--older-than", "7d", "--yes"], "cannot be used with"),
        (["abort", "photos", "--id", "1", "--yes"], "name its bucket and key"),
        (["abort", "--id", "1", "--yes"], "name its bucket and key"),
        (["abort", "photos/a", "photos/b", "--id", "1", "--yes"], "name its bucket and key"),
        (["abort", "photos/a", "--id", "", "--yes"], "--id is empty"),
        (["abort", "photos", "--older-than", "", "--yes"], "as in 7d"),
        (["abort", "photos", "--older-than", "7d", "--older-than", "1s", "--yes"], "cannot be used multiple times"),
        (["abort", "photos", "--all", "--dry-run", "--receipt", "r.json"], "cannot be used with"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_request(run_nowhere, arguments, says):
    seen = run_nowhere("uploads", *arguments, code=2)
    assert says in seen.err, seen.err
    assert seen.out == ""


def test_a_server_that_is_not_there_is_named_with_what_to_look_at(run_nowhere):
    seen = run_nowhere("uploads", "ls", "photos", code=1)
    assert "s3://photos" in seen.err and "is the server running" in seen.err and "--endpoint-url" in seen.err


def test_missing_credentials_are_named_with_what_to_set(run_nowhere):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del run_nowhere.environment[name]
    seen = run_nowhere("uploads", "ls", "photos", code=1)
    assert "set AWS_ACCESS_KEY_ID" in seen.err, seen.err


def test_wrong_credentials_are_named_with_what_to_check(ours, run_ours):
    seen = run_ours("uploads", "ls", ours.bucket, code=1, AWS_SECRET_ACCESS_KEY="wrong")
    assert "SignatureDoesNotMatch" in seen.err and "check AWS_ACCESS_KEY_ID" in seen.err


def test_a_profile_names_credentials_region_and_endpoint(ours, run_ours, home):
    ours.start_uploads(["wall"])
    for name in list(run_ours.environment):
        if name.startswith("AWS_"):
            del run_ours.environment[name]
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text(f"[profile stones]\nregion = us-east-1\nendpoint_url = {ours.url}\n")
    keys = f"aws_access_key_id = {ours.access_key}\naws_secret_access_key = {ours.secret_key}\n"
    (home / ".aws/credentials").write_text(f"[stones]\n{keys}")
    seen = run_ours("uploads", "ls", ours.bucket, "--profile", "stones", "--json")
    assert [line["key"] for line in seen.of("upload")] == ["wall"]
    (home / ".aws/config").write_text("[profile stones]\nregion = us-east-1\n")
    seen = run_ours("uploads", "ls", ours.bucket, "--profile", "stones", "--region", "us-east-1", "--endpoint-url", ours.url)
    assert "1 upload" in seen.err
