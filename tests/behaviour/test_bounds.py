"""Clients that take and give nothing back: the server stays within 256 MiB, answers everybody else, and forgets them.

A healthy client works all the while, each time on a connection of its own, and is answered every time; when it is told
to slow down it asks again, as every S3 client does. How long it waits is measured by the benchmarks; here it only has
to be answered. Then everybody leaves, and descriptors and memory are given back.

The data lies on a sparse file system that is far larger than the disk under it, because 5 GiB are reserved for whoever
announces them.
"""

import contextlib
import os
import re
import resource
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from drystone import MIB, within
from memory_group import memory_group
from multipart import pattern
from signed import Signer, read_answer

GIB = 1024 * MIB
LIMIT_BYTES = 256 * MIB
# What a server keeps that has once been busy: warm caches and the allocator's spare pages.
MEMORY_KEPT_BYTES = 64 * MIB
# Where it keeps more, the same is done again, and may not make it hold more than this beside. It takes the allocator up
# to five times to have all pages that it will ever need; what is lost is lost every time.
GROWTH_BYTES = 4 * MIB
SIEGES_MAX = 10
DESCRIPTORS_KEPT = 16
# Rounds of the healthy client during each siege, at least.
ROUNDS_MIN = 20

IDLE = 10_000
ENCRYPTED = 4_000
TLS_RECORD = 16_384
FILES = 1_024
READING = 1_000
TAKING = 2_000
WRITING = 2_000
# Fewer than requests at once, so that none has to make room; bytes of each, one after another.
PIECEMEAL = 90
SINGLE_BYTES = 1_000
ANNOUNCED = 1_000
STAYING = 2_000

pytestmark = pytest.mark.timeout(300)


# Requests of the healthy client that may be told to slow down, one after the other: an SDK tries three to ten times.
TRIES_MAX = 10
DISK_BYTES = 2048 * GIB


@pytest.fixture
def huge_disk(tmp_path):
    """A mounted XFS of 2 TiB, of which nearly nothing is there."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root, so bounds are NOT checked")
    image, mount = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    mount.mkdir()
    subprocess.run(["mkfs.xfs", "-q", "-l", "size=64m", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


@pytest.fixture
def bounded(servers, request, huge_disk):
    """A server in a memory group, and the proof at the end that it was left alone by the kernel."""
    with bounded_server(servers, request, huge_disk) as server:
        yield server


@pytest.fixture
def bounded_tls(servers, request, huge_disk, certificates):
    """The same, which speaks TLS."""
    tls = {"authority": certificates.authority, "arguments": certificates.arguments}
    with bounded_server(servers, request, huge_disk, **tls) as server:
        yield server


@contextlib.contextmanager
def bounded_server(servers, request, huge_disk, **options):
    needed = IDLE + 1000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < needed:
        pytest.skip(f"only {hard} open files are allowed here, so bounds are NOT checked: {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with memory_group(re.sub(r"\W", "-", request.node.name), LIMIT_BYTES) as group:
        server = servers(prefix=group.prefix(), data=huge_disk / "data", **options).start()
        server.s3().create_bucket(Bucket="bucket")
        yield server
        assert group.kills == 0, "the kernel ended the server"
        peaks = group.peak_bytes // MIB, server.resident_bytes_peak() // MIB
        print(f"{request.node.name}: {peaks[0]} MiB with page cache at the peak, {peaks[1]} MiB without")
        server.finish()


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def resident_bytes(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


@contextlib.contextmanager
def healthy(signer):
    """A client that works until the siege is over; every answer must be the right one."""
    stop, wrong, rounds = threading.Event(), [], [0]
    enough = threading.Event()

    def work():
        while not stop.is_set():
            body = pattern(20_000, rounds[0])
            try:
                put = answered(signer, "PUT", body)
                got = answered(signer, "GET")
                gone = answered(signer, "DELETE")
            except OSError as error:
                wrong.append(f"round {rounds[0]}: {error!r}")
                if len(wrong) > TRIES_MAX:
                    return
                continue
            if (put.status, got.status, got.body == body, gone.status) != (200, 200, True, 204):
                wrong.append(f"round {rounds[0]}: {put.status} {put.body[:300]}, {got.status}, {gone.status}")
            rounds[0] += 1
            if rounds[0] >= ROUNDS_MIN:
                enough.set()

    client = threading.Thread(target=work, daemon=True)
    client.start()
    try:
        yield
        assert enough.wait(120), f"the healthy client was answered {rounds[0]} times only: {wrong[:5]}"
    finally:
        stop.set()
        client.join(60)
    assert not wrong, f"{len(wrong)} of {rounds[0]} rounds went wrong: {wrong[:5]}"


def answered(signer, method, body=b""):
    """The answer, after as many times of being told to slow down as a client bears."""
    for _ in range(TRIES_MAX):
        answer = signer.request(method, "/bucket/healthy", body=body)
        if answer.code != "SlowDown":
            break
    return answer


def besiege(server, act):
    """Lets `act` do its worst on connections that are closed at the end, and a healthy client work all the while.

    Afterwards descriptors are back, and memory too: at once, or, where the allocator keeps what it had at the peak for
    the next time, in that a next time needs no more. What is lost each time makes each time need more than all before.
    """
    signer, held = Signer(server), []
    before = descriptors(server), resident_bytes(server)
    for _ in range(SIEGES_MAX):
        with contextlib.ExitStack() as connections, healthy(signer):
            act(connections)
        within(
            20,
            lambda: descriptors(server) <= before[0] + DESCRIPTORS_KEPT,
            lambda: f"{descriptors(server)} descriptors are open, {before[0]} were",
        )
        held.append(resident_bytes(server))
        if held[-1] <= max([before[1] + MEMORY_KEPT_BYTES, *(size + GROWTH_BYTES for size in held[:-1])]):
            return
    pytest.fail(f"{before[1] // MIB} MiB were held before, {[size // MIB for size in held]} after each siege")


def connect_many(server, connections, count, first=b""):
    """Opens connections and sends the first bytes on each; what the server closed is not counted."""
    for _ in range(count):
        connection = connections.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        with contextlib.suppress(ConnectionError):
            connection.sendall(first)


def test_ten_thousand_idle_connections(bounded):
    besiege(bounded, lambda connections: connect_many(bounded, connections, IDLE))


def test_idle_connections_leave_the_store_its_files(servers):
    """Where 1,024 files may be open, as is usual, and 1,200 clients connect and say nothing: tables are still written."""
    server = servers(prefix=["prlimit", f"--nofile={FILES}:{FILES}"]).start()
    # On a connection that is there before the others, so that nobody has to make room for it.
    client, wide = server.s3(), {"wide": "x" * 1900}
    client.create_bucket(Bucket="bucket")
    tables = set(server.data.glob("meta/keyspaces/*/tables/*"))
    with contextlib.ExitStack() as connections:
        connect_many(server, connections, FILES + 200)
        # Some six megabytes of rows: the engine writes a table after each four.
        for number in range(2_500):
            client.put_object(Bucket="bucket", Key=f"{number:04}", Metadata=wide)
    assert set(server.data.glob("meta/keyspaces/*/tables/*")) - tables, "no table was written, so nothing was tried"


def test_ten_thousand_heads_that_never_end(bounded):
    head = b"GET /bucket/key HTTP/1.1\r\nhost: a\r\nx-amz-meta-a: " + b"a" * 2000
    besiege(bounded, lambda connections: connect_many(bounded, connections, IDLE, head))


def test_ten_thousand_handshakes_that_never_end(bounded_tls):
    """A greeting as long as TLS allows (RFC 8446, section 4), but for its last bytes."""
    greeting = b"\x01\x00\xff\xf0\x03\x03" + b"a" * 65_000
    records = [greeting[at : at + TLS_RECORD] for at in range(0, len(greeting), TLS_RECORD)]
    first = b"".join(b"\x16\x03\x01" + len(record).to_bytes(2) + record for record in records)
    besiege(bounded_tls, lambda connections: connect_many(bounded_tls, connections, IDLE, first))


def test_four_thousand_heads_that_never_end_over_tls(bounded_tls):
    """Each with a record behind it that does not end either."""
    context = ssl.create_default_context(cafile=str(bounded_tls.authority))
    head = b"GET /bucket/key HTTP/1.1\r\nhost: a\r\nx-amz-meta-a: " + b"a" * 22_000

    def act(connections):
        for _ in range(ENCRYPTED):
            connection = connections.enter_context(bounded_tls.connect())
            with contextlib.suppress(OSError):
                encrypted = connections.enter_context(context.wrap_socket(connection, server_hostname="127.0.0.1"))
                encrypted.sendall(head)
                # Past what encrypts.
                raw = connections.enter_context(socket.socket(fileno=os.dup(encrypted.fileno())))
                raw.sendall(b"\x17\x03\x03" + TLS_RECORD.to_bytes(2) + b"a" * (TLS_RECORD - 1))

    besiege(bounded_tls, act)


def test_a_thousand_slow_readers(bounded):
    signer = Signer(bounded)
    assert signer.request("PUT", "/bucket/large", body=pattern(32 * MIB)).status == 200

    def act(connections):
        for _ in range(READING):
            # Nobody reads what they ask for.
            connections.enter_context(signer.open("GET", "/bucket/large"))

    besiege(bounded, act)


def test_two_thousand_who_take_nothing_of_an_answer_that_fits_a_buffer(bounded):
    """Their kernels take little, so that nearly all of each answer is left to the server."""
    signer = Signer(bounded)
    assert signer.request("PUT", "/bucket/fits", body=pattern(256 * 1024)).status == 200

    def act(connections):
        for _ in range(TAKING):
            connections.enter_context(signer.open("GET", "/bucket/fits", narrow=True))

    besiege(bounded, act)


def test_two_thousand_slow_writers(bounded):
    """Nearly all of them wait for their turn, until they are told to come again."""
    signer, piece = Signer(bounded), pattern(300_000)

    def act(connections):
        for number in range(WRITING):
            opened = signer.open("PUT", f"/bucket/slow-{number}", headers={"content-length": str(8 * MIB)})
            connection = connections.enter_context(opened)
            # As much as fits, then nothing more for as long as the siege lasts.
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                connection.send(piece)

    besiege(bounded, act)


def test_writers_who_send_byte_by_byte(bounded):
    """A byte costs a byte, not the buffer that it came in."""
    signer = Signer(bounded)

    def act(connections):
        opened = [
            signer.open("PUT", f"/bucket/bytes-{number}", headers={"content-length": str(8 * MIB)}) for number in range(PIECEMEAL)
        ]
        slow = [connections.enter_context(connection) for connection in opened]
        for _ in range(SINGLE_BYTES):
            for connection in slow:
                with contextlib.suppress(ConnectionError):
                    connection.send(b"x")
            # Once this is answered, the bytes before it are likely to be taken too, each by itself.
            signer.request("HEAD", "/bucket")

    besiege(bounded, act)


def test_two_thousand_that_stay_after_an_upload(bounded):
    """Who was served and stays costs no more than who never asked, though a large body came through each connection."""
    signer, body = Signer(bounded), pattern(MIB)

    def act(connections):
        for number in range(STAYING):
            opened = signer.open("PUT", f"/bucket/stays-{number % 10}", headers={"content-length": str(MIB)})
            connection = connections.enter_context(opened)
            connection.sendall(body)
            assert read_answer(connection).status == 200

    besiege(bounded, act)


def test_a_thousand_announced_uploads_of_5_gib(bounded):
    signer = Signer(bounded)
    upload = signer.request("POST", "/bucket/huge", query=[("uploads", "")]).text("UploadId")

    def act(connections):
        for number in range(ANNOUNCED):
            query = [("partNumber", str(number + 1)), ("uploadId", upload)]
            opened = signer.open("PUT", "/bucket/huge", query=query, headers={"content-length": str(5 * GIB)})
            connection = connections.enter_context(opened)
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"x")

    besiege(bounded, act)
    assert signer.request("DELETE", "/bucket/huge", query=[("uploadId", upload)]).status == 204


def test_header_bombs(bounded):
    bombs = [
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"".join(b"x-%d: a\r\n" % number for number in range(100_000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * (16 * MIB) + b"\r\n\r\n",
        b"GET /" + b"a" * (16 * MIB) + b" HTTP/1.1\r\nhost: a\r\n\r\n",
    ]

    def act(connections):
        for bomb in bombs * 20:
            connection = connections.enter_context(bounded.connect())
            with contextlib.suppress(ConnectionError):
                connection.sendall(bomb)
            with contextlib.suppress(ConnectionError):
                assert read_answer(connection).status in (400, 414, 431)

    besiege(bounded, act)


def test_xml_bombs(bounded):
    signer = Signer(bounded)
    upload = signer.request("POST", "/bucket/key", query=[("uploads", "")]).text("UploadId")
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bombs = [
        f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><CompleteMultipartUpload>&a9;</CompleteMultipartUpload>'.encode(),
        b"<CompleteMultipartUpload>" + b"<Part>" * 500_000,
        b"<CompleteMultipartUpload>" + b"<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>" * 90_000,
        b"<CompleteMultipartUpload " + b"".join(b'a%d="b" ' % number for number in range(400_000)) + b"/>",
        b"<CompleteMultipartUpload><!--" + b"-" * 5_000_000 + b"--></CompleteMultipartUpload>",
    ]
    codes = []

    def throw(bomb):
        codes.append(signer.request("POST", "/bucket/key", query=[("uploadId", upload)], body=bomb).code)

    def act(_connections):
        together = [threading.Thread(target=throw, args=(bomb,)) for bomb in bombs * 10]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()

    besiege(bounded, act)
    refusals = {"MalformedXML", "MaxMessageLengthExceeded", "EntityTooLarge", "SlowDown"}
    assert len(codes) >= 10 * len(bombs) and set(codes) <= refusals, set(codes)
    assert signer.request("DELETE", "/bucket/key", query=[("uploadId", upload)]).status == 204
