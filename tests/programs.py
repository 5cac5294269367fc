"""Runs the command of a client, and leaves its uploads unfinished."""

import contextlib
import hashlib
import subprocess

from drystone import clean_environment, launch, within

# No single command of a client needs longer, not even the one that moves several gigabytes.
COMMAND_SECONDS = 280


class Program:
    """A client's command with the environment it needs."""

    def __init__(self, folder, arguments, environment):
        self.folder, self.arguments = folder, list(arguments)
        self.environment = clean_environment() | {"HOME": str(folder)} | environment

    def start(self, *arguments, code=0):
        """Runs it to its end and returns what it printed; its exit code must be `code`."""
        command = [*self.arguments, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, env=self.environment, cwd=self.folder
        )
        assert done.returncode == code, f"{command} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    __call__ = start

    @contextlib.contextmanager
    def running(self, *arguments):
        """Runs it in the background and kills it at the end."""
        process = launch([*self.arguments, *map(str, arguments)], self.folder / "client.log", self.environment)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def digest(path):
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def leave_unfinished(client, arguments, s3, bucket, *, parts=1, seconds=60):
    """Runs an upload until the server lists `parts` of its parts, then kills the client; returns the upload's row."""

    def listed():
        rows = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        for row in rows:
            held = s3.list_parts(Bucket=bucket, Key=row["Key"], UploadId=row["UploadId"]).get("Parts", [])
            if len(held) >= parts:
                return row
        return None

    with client.running(*arguments) as process:
        within(seconds, lambda: process.poll() is not None or listed(), lambda: (client.folder / "client.log").read_text())
        assert process.poll() is None, (
            "the upload was over before it could be left: " + (client.folder / "client.log").read_text()
        )
    row = listed()
    assert row
    # A part that was under way when the client died is dropped when the server sees the end of its connection.
    return row
