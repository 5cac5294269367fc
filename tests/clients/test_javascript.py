"""The AWS SDK for JavaScript v3: client-s3, and lib-storage's Upload with its abort."""

import hashlib
import json
import os
from pathlib import Path

from programs import digest


def test_the_javascript_sdk_uploads_leaves_lists_and_aborts(program, credentials, server, big_file):
    path = big_file(200)
    baseline = server.disk_use()
    script = Path(__file__).parent / "js/client.mjs"
    node = program(
        "node", DRYSTONE_NODE_MODULES=os.environ["DRYSTONE_NODE_MODULES"], ENDPOINT=server.endpoint, FILE=str(path), **credentials
    )
    seen = json.loads(node(script))
    assert seen == {
        "small": hashlib.sha256(b"stone").hexdigest(),
        "metadata": {"moss": "green"},
        "big": digest(path),
        "aborted": "AbortError",
        "half": "NotFound",
        "uploadsAfterTransfer": [],
        "left": ["a", "b", "c"],
        "parts": [[1, 6 * 1024 * 1024]],
        "leftAfterAbort": [],
        "secondAbort": "NoSuchUpload",
    }
    server.assert_space_returned(baseline)
