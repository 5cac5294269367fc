"""The AWS SDK for Rust: an upload in parts, unfinished uploads page by page, and typed refusals."""

import os

from programs import digest


def test_the_rust_sdk_uploads_leaves_lists_and_aborts(program, credentials, server, big_file):
    path = big_file(200)
    baseline = server.disk_use()
    client = program(os.environ["DRYSTONE_RUST_CLIENT"], ENDPOINT=server.endpoint, FILE=str(path), **credentials)
    seen = dict(line.split(" ", 1) for line in client().splitlines())
    assert seen == {
        "metadata": "green",
        "small": "stone",
        "big": digest(path),
        "left": "a,b,c",
        "after": "",
        "again": "true NoSuchUpload",
        "nowhere": "true",
        "head": "true",
    }
    server.assert_space_returned(baseline)
