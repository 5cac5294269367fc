"""`drystone cp`: every byte arrives, nothing appears half-done, and nothing is left over."""

import os
import re
import shlex
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from drystone import BINARY, MIB, Server, within
from wire import Wire

PART = 8 * MIB

# Around the border between one request and many, and several parts with a short last one.
SIZES = [0, 1, PART - 1, PART, PART + 1, 40 * MIB + 3]

# What keys and files can hold, and what a shell, XML or a URL could trip over.
STRANGE = ["plain", "a b/c d", "wände/石垣 🧱", "a+b%20&=?#<>'\"", "-dash", "new\nline", "deep/er/and/deeper", "~", "C:\\x"]


@pytest.fixture
def wire(ours, run_ours):
    """What the command's bytes go through to Drystone."""
    wire = Wire(int(ours.url.rsplit(":", 1)[1]))
    run_ours.environment["AWS_ENDPOINT_URL"] = wire.url
    yield wire
    wire.close()


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(endpoint, key, body=b"x"):
    endpoint.s3.put_object(Bucket=endpoint.bucket, Key=key, Body=body)


def body_of(endpoint, key):
    return endpoint.s3.get_object(Bucket=endpoint.bucket, Key=key)["Body"].read()


# Round trips


@pytest.mark.parametrize("size", SIZES)
def test_a_file_goes_and_comes_back(endpoint, run, home, size):
    data = os.urandom(size)
    (home / "out").write_bytes(data)
    seen = run("cp", "out", f"s3://{endpoint.bucket}/dir/")
    assert seen.out == f"upload: out to s3://{endpoint.bucket}/dir/out\n" and seen.err == ""
    assert body_of(endpoint, "dir/out") == data
    seen = run("cp", f"s3://{endpoint.bucket}/dir/out", "back")
    assert seen.out == f"download: s3://{endpoint.bucket}/dir/out to back\n"
    assert (home / "back").read_bytes() == data
    assert endpoint.listed() == []


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_of_unknown_length_goes_and_comes_back(endpoint, run, size):
    data = os.urandom(size)
    key = f"s3://{endpoint.bucket}/stream"
    run.pipe("cp", "-", key, data=data)
    assert body_of(endpoint, "stream") == data
    assert run.pipe("cp", key, "-") == data
    assert run.pipe("cat", key) == data
    assert endpoint.listed() == []


def test_an_object_is_copied_by_the_server(endpoint, run):
    endpoint.s3.put_object(Bucket=endpoint.bucket, Key="a b/ä+", Body=b"stone", ContentType="text/x-wall", Metadata={"m": "n"})
    seen = run("cp", f"s3://{endpoint.bucket}/a b/ä+", f"s3://{endpoint.bucket}/copies/", "--json")
    [line] = seen.of("copy")
    assert (line["to"], line["bytes"]) == (f"s3://{endpoint.bucket}/copies/ä+", 5)
    copy = endpoint.s3.get_object(Bucket=endpoint.bucket, Key="copies/ä+")
    assert (copy["Body"].read(), copy["ContentType"], copy["Metadata"]) == (b"stone", "text/x-wall", {"m": "n"})


@pytest.mark.timeout(400)
def test_an_object_above_5_gib_is_copied_in_parts(ours, run_ours):
    s3, bucket = ours.s3, ours.bucket
    s3.put_object(Bucket=bucket, Key="stone", Body=os.urandom(64 * MIB))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="wall", ContentType="text/x-wall", Metadata={"m": "n"})["UploadId"]
    parts = []
    for number in range(1, 82):
        source = {"Bucket": bucket, "Key": "stone"}
        part = s3.upload_part_copy(Bucket=bucket, Key="wall", UploadId=upload, PartNumber=number, CopySource=source)
        parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="wall", UploadId=upload, MultipartUpload={"Parts": parts})
    run_ours("cp", f"s3://{bucket}/wall", f"s3://{bucket}/copy")
    copy = s3.head_object(Bucket=bucket, Key="copy")
    assert (copy["ContentLength"], copy["ContentType"], copy["Metadata"]) == (81 * 64 * MIB, "text/x-wall", {"m": "n"})
    assert copy["ETag"].endswith('-11"')
    at = 5 * 1024 * MIB - 7
    ranged = [s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={at}-{at + 20}")["Body"].read() for key in ("wall", "copy")]
    assert ranged[0] == ranged[1]
    assert ours.listed() == []


def test_the_object_has_the_checksum_of_all_bytes(ours, run_ours, home):
    (home / "out").write_bytes(os.urandom(3 * PART))
    run_ours("cp", "out", f"s3://{ours.bucket}/many")
    (home / "out").write_bytes(os.urandom(100))
    run_ours("cp", "out", f"s3://{ours.bucket}/one")
    for key in ("many", "one"):
        about = ours.s3.head_object(Bucket=ours.bucket, Key=key, ChecksumMode="ENABLED")
        assert about["ChecksumCRC64NVME"] and about["ChecksumType"] == "FULL_OBJECT"


def test_names_are_kept_and_types_are_guessed(ours, run_ours, home):
    (home / "wall.jpg").write_bytes(b"1")
    run_ours("cp", "wall.jpg", f"s3://{ours.bucket}")
    run_ours("cp", "wall.jpg", f"s3://{ours.bucket}/d/")
    run_ours("cp", "wall.jpg", f"s3://{ours.bucket}/named", "--content-type", "text/x-wall")
    types = {key: ours.s3.head_object(Bucket=ours.bucket, Key=key)["ContentType"] for key in ("wall.jpg", "d/wall.jpg", "named")}
    assert types == {"wall.jpg": "image/jpeg", "d/wall.jpg": "image/jpeg", "named": "text/x-wall"}
    (home / "folder").mkdir()
    run_ours("cp", f"s3://{ours.bucket}/d/wall.jpg", "folder")
    run_ours("cp", f"s3://{ours.bucket}/d/wall.jpg", "made/on/the/way/")
    assert tree(home) == {"wall.jpg": b"1", "folder/wall.jpg": b"1", "made/on/the/way/wall.jpg": b"1"}
    modified = ours.s3.head_object(Bucket=ours.bucket, Key="d/wall.jpg")["LastModified"].timestamp()
    assert (home / "folder/wall.jpg").stat().st_mtime == modified
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((home / "folder/wall.jpg").stat().st_mode) == 0o666 & ~umask


# Folders


def test_folders_with_strange_names_go_and_come_back(endpoint, run, home):
    source = home / "source"
    # The framework under moto finds no route for a path with a line break.
    names = [name for name in STRANGE if endpoint.kind != "moto" or "\n" not in name]
    for number, name in enumerate(names):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"stone {number}".encode())
    (source / "empty").write_bytes(b"")
    run("cp", "source", f"s3://{endpoint.bucket}/tree", "--recursive")
    keys = {line["key"] for line in run("ls", f"s3://{endpoint.bucket}", "--recursive", "--json").of("object")}
    assert keys == {f"tree/{name}" for name in [*names, "empty"]}
    run("cp", f"s3://{endpoint.bucket}/tree/", f"s3://{endpoint.bucket}/again", "--recursive")
    run("cp", f"s3://{endpoint.bucket}/again", "back", "--recursive")
    assert tree(home / "back") == tree(source)
    seen = run("rm", f"s3://{endpoint.bucket}/tree", "--recursive", "--json")
    assert {line["key"] for line in seen.of("delete")} == keys
    assert run("rm", f"s3://{endpoint.bucket}/again", "--recursive").err == ""
    assert endpoint.s3.list_objects_v2(Bucket=endpoint.bucket)["KeyCount"] == 0


@pytest.mark.timeout(600)
def test_2500_files_go_are_listed_come_back_and_are_deleted(endpoint, run, home):
    source = home / "source"
    source.mkdir()
    for number in range(2_500):
        (source / f"{number:04}").write_bytes(str(number).encode())
    assert run("cp", "source", f"s3://{endpoint.bucket}/many/", "--recursive").out.count("upload: ") == 2_500
    seen = run("ls", f"s3://{endpoint.bucket}/many/", "--json", "--summarize")
    assert [line["key"] for line in seen.of("object")] == [f"many/{number:04}" for number in range(2_500)]
    assert seen.of("total") == [{"kind": "total", "objects": 2_500, "folders": 0, "bytes": 8_890}]
    run("cp", f"s3://{endpoint.bucket}/many", "back", "--recursive", "--quiet")
    assert tree(home / "back") == tree(source)
    assert run("rm", f"s3://{endpoint.bucket}/many", "--recursive", "--dryrun").out.count("(dryrun) delete: ") == 2_500
    assert run("rm", f"s3://{endpoint.bucket}/many", "--recursive").out.count("delete: ") == 2_500
    assert run("ls", f"s3://{endpoint.bucket}", "--recursive").out == ""


def test_keys_that_would_leave_the_folder_are_refused_by_name(ours, run_ours, home):
    for key in ["t/ok", "t/../evil", "t//etc/x", "t/a/../b", "t/.", "t/marker/"]:
        put(ours, key, b"" if key.endswith("marker/") else b"x")
    seen = run_ours("cp", f"s3://{ours.bucket}/t/", "in/here", "--recursive", code=3)
    assert tree(home) == {"in/here/ok": b"x"}
    assert {str(path) for path in home.parent.rglob("evil*")} == set()
    for key in ["t/../evil", "t//etc/x", "t/a/../b", "t/."]:
        assert f"s3://{ours.bucket}/{key}: not copied: " in seen.err
    assert "1 object copied, 1 B, 4 failed." in seen.err


def test_what_cannot_be_sent_is_named_and_the_rest_is_sent(ours, run_ours, home):
    source = home / "source"
    source.mkdir()
    (source / "ok").write_bytes(b"1")
    os.mkfifo(source / "pipe")
    (source / "dangling").symlink_to("nowhere")
    (source / "loop").symlink_to(".")
    (source / os.fsdecode(b"bad\xff")).write_bytes(b"1")
    seen = run_ours("cp", "source", f"s3://{ours.bucket}", "--recursive", code=3)
    assert seen.out == f"upload: source/ok to s3://{ours.bucket}/ok\n"
    for name in ("pipe", "dangling", "loop", "bad"):
        assert f"source/{name}" in seen.err, seen.err
    assert "not UTF-8" in seen.err and "4 failed" in seen.err


def test_patterns_take_in_and_leave_out(ours, run_ours, home):
    source = home / "source"
    for name in ["a.jpg", "b.txt", "d/c.jpg", "d/e.txt"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"1")
    run_ours("cp", "source", f"s3://{ours.bucket}", "--recursive", "--exclude", "*", "--include", "*.jpg")
    keys = [line["key"] for line in run_ours("ls", ours.bucket, "--recursive", "--json").of("object")]
    assert keys == ["a.jpg", "d/c.jpg"]
    run_ours("cp", f"s3://{ours.bucket}", "back", "--recursive", "--exclude", "d/*")
    assert tree(home / "back") == {"a.jpg": b"1"}


def test_a_dry_run_shows_and_does_nothing(ours, run_ours, home):
    (home / "source").mkdir()
    (home / "source/a").write_bytes(b"1")
    put(ours, "k/b")
    up = run_ours("cp", "source", f"s3://{ours.bucket}/t", "--recursive", "--dryrun")
    down = run_ours("cp", f"s3://{ours.bucket}/k/b", "b", "--dryrun", "--json")
    assert up.out == f"(dryrun) upload: source/a to s3://{ours.bucket}/t/a\n"
    shape = {"kind": "download", "from": f"s3://{ours.bucket}/k/b", "to": "b", "bytes": 1, "dryrun": True}
    assert down.lines == [shape]
    assert tree(home) == {"source/a": b"1"}
    assert [row["Key"] for row in ours.s3.list_objects_v2(Bucket=ours.bucket)["Contents"]] == ["k/b"]


def test_nothing_to_copy_is_told_by_the_exit_code(ours, run_ours, home):
    (home / "empty").mkdir()
    run_ours("cp", "empty", f"s3://{ours.bucket}", "--recursive", code=4)
    run_ours("cp", f"s3://{ours.bucket}/none", "here", "--recursive", code=4)


def test_quiet_leaves_failures(ours, run_ours, home):
    (home / "a").write_bytes(b"1")
    seen = run_ours("cp", "a", f"s3://{ours.bucket}/a", "--quiet")
    assert (seen.out, seen.err) == ("", "")
    seen = run_ours("cp", "a", "s3://no-such-bucket/a", "--quiet", code=1)
    assert seen.out == "" and "NoSuchBucket" in seen.err


def test_a_pipe_is_written_to_and_not_replaced(ours, run_ours, home):
    put(ours, "k", b"through the pipe")
    os.mkfifo(home / "pipe")
    process = run_ours.start("cp", f"s3://{ours.bucket}/k", "pipe")
    assert (home / "pipe").read_bytes() == b"through the pipe"
    assert process.wait(60) == 0
    process.communicate()
    assert stat.S_ISFIFO((home / "pipe").stat().st_mode)


def test_a_file_that_is_replaced_is_the_old_one_until_it_is_the_new_one(ours, run_ours, home):
    put(ours, "k", os.urandom(3 * PART))
    (home / "file").write_bytes(b"old")
    held = (home / "file").open("rb")
    run_ours("cp", f"s3://{ours.bucket}/k", "file")
    assert held.read() == b"old"
    assert (home / "file").read_bytes() == body_of(ours, "k")
    held.close()


# Interruptions


def feed(process, data):
    """Writes to a command's standard input and leaves it open."""
    process.stdin.write(data)
    process.stdin.flush()


def has_parts(endpoint, count=1):
    def parts(key, upload):
        return endpoint.s3.list_parts(Bucket=endpoint.bucket, Key=key, UploadId=upload).get("Parts", [])

    return any(len(parts(key, upload)) >= count for key, upload in endpoint.listed())


def ended(process):
    out, err = process.communicate(timeout=100)
    return process.returncode, (out if isinstance(out, str) else out.decode()), (err if isinstance(err, str) else err.decode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_a_stream_is_sent_leaves_no_upload(endpoint, run, number):
    process = run.start("cp", "-", f"s3://{endpoint.bucket}/half", stdin=subprocess.PIPE, text=False)
    feed(process, bytes(3 * PART))
    within(60, lambda: has_parts(endpoint))
    process.send_signal(number)
    # Standard input stays open, as a terminal's would: nobody waits for its end.
    code = process.wait(60)
    _, _, err = ended(process)
    assert code == 130, err
    assert "upload interrupted" in err and "was aborted" in err
    assert endpoint.listed() == []
    assert "Contents" not in endpoint.s3.list_objects_v2(Bucket=endpoint.bucket)


def test_ctrl_c_while_parts_of_a_file_are_under_way_leaves_no_upload(ours, run_ours, wire, home):
    (home / "big").write_bytes(bytes(6 * PART))
    wire.stall_after = MIB
    process = run_ours.start("cp", "big", f"s3://{ours.bucket}/half")
    assert wire.stalled.wait(60)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130, err
    assert "was aborted" in err
    assert ours.listed() == []


def test_ctrl_c_while_a_folder_is_copied_says_what_was_done(ours, run_ours, wire, home):
    (home / "source").mkdir()
    for name in ("a", "b", "c"):
        (home / f"source/{name}").write_bytes(bytes(2 * PART) if name != "a" else b"1")
    wire.stall_after = MIB
    process = run_ours.start("cp", "source", f"s3://{ours.bucket}", "--recursive")
    within(60, lambda: ours.s3.list_objects_v2(Bucket=ours.bucket)["KeyCount"] == 1 and len(ours.listed()) == 2)
    assert wire.stalled.wait(60)
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out) == (130, f"upload: source/a to s3://{ours.bucket}/a\n"), err
    assert err.count("was aborted") == 2 and "Interrupted: 1 object copied, 1 B" in err
    assert ours.listed() == []


def test_ctrl_c_while_a_file_is_read_leaves_no_file(ours, run_ours, wire, home):
    put(ours, "k", bytes(4 * PART))
    wire.stall_after = 10_000
    (home / "here").mkdir()
    process = run_ours.start("cp", f"s3://{ours.bucket}/k", "here/file")
    within(60, lambda: any((home / "here").iterdir()))
    wire.stall_after = 0
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130, err
    assert list((home / "here").iterdir()) == []


def test_a_second_ctrl_c_names_the_upload_that_may_be_left(ours, run_ours, wire, home):
    process = run_ours.start("cp", "-", f"s3://{ours.bucket}/half", stdin=subprocess.PIPE, text=False)
    feed(process, bytes(3 * PART))
    # A part on its way would stall too, and the second signal come before the first was taken: the two would be one.
    within(60, lambda: has_parts(ours, 3))
    # From now on no request gets through, which is the abort.
    wire.stall_after = 0
    process.send_signal(signal.SIGINT)
    assert wire.stalled.wait(60)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130, err
    [(key, upload)] = ours.listed()
    assert f"drystone uploads abort s3://{ours.bucket}/{key} --id {upload}\n" in err
    run_ours.environment["AWS_ENDPOINT_URL"] = ours.url
    run_ours("uploads", "abort", f"s3://{ours.bucket}/{key}", "--id", upload, "--yes")


def test_a_server_that_dies_is_told_of_with_the_command_that_aborts(servers, home, request):
    server: Server = servers().start()
    server.s3().create_bucket(Bucket="bucket")
    run = request.getfixturevalue("run_nowhere")
    run.environment |= {"AWS_ENDPOINT_URL": server.endpoint}
    run.environment |= dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), server.credentials, strict=True))
    process = run.start("cp", "-", "s3://bucket/it's half", stdin=subprocess.PIPE, text=False)
    feed(process, bytes(3 * PART))
    within(60, lambda: server.s3().list_multipart_uploads(Bucket="bucket").get("Uploads"))
    server.kill()
    threading.Thread(target=lambda: (feed(process, bytes(PART)), process.stdin.close()), daemon=True).start()
    assert process.wait(150) == 1
    err = process.stderr.read().decode()
    process.stdout.close()
    process.stderr.close()
    assert "could not be aborted" in err and "is the server running" in err
    [command] = re.findall(r"^  drystone (.*)$", err, re.MULTILINE)
    server.start()
    run.environment["AWS_ENDPOINT_URL"] = server.endpoint
    run(*shlex.split(command), "--yes")
    assert "Uploads" not in server.s3().list_multipart_uploads(Bucket="bucket")


def test_a_server_that_is_not_there_is_not_asked_for_every_file(run_nowhere, home):
    (home / "source").mkdir()
    for number in range(200):
        (home / f"source/{number:03}").write_bytes(b"1")
    seen = run_nowhere("cp", "source", "s3://bucket", "--recursive", code=3)
    assert 10 <= seen.err.count("upload failed: ") <= 30
    assert "the server does not answer, so no more was tried" in seen.err


def test_a_connection_that_breaks_once_is_begun_again(ours, run_ours, wire, home):
    put(ours, "k", os.urandom(3 * PART))
    wire.cut_after, wire.cuts_left = 3 * MIB, 2
    run_ours("cp", f"s3://{ours.bucket}/k", "file")
    assert wire.cuts_left <= 0
    assert (home / "file").read_bytes() == body_of(ours, "k")


def test_a_connection_that_always_breaks_leaves_no_file(ours, run_ours, wire, home):
    put(ours, "k", os.urandom(3 * PART))
    (home / "file").write_bytes(b"old")
    wire.cut_after, wire.cuts_left = 3 * MIB, 1_000
    seen = run_ours("cp", f"s3://{ours.bucket}/k", "file", code=1)
    assert "of 8388608 bytes" in seen.err
    assert tree(home) == {"file": b"old"}


def test_a_byte_that_changes_on_the_way_is_noticed(ours, run_ours, wire, home):
    run_ours.pipe("cp", "-", f"s3://{ours.bucket}/k", data=os.urandom(3 * PART))
    wire.change_at = 2 * MIB
    seen = run_ours("cp", f"s3://{ours.bucket}/k", "file", code=1)
    assert wire.changed > 0
    assert "have the checksum" in seen.err, seen.err
    assert tree(home) == {}


def test_a_file_that_changes_while_it_is_sent_is_not_stored(ours, run_ours, wire, home):
    path = home / "big"
    path.write_bytes(bytes(12 * PART))
    wire.stall_after = MIB
    process = run_ours.start("cp", "big", f"s3://{ours.bucket}/k")
    assert wire.stalled.wait(60)
    path.write_bytes(b"short")
    wire.stall_after = None
    wire.close()
    code, _, err = ended(process)
    assert code == 1
    assert ours.s3.list_objects_v2(Bucket=ours.bucket)["KeyCount"] == 0, err
    for key, upload in ours.listed():
        ours.s3.abort_multipart_upload(Bucket=ours.bucket, Key=key, UploadId=upload)


def test_a_full_disk_leaves_no_file(ours, run_ours, home):
    put(ours, "k", bytes(PART))
    (home / "here").mkdir()
    limited = f"ulimit -f 2048; exec {shlex.quote(str(BINARY))} cp s3://{ours.bucket}/k here/file"
    command = ["bash", "-c", f"trap '' XFSZ; {limited}"]
    done = subprocess.run(command, capture_output=True, text=True, env=run_ours.environment, cwd=home)
    assert done.returncode == 1 and "write here/file" in done.stderr
    assert list((home / "here").iterdir()) == []


def test_a_reader_that_goes_away_ends_the_command_quietly(ours, run_ours):
    put(ours, "k", bytes(4 * PART))
    process = run_ours.start("cp", f"s3://{ours.bucket}/k", "-", text=False)
    assert len(process.stdout.read(100)) == 100
    process.stdout.close()
    assert process.wait(60) != 0
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.timeout(300)
def test_a_long_stream_takes_bounded_memory(ours, run_ours):
    process = run_ours.start("cp", "-", f"s3://{ours.bucket}/long", stdin=subprocess.PIPE, text=False)
    block = bytes(PART)
    for _ in range(40):
        feed(process, block)
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())[1]) * 1024
    code, _, err = ended(process)
    assert code == 0, err
    # Ten parts in flight, one read ahead, one being read, what HTTP holds of each, and the program itself.
    assert peak < 240 * MIB, peak
