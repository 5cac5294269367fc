"""Bulk abort jobs over the API for administrators: preview, start, progress, receipt, and what goes wrong on the way."""

import datetime
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from drystone import MIB, within
from multipart import complete, create, pattern, put_part, read, uploads
from signed import Signer

API = "/.drystone/api/v1"
JOBS = f"{API}/upload-aborts"
EVERYTHING = {"all": True}


class Api:
    """The API of a server, as somebody who signs calls it."""

    def __init__(self, server, prefix=API, port=None, **credentials):
        at = SimpleNamespace(port=port or server.port, credentials=server.credentials, authority=server.authority)
        self.signer, self.prefix = Signer(at, **credentials), prefix

    def call(self, method, path="", body=None, **options):
        """One request; its status and its JSON."""
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.signer.request(method, self.prefix + path, body=sent, **options)
        assert answer.headers["content-type"] == "application/json", answer
        assert len(answer.headers["x-amz-request-id"]) == 16
        return answer.status, json.loads(answer.body)

    def ok(self, method, path="", body=None, status=200):
        """One request that must succeed; its JSON."""
        seen, answer = self.call(method, path, body)
        assert seen == status, answer
        return answer

    def refused(self, status, code, method, path="", body=None, **options):
        """One request that must be refused; the message."""
        seen, answer = self.call(method, path, body, **options)
        assert (seen, answer["error"]["code"]) == (status, code), answer
        return answer["error"]["message"]

    def preview(self, **selection):
        return self.ok("POST", "/upload-aborts", selection, status=201)

    def start(self, job):
        return self.ok("POST", f"/upload-aborts/{job['id']}/start", status=202)

    def job(self, job):
        return self.ok("GET", f"/upload-aborts/{job['id']}")

    def finish(self, job):
        """Starts a job and waits for its end; its receipt."""
        self.start(job)
        within(30, lambda: self.job(job)["state"] != "running")
        return self.ok("GET", f"/upload-aborts/{job['id']}/receipt")


@pytest.fixture
def api(server):
    return Api(server)


def many(s3, bucket, count, prefix="stone"):
    """Creates uploads, several at a time."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: create(s3, bucket, f"{prefix}-{n:05}"), range(count)))


def test_the_api_says_what_it_offers_on_both_ports(server, api):
    offer = api.ok("GET")
    assert offer["server"] == "drystone"
    assert offer["offers"] == ["upload-aborts"]
    assert Api(server, "/api/v1", server.admin_port).ok("GET") == offer
    # The admin port's own pages need no signature.
    assert server.admin("/health/live")[0] == 200


def test_a_preview_counts_and_aborts_nothing(s3, bucket, api):
    upload = create(s3, bucket, "a/stone")
    put_part(s3, bucket, upload, 1, pattern(100_000), key="a/stone")
    put_part(s3, bucket, upload, 2, pattern(10), key="a/stone")
    create(s3, bucket, "b/stone")
    job = api.preview(buckets=[bucket], prefix="a/", all=True)
    assert job["state"] == "previewed"
    assert job["planned"] == {"uploads": 1, "parts": 2, "bytes": 100_010}
    assert job["aborted"] == {"uploads": 0, "parts": 0, "bytes": 0}
    assert (job["started"], job["finished"], job["failed"], job["last_error"]) == (None, None, 0, None)
    assert job["selection"] == {
        "buckets": [bucket],
        "prefix": "a/",
        "initiated_before": None,
        "idle_since_before": None,
        "min_bytes": 0,
        "initiator": None,
        "all": True,
    }
    assert len(uploads(s3, bucket)) == 2
    assert api.job(job) == job
    api.refused(409, "InvalidState", "GET", f"/upload-aborts/{job['id']}/receipt")


def test_a_job_aborts_gives_the_bytes_back_and_leaves_a_receipt(server, s3, bucket, api):
    s3.create_bucket(Bucket="other")
    baseline = server.disk_use()
    for name in (bucket, "other"):
        upload = create(s3, name, "stone")
        put_part(s3, name, upload, 1, pattern(2 * MIB), key="stone")
    finished = create(s3, bucket, "wall")
    complete(s3, bucket, finished, [put_part(s3, bucket, finished, 1, pattern(10), key="wall")], key="wall")
    job = api.preview(**EVERYTHING)
    late = create(s3, bucket, "late")
    receipt = api.finish(job)
    freed = {"uploads": 1, "parts": 1, "bytes": 2 * MIB}
    assert sorted(receipt["buckets"], key=lambda line: line["bucket"]) == [
        {"bucket": bucket} | freed,
        {"bucket": "other"} | freed,
    ]
    ended = receipt["job"]
    assert (ended["state"], ended["aborted"], ended["failed"]) == ("done", ended["planned"], 0)
    assert ended["aborted"] == {"uploads": 2, "parts": 2, "bytes": 4 * MIB}
    assert ended["created"] <= ended["started"] <= ended["finished"]
    assert (uploads(s3, bucket), uploads(s3, "other")) == ([("late", late)], [])
    assert read(s3, bucket, "wall") == pattern(10)
    server.assert_space_returned(baseline + 10)
    metrics = server.admin("/metrics")[1]
    assert 'drystone_uploads_aborted_total{cause="bulk"} 2' in metrics
    assert f'drystone_uploads_freed_bytes_total{{cause="bulk"}} {4 * MIB}' in metrics
    assert "drystone_abort_jobs_running 0" in metrics
    assert 'drystone_http_requests_total{operation="PreviewUploadAborts",status="201"} 1' in metrics
    assert api.ok("GET", "/upload-aborts") == {"jobs": [ended]}
    api.refused(409, "InvalidState", "POST", f"/upload-aborts/{job['id']}/start")


def test_cut_offs_are_frozen_when_they_are_previewed(s3, bucket, api):
    create(s3, bucket)
    before = datetime.datetime.now(datetime.UTC)
    job = api.preview(idle_longer_than_seconds=3600, initiated_before="2026-11-01T02:00:00+02:00")
    assert job["selection"]["initiated_before"] == "2026-11-01T00:00:00.000Z"
    idle = datetime.datetime.fromisoformat(job["selection"]["idle_since_before"])
    assert abs(before - datetime.timedelta(hours=1) - idle) < datetime.timedelta(seconds=30)
    assert job["planned"]["uploads"] == 0, "it was active just now"
    future = api.preview(initiated_before="9999-01-01T00:00:00Z")
    late = create(s3, bucket, "late")
    assert api.finish(future)["job"]["aborted"]["uploads"] == 1
    assert uploads(s3, bucket) == [("late", late)], "what began after the preview is out of reach"


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({}, "InvalidSelection", "cut-off"),
        ({"prefix": "a/", "min_bytes": 5}, "InvalidSelection", "cut-off"),
        ({"all": False}, "InvalidSelection", "cut-off"),
        ({"initiated_before": None, "idle_longer_than_seconds": None}, "InvalidSelection", "cut-off"),
        ({"all": True, "min_byte": 5}, "MalformedJSON", "min_byte"),
        ({"all": True, "initiated-before": "2026-11-01T00:00:00Z"}, "MalformedJSON", "initiated-before"),
        ({"all": "true"}, "MalformedJSON", "boolean"),
        ({"initiated_before": "yesterday"}, "InvalidSelection", "2026-11-01T00:00:00Z"),
        ({"initiated_before": "2026-11-01"}, "InvalidSelection", "2026-11-01T00:00:00Z"),
        ({"initiated_before": "1969-11-01T00:00:00Z"}, "InvalidSelection", "1970"),
        ({"initiated_before": 1_795_420_800}, "MalformedJSON", "string"),
        ({"idle_longer_than_seconds": 0}, "InvalidSelection", "86400"),
        ({"idle_longer_than_seconds": -1}, "MalformedJSON", "-1"),
        ({"idle_longer_than_seconds": 1.5}, "MalformedJSON", "1.5"),
        ({"all": True, "buckets": ["UPPER"]}, "InvalidSelection", "lower-case"),
        ({"all": True, "buckets": "bucket"}, "MalformedJSON", "sequence"),
        ({"all": True, "initiator": ""}, "InvalidSelection", "initiator"),
        ({"all": True, "prefix": "x" * 1025}, "InvalidSelection", "1,024"),
        (b'{"all": true, "all": true}', "MalformedJSON", "duplicate"),
        (b'{"all": true', "MalformedJSON", "EOF"),
        (b'{"all": true} {}', "MalformedJSON", "trailing"),
        (b"[" * 10_000, "MalformedJSON", "not a selection"),
        (b"", "MalformedJSON", "initiated_before"),
        (b'"\xff"', "MalformedJSON", "not a selection"),
    ],
)
def test_a_selection_that_is_not_clear_is_refused(s3, bucket, api, body, code, says):
    create(s3, bucket)
    assert says in api.refused(400, code, "POST", "/upload-aborts", body)
    assert api.ok("GET", "/upload-aborts") == {"jobs": []}


def test_a_bucket_that_is_not_there_is_named(s3, bucket, api):
    assert "nowhere" in api.refused(404, "NoSuchBucket", "POST", "/upload-aborts", {"all": True, "buckets": [bucket, "nowhere"]})


def test_a_body_that_is_too_large_is_refused(api):
    body = json.dumps({"all": True, "buckets": [f"{n:063}" for n in range(1000)]}).encode()
    assert len(body) > 64 * 1024
    api.refused(413, "MaxMessageLengthExceeded", "POST", "/upload-aborts", body)
    # Also before a signature is looked at.
    api.refused(413, "MaxMessageLengthExceeded", "POST", "/upload-aborts", body, alter=lambda sent: sent.pop("authorization"))


@pytest.mark.parametrize("prefix", [API, "/api/v1"])
def test_nobody_comes_in_without_the_root_accounts_signature(servers, prefix):
    config = "[[keys]]\naccess_key_id = 'SOMEBODYELSE'\nsecret_access_key = 'another secret, long enough'\naccount = 'other'\n"
    server = servers()
    (server.folder / "drystone.toml").write_text(config)
    server.arguments = ["--config", str(server.folder / "drystone.toml")]
    server.start()
    port = server.port if prefix == API else server.admin_port
    api = Api(server, prefix, port)
    job = api.preview(**EVERYTHING)
    calls = [
        ("GET", "", None),
        ("POST", "/upload-aborts", EVERYTHING),
        ("GET", "/upload-aborts", None),
        ("GET", f"/upload-aborts/{job['id']}", None),
        ("POST", f"/upload-aborts/{job['id']}/start", None),
        ("GET", f"/upload-aborts/{job['id']}/receipt", None),
        ("DELETE", f"/upload-aborts/{job['id']}", None),
    ]
    other = Api(server, prefix, port, access_key="SOMEBODYELSE", secret_key="another secret, long enough")
    wrong = Api(server, prefix, port, access_key=server.credentials[0], secret_key="not the secret")
    for method, path, body in calls:
        assert "root account" in other.refused(403, "AccessDenied", method, path, body)
        wrong.refused(403, "SignatureDoesNotMatch", method, path, body)
        api.refused(403, "AccessDenied", method, path, body, alter=lambda sent: sent.pop("authorization"))
    # What was signed is the body.
    api.refused(400, "XAmzContentSHA256Mismatch", "POST", "/upload-aborts", EVERYTHING, payload="0" * 64)
    assert api.ok("GET", "/upload-aborts") == {"jobs": [job]}


def test_what_is_not_there_and_what_is_not_allowed(server, api):
    for path in ("/nothing", "/upload-aborts/", "/upload-aborts/1/2", "/upload-aborts/1/start/", "/upload-abortsx"):
        api.refused(404, "NotFound", "GET", path)
    for job in ("1", "01", "x", "-1", "99999999999999999999"):
        api.refused(404, "NoSuchUploadAborts", "GET", f"/upload-aborts/{job}")
    api.refused(405, "MethodNotAllowed", "PUT", "/upload-aborts")
    api.refused(405, "MethodNotAllowed", "PUT", "/upload-aborts/1")
    api.refused(405, "MethodNotAllowed", "GET", "/upload-aborts/1/start")
    api.refused(405, "MethodNotAllowed", "DELETE", "")
    api.refused(400, "InvalidRequest", "GET", "/upload-aborts", query=[("all", "true")])
    job = api.preview(**EVERYTHING)
    api.refused(400, "InvalidRequest", "POST", f"/upload-aborts/{job['id']}/start", {"now": True})
    # Beside the API, a path that begins with a dot is S3's as before.
    assert Signer(server).request("GET", "/.drystone").refused(400, "InvalidBucketName")
    assert Signer(server).request("GET", "/.drystone/api/v1x").refused(400, "InvalidBucketName")


def test_a_cancelled_job_stops_and_what_is_left_stays(s3, bucket, api):
    many(s3, bucket, 1_500)
    job = api.preview(**EVERYTHING)
    api.start(job)
    within(20, lambda: api.job(job)["aborted"]["uploads"] > 0)
    cancelled = api.ok("DELETE", f"/upload-aborts/{job['id']}")
    assert cancelled["state"] == "cancelled"
    receipt = api.ok("GET", f"/upload-aborts/{job['id']}/receipt")
    assert receipt["job"] == cancelled
    left = sum(len(page.get("Uploads", [])) for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket))
    assert left == 1_500 - cancelled["aborted"]["uploads"]
    assert api.job(job) == cancelled
    assert api.ok("DELETE", f"/upload-aborts/{job['id']}") == cancelled


def test_a_job_goes_on_after_kill_9_and_counts_everything_once(server, s3, bucket, api):
    many(s3, bucket, 3_000)
    upload = create(s3, bucket, "zz")
    put_part(s3, bucket, upload, 1, pattern(MIB), key="zz")
    job = api.preview(buckets=[bucket], all=True)
    api.start(job)
    within(20, lambda: api.job(job)["aborted"]["uploads"] > 0)
    server.kill()
    server.start()
    api, s3 = Api(server), server.s3()
    within(60, lambda: api.job(job)["state"] != "running")
    receipt = api.ok("GET", f"/upload-aborts/{job['id']}/receipt")
    assert (receipt["job"]["state"], receipt["job"]["aborted"]) == ("done", receipt["job"]["planned"])
    assert receipt["buckets"] == [{"bucket": bucket, "uploads": 3_001, "parts": 1, "bytes": MIB}]
    assert uploads(s3, bucket) == []
    after = int(
        next(line for line in server.admin("/metrics")[1].splitlines() if 'aborted_total{cause="bulk"}' in line).split()[1]
    )
    assert 0 < after < 3_001, "the first process did some, and the second the rest"


def test_a_job_outlives_a_stop_in_order(server, s3, bucket, api):
    many(s3, bucket, 2_000)
    job = api.preview(**EVERYTHING)
    api.start(job)
    server.stop()
    server.start()
    api = Api(server)
    within(60, lambda: api.job(job)["state"] == "done")
    assert api.job(job)["aborted"]["uploads"] == 2_000


def test_writes_go_on_while_a_job_runs(s3, bucket, api):
    many(s3, bucket, 2_000)
    job = api.preview(prefix="stone", all=True)
    api.start(job)
    count = 0
    while api.job(job)["state"] == "running":
        upload = create(s3, bucket, "wall")
        complete(s3, bucket, upload, [put_part(s3, bucket, upload, 1, pattern(count), key="wall")], key="wall")
        assert read(s3, bucket, "wall") == pattern(count)
        count += 1
    assert count > 0
    assert api.job(job)["aborted"]["uploads"] == 2_000


def test_the_admin_port_still_answers_plainly_elsewhere(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=5)
    connection.request("GET", "/api/v2")
    assert connection.getresponse().status == 404
    connection.close()
