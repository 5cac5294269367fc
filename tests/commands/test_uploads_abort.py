"""`drystone uploads abort`: exactly what was meant, proven, on every server."""

import json
import os
import pty
import signal
import subprocess

import pytest

from drystone import BINARY, within


def test_one_upload_is_aborted_by_its_id_and_the_others_of_its_key_stay(endpoint, run):
    [(_, first), (_, second)] = endpoint.start_uploads(["wall", "wall"], parts=2, size=10)
    seen = run("uploads", "abort", f"{endpoint.bucket}/wall", "--id", first, "--yes", "--json")
    [entry] = seen.of("abort")
    assert (entry["id"], entry["outcome"], entry["parts"], entry["bytes"]) == (first, "aborted", 2, 20)
    [receipt] = seen.of("receipt")
    assert receipt["proven"] is True and receipt["aborted"] == {"uploads": 1, "parts": 2, "bytes": 20}
    assert endpoint.listed() == [("wall", second)]
    again = run("uploads", "abort", f"{endpoint.bucket}/wall", "--id", first, "--yes", code=4)
    assert "Nothing matched" in again.err


def test_an_id_under_another_key_aborts_nothing(endpoint, run):
    [(_, upload)] = endpoint.start_uploads(["wall"])
    run("uploads", "abort", f"{endpoint.bucket}/other", "--id", upload, "--yes", code=4)
    assert endpoint.listed() == [("wall", upload)]


def test_2500_uploads_of_a_prefix_are_aborted_and_nothing_else(endpoint, run, home):
    kept = endpoint.start_uploads(["keep/1", "keep/2", "lo"])
    endpoint.start_uploads([f"logs/{number % 90:02}/x y" for number in range(2_500)])
    endpoint.start_uploads(["logs/big"], parts=3, size=1000)
    seen = run("uploads", "abort", f"s3://{endpoint.bucket}/logs/", "--all", "--yes", "--json", "--receipt", "receipt.json")
    written = json.loads((home / "receipt.json").read_text())
    [shown] = seen.of("receipt")
    for receipt in (written, shown):
        assert receipt["planned"] == receipt["aborted"] == {"uploads": 2_501, "parts": 3, "bytes": 3000}
        assert (receipt["failed"], receipt["spared"], receipt["proven"], receipt["interrupted"]) == (0, 0, True, False)
        assert receipt["meant"]["targets"] == [f"s3://{endpoint.bucket}/logs/"] and receipt["meant"]["all"] is True
    assert sorted(endpoint.listed()) == sorted(kept)
    run("uploads", "abort", f"s3://{endpoint.bucket}/logs/", "--all", "--yes", code=4)


def test_a_dry_run_shows_the_same_and_aborts_nothing(endpoint, run):
    started = endpoint.start_uploads(["a", "b"], parts=1, size=10)
    seen = run("uploads", "abort", endpoint.bucket, "--all", "--dry-run", "--json")
    assert sorted((line["key"], line["id"]) for line in seen.of("upload")) == sorted(started)
    assert seen.of("total")[0]["bytes"] == 20
    assert "Nothing was aborted" in seen.err
    assert sorted(endpoint.listed()) == sorted(started)


def test_nobody_to_ask_and_no_yes_aborts_nothing(endpoint, run):
    started = endpoint.start_uploads(["a"])
    seen = run("uploads", "abort", endpoint.bucket, "--all", code=2)
    assert "add --yes" in seen.err
    assert endpoint.listed() == started


def test_the_young_and_the_busy_are_spared(endpoint, run):
    started = endpoint.start_uploads(["a"], parts=1, size=10)
    run("uploads", "abort", endpoint.bucket, "--idle", "1h", "--yes", code=4)
    run("uploads", "abort", endpoint.bucket, "--initiated-before", "2001-01-01T00:00Z", "--yes", code=4)
    if endpoint.kind != "moto":  # every upload of moto's was started in 2010
        run("uploads", "abort", endpoint.bucket, "--older-than", "1h", "--yes", code=4)
    # Old enough for one cut-off, too busy for the other.
    run("uploads", "abort", endpoint.bucket, "--older-than", "1s", "--idle", "1h", "--yes", code=4)
    assert endpoint.listed() == started


def test_old_uploads_are_aborted_by_age_and_by_idleness(endpoint, run):
    endpoint.start_uploads(["a"], parts=1, size=10)
    before = run("uploads", "ls", endpoint.bucket, "--json").of("upload")[0]

    def aborted():
        return run("uploads", "abort", endpoint.bucket, "--older-than", "1s", "--idle", "1s", "--yes", code=None).code == 0

    within(20, aborted, lambda: f"still there: {before}")
    assert endpoint.listed() == []


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("yes", 0), ("n", 2), ("", 2), ("ja", 2)])
def test_on_a_terminal_somebody_is_asked(ours, run_ours, answer, code):
    started = ours.start_uploads(["a"])
    primary, secondary = pty.openpty()
    command = [BINARY, "uploads", "abort", ours.bucket, "--all"]
    process = subprocess.Popen(command, stdin=secondary, stdout=subprocess.PIPE, stderr=secondary, env=run_ours.environment)
    os.close(secondary)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(primary, 1024)
    assert b"1 upload" in seen and ours.listed() == started
    os.write(primary, answer.encode() + b"\n")
    assert process.wait(60) == code
    os.close(primary)
    assert ours.listed() == (started if code else [])


@pytest.mark.parametrize("name", ["receipt.json", "no-such-folder/receipt.json"])
def test_without_a_place_for_the_receipt_nothing_is_aborted(ours, run_ours, home, name):
    started = ours.start_uploads(["a"])
    (home / "receipt.json").write_text("an older receipt")
    seen = run_ours("uploads", "abort", ours.bucket, "--all", "--yes", "--receipt", name, code=2)
    assert name in seen.err and ours.listed() == started
    assert (home / "receipt.json").read_text() == "an older receipt"


def test_no_receipt_is_left_when_nothing_matched(ours, run_ours, home):
    run_ours("uploads", "abort", ours.bucket, "--all", "--yes", "--receipt", "receipt.json", code=4)
    assert not (home / "receipt.json").exists()


def test_ctrl_c_stops_between_two_uploads_and_says_what_was_done(request, home):
    # moto is slow enough to be stopped in the middle.
    from conftest import Commands, endpoint_of

    endpoint = endpoint_of("moto", request)
    endpoint.start_uploads([f"k{number:04}" for number in range(1_500)])
    run = Commands(home, endpoint.environment)
    process = run.start("uploads", "abort", endpoint.bucket, "--all", "--yes", "--json", "--receipt", "receipt.json")
    within(60, lambda: len(endpoint.listed()) < 1_490, lambda: "nothing was aborted")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    receipt = json.loads((home / "receipt.json").read_text())
    left = len(endpoint.listed())
    assert receipt["interrupted"] is True and 0 < left < 1_500
    assert receipt["not_tried"] == left and receipt["aborted"]["uploads"] == 1_500 - left
    assert "Stopped before the end" in said
