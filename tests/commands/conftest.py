"""The servers that the client commands are run against, Drystone and others, and the commands themselves."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.config
import pytest

from drystone import ACCESS_KEY, BINARY, REGION, SECRET_KEY, clean_environment, launch, within

# No single command needs longer, not even the one that looks at thousands of uploads.
COMMAND_SECONDS = 150

# The form of keys that Garage accepts.
GARAGE_KEY, GARAGE_SECRET = "GK" + "0123456789ab" * 2, "0123456789abcdef" * 4

KINDS = ["drystone", "moto", "garage"]


@dataclass
class Endpoint:
    """A server that speaks S3, and a bucket of the test's own on it."""

    kind: str
    url: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    bucket: str = ""

    @property
    def s3(self):
        config = botocore.config.Config(
            signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=32, retries={"total_max_attempts": 3}
        )
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=config,
        )

    @property
    def environment(self):
        """What the AWS CLI would read."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def is_drystone(self):
        return self.kind == "drystone"

    def start_uploads(self, keys, *, parts=0, size=0):
        """Starts an upload for each key and gives it parts; returns the (key, id) pairs."""
        s3 = self.s3

        def start(key):
            upload = s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
            for number in range(1, parts + 1):
                s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=b"x" * size)
            return key, upload

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(start, keys))

    def listed(self):
        """The (key, id) pairs that boto3's own pages show."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket)
        return [(row["Key"], row["UploadId"]) for page in pages for row in page.get("Uploads", [])]


@dataclass
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        """The JSON objects on standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, kind):
        """The JSON objects of one kind."""
        return [line for line in self.lines if line["kind"] == kind]


class Commands:
    """Runs `drystone` with the environment of one server."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = clean_environment() | {"HOME": str(folder), "RUST_BACKTRACE": "0"} | environment

    def __call__(self, *arguments, code=0, **environment):
        command = [str(BINARY), *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=self.environment | environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
        )
        said = f"{command} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert code is None or done.returncode == code, said
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments, **options):
        """Starts a command whose output can be read while it runs."""
        options = {"stdin": subprocess.DEVNULL, "text": True} | options
        return subprocess.Popen(
            [str(BINARY), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            cwd=self.folder,
            **options,
        )

    def pipe(self, *arguments, data=b"", code=0):
        """Gives a command bytes on its standard input; returns those on its standard output."""
        process = self.start(*arguments, stdin=subprocess.PIPE, text=False)
        out, err = process.communicate(data, COMMAND_SECONDS)
        assert process.returncode == code, f"{arguments} ended with {process.returncode}\n{err.decode()[-3000:]}"
        return out


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(command, folder, port, **environment):
    """A foreign server in a folder of its own, until it is no longer needed."""
    log = folder / "server.log"
    process = launch([str(word) for word in command], log, clean_environment() | environment)

    def answers():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        within(60, lambda: process.poll() is not None or answers(), lambda: log.read_text()[-2000:])
        assert process.poll() is None, log.read_text()[-4000:]
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    """moto, the mock of AWS that most Python projects test with."""
    folder, port = tmp_path_factory.mktemp("moto"), free_port()
    program = Path(sys.executable).parent / "moto_server"
    with serving([program, "-H", "127.0.0.1", "-p", port], folder, port):
        yield Endpoint("moto", f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def garage(tmp_path_factory):
    """Garage, another S3 server that keeps what it is given."""
    folder, port, rpc = tmp_path_factory.mktemp("garage"), free_port(), free_port()
    config = folder / "garage.toml"
    config.write_text(f"""
metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{"ab" * 32}"
[s3_api]
s3_region = "{REGION}"
api_bind_addr = "127.0.0.1:{port}"
root_domain = ".s3.garage.test"
""")
    keys = {"GARAGE_DEFAULT_ACCESS_KEY": GARAGE_KEY, "GARAGE_DEFAULT_SECRET_KEY": GARAGE_SECRET}
    program = [os.environ["DRYSTONE_GARAGE"], "-c", config]
    with serving([*program, "server", "--single-node", "--default-access-key"], folder, port, RUST_LOG="warn", **keys):

        def allowed():
            done = subprocess.run([*program, "key", "allow", "--create-bucket", GARAGE_KEY], capture_output=True, timeout=30)
            return done.returncode == 0

        within(60, allowed, lambda: (folder / "server.log").read_text()[-2000:])
        yield Endpoint("garage", f"http://127.0.0.1:{port}", GARAGE_KEY, GARAGE_SECRET)


def endpoint_of(kind, request):
    """A server of this kind, with a bucket of the test's own."""
    if kind == "drystone":
        server = request.getfixturevalue("server")
        endpoint = Endpoint("drystone", server.endpoint)
    else:
        endpoint = Endpoint(**vars(request.getfixturevalue(kind)))
    endpoint.bucket = f"b-{uuid.uuid4().hex[:12]}"
    endpoint.s3.create_bucket(Bucket=endpoint.bucket)
    return endpoint


@pytest.fixture(params=KINDS)
def endpoint(request):
    """Each server in turn."""
    return endpoint_of(request.param, request)


@pytest.fixture
def ours(request):
    """Drystone."""
    return endpoint_of("drystone", request)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def run(endpoint, home):
    """Runs commands against the server of the test."""
    return Commands(home, endpoint.environment)


@pytest.fixture
def run_ours(ours, home):
    """Runs commands against Drystone."""
    return Commands(home, ours.environment)


@pytest.fixture
def run_nowhere(home):
    """Runs commands that must not get as far as a server: nobody listens where they are told to go."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
    return Commands(home, keys | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": REGION})
