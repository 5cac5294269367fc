"""The background scrub: rot is found without anybody reading, and named."""

import contextlib
import re

from drystone import MIB, within
from multipart import abort, create, pattern, put_part


@contextlib.contextmanager
def rotten(data, good):
    """Inside, one bit of `good`, bytes that stand once in the files below `data`, is flipped."""
    holding = [path for path in data.rglob("*") if path.is_file() and good in path.read_bytes()]
    assert len(holding) == 1
    path = holding[0]
    at = path.read_bytes().find(good)
    with path.open("r+b", buffering=0) as file:
        file.seek(at)
        file.write(bytes([good[0] ^ 1]))
        yield
        file.seek(at)
        file.write(good[:1])


def metric(server, name):
    """The value of a metric without labels; None while there is none."""
    found = re.search(rf"^{name} (\S+)$", server.admin("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else None


def test_rot_is_found_and_named_while_nobody_reads(servers):
    server = servers(arguments=["--scrub-every", "never"]).start()
    s3 = server.s3()
    s3.create_bucket(Bucket="bucket")
    bodies = {"sound": pattern(3 * MIB, 1), "rotten": pattern(20 * MIB, 2)}
    for key, body in bodies.items():
        s3.put_object(Bucket="bucket", Key=key, Body=body)
    upload = create(s3, "bucket")
    part = pattern(6 * MIB, 3)
    put_part(s3, "bucket", upload, 4, part)
    assert metric(server, "drystone_scrub_passes_total") is None
    server.stop()

    server.arguments = ["--scrub-every", "1s", "--scrub-mib-per-second", "1000"]
    server.expect_log("is damaged")
    with rotten(server.data, bodies["rotten"][MIB : MIB + 64]), rotten(server.data, part[5000:5064]):
        server.start()
        within(60, lambda: metric(server, "drystone_scrub_passes_total") >= 1, server.log_text)
        assert metric(server, "drystone_scrub_damaged_total") >= 2
        assert metric(server, "drystone_scrub_read_bytes_total") >= 3 * MIB
        assert metric(server, "drystone_scrub_finished_timestamp_seconds") > 1_700_000_000
        log = server.log_text()
        assert "object bucket/rotten is damaged" in log
        assert f"part 4 of upload {upload} of bucket/key is damaged" in log
        assert "bucket/sound" not in log
        server.stop()

    server.start()
    within(60, lambda: metric(server, "drystone_scrub_passes_total") >= 1, server.log_text)
    assert metric(server, "drystone_scrub_damaged_total") == 0, "the bits are back"
    abort(server.s3(), "bucket", upload)


def test_nothing_is_scrubbed_in_memory_or_against_the_operators_will(servers):
    for options in ({"in_memory": True}, {"arguments": ["--scrub-every", "never"]}):
        server = servers(name=f"server-{len(options)}{options.get('in_memory', False)}", **options).start()
        assert "drystone_scrub" not in server.admin("/metrics")[1]


def test_a_pace_that_is_none_is_refused(servers):
    server = servers(arguments=["--scrub-every", "often"])
    assert "7d or 12h" in server.run_to_its_end()
