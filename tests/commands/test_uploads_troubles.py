"""What goes wrong on the way, or at a server that does not keep to S3, is counted, named and never hidden."""

import collections
import itertools
import re
import signal
import threading

from proxy import Broken, proxy

DENIED = b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"


def test_an_abort_that_fails_is_named_with_its_id_and_error(endpoint, run):
    [(_, first), (_, second)] = endpoint.start_uploads(["a", "b"])

    def change(method, path, forward):
        # By a job the server aborts on its own: here each upload is to be a request.
        if "/.drystone/" in path:
            return 404, b""
        return (403, DENIED) if method == "DELETE" and path.startswith(f"/{endpoint.bucket}/b") else forward()

    with proxy(endpoint.url, change) as url:
        seen = run("uploads", "abort", endpoint.bucket, "--all", "--yes", "--json", code=3, AWS_ENDPOINT_URL=url)
    outcomes = {line["id"]: (line["outcome"], line["error"]) for line in seen.of("abort")}
    assert outcomes[first] == ("aborted", None)
    word, error = outcomes[second]
    assert word == "failed" and "AccessDenied" in error and second in error
    [receipt] = seen.of("receipt")
    assert (receipt["failed"], receipt["aborted"]["uploads"]) == (1, 1)
    assert endpoint.listed() == [("b", second)]


def test_a_broken_connection_is_tried_again(endpoint, run):
    endpoint.start_uploads([f"k{number}" for number in range(5)])
    broken, lock = collections.Counter(), threading.Lock()

    def change(method, path, forward):
        with lock:
            if method == "DELETE" and broken[path] < 3:
                broken[path] += 1
                raise Broken
        return (404, b"") if "/.drystone/" in path else forward()

    with proxy(endpoint.url, change) as url:
        run("uploads", "abort", endpoint.bucket, "--all", "--yes", AWS_ENDPOINT_URL=url)
    assert endpoint.listed() == [] and list(broken.values()) == [3] * 5


def test_an_abort_that_the_server_accepts_and_does_not_do_is_found_by_the_second_listing(endpoint, run):
    started = endpoint.start_uploads(["a"])

    def change(method, path, forward):
        return (204, b"") if method == "DELETE" else (404, b"") if "/.drystone/" in path else forward()

    with proxy(endpoint.url, change) as url:
        seen = run("uploads", "abort", endpoint.bucket, "--all", "--yes", "--json", code=3, AWS_ENDPOINT_URL=url)
    [entry] = seen.of("abort")
    assert entry["outcome"] == "failed" and "still lists" in entry["error"]
    assert seen.of("receipt")[0]["proven"] is False and endpoint.listed() == started


def test_parts_that_arrive_during_the_abort_need_another_one(endpoint, run):
    endpoint.start_uploads(["a"], parts=1, size=10)
    aborts = itertools.count()

    def change(method, path, forward):
        if "/.drystone/" in path:
            return 404, b"<Error><Code>NoSuchBucket</Code></Error>"
        # The first abort is accepted, and leaves the part, as S3's documentation warns.
        if method == "DELETE" and next(aborts) == 0:
            return 204, b""
        return forward()

    if endpoint.is_drystone():
        return  # there one abort is enough, and the command knows it
    with proxy(endpoint.url, change) as url:
        run("uploads", "abort", endpoint.bucket, "--all", "--yes", AWS_ENDPOINT_URL=url)
    assert endpoint.listed() == [] and next(aborts) == 2


def test_a_server_that_leaves_out_initiated_is_warned_about_and_its_uploads_are_left_alone(endpoint, run):
    started = endpoint.start_uploads(["a", "b"])

    def change(method, path, forward):
        if "/.drystone/" in path:
            return 404, b""
        status, body = forward()
        return status, re.sub(rb"<Initiated>.*?</Initiated>", b"", body)

    with proxy(endpoint.url, change) as url:
        seen = run("uploads", "ls", endpoint.bucket, "--json", AWS_ENDPOINT_URL=url)
        assert [line["initiated"] for line in seen.of("upload")] == [None, None]
        assert "warning: the server does not say of 2 uploads" in seen.err
        seen = run("uploads", "abort", endpoint.bucket, "--older-than", "1s", "--yes", code=4, AWS_ENDPOINT_URL=url)
        assert "leaves them alone" in seen.err
    assert sorted(endpoint.listed()) == sorted(started)


def test_pages_that_go_round_in_a_circle_end_with_an_error(ours, run_ours):
    ours.start_uploads([f"k{number}" for number in range(3)])

    pages = []

    def change(method, path, forward):
        if "uploads" not in path:
            return forward()
        if not pages:
            # The first page says that more follow, and so does whatever is asked for after it.
            markers = b"<NextKeyMarker>k1</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>"
            status, body = forward()
            body = re.sub(rb"<Next\w*Marker>.*?</Next\w*Marker>|<Next\w*Marker/>", b"", body)
            pages.append((status, re.sub(rb"<IsTruncated>.*?</IsTruncated>", b"<IsTruncated>true</IsTruncated>" + markers, body)))
        return pages[0]

    with proxy(ours.url, change) as url:
        seen = run_ours("uploads", "ls", ours.bucket, code=1, AWS_ENDPOINT_URL=url)
    assert "go round in a circle" in seen.err


def test_a_bucket_that_is_closed_to_us_does_not_hide_the_others(ours, run_ours):
    ours.start_uploads(["a"])
    ours.s3.create_bucket(Bucket="closed")

    def change(method, path, forward):
        return (403, DENIED) if path.startswith("/closed") else forward()

    with proxy(ours.url, change) as url:
        seen = run_ours("uploads", "ls", "--json", code=3, AWS_ENDPOINT_URL=url)
        assert [line["key"] for line in seen.of("upload")] == ["a"] and "s3://closed: AccessDenied" in seen.err
        run_ours("uploads", "ls", "closed", code=1, AWS_ENDPOINT_URL=url)


def test_a_rule_that_a_server_accepts_and_drops_is_found(endpoint, run):
    def change(method, path, forward):
        return (200, b"") if method == "PUT" and "lifecycle" in path else forward()

    with proxy(endpoint.url, change) as url:
        seen = run("uploads", "rule", "set", endpoint.bucket, "--after", "7d", code=1, AWS_ENDPOINT_URL=url)
    assert "accepted the rule" in seen.err and "does not have it" in seen.err


def test_an_upload_that_is_gone_when_its_turn_comes_is_already_gone(endpoint, run):
    endpoint.start_uploads(["a", "b"])

    def change(method, path, forward):
        if "/.drystone/" in path:
            return 404, b""
        answer = forward()
        # Somebody else was faster: the abort is done, and ours hears that there is nothing left.
        gone = b"<Error><Code>NoSuchUpload</Code><Message>Gone.</Message></Error>"
        return (404, gone) if method == "DELETE" and path.startswith(f"/{endpoint.bucket}/b") else answer

    with proxy(endpoint.url, change) as url:
        seen = run("uploads", "abort", endpoint.bucket, "--all", "--yes", "--json", AWS_ENDPOINT_URL=url)
    assert sorted(line["outcome"] for line in seen.of("abort")) == ["aborted", "already gone"]
    [receipt] = seen.of("receipt")
    assert (receipt["already_gone"], receipt["failed"], receipt["proven"]) == (1, 0, True)


def test_on_drystone_an_upload_of_another_time_is_not_hit(ours, run_ours):
    started = ours.start_uploads(["a"])

    def change(method, path, forward):
        if "/.drystone/" in path:
            # The API is not offered, though the server is Drystone.
            forward()
            return 403, b""
        status, body = forward()
        return status, re.sub(rb"<Initiated>.*?</Initiated>", b"<Initiated>2001-01-01T00:00:00.000Z</Initiated>", body)

    with proxy(ours.url, change) as url:
        seen = run_ours("uploads", "abort", ours.bucket, "--older-than", "7d", "--yes", "--json", AWS_ENDPOINT_URL=url)
    [entry] = seen.of("abort")
    assert entry["outcome"] == "spared" and "started at another time" in entry["error"]
    assert ours.listed() == started


def test_ctrl_c_leaves_an_upload_that_is_being_resumed_open(ours, run_ours, home):
    (home / "file").write_bytes(b"x" * 1000)
    started = ours.start_uploads(["file"])
    under_way, go_on = threading.Event(), threading.Event()

    def change(method, path, forward):
        if method == "PUT":
            under_way.set()
            go_on.wait(60)
        return forward()

    with proxy(ours.url, change) as url:
        run_ours.environment["AWS_ENDPOINT_URL"] = url
        process = run_ours.start("uploads", "resume", "file", f"{ours.bucket}/file")
        assert under_way.wait(60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        go_on.set()
    assert process.returncode == 130 and "goes on from there" in said, said
    assert ours.listed() == started
    run_ours("uploads", "resume", "file", f"{ours.bucket}/file", AWS_ENDPOINT_URL=ours.url)
    assert ours.listed() == []
