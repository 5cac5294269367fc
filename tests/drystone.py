"""Starts the built `drystone` binary for a test, and looks at what it leaves behind.

A server is started on ports of its own and in a folder of its own, and it never outlives the test process. When a
test ends, the server is stopped by SIGTERM, its log must hold no ERROR and no WARN line that the test did not
announce, and `drystone verify` must find every byte on disk owned by something.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import botocore.config

BINARY = Path(os.environ.get("DRYSTONE_BINARY", Path(__file__).parent.parent / "target/release/drystone"))

ACCESS_KEY = "DRYSTONETESTACCESSKEY"
SECRET_KEY = "a-secret-of-the-tests/with+signs"
REGION = "us-east-1"

MIB = 1024 * 1024

# A start that takes longer than this is broken: the product promises one second, a loaded machine gets more.
START_SECONDS = 20
# Long enough for requests in flight at SIGTERM to end.
STOP_SECONDS = 30
# What a server says of its ports, as text and as JSON.
LISTENING = re.compile(rb"s3\W+https?://[^:]+:(\d+)\W+admin\W+http://[^:]+:(\d+)")

# What the metadata log may keep on disk after the rows of a test are gone again: the embedded engine writes every
# change to a journal first and shortens it later, so a few hundred small records stay for a while.
METADATA_BYTES = 2 * MIB


@dataclass
class Server:
    """One data directory and the process that serves it."""

    folder: Path
    arguments: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)
    credentials: tuple | None = (ACCESS_KEY, SECRET_KEY)
    # The certificate authority to trust when the server speaks TLS.
    authority: Path | None = None
    in_memory: bool = False
    # The program that serves; `verify` is always that of the build under test.
    binary: Path = BINARY
    # Where the data is; a folder inside `folder` unless a test puts it on a file system of its own.
    data: Path | None = None
    process: subprocess.Popen | None = None
    port: int = 0
    admin_port: int = 0
    # What stands before the command: `MemoryGroup.prefix`, for one.
    prefix: list = field(default_factory=list)
    expected_log: list = field(default_factory=list)
    # Where the words of the last process begin in the log.
    log_start: int = 0
    exit_code: int | None = None

    def __post_init__(self):
        self.data = self.data or self.folder / "data"
        self.log = self.folder / "server.log"

    # Starting and stopping

    def start(self):
        """Starts the server and waits until it is ready."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"drystone ended with {self.process.returncode}\n{self.log_text()[-4000:]}")
            if self.is_ready():
                return self
            pause()
        self.kill()
        raise AssertionError(f"drystone was not ready within {START_SECONDS} s\n{self.log_text()[-4000:]}")

    def launch(self):
        """Starts the process on ports that the kernel chooses."""
        self.port, self.admin_port = 0, 0
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        self.process = self._launch(self.command())

    def is_ready(self):
        """Whether this process serves; what it says of its ports is noted."""
        if not self.port:
            # From its own words, so that no other process that has got a port meanwhile is taken for it.
            with self.log.open("rb") as log:
                log.seek(self.log_start)
                said = LISTENING.search(log.read())
            if not said:
                return False
            self.port, self.admin_port = map(int, said.groups())
        return self.health("/health/ready") == 200

    def _launch(self, command, **options):
        return launch(command, self.log, self._environment(), **options)

    def command(self):
        where = ["--memory"] if self.in_memory else ["--data", str(self.data)]
        listen = ["--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}"]
        return [*self.prefix, str(self.binary), "serve", *where, *listen, *self.arguments]

    def _environment(self):
        environment = clean_environment()
        if self.credentials:
            environment["DRYSTONE_ACCESS_KEY_ID"], environment["DRYSTONE_SECRET_ACCESS_KEY"] = self.credentials
        return environment | self.environment

    def run_to_its_end(self):
        """Starts a server that must refuse to run; returns what it said."""
        done = subprocess.run(
            self.command(), capture_output=True, text=True, timeout=30, env=self._environment(), cwd=self.folder
        )
        assert done.returncode != 0, done
        return done.stdout + done.stderr

    def stop(self):
        """Asks the server to finish and waits for its end; its exit code must be 0."""
        self.process.send_signal(signal.SIGTERM)
        self.wait()
        assert self.exit_code == 0, f"SIGTERM ended with {self.exit_code}\n{self.log_text()[-4000:]}"

    def kill(self):
        """Ends the server as a power cut would end the process."""
        self.process.kill()
        self.wait()

    def wait(self):
        """Waits until the process has ended."""
        try:
            self.exit_code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end\n{self.log_text()[-4000:]}") from None

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    # What the server says

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def expect_log(self, pattern):
        """Announces a WARN or ERROR line that the test provokes."""
        self.expected_log.append(re.compile(pattern))

    def unexpected_log_lines(self):
        """The WARN and ERROR lines, and panics, that nobody announced."""
        lines = [line for line in self.log_text().splitlines() if is_alarming(line)]
        return [line for line in lines if not any(pattern.search(line) for pattern in self.expected_log)]

    def health(self, path):
        """The status of a GET on the admin port; None while nobody listens."""
        try:
            return self.admin(path)[0]
        except OSError:
            return None

    def admin(self, path):
        """The status and text of a GET on the admin port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    # Talking to it

    @property
    def endpoint(self):
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    def s3(self, *, addressing="path", credentials=None, **options):
        """A boto3 client that never retries, so that a test sees the first answer."""
        access_key, secret_key = credentials or self.credentials
        options.setdefault("retries", {"total_max_attempts": 1})
        options.setdefault("max_pool_connections", 32)
        config = botocore.config.Config(signature_version="s3v4", s3={"addressing_style": addressing}, read_timeout=60, **options)
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=config,
            verify=str(self.authority) if self.authority else None,
        )

    def connect(self, narrow=False):
        """A plain TCP connection to the S3 port; of a `narrow` one both kernels keep a few kilobytes, not megabytes."""
        connection = socket.socket()
        connection.settimeout(30)
        if narrow:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        connection.connect(("127.0.0.1", self.port))
        return connection

    # What it leaves behind

    def disk_use(self):
        """Bytes that the file system has given to the data directory."""
        total = 0
        for parent, _, names in os.walk(self.data):
            for name in names:
                # Files come and go while the server works.
                with contextlib.suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(parent, name)).st_blocks * 512
        return total

    def assert_space_returned(self, baseline, *, seconds=1.0, tolerance=METADATA_BYTES):
        """The file system has its bytes back within `seconds`."""
        within(
            seconds,
            lambda: self.disk_use() <= baseline + tolerance,
            lambda: f"{self.disk_use() - baseline} bytes more on disk than before",
        )

    def resident_bytes_peak(self):
        """The most memory that the process has held so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def verify(self):
        """Runs `drystone verify` on the stopped server's data; returns its exit code and report."""
        command = [str(BINARY), "verify", "--data", str(self.data), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean_environment(), check=False)
        try:
            return done.returncode, json.loads(done.stdout)
        except json.JSONDecodeError:
            raise AssertionError(f"verify printed no JSON: {done.stdout}{done.stderr}") from None

    def finish(self):
        """What every test ends with: a clean stop, a quiet log, and a verified data directory."""
        if self.is_running:
            self.stop()
        lines = self.unexpected_log_lines()
        assert not lines, "the server's log holds lines that the test did not announce:\n" + "\n".join(lines)
        if self.in_memory or not self.data.exists():
            return None
        code, report = self.verify()
        assert code == 0 and report["orphaned_bytes"] == 0 and report["problems"] == [], report
        return report


def launch(command, log, environment, **options):
    """Starts a command whose output goes to `log`, and which the kernel kills when this process ends."""
    command = ["setpriv", "--pdeathsig", "KILL", *command]
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=log.parent, **options
        )


def clean_environment():
    """This process's environment without what would configure a server or a client."""
    unwanted = re.compile(r"^(AWS_|DRYSTONE_|MINIO_|RCLONE_|RESTIC_|https?_proxy|all_proxy)", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not unwanted.match(name)}


def is_alarming(line):
    """Whether a log line, text or JSON, is a warning, an error or a panic."""
    return bool(re.search(r'^\W*\S*\s+(ERROR|WARN)\b|"level":"(ERROR|WARN)"|panicked at', line))


def pause():
    """The step of a poll."""
    threading.Event().wait(0.005)


def within(seconds, condition, complaint=lambda: "it did not happen"):
    """Polls until `condition()` holds, at most `seconds` long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            # The last look comes after the deadline, so that a slow machine is not blamed for one slow poll.
            assert condition(), f"not within {seconds} s: {complaint()}"
            return
        pause()
