"""What no client should send: the right refusal, nothing stored, nothing leaked, and the server goes on."""

import concurrent.futures
import contextlib
import socket
import struct

import pytest

from drystone import MIB
from multipart import create, pattern, read, refused, uploads
from signed import read_answer


def raw(server, data):
    """Sends bytes as they are and returns all that comes back."""
    with server.connect() as connection:
        received = b""
        connection.settimeout(10)
        # A server that has seen enough closes the connection under the sender.
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                received += piece
        return received


def is_well(server):
    return server.health("/health/ready") == 200


@pytest.mark.parametrize("ending", ["close", "reset", "half-close"])
def test_a_client_that_goes_away_in_the_middle_leaves_no_byte(server, s3, signer, bucket, ending):
    baseline = server.disk_use()
    for size in (1000, 40 * MIB):
        connection = signer.open("PUT", "/bucket/key", headers={"content-length": str(size)})
        connection.sendall(pattern(size // 2))
        if ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if ending == "half-close":
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
        connection.close()
    server.assert_space_returned(baseline, seconds=5)
    with refused(404, "NoSuchKey"):
        read(s3, bucket)
    assert is_well(server)


def test_a_body_longer_than_its_length_stores_only_its_length(s3, signer, bucket):
    with signer.open("PUT", "/bucket/key", headers={"content-length": "5"}) as connection:
        connection.sendall(b"stonemoss and moss\r\n\r\n")
        assert read_answer(connection).status == 200
    assert read(s3, bucket) == b"stone"


@pytest.mark.parametrize(
    "head",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET / HTTP/1.1\r\nhost: a\r\nbroken header\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"PUT /bucket/key HTTP/1.1\r\nhost: a\r\ncontent-length: many\r\n\r\n",
        b"PUT /bucket/key HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n",
        b"PUT /bucket/key HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"PUT /bucket/key HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"".join(b"x-%d: y\r\n" % number for number in range(5000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx-long: " + b"y" * 2_000_000 + b"\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_are_refused(server, s3, bucket, head):
    answer = raw(server, head)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 505")), answer[:200]
    assert is_well(server)


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "PROPFIND", "POST"])
def test_a_method_that_s3_does_not_have_is_refused(signer, bucket, method):
    answer = signer.request(method, "/bucket/key")
    assert (answer.status, answer.code) in ((405, "MethodNotAllowed"), (501, "NotImplemented")), answer.body


def test_every_refusal_names_its_request(signer, bucket):
    answer = signer.request("GET", "/bucket/nowhere").refused(404, "NoSuchKey")
    assert answer.headers["content-type"] == "application/xml"
    assert answer.xml.tag == "Error"
    assert answer.text("RequestId") == answer.headers["x-amz-request-id"] != ""
    assert answer.text("Resource") == "/bucket/nowhere"
    assert answer.text("Message")
    ids = {signer.request("HEAD", "/bucket/nowhere").headers["x-amz-request-id"] for _ in range(20)}
    assert len(ids) == 20


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-acl": "everybody"},
        {"x-amz-copy-source": "%zz"},
        {"content-md5": "\u00e4"},
        {"x-amz-decoded-content-length": "-1", "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
    ],
)
def test_a_header_with_a_value_that_is_none_is_refused(signer, bucket, headers):
    headers = {name: value.encode("utf-8").decode("latin-1") for name, value in headers.items()}
    answer = signer.request("PUT", "/bucket/key", headers=headers, body=b"x")
    assert 400 <= answer.status < 500 or answer.status == 501, answer.body


def test_a_request_that_never_ends_is_closed_and_others_are_served(server, s3, signer, bucket):
    slow = [server.connect() for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(b"GET /bucket HTTP/1.1\r\nhost: ")
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: s3.put_object(Bucket=bucket, Key=f"{number}", Body=b"x"), range(40)))
    finally:
        for connection in slow:
            connection.close()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 40


def test_requests_in_a_row_on_one_connection_are_each_answered(s3, signer, bucket):
    heads = []
    for number in range(10):
        sent, target = signer.prepare("GET", f"/bucket/nowhere-{number}")
        heads.append(f"GET {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in sent.items()) + "\r\n")
    with signer.server.connect() as connection:
        for number, head in enumerate(heads):
            connection.sendall(head.encode())
            assert read_answer(connection).text("Key") == f"nowhere-{number}"


def test_an_upload_survives_everything_that_was_refused(s3, signer, bucket):
    upload = create(s3, bucket)
    for query in ([("partNumber", "0"), ("uploadId", upload)], [("uploadId", upload), ("partNumber", "")]):
        signer.request("PUT", "/bucket/key", query=query, body=b"x").refused(400, "InvalidArgument")
    assert uploads(s3, bucket) == [("key", upload)]
