"""Fixtures that every suite shares: a server of the test's own, a client, a bucket."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from drystone import Server
from signed import Signer


@pytest.fixture
def servers(tmp_path, request):
    """Makes servers; each of them is finished (stopped, log read, data verified) when the test ends."""
    made = []

    def make(name="server", **options):
        folder = tmp_path / name
        folder.mkdir()
        made.append(Server(folder, **options))
        return made[-1]

    yield make
    failed = getattr(request.node, "failed", False)
    try:
        for server in made:
            if server.process is None:
                continue
            if failed:
                print(f"--- the end of {server.log.name}\n{server.log_text()[-6000:]}")
            server.finish()
    finally:
        for server in made:
            if server.is_running:
                server.kill()
            # pytest keeps folders until its last test has run: hundreds of servers would fill a disk.
            shutil.rmtree(server.data, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Notes on the test that it failed, for the fixture that shows the log."""
    report = yield
    if report.when == "call":
        item.failed = report.failed
    return report


@pytest.fixture
def server(servers):
    """A running server with an empty data directory."""
    return servers().start()


@pytest.fixture
def s3(server):
    """A boto3 client of it."""
    return server.s3()


@pytest.fixture
def bucket(s3):
    """An empty bucket."""
    s3.create_bucket(Bucket="bucket")
    return "bucket"


@pytest.fixture
def signer(server):
    """A maker of requests that are signed by hand."""
    return Signer(server)


@dataclass
class Certificates:
    """A certificate authority of the test's own, and a certificate that it gave to 127.0.0.1."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def arguments(self):
        return ["--tls-cert", str(self.certificate), "--tls-key", str(self.key)]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Made once for all tests of a worker."""
    folder = tmp_path_factory.mktemp("tls")
    names = folder / "names"
    names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for command in (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=drystone-test-authority "
        "-addext basicConstraints=critical,CA:TRUE -keyout authority.key -out authority.pem",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile names -out server.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
