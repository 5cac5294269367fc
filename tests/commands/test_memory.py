"""A listing needs as much memory for a million uploads as for a few thousand."""

import os
import re
import subprocess
import urllib.parse
from pathlib import Path

import pytest

from drystone import BINARY
from proxy import proxy

# A page of 1,000 uploads is some 400 KB of XML, of which the command holds a few copies.
PEAK_MIB_MAX = 96

# 10^6 uploads take minutes in a build that is not optimised, so usually it is a tenth of them.
PAGES = 1_000 if os.environ.get("DRYSTONE_LONG") else 100

NAMESPACES = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/" xmlns:d="urn:drystone:s3"'


def page(number):
    """One page of a bucket that holds `PAGES` of them."""
    rows = "".join(
        f"<Upload><Key>logs/{number:04}/{row:04}</Key><UploadId>{number:04}{row:04}</UploadId>"
        "<Initiator><ID>somebody</ID></Initiator><Initiated>2026-01-01T00:00:00.000Z</Initiated>"
        "<d:Parts>2</d:Parts><d:Bytes>10485760</d:Bytes><d:LastActivity>2026-01-01T00:00:00.000Z</d:LastActivity></Upload>"
        for row in range(1_000)
    )
    more = number + 1 < PAGES
    markers = f"<NextKeyMarker>logs/{number:04}/0999</NextKeyMarker><NextUploadIdMarker>{number:04}0999</NextUploadIdMarker>"
    head = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{markers if more else ''}"
    return f"<ListMultipartUploadsResult {NAMESPACES}><Bucket>b</Bucket>{head}{rows}</ListMultipartUploadsResult>".encode()


@pytest.mark.timeout(1_200)
def test_a_million_uploads_are_listed_in_bounded_memory(run_nowhere, home):
    asked, started, peaks = [], [], []

    def change(_, path, __):
        # While it waits for this page. What the kernel says at the end counts the process that started it as well.
        peaks.extend(map(peak_mib, started))
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        marker = query.get("key-marker", ["logs/-001/"])[0]
        asked.append(int(marker.split("/")[1]) + 1)
        return 200, page(asked[-1])

    with proxy("http://127.0.0.1:9", change) as url, (home / "rows").open("wb") as rows:
        environment = run_nowhere.environment | {"AWS_ENDPOINT_URL": url}
        with subprocess.Popen([BINARY, "uploads", "ls", "bucket", "--json"], stdout=rows, env=environment) as process:
            started.append(process.pid)
    assert process.returncode == 0 and asked == list(range(PAGES))
    with (home / "rows").open() as rows:
        assert sum(1 for _ in rows) == PAGES * 1_000 + 1
    assert len(peaks) > PAGES // 2 and 5 < max(peaks) < PEAK_MIB_MAX, peaks
    print(f"{PAGES * 1_000} uploads: a peak of {max(peaks)} MiB")


def peak_mib(pid):
    """The most memory that a process has held."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) // 1024
