"""Planted mistakes: the test of these tests. Each of these mistakes of a store on disk must be caught by one of them.

The binary with mistakes is a build of its own, with the feature `planted`; DRYSTONE_PLANTED names the one mistake of a process.
"""

import errno
import os
import random
import re
from pathlib import Path

import pytest

import stores
from client import LOST, connected
from operations import OPERATIONS, judge
from scene import CUT, CUT_AFTER_JOURNAL, END, KILLED, Run, Scene, crash
from sync_order import unsynced
from test_bit_rot import Damage, try_to_read
from test_failing_calls import ALIVE, fail
from watch import hold_at


def crashed_at(name, label, mode):
    """The crash of an operation at one of its points."""

    def check(scene):
        operation = OPERATIONS[name]
        scene.record(operation)
        server, run, _ = scene.run_to(operation, label)
        crash(scene.disk, server, mode, random.Random(1))
        run.finish()
        return scene.check(lambda view: judge(operation, scene.before, scene.after, view, run.acknowledged))

    return check


def failed_at(name, label):
    """An operation with one call that fails."""

    def check(scene):
        scene.record(OPERATIONS[name])
        wrong, reached = fail(scene, OPERATIONS[name], label, errno.EIO)
        return wrong or ("" if reached else "the call never comes")

    return check


def killed_while_it_hangs(name, label):
    """An operation with one call that does not come back, in a process that is killed then."""

    def check(scene):
        operation = OPERATIONS[name]
        scene.record(operation)
        scene.reset()
        server = scene.server().start()
        server.watch.is_quiet()
        server.watch.arm(hold_at(label))
        run = Run(operation, server)
        # Long enough for a wrong answer; a right one does not come.
        run.thread.join(1)
        server.kill()
        run.finish()
        return scene.check(lambda view: judge(operation, scene.before, scene.after, view, run.acknowledged))

    return check


def synced_in_order(name):
    return lambda scene: unsynced(scene.calls_until_answer(OPERATIONS[name]))


def started_in_order(scene):
    return unsynced(scene.calls_of_start_and_stop())


def read_after_a_flip(scene):
    """One flipped byte of a body."""
    scene.reset()
    server = scene.server().start()
    with connected(server) as client:
        view = client.look()
    server.stop()
    volume = max((server.data / "volumes").glob("0*"), key=lambda file: file.stat().st_blocks)
    with volume.open("rb") as file:
        at = os.lseek(file.fileno(), 0, os.SEEK_DATA) + 5000
    Damage(str(volume.relative_to(server.data)), "flip", at).do(server.data)
    server = scene.server().start()
    wrong = try_to_read(server, view)
    server.kill()
    return wrong


# What catches each; the file system is XFS, which forgives less.
CATCHES = {
    "FrameNotVerified": [read_after_a_flip],
    "VolumeNotSynced": [crashed_at("put medium", END, CUT), synced_in_order("put medium")],
    "SmallExtentsNotSynced": [crashed_at("put medium", END, CUT), synced_in_order("put medium")],
    "JournalNotSynced": [crashed_at("put small", END, CUT), synced_in_order("put small")],
    "VolumeNameNotSynced": [synced_in_order("put medium")],
    "ReplacedFileNotSynced": [started_in_order],
    "ShorterJournalNotSynced": [started_in_order],
    "SettledBeforeWritten": [killed_while_it_hangs("put small", "write meta/*.jnl #1")],
    "FailedSyncTriedAgain": [failed_at("put medium", "fdatasync volumes/* #1")],
    "FailedWriteForgotten": [failed_at("put small", "write meta/*.jnl #1")],
    "CleanMarkerLeft": [crashed_at("put medium", END, KILLED), crashed_at("put small", END, CUT_AFTER_JOURNAL)],
    "DeadFileSystemTrusted": [failed_at("put small", f"{ALIVE} #1")],
    "SuspectsForgotten": [crashed_at("put medium", "fdatasync volumes/* #1", KILLED)],
}

# The store in which one shows, if one that was stopped in order does not do.
STORES = {"ShorterJournalNotSynced": stores.with_a_long_journal}

# Where all mistakes are listed, with what has to catch them.
LIST = Path(__file__).parents[2] / "crates/drystone-core/src/planted.rs"


@pytest.fixture
def planted():
    """The binary with mistakes."""
    binary = os.environ.get("DRYSTONE_PLANTED_BINARY")
    assert binary and Path(binary).exists(), "build it: `cargo build --package drystone --features planted`"
    return Path(binary)


def tried(name, check, disk, images, **options):
    """What a check for this mistake finds, whichever way it says so."""
    place = disk("xfs")
    try:
        return check(Scene(place, images("xfs", STORES.get(name, stores.stopped)), options=options))
    except (AssertionError, *LOST) as error:
        return str(error) or "an assertion"
    finally:
        # XFS mounts no second disk with the identity of the first.
        if place.is_mounted():
            place.unmount()


def test_every_mistake_of_a_store_on_disk_is_tried():
    """A name that is not in the list would end the process, and look like a mistake that was caught."""
    listed = re.findall(r"^    (?:Disk|Calls) (\w+),$", LIST.read_text(), re.MULTILINE)
    assert sorted(CATCHES) == sorted(listed)


@pytest.mark.parametrize("name", CATCHES)
def test_a_planted_mistake_is_caught(name, planted, disk, images):
    checks = CATCHES[name]
    found = [tried(name, check, disk, images, binary=planted, environment={"DRYSTONE_PLANTED": name}) for check in checks]
    assert all(found), f"{name} was planted, and only this was found: {found}"


def test_the_same_checks_find_nothing_without_a_mistake(planted, disk, images):
    """Otherwise they would prove nothing."""
    for name, checks in CATCHES.items():
        for check in checks:
            found = tried(name, check, disk, images, binary=planted)
            assert not found, found
