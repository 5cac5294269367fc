"""The AWS SDK for Java v1: the program that AWS's developer guide shows, with its own text, and the transfer manager.

The SDK finds its endpoint by region. A regions file of the test's own sends one region to the server, so nothing in
the programs has to be changed for it; the rest is TLS with an authority of the test's own.
"""

import datetime
import os
import subprocess
from pathlib import Path

import pytest

from drystone import ACCESS_KEY, MIB, REGION, SECRET_KEY
from multipart import create, pattern, put_part, uploads
from programs import digest

SOURCES = Path(__file__).parent / "java"
BUCKET = "bucket"
PASSWORD = "changeit"


@pytest.fixture
def server(servers, certificates):
    """A server that speaks TLS, as the SDK wants of its default endpoints."""
    server = servers(authority=certificates.authority, arguments=certificates.arguments).start()
    server.s3().create_bucket(Bucket=BUCKET)
    return server


@pytest.fixture
def java(program, server, certificates, tmp_path):
    """Compiles one of the programs and runs it against the server."""
    store = tmp_path / "trust.p12"
    subprocess.run(
        [
            "keytool",
            "-importcert",
            "-noprompt",
            "-alias",
            "authority",
            "-file",
            str(certificates.authority),
            "-keystore",
            str(store),
            "-storetype",
            "PKCS12",
            "-storepass",
            PASSWORD,
        ],
        check=True,
        capture_output=True,
    )
    regions = tmp_path / "regions.xml"
    regions.write_text(
        f"<XML><Regions><Region><Name>{REGION}</Name><Endpoint><ServiceName>s3</ServiceName><Http>false</Http><Https>true</Https>"
        f"<Hostname>127.0.0.1:{server.port}</Hostname></Endpoint></Region></Regions></XML>"
    )
    profiles = tmp_path / "credentials"
    profiles.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
    classes = tmp_path / "classes"
    sdk = os.environ["DRYSTONE_JAVA_SDK"]

    def run(name, *arguments, source=None):
        path = SOURCES / f"{name}.java"
        if source:
            path = tmp_path / f"{name}.java"
            path.write_text(source)
        subprocess.run(["javac", "-d", str(classes), "-cp", sdk, str(path)], check=True, capture_output=True)
        options = [
            f"-Djavax.net.ssl.trustStore={store}",
            f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
            f"-Dcom.amazonaws.regions.RegionUtils.fileOverride={regions}",
            "-Xmx512m",
            "-cp",
            f"{classes}:{sdk}",
        ]
        return program("java", *options, AWS_CREDENTIAL_PROFILES_FILE=str(profiles))(name, *arguments)

    return run


def test_the_program_of_the_developer_guide_prints_what_its_page_promises(java, server):
    s3 = server.s3()
    baseline = server.disk_use()
    ids = [create(s3, BUCKET, key) for key in ("first", "second", "second")]
    for key, upload in zip(("first", "second", "second"), ids, strict=True):
        put_part(s3, BUCKET, upload, 1, pattern(20 * MIB), key=key)
    source = (SOURCES / "LowLevelAbortMultipartUpload.java").read_text()
    filled = source.replace("*** Client region ***", REGION).replace("*** Bucket name ***", BUCKET)
    assert filled.count("***") == 0
    printed = java("LowLevelAbortMultipartUpload", source=filled).splitlines()
    expected = ["Before deletions, 3 multipart uploads in progress."]
    for key, upload in zip(("first", "second", "second"), ids, strict=True):
        expected += [f'Upload {what}: Key = "{key}", id = {upload}' for what in ("in progress", "deleted")]
    expected += ["After aborting uploads, 0 multipart uploads in progress."]
    assert printed == expected
    assert uploads(s3, BUCKET) == []
    server.assert_space_returned(baseline)


def test_the_transfer_manager_aborts_what_is_older_than_a_time(java, server):
    s3 = server.s3()
    baseline = server.disk_use()
    for key in ("a", "b"):
        put_part(s3, BUCKET, create(s3, BUCKET, key), 1, pattern(10 * MIB), key=key)
    [*_, last] = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    cut = last["Initiated"] + datetime.timedelta(milliseconds=1)
    # The first upload that the clock puts after the cut stays; the ones before it are too old as well.
    for number in range(900):
        create(s3, BUCKET, f"newer-{number:03}")
        newer = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"][-1]
        if newer["Initiated"] >= cut:
            break
    milliseconds = round(cut.timestamp() * 1000)
    printed = java("AbortUploadsBefore", REGION, BUCKET, str(milliseconds)).splitlines()
    assert printed == [f"left {newer['Key']}"]
    assert [key for key, _ in uploads(s3, BUCKET)] == [newer["Key"]]
    server.assert_space_returned(baseline)


def test_the_transfer_manager_uploads_copies_and_downloads_in_parts(java, server, big_file, tmp_path):
    path = big_file(200)
    baseline = server.disk_use()
    printed = java("Transfer", REGION, BUCKET, path, tmp_path / "back")
    assert printed.strip().endswith("-25"), printed
    assert digest(tmp_path / "back") == digest(path)
    server.assert_space_returned(baseline)
