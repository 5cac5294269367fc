"""Crash at every step: each operation, stopped just before each system call that changes the data directory.

The process is killed there, or the power goes: at once, after the file system's own journal was written, or after the kernel
happened to write some files and not others. Then the disk is mounted again, the server started, and what it shows must be
the store before the operation or after it; after it, if the client had its answer. Nothing may be left over on disk.
"""

import random
import zlib

import pytest

import stores
from disk import KINDS
from operations import OPERATIONS, differ, judge
from scene import END, MODES, Scene, crash
from tally import LONG

# Most points of an operation must be reached when they are looked for: two runs of it may differ a little.
REACHED_SHARE = 0.8
# The longest that the points of one operation take.
SECONDS = 6000 if LONG else 900


def some(labels):
    """Steps that stand for many like them: in a short run some twenty of a journal, some sixty of all else."""
    journal = [label for label in labels if "meta/*.jnl" in label]
    others = [label for label in labels if "meta/*.jnl" not in label]
    if LONG or len(labels) < 60:
        return labels
    return journal[:: len(journal) // 20 + 1] + others[:: len(others) // 60 + 1]


def ways(kind, labels, ways_each):
    """Each step in some of the ways, so that the two file systems together see all four; in a long run in every way."""
    first = KINDS.index(kind) * ways_each
    steps = enumerate([*labels, END])
    return [
        (label, MODES[(first + at + way) % len(MODES)]) for at, label in steps for way in range(len(MODES) if LONG else ways_each)
    ]


def crash_at_each(scene, tried, run_to, complaint, tally, name):
    """Crashes at each of these points; fails with everything that was wrong."""
    wrong, reached = [], 0
    for label, mode in tried:
        point = f"{name} on {scene.disk.kind}, {mode} at {label}"
        server, run, there = run_to(label)
        crash(scene.disk, server, mode, random.Random(zlib.crc32(point.encode())))
        if run:
            run.finish()
        if found := scene.check(lambda view, run=run: complaint(view, run)):
            wrong.append(f"{point}: {found}")
        if there:
            reached += 1
            tally.add("crash points", point)
    print(f"{name} on {scene.disk.kind}: {reached} of {len(tried)} points")
    assert not wrong, f"{len(wrong)} points:\n" + "\n".join(wrong[:5])
    assert reached >= REACHED_SHARE * len(tried), f"only {reached} of {len(tried)} points were reached"


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_happens_or_not(name, kind, disk, images, tally):
    operation = OPERATIONS[name]
    scene = Scene(disk(kind), images(kind))
    labels = scene.record(operation)

    def complaint(view, run):
        return judge(operation, scene.before, scene.after, view, run.acknowledged)

    crash_at_each(scene, ways(kind, some(labels), 2), lambda label: scene.run_to(operation, label), complaint, tally, name)


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", stores.BEGINNINGS, ids=lambda how: how.__name__)
def test_a_start_can_end_anywhere(how, kind, disk, images, tally):
    scene = Scene(disk(kind), images(kind, how))
    labels = scene.record_start()
    is_shortened = any(label.startswith("rename meta/journal.new") for label in labels)
    assert is_shortened == (how is stores.with_a_long_journal), labels

    def complaint(view, _):
        return "" if view == scene.before else f"unlike before in {differ(view, scene.before)}"

    crash_at_each(
        scene, ways(kind, some(labels), 1), scene.start_to, complaint, tally, f"start of a store that is {how.__name__}"
    )


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_can_end_anywhere(kind, disk, images, tally):
    scene = Scene(disk(kind), images(kind))
    labels = scene.record_stop()

    def complaint(view, _):
        return "" if view == scene.before else f"unlike before in {differ(view, scene.before)}"

    crash_at_each(scene, ways(kind, some(labels), 1), scene.stop_to, complaint, tally, "stop")
