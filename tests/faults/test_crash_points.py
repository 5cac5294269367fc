"""Crash at every step: each operation, stopped just before each system call that changes the data directory.

The process is killed there, or the power goes: at once, after the file system's own journal was written, or after the kernel
happened to write some files and not others. Then the disk is mounted again, the server started, and what it shows must be
the store before the operation or after it; after it, if the client had its answer. Nothing may be left over on disk.
"""

import pytest

import stores
from disk import KINDS
from operations import OPERATIONS, differ, judge
from scene import END, MODES, Scene

# Most points of an operation must be reached when they are looked for: two runs of it may differ a little.
REACHED_SHARE = 0.8


def crash_at_each(scene, labels, run_to, complaint, tally, name):
    """Crashes at each label in each way; fails with everything that was wrong."""
    wrong, reached = [], 0
    tried = [(label, mode) for label in [*labels, END] for mode in MODES]
    for label, mode in tried:
        point = f"{name} on {scene.disk.kind}, {mode} at {label}"
        server, run, there = run_to(label)
        scene.crash(server, mode, point)
        if run:
            run.finish()
        if found := scene.check(lambda view, run=run: complaint(view, run)):
            wrong.append(f"{point}: {found}")
        if there:
            reached += 1
            tally.add("crash points", point)
    print(f"{name} on {scene.disk.kind}: {reached} of {len(tried)} points")
    assert not wrong, f"{len(wrong)} points:\n" + "\n".join(wrong[:5])
    assert reached >= REACHED_SHARE * len(tried), f"only {reached} of {len(tried)} points were reached: {labels}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_happens_or_not(name, kind, disk, images, tally):
    operation = OPERATIONS[name]
    scene = Scene(disk(kind), images(kind))
    labels = scene.record(operation)

    def complaint(view, run):
        return judge(operation, scene.before, scene.after, view, run.acknowledged)

    crash_at_each(scene, labels, lambda label: scene.run_to(operation, label), complaint, tally, name)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [stores.blank, stores.stopped, stores.crashed], ids=lambda how: how.__name__)
def test_a_start_can_end_anywhere(how, kind, disk, images, tally):
    scene = Scene(disk(kind), images(kind, how))
    labels = scene.record_start()

    def complaint(view, _):
        return "" if view == scene.before else f"unlike before in {differ(view, scene.before)}"

    crash_at_each(scene, labels, scene.start_to, complaint, tally, f"start of a store that is {how.__name__}")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_can_end_anywhere(kind, disk, images, tally):
    scene = Scene(disk(kind), images(kind))
    labels = scene.record_stop()

    def complaint(view, _):
        return "" if view == scene.before else f"unlike before in {differ(view, scene.before)}"

    crash_at_each(scene, labels, scene.stop_to, complaint, tally, "stop")
