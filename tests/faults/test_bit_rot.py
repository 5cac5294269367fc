"""Bit rot: a flipped byte in each class of file, a truncated, a missing, and a swapped one.

`drystone verify` finds it. A server that starts at all answers each read with the right bytes, with an error, or with a body
that ends early: never with other bytes, and never as if an object had not been there.
"""

import hashlib
import os
import random
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from client import LOST, Refused, connected
from drystone import BINARY, START_SECONDS, Server, within
from operations import OPERATIONS, prepare
from tally import LONG

# Bytes flipped in each file, files taken of each class, and seeds.
FLIPS, FILES = (120, 6) if LONG else (5, 2)

# Files that may change without harm: they hold no information, or only save time.
HARMLESS = {"LOCK", "ballast"}
BLOCK = 4096


@dataclass(frozen=True)
class Damage:
    """One thing that happened to one file."""

    path: str
    what: str
    at: int = 0

    def __str__(self):
        return f"{self.what} {self.path}" + (f" at {self.at}" if self.at else "")

    def do(self, data):
        file = data / self.path
        if self.what == "flip":
            with file.open("r+b") as opened:
                opened.seek(self.at)
                byte = opened.read(1)[0]
                opened.seek(self.at)
                opened.write(bytes([byte ^ (1 << self.at % 8)]))
        elif self.what == "truncate":
            os.truncate(file, self.at)
        elif self.what == "remove":
            file.unlink()
        else:
            other = data / self.what.removeprefix("swap with ")
            file.rename(data / "between")
            other.rename(file)
            (data / "between").rename(other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data directory with every class of file, stopped in order, and what it shows."""
    folder = tmp_path_factory.mktemp("whole")
    server = Server(folder).start()
    with connected(server) as client:
        prepare(client)
        OPERATIONS["write metadata to tables"].run(client, [])
        client.put("alpha", "last", b"the last row of the journal")
        view = client.look()
    server.finish()
    yield server.data, view
    shutil.rmtree(folder)


def class_of(path):
    return re.sub(r"[0-9a-f]{16}|\d+", "*", path)


def damages(data, chance):
    """What is tried: some of each for some files of each class."""
    classes = {}
    for parent, _, names in os.walk(data):
        for name in names:
            path = str((Path(parent) / name).relative_to(data))
            classes.setdefault(class_of(path), []).append(path)
    for paths in classes.values():
        paths.sort(key=lambda path: (data / path).stat().st_blocks)
        for path in paths[-FILES:]:
            yield Damage(path, "remove")
            places = written(data / path)
            size = sum(end - start for start, end in places)
            for _ in range(FLIPS if size else 0):
                yield Damage(path, "flip", place(places, chance.randrange(size)))
            if size:
                yield Damage(path, "truncate", 0)
                yield Damage(path, "truncate", place(places, chance.randrange(size)))
        if len(paths) > 1:
            yield Damage(paths[-1], f"swap with {paths[-2]}")


def written(file):
    """The ranges of a file that hold bytes."""
    ranges, at = [], 0
    with file.open("rb") as opened:
        while True:
            try:
                start = os.lseek(opened.fileno(), at, os.SEEK_DATA)
            except OSError:
                return ranges
            at = os.lseek(opened.fileno(), start, os.SEEK_HOLE)
            ranges.append((start, at))


def place(ranges, nth):
    """The offset of the nth byte of these ranges."""
    for start, end in ranges:
        if nth < end - start:
            return start + nth
        nth -= end - start
    raise AssertionError("there are not so many bytes")


def is_harmless(data, damage):
    """Whether nothing can find it, and nothing has to."""
    if damage.path in HARMLESS or damage == Damage("root.toml", "remove"):
        # Without its root file a server makes another root account, as at its first start.
        return True
    if damage.what != "flip" or not damage.path.startswith("volumes/"):
        return False
    # Behind the last byte of an extent there are zeros up to the next block.
    with (data / damage.path).open("rb") as file:
        file.seek(damage.at)
        return not any(file.read(BLOCK - damage.at % BLOCK))


def try_to_read(server, view):
    """Reads everything that there was; says what was answered wrongly."""
    wrong = ""
    with connected(server) as client:
        for kind, bucket, *rest in view:
            if kind != "object":
                continue
            try:
                body = client.get(bucket, rest[0]).body
            except Refused as refusal:
                if refusal.answer.status < 500:
                    wrong += f"; {rest[0]} is answered with {refusal.answer.status} {refusal.answer.code}"
            except LOST:
                # The body ended early, on purpose.
                pass
            else:
                if hashlib.sha256(body).hexdigest() != view[kind, bucket, rest[0]][1]:
                    wrong += f"; {rest[0]} has other bytes"
        try:
            missing = {item[2] for item in view if item[:2] == ("object", "alpha")} - set(client.keys("alpha"))
            wrong += f"; the listing lacks {missing}" if missing else ""
        except (Refused, *LOST):
            pass
    return wrong


def judge(folder, whole, view, damage):
    """Damages a copy; says what went unnoticed."""
    copy = folder / "data"
    subprocess.run(["cp", "-a", "--sparse=auto", str(whole), str(copy)], check=True)
    try:
        damage.do(copy)
        server = Server(folder, data=copy)
        done = subprocess.run(
            [str(BINARY), "verify", "--data", str(copy)], capture_output=True, text=True, timeout=60, check=False
        )
        found = done.returncode in (1, 2)
        if damage.path == "CLEAN" and damage.what == "remove":
            # As after a crash.
            found = True
        wrong = "" if found or done.returncode == 0 else f"; verify ended with {done.returncode}"
        if "panicked" in done.stderr:
            wrong += f"; verify panicked: {done.stderr[-1000:]}"
        server.log.unlink(missing_ok=True)
        server.launch()
        within(START_SECONDS, lambda: server.process.poll() is not None or server.is_ready())
        if not found and not is_harmless(whole, damage) and (damage.path != "root.toml" or server.is_running):
            wrong += "; nothing found it"
        if server.is_running and damage != Damage("root.toml", "remove"):
            wrong += try_to_read(server, view)
        if server.is_running:
            server.process.kill()
            server.process.wait()
        elif server.process.returncode != 2:
            wrong += f"; the start ended with {server.process.returncode}: {server.log_text()[-1000:]}"
        if "panicked" in server.log_text():
            wrong += f"; the server panicked: {server.log_text()[-1000:]}"
        return wrong
    finally:
        shutil.rmtree(copy)


@pytest.mark.timeout(6000)
@pytest.mark.parametrize("seed", range(4))
def test_damage_is_found_and_never_handed_out(seed, whole, tmp_path, tally):
    data, view = whole
    chance = random.Random(seed)
    wrong = []
    for number, damage in enumerate(damages(data, chance)):
        # What is not left to chance is tried once.
        if damage.what != "flip" and not damage.at and number % 4 != seed:
            continue
        if found := judge(tmp_path, data, view, damage):
            wrong.append(f"{damage}{found}")
        tally.add("damaged bytes and files", str(damage))
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)
