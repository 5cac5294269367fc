"""What the README tells a newcomer to type works as it stands there."""

import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from drystone import BINARY, clean_environment, launch, within

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"

# The addresses of a server that was given none.
S3_PORT, ADMIN_PORT = 9000, 9001


def blocks(text):
    """The fenced blocks under a `test` comment, by its name."""
    return dict(re.findall(r"^<!-- test: (\w+) -->\n```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def test_blocks_are_found_by_their_comment():
    text = "a\n```sh\nno\n```\n<!-- test: one -->\n```sh\nyes\n```\n<!-- test: two -->\n```sh\nand\nyes\n```\n"
    assert blocks(text) == {"one": "yes\n", "two": "and\nyes\n"}


def test_the_first_commands_are_the_two_that_newcomers_need():
    [first, *_] = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert first.splitlines() == ["cargo run --release -- serve", "cargo xtask test"]


@pytest.fixture
def newcomer(tmp_path):
    """A folder with the README, and a `cargo` whose `run --release` is the binary that is built already."""
    folder, tools = tmp_path / "newcomer", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    shutil.copy(README, folder)
    cargo = tools / "cargo"
    cargo.write_text(f'#!/bin/sh\nset -e\n[ "$1 $2 $3" = "run --release --" ]\nshift 3\nexec "{BINARY}" "$@"\n')
    cargo.chmod(0o755)
    environment = clean_environment() | {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}
    environment["PATH"] = f"{tools}:{environment['PATH']}"

    def run(commands, **more):
        done = subprocess.run(
            ["sh", "-eux", "-c", commands], cwd=folder, env=environment | more, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"

    run.folder, run.environment = folder, environment
    return run


def test_the_commands_of_the_readme_work_as_they_stand_there(newcomer):
    for port in (S3_PORT, ADMIN_PORT):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                pytest.skip(f"port {port} is in use on this machine")
    commands = blocks(README.read_text())
    log = newcomer.folder / "server.log"
    server = launch(["sh", "-c", "exec cargo run --release -- serve"], log, newcomer.environment)
    try:
        within(10, lambda: server.poll() is not None or "AWS_ENDPOINT_URL" in log.read_text(), log.read_text)
        assert server.poll() is None, log.read_text()
        newcomer(commands["readme"], **dict(re.findall(r"export (AWS_\w+)=(\S+)", log.read_text())))
        assert (newcomer.folder / "drystone-data").is_dir()
    finally:
        # Ctrl-C, as the README says.
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    newcomer(commands["verify"])
