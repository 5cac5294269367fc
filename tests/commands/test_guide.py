"""The clean-up in docs/guides/unfinished-uploads.md works as it stands there."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from conftest import Commands, endpoint_of
from drystone import BINARY, MIB
from multipart import pattern

GUIDE = Path(__file__).parent.parent.parent / "docs/guides/unfinished-uploads.md"

PART = 5 * MIB


def blocks():
    """The fenced blocks under a `test` comment, by its name."""
    return dict(re.findall(r"^<!-- test: (\w+) -->\n```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture
def follow(request, home):
    """Makes readers of the guide, who run its blocks against a server with a bucket `photos` on it."""

    def reader(kind):
        endpoint = endpoint_of(kind, request)
        endpoint.bucket = "photos"
        endpoint.s3.create_bucket(Bucket="photos")
        environment = Commands(home, endpoint.environment).environment
        environment["PATH"] = f"{home}/bin:{environment['PATH']}"
        (home / "bin").mkdir(exist_ok=True)
        (home / "bin/drystone").symlink_to(BINARY)

        def run(name):
            done = subprocess.run(
                ["sh", "-eux", "-c", blocks()[name]], cwd=home, env=environment, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, f"{name}\n{done.stdout}\n{done.stderr}"
            return done.stdout

        return endpoint, run

    return reader


def test_every_block_of_the_guide_is_run():
    assert list(blocks()) == ["see", "json", "resume", "plan", "abort", "prove", "rule", "remove", "drystone"]
    commands = re.findall(r"^drystone .*$", GUIDE.read_text(), re.MULTILINE)
    run = "".join(blocks().values())
    assert [command for command in commands if command not in run] == ["drystone uploads abort photos/2026/wall.jpg --id ID"]


def test_the_clean_up_cleans_up(follow, home):
    # Every upload of moto's was started in 2010, so it has old ones at once.
    endpoint, run = follow("moto")
    endpoint.start_uploads(["2025/a.jpg", "2026/b.jpg"], parts=2, size=2048)
    body = pattern(PART) + pattern(MIB, 1)
    (home / "wall.jpg").write_bytes(body)
    [(key, upload)] = endpoint.start_uploads(["2026/wall.jpg"])
    endpoint.s3.upload_part(Bucket="photos", Key=key, UploadId=upload, PartNumber=1, Body=body[:PART])

    assert {"photos/2025/a.jpg", "photos/2026/b.jpg", "photos/2026/wall.jpg"} <= set(run("see").replace("\n", "\t").split("\t"))
    run("json")
    assert [line["kind"] for line in map(json.loads, (home / "uploads.json").read_text().splitlines())] == ["upload"] * 3 + [
        "total"
    ]
    run("resume")
    assert endpoint.s3.get_object(Bucket="photos", Key=key)["Body"].read() == body
    assert "photos/2025/a.jpg" in run("plan") and len(endpoint.listed()) == 2
    run("abort")
    assert json.loads((home / "clean-up.json").read_text())["aborted"] == {"uploads": 2, "parts": 4, "bytes": 8192}
    assert run("prove") == "" and endpoint.listed() == []
    assert "7 days after its start" in run("rule")
    run("remove")


def test_what_drystone_adds_is_there(follow):
    endpoint, run = follow("drystone")
    endpoint.start_uploads(["a.jpg"])
    shown = run("drystone")
    assert "24 hours after its last part" in shown
    assert re.search(r"photos/a\.jpg\t.*\tabort-unfinished-uploads on \d{4}-", shown)
