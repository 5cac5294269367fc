"""The help pages, and the shapes of what is printed as JSON, are as they were last agreed on.

A change of them is a change of what people and scripts rely on. When it is meant, run these tests once with
DRYSTONE_WRITE_SNAPSHOTS=1, and read what changed in `snapshots/` before it lands.
"""

import json
import os
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).parent / "snapshots"

PAGES = [
    "",
    "uploads",
    "uploads ls",
    "uploads abort",
    "uploads resume",
    "uploads rule",
    "uploads rule show",
    "uploads rule set",
    "uploads rule preview",
    "uploads rule remove",
    "ls",
    "mb",
    "rb",
    "cp",
    "rm",
    "cat",
]


def agreed(name, text):
    """Compares with the snapshot of this name."""
    path = SNAPSHOTS / name
    if os.environ.get("DRYSTONE_WRITE_SNAPSHOTS"):
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} is not what was agreed on"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.replace(" ", "-") or "drystone")
def test_help_pages_are_as_agreed(run_nowhere, page):
    seen = run_nowhere(*page.split(), "--help", COLUMNS="100")
    agreed(f"help-{page.replace(' ', '-') or 'drystone'}.txt", seen.out)


def shape(value):
    """A JSON value with its members' types in the place of their values."""
    if isinstance(value, dict):
        return {name: value[name] if name == "kind" else shape(value[name]) for name in value}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def shapes(lines):
    """The shapes of JSON lines, each once."""
    texts = [json.dumps(shape(line), indent=2) for line in lines]
    return "\n".join(dict.fromkeys(texts)) + "\n"


def test_json_shapes_are_as_agreed(endpoint, run, home):
    endpoint.start_uploads(["a"], parts=1, size=10)
    if not endpoint.is_drystone():
        # What is printed does not depend on the server, but for what a server does not tell.
        names = list(run("uploads", "ls", endpoint.bucket, "--json").lines[0])
        assert names == list(json.loads((SNAPSHOTS / "json-ls.txt").read_text().split("\n{")[0]))
        return
    run("uploads", "rule", "set", endpoint.bucket, "--after", "7d")
    agreed("json-ls.txt", shapes(run("uploads", "ls", endpoint.bucket, "--json").lines))
    agreed("json-rule-show.txt", shapes(run("uploads", "rule", "show", endpoint.bucket, "--json").lines))
    agreed("json-dry-run.txt", shapes(run("uploads", "abort", endpoint.bucket, "--all", "--dry-run", "--json").lines))
    [(key, upload)] = endpoint.listed()
    one = run("uploads", "abort", f"{endpoint.bucket}/{key}", "--id", upload, "--yes", "--json", "--receipt", "one.json")
    agreed("json-abort.txt", shapes(one.lines))
    agreed("json-receipt-of-requests.txt", shapes([json.loads((home / "one.json").read_text())]))
    endpoint.start_uploads(["a"], parts=1, size=10)
    run("uploads", "abort", endpoint.bucket, "--all", "--yes", "--receipt", "job.json")
    agreed("json-receipt-of-a-job.txt", shapes([json.loads((home / "job.json").read_text())]))
    (home / "file").write_bytes(b"x")
    endpoint.start_uploads(["file"])
    agreed("json-resume.txt", shapes(run("uploads", "resume", "file", f"{endpoint.bucket}/file", "--json").lines))


def test_json_shapes_of_objects_are_as_agreed(ours, run_ours, home):
    (home / "file").write_bytes(b"x")
    key = f"s3://{ours.bucket}/d/file"
    agreed("json-cp.txt", shapes(run_ours("cp", "file", key, "--json").lines))
    agreed("json-ls-buckets.txt", shapes(run_ours("ls", "--json").lines))
    agreed("json-ls-objects.txt", shapes(run_ours("ls", ours.bucket, "--recursive", "--summarize", "--json").lines))
    agreed("json-ls-folders.txt", shapes(run_ours("ls", ours.bucket, "--json").lines))
    agreed("json-rm.txt", shapes(run_ours("rm", key, "--json").lines))
    agreed("json-rb.txt", shapes(run_ours("rb", ours.bucket, "--json").lines))
    agreed("json-mb.txt", shapes(run_ours("mb", ours.bucket, "--json").lines))
