"""Memory stays bounded whatever clients send: bodies are streamed, never collected."""

import threading

import pytest

from drystone import MIB
from multipart import create, pattern, uploads
from signed import read_answer

UPLOADS = 64
# The product promises this for 64 uploads of 1 GiB; the bytes of one upload are the same bytes again and again,
# so 64 MiB each show the same as a gigabyte each.
LIMIT_BYTES = 256 * MIB
PART_BYTES = 64 * MIB


@pytest.mark.timeout(300)
def test_64_uploads_at_once_stay_below_256_mib(server, s3, signer, bucket):
    ids = [create(s3, bucket, f"key-{number}") for number in range(UPLOADS)]
    piece, answers = pattern(MIB), []
    together = threading.Barrier(UPLOADS)

    def send(number):
        query, headers = [("partNumber", "1"), ("uploadId", ids[number])], {"content-length": str(PART_BYTES)}
        with signer.open("PUT", f"/bucket/key-{number}", query=query, headers=headers) as connection:
            together.wait()
            for _ in range(PART_BYTES // MIB):
                connection.sendall(piece)
            answers.append(read_answer(connection).status)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(UPLOADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * UPLOADS
    assert server.resident_bytes_peak() < LIMIT_BYTES
    assert len(uploads(s3, bucket)) == UPLOADS
    s3.delete_bucket(Bucket=bucket)
