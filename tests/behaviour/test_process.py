"""The process: how it starts, where its credentials come from, what it says, and how it ends."""

import json
import re
import stat
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drystone import ACCESS_KEY, BINARY, MIB, SECRET_KEY, clean_environment, within
from multipart import create, pattern, put_part, read, refused, uploads
from signed import read_answer


def printed_credentials(server):
    """The key and secret that the first start prints in its `aws` commands."""
    text = server.log_text()
    access_key = re.search(r"AWS_ACCESS_KEY_ID=(\S+)", text)
    secret_key = re.search(r"AWS_SECRET_ACCESS_KEY=(\S+)", text)
    assert access_key and secret_key, text
    return access_key[1].strip("'\""), secret_key[1].strip("'\"")


def test_the_first_start_makes_credentials_and_prints_them_once(servers):
    server = servers(credentials=None).start()
    credentials = printed_credentials(server)
    assert len(credentials[1]) >= 32
    server.s3(credentials=credentials).create_bucket(Bucket="bucket")
    server.stop()
    server.log.unlink()
    server.start()
    assert credentials[1] not in server.log_text()
    server.s3(credentials=credentials).head_bucket(Bucket="bucket")


def test_two_first_starts_make_different_credentials(servers):
    one, two = servers("one", credentials=None).start(), servers("two", credentials=None).start()
    assert printed_credentials(one) != printed_credentials(two)


def test_secrets_are_for_their_owner_only(servers):
    server = servers(credentials=None).start()
    _, secret = printed_credentials(server)
    holding = [path for path in server.data.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert holding, "the secret must survive a restart"
    for path in holding:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_first_start_prints_aws_commands(servers):
    server = servers(credentials=None).start()
    lines = [line.strip() for line in server.log_text().splitlines()]
    assert len([line for line in lines if line.startswith("aws s3")]) == 3
    assert f"export AWS_ENDPOINT_URL={server.endpoint}" in lines


@pytest.mark.parametrize("prefix", [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")])
def test_names_that_other_tools_use_are_accepted_with_a_notice(servers, prefix):
    server = servers(credentials=None, environment=dict(zip(prefix, (ACCESS_KEY, SECRET_KEY), strict=True)))
    server.expect_log(prefix[0])
    server.start()
    server.s3(credentials=(ACCESS_KEY, SECRET_KEY)).create_bucket(Bucket="bucket")
    assert prefix[0] in server.log_text()


def test_credentials_may_come_from_files(servers, tmp_path):
    (tmp_path / "key").write_text(ACCESS_KEY + "\n")
    (tmp_path / "secret").write_text(SECRET_KEY + "\n")
    environment = {
        "DRYSTONE_ACCESS_KEY_ID_FILE": str(tmp_path / "key"),
        "DRYSTONE_SECRET_ACCESS_KEY_FILE": str(tmp_path / "secret"),
    }
    server = servers(credentials=None, environment=environment).start()
    server.s3(credentials=(ACCESS_KEY, SECRET_KEY)).create_bucket(Bucket="bucket")


def test_a_secret_is_never_in_the_log(server, s3, bucket, signer):
    signer.secret_key = "wrong"
    signer.request("GET", "/bucket")
    assert SECRET_KEY not in server.log_text()


def test_a_process_that_may_open_too_few_files_is_refused(servers):
    server = servers(prefix=["prlimit", "--nofile=400:400"])
    said = server.run_to_its_end()
    assert "400 files" in said and "ulimit -n" in said, said
    assert not server.data.exists(), "nothing is made for a server that cannot start"


def test_a_second_process_on_the_same_data_is_refused(servers, server, s3, bucket):
    said = refused_start(servers("second", data=server.data))
    assert str(server.data) in said and "in use" in said
    s3.put_object(Bucket=bucket, Key="key", Body=b"the first goes on")
    assert read(s3, bucket) == b"the first goes on"


def test_verify_on_data_in_use_is_refused(server, s3, bucket):
    command = [str(BINARY), "verify", "--data", str(server.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=clean_environment())
    assert done.returncode == 2 and "in use" in done.stderr


def test_the_end_waits_for_requests_in_flight(server, s3, signer, bucket):
    body = pattern(8 * MIB)
    head = {"content-length": str(len(body)), "expect": "100-continue"}
    with signer.open("PUT", "/bucket/key", headers=head) as connection:
        # It is in flight when its body is asked for; before that, a connection that says nothing is closed.
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body[:MIB])
        server.process.terminate()
        # New connections are refused from here on; the one in flight goes on.
        within(10, lambda: not accepts(server))
        connection.sendall(body[MIB:])
        assert read_answer(connection).status == 200
    server.wait()
    assert server.exit_code == 0
    server.start()
    assert read(server.s3(), bucket) == body


def accepts(server):
    try:
        server.connect().close()
        return True
    except OSError:
        return False


def test_a_restart_changes_nothing(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=pattern(MIB))
    upload = create(s3, bucket, "open")
    put_part(s3, bucket, upload, 1, b"x", key="open")
    for _ in range(3):
        server.stop()
        server.start()
    s3 = server.s3()
    assert read(s3, bucket) == pattern(MIB)
    assert uploads(s3, bucket) == [("open", upload)]


def test_buckets_may_be_made_at_the_start(servers):
    server = servers(arguments=["--bucket", "one-bucket,two-bucket"]).start()
    assert [bucket["Name"] for bucket in server.s3().list_buckets()["Buckets"]] == ["one-bucket", "two-bucket"]
    server.stop()
    server.start()
    assert len(server.s3().list_buckets()["Buckets"]) == 2


def test_memory_keeps_nothing_on_disk(servers):
    server = servers(in_memory=True).start()
    s3 = server.s3()
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=pattern(10 * MIB))
    assert read(s3, "bucket") == pattern(10 * MIB)
    upload = create(s3, "bucket", "open")
    put_part(s3, "bucket", upload, 1, b"x", key="open")
    assert [path.name for path in server.folder.iterdir()] == ["server.log"]
    server.stop()
    server.start()
    assert server.s3().list_buckets()["Buckets"] == []


def test_memory_is_ready_in_a_tenth_of_a_second(servers):
    times = []
    for number in range(5):
        server = servers(f"server-{number}", in_memory=True)
        start = time.monotonic()
        server.start()
        times.append(time.monotonic() - start)
        server.stop()
    # The best of five: the machine may be busy with other tests, the product may not.
    assert min(times) < 0.1, times


def test_a_start_on_disk_takes_less_than_a_second(servers):
    times = []
    for number in range(3):
        server = servers(f"server-{number}")
        start = time.monotonic()
        server.start()
        times.append(time.monotonic() - start)
    assert min(times) < 1, times


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/minio/health/live", "/minio/health/ready"])
def test_health_is_on_the_admin_port(server, path):
    assert server.health(path) == 200


@pytest.mark.parametrize("path", ["/minio/health/live", "/minio/health/ready", "/minio/health/cluster"])
def test_probes_of_minio_are_answered_where_minio_answers_them(server, path):
    with urllib.request.urlopen(f"{server.endpoint}{path}", timeout=5) as answer:
        assert answer.status == 200


def test_metrics_count_requests(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    status, text = server.admin("/metrics")
    assert status == 200
    counted = [line for line in text.splitlines() if line.startswith("drystone_") and "PutObject" in line]
    assert counted, text
    assert all(
        re.search(r"^# (HELP|TYPE) ", line) or re.match(r"[a-z_]+(\{.*\})? \S+$", line) for line in text.splitlines() if line
    )


def test_every_answer_carries_an_id_that_the_log_knows(servers):
    server = servers(arguments=["--log-format", "json"]).start()
    answer = server.s3().list_buckets()["ResponseMetadata"]
    assert answer["HTTPHeaders"]["x-amz-request-id"] == answer["RequestId"]
    server.stop()
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    assert any(answer["RequestId"] in json.dumps(line) for line in lines)


def test_the_log_holds_the_id_as_text_too(server, s3):
    request = s3.list_buckets()["ResponseMetadata"]["RequestId"]
    within(5, lambda: request in server.log_text())


def test_settings_come_in_layers(servers, tmp_path):
    settings = tmp_path / "drystone.toml"
    settings.write_text('region = "from-file"\nbuckets = ["file-bucket"]\n')
    as_file = servers("one", arguments=["--config", str(settings)]).start()
    assert region(as_file, "from-file") == "from-file"
    as_environment = servers("two", arguments=["--config", str(settings)], environment={"DRYSTONE_REGION": "from-env"}).start()
    assert region(as_environment, "from-env") == "from-env"
    arguments = ["--config", str(settings), "--region", "from-flag"]
    as_flag = servers("three", arguments=arguments, environment={"DRYSTONE_REGION": "from-env"}).start()
    assert region(as_flag, "from-flag") == "from-flag"


def region(server, name):
    """The region that the server says it is, asked by a client that signs for it."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=server.endpoint, region_name=name, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )
    return client.head_bucket(Bucket="file-bucket")["BucketRegion"]


def test_the_example_of_settings_is_one(servers):
    example = Path(__file__).parent.parent.parent / "examples/drystone.toml"
    servers(arguments=["--config", str(example)]).start().s3().list_buckets()


def contents(folder):
    """Every file below a folder with its bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused_start(server):
    """Starts a server that must refuse to, on any port; returns what it said."""
    server.port = server.admin_port = 0
    return server.run_to_its_end()


def test_a_newer_format_is_refused_and_never_touched(servers):
    server = servers().start()
    server.s3().create_bucket(Bucket="bucket")
    server.stop()
    marker = server.data / "FORMAT"
    genuine = marker.read_bytes()
    newer = re.sub(rb"\d+", lambda number: b"%d" % (int(number[0]) + 1), genuine, count=1)
    assert newer != genuine
    marker.write_bytes(newer)
    before = contents(server.data)
    assert str(server.data) in refused_start(server)
    assert contents(server.data) == before
    code = subprocess.run(
        [str(BINARY), "verify", "--data", str(server.data)], capture_output=True, env=clean_environment()
    ).returncode
    assert code != 0 and contents(server.data) == before
    marker.write_bytes(genuine)


def test_a_folder_of_something_else_is_refused_and_never_touched(servers):
    server = servers()
    server.data.mkdir()
    (server.data / "thesis.tex").write_text("years of work")
    assert str(server.data) in refused_start(server)
    assert contents(server.data) == {Path("thesis.tex"): b"years of work"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listen", "nowhere"],
        ["--config", "/no/such/file.toml"],
        ["--bucket", "Not A Bucket"],
        ["--tls-cert", "/no/such/file", "--tls-key", "/no/such/file"],
        ["--no-such-flag"],
    ],
)
def test_a_setting_that_is_wrong_is_named_before_data_is_touched(servers, arguments):
    server = servers(arguments=arguments)
    said = refused_start(server)
    assert arguments[0].strip("-") in said or arguments[-1] in said
    assert not server.data.exists()


def test_an_unknown_setting_in_the_file_is_named(servers, tmp_path):
    settings = tmp_path / "drystone.toml"
    settings.write_text('reggion = "us-east-1"\n')
    server = servers(arguments=["--config", str(settings)])
    assert "reggion" in refused_start(server)


def test_a_port_in_use_is_named(servers, server):
    second = servers("second")
    second.port, second.admin_port = server.port, 0
    assert str(server.port) in second.run_to_its_end()


def test_readers_and_writers_share_the_server(server, s3, bucket):
    def work(number):
        s3.put_object(Bucket=bucket, Key=f"key-{number}", Body=pattern(200_000, number))
        return read(s3, bucket, f"key-{number}") == pattern(200_000, number)

    with ThreadPoolExecutor(32) as threads:
        assert all(threads.map(work, range(200)))


def test_an_id_of_an_upload_outlives_the_server_but_not_its_bucket(server, s3, bucket):
    upload = create(s3, bucket)
    server.kill()
    server.start()
    server.s3().delete_bucket(Bucket=bucket)
    server.stop()
    server.start()
    with refused(404, "NoSuchBucket"):
        put_part(server.s3(), bucket, upload, 1, b"x")
