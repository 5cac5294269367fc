"""`drystone rm`: what was named is gone, nothing else, and every failure is told."""

import http.server
import threading

import pytest


def put(endpoint, *keys):
    for key in keys:
        endpoint.s3.put_object(Bucket=endpoint.bucket, Key=key, Body=b"x")


def keys_of(endpoint):
    return [row["Key"] for row in endpoint.s3.list_objects_v2(Bucket=endpoint.bucket).get("Contents", [])]


def test_one_object_is_deleted(endpoint, run):
    put(endpoint, "a", "ab")
    assert run("rm", f"s3://{endpoint.bucket}/a").out == f"delete: s3://{endpoint.bucket}/a\n"
    assert keys_of(endpoint) == ["ab"]
    assert run("rm", f"s3://{endpoint.bucket}/ab", "--quiet").out == ""
    assert keys_of(endpoint) == []
    # S3 does not tell whether it was there.
    run("rm", f"s3://{endpoint.bucket}/a")


def test_a_folder_is_deleted_and_not_its_neighbours(endpoint, run):
    put(endpoint, "logs/1", "logs/2/3", "logs-old/1", "logs")
    seen = run("rm", f"s3://{endpoint.bucket}/logs", "--recursive", "--json")
    shapes = [{"kind": "delete", "bucket": endpoint.bucket, "key": key, "dryrun": False} for key in ("logs/1", "logs/2/3")]
    assert seen.lines == shapes
    assert keys_of(endpoint) == ["logs", "logs-old/1"]
    seen = run("rm", f"s3://{endpoint.bucket}/logs", "--recursive")
    assert seen.out == "" and "Nothing is in" in seen.err


def test_keys_that_xml_cannot_hold_are_deleted(ours, run_ours):
    put(ours, "a\x01b", "a\rb", "a\nb", "a b")
    assert run_ours("rm", ours.bucket, "--recursive").out.count("delete: ") == 4
    assert keys_of(ours) == []


def test_a_bucket_or_folder_needs_recursive(ours, run_ours):
    put(ours, "d/a")
    for target in (ours.bucket, f"s3://{ours.bucket}/d/"):
        seen = run_ours("rm", target, code=2)
        assert "--recursive" in seen.err
    assert keys_of(ours) == ["d/a"]


class Stubborn(http.server.BaseHTTPRequestHandler):
    """A server that lists three keys and deletes all but one of them."""

    protocol_version = "HTTP/1.1"

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        rows = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in ("a", "b", "c"))
        self.answer(f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        error = "<Error><Key>b</Key><Code>AccessDenied</Code><Message>Locked.</Message></Error>"
        self.answer(f"<DeleteResult>{error}</DeleteResult>")

    def log_message(self, *_):
        pass


@pytest.fixture
def stubborn(run_nowhere):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stubborn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run_nowhere.environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_port}"
    yield run_nowhere
    server.shutdown()
    server.server_close()


def test_each_key_that_could_not_be_deleted_is_named(stubborn):
    seen = stubborn("rm", "s3://bucket", "--recursive", code=3)
    assert seen.out == "delete: s3://bucket/a\ndelete: s3://bucket/c\n"
    assert "delete failed: delete s3://bucket/b: AccessDenied: Locked." in seen.err
    assert "2 objects deleted, 1 object failed." in seen.err


def test_a_bucket_whose_objects_stay_is_not_removed(stubborn):
    seen = stubborn("rb", "s3://bucket", "--force", code=3)
    assert seen.out == ""
    assert "delete s3://bucket/b: AccessDenied" in seen.err and "s3://bucket is still there" in seen.err
