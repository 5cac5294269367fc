"""`drystone uploads resume`: only what is missing is sent, and the object is the file."""

import pytest

from drystone import MIB
from multipart import pattern

PART = 5 * MIB


@pytest.fixture
def file(home):
    """A file of two parts and a half; every part differs."""
    path = home / "wall.bin"
    path.write_bytes(pattern(PART, 1) + pattern(PART, 2) + pattern(PART // 2, 3))
    return path


def begin(endpoint, file, numbers, *, key="wall.bin", part=PART, **options):
    """Starts an upload of the file and leaves it with these parts."""
    s3, body = endpoint.s3, file.read_bytes()
    upload = s3.create_multipart_upload(Bucket=endpoint.bucket, Key=key, **options)["UploadId"]
    for number in numbers:
        piece = body[(number - 1) * part : number * part]
        s3.upload_part(Bucket=endpoint.bucket, Key=key, UploadId=upload, PartNumber=number, Body=piece, **options)
    return upload


def is_whole(endpoint, file, key="wall.bin"):
    got = endpoint.s3.get_object(Bucket=endpoint.bucket, Key=key)["Body"].read()
    return got == file.read_bytes() and endpoint.listed() == []


@pytest.mark.parametrize("numbers", [[], [1], [2], [3], [1, 3], [1, 2, 3]], ids=str)
def test_only_what_is_missing_is_sent(endpoint, run, file, numbers):
    begin(endpoint, file, numbers)
    seen = run("uploads", "resume", file.name, f"s3://{endpoint.bucket}/wall.bin", "--json")
    [done] = seen.lines
    if numbers:
        assert (done["parts"], done["kept_parts"], done["sent_parts"]) == (3, len(numbers), 3 - len(numbers))
    assert done["bytes"] == file.stat().st_size and done["etag"]
    assert is_whole(endpoint, file)


def test_a_part_that_differs_is_sent_again(endpoint, run, file):
    upload = begin(endpoint, file, [1, 2])
    endpoint.s3.upload_part(Bucket=endpoint.bucket, Key="wall.bin", UploadId=upload, PartNumber=2, Body=b"x" * PART)
    [done] = run("uploads", "resume", file, f"{endpoint.bucket}/wall.bin", "--json").lines
    assert (done["kept_parts"], done["sent_parts"]) == (1, 2)
    assert is_whole(endpoint, file)


def test_the_upload_of_another_file_is_left_alone(endpoint, run, file, home):
    begin(endpoint, file, [1, 2])
    other = home / "other.bin"
    other.write_bytes(pattern(file.stat().st_size, 9))
    seen = run("uploads", "resume", other, f"{endpoint.bucket}/wall.bin", code=1)
    assert "another file" in seen.err
    other.write_bytes(pattern(MIB, 9))
    seen = run("uploads", "resume", other, f"{endpoint.bucket}/wall.bin", code=1)
    assert "another file" in seen.err
    assert len(endpoint.listed()) == 1
    run("uploads", "resume", file, f"{endpoint.bucket}/wall.bin")
    assert is_whole(endpoint, file)


def test_of_several_uploads_one_has_to_be_named(endpoint, run, file):
    first, second = begin(endpoint, file, [1]), begin(endpoint, file, [1, 2])
    seen = run("uploads", "resume", file, f"{endpoint.bucket}/wall.bin", code=2)
    assert first in seen.err and second in seen.err and len(endpoint.listed()) == 2
    run("uploads", "resume", file, f"{endpoint.bucket}/wall.bin", "--id", second)
    # Garage drops the older uploads of a key with the object that replaces them.
    assert endpoint.listed() == ([] if endpoint.kind == "garage" else [("wall.bin", first)])


def test_without_an_upload_nothing_is_sent(endpoint, run, file):
    begin(endpoint, file, [1], key="wall.bin.old")
    seen = run("uploads", "resume", file, f"{endpoint.bucket}/wall.bin", code=4)
    assert "no unfinished upload" in seen.err
    assert endpoint.listed()[0][0] == "wall.bin.old"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_the_checksums_that_an_upload_asks_for_are_sent(ours, run_ours, file, algorithm):
    begin(ours, file, [2], ChecksumAlgorithm=algorithm)
    [done] = run_ours("uploads", "resume", file, f"{ours.bucket}/wall.bin", "--json").lines
    assert (done["kept_parts"], done["sent_parts"]) == (1, 2)
    assert is_whole(ours, file)
    head = ours.s3.head_object(Bucket=ours.bucket, Key="wall.bin", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-file", "photos/wall"], "read no-such-file"),
        ([".", "photos/wall"], "no file with bytes in it"),
        (["empty", "photos/wall"], "no file with bytes in it"),
        (["empty", "photos"], "expected BUCKET/KEY"),
        (["empty", "s3://photos/"], "expected BUCKET/KEY"),
        (["empty"], "BUCKET/KEY"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_request(run_nowhere, home, arguments, says):
    (home / "empty").touch()
    seen = run_nowhere("uploads", "resume", *arguments, code=None)
    assert seen.code in (1, 2) and says in seen.err, seen.err
