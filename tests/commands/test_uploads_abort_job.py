"""`drystone uploads abort` by a job of the server: few requests, whatever the number of uploads."""

import json
import re
import signal

from drystone import within
from proxy import Broken, proxy
from signed import Signer

API = "/.drystone/api/v1/upload-aborts"


def jobs(server):
    """The jobs that the server knows, newest first."""
    return json.loads(Signer(server).request("GET", API).body)["jobs"]


def test_a_bucket_is_cleaned_by_one_job_in_a_handful_of_requests(server, ours, run_ours):
    ours.start_uploads([f"logs/{number:04}" for number in range(2_500)])
    kept = ours.start_uploads(["keep"])
    requests = []

    def change(method, path, forward):
        requests.append((method, path))
        return forward()

    with proxy(ours.url, change) as url:
        seen = run_ours("uploads", "abort", f"{ours.bucket}/logs/", "--all", "--yes", "--json", AWS_ENDPOINT_URL=url)
    [receipt] = seen.of("receipt")
    assert receipt["means"] == "job" and receipt["proven"] is True
    assert receipt["aborted"]["uploads"] == receipt["planned"]["uploads"] == 2_500
    [job] = receipt["jobs"]
    assert job["buckets"] == [{"bucket": ours.bucket, "uploads": 2_500, "parts": 0, "bytes": 0}]
    assert not [path for method, path in requests if method == "DELETE"] and len(requests) < 60
    assert ours.listed() == kept


def test_several_targets_are_several_jobs_and_one_receipt(ours, run_ours):
    ours.start_uploads(["a/1", "a/2", "b/1", "c/1"], parts=1, size=10)
    seen = run_ours(
        "uploads", "abort", f"{ours.bucket}/a/", f"{ours.bucket}/b/", f"{ours.bucket}/a/1", "--all", "--yes", "--json"
    )
    [receipt] = seen.of("receipt")
    assert receipt["aborted"] == {"uploads": 3, "parts": 3, "bytes": 30} and len(receipt["jobs"]) == 2
    assert [key for key, _ in ours.listed()] == ["c/1"]


def test_a_job_that_nobody_agreed_to_is_not_left_behind(server, ours, run_ours):
    started = ours.start_uploads(["a"])
    run_ours("uploads", "abort", ours.bucket, "--all", code=2)
    assert [job["state"] for job in jobs(server)] == ["cancelled"]
    assert ours.listed() == started


def test_a_broken_connection_leaves_the_job_running(server, ours, run_ours):
    ours.start_uploads([f"k{number:04}" for number in range(600)])
    breaks = iter(range(7))

    def change(method, path, forward):
        # More than one look tries, so that a look fails as a whole.
        if method == "GET" and re.search(r"/upload-aborts/[^/]+$", path) and next(breaks, None) is not None:
            raise Broken
        return forward()

    with proxy(ours.url, change) as url:
        seen = run_ours("uploads", "abort", ours.bucket, "--all", "--yes", "--json", AWS_ENDPOINT_URL=url)
    assert seen.of("receipt")[0]["aborted"]["uploads"] == 600 and ours.listed() == []
    assert next(breaks, None) is None, "the connection was not broken often enough"


def test_ctrl_c_cancels_the_job_and_says_what_was_done(server, ours, run_ours, home):
    ours.start_uploads([f"k{number:04}" for number in range(300)])
    looked = []

    def change(method, path, forward):
        status, body = forward()
        if method == "GET" and re.search(r"/upload-aborts/[^/]+$", path):
            looked.append(path)
            # To the command the job looks as if it went on for ever, until it is told otherwise.
            body = body.replace(b'"state":"done"', b'"state":"running"')
        return status, body

    with proxy(ours.url, change) as url:
        run_ours.environment["AWS_ENDPOINT_URL"] = url
        process = run_ours.start("uploads", "abort", ours.bucket, "--all", "--yes", "--receipt", "receipt.json")
        within(60, lambda: len(looked) > 2, lambda: "nobody looked at the job")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert "Aborted 300 uploads" in said, said
    receipt = json.loads((home / "receipt.json").read_text())
    assert receipt["interrupted"] is True and process.returncode == 130
    assert jobs(server)[0]["id"] in json.dumps(receipt["jobs"])


def test_an_upload_that_is_busy_is_not_chosen(ours, run_ours):
    started = ours.start_uploads(["a"], parts=1, size=10)
    run_ours("uploads", "abort", ours.bucket, "--idle", "1h", "--yes", code=4)
    assert ours.listed() == started
