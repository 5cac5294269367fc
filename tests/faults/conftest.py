"""What the fault suite shares: memory for disk images, prepared stores, and the count of what was tried."""

import os
from pathlib import Path

import pytest

import disk as disks
import stores
from faulty_disk import FaultyDisk
from tally import Tally

# All images of one worker together; they are sparse.
POOL_BYTES = 3 << 30


def pytest_configure(config):
    if not disks.what_is_missing():
        disks.hide_mounts()


@pytest.fixture(scope="session")
def pool(tmp_path_factory):
    """A folder in memory for the images of disks."""
    disks.require()
    folder = tmp_path_factory.mktemp("pool")
    disks.run("mount", "-t", "tmpfs", "-o", f"size={POOL_BYTES}", "tmpfs", str(folder))
    yield folder
    disks.run("umount", "--lazy", str(folder))


@pytest.fixture(scope="session")
def images(pool):
    """Makes, once each, the image of a file system with a prepared store in it."""
    made = {}

    def image(kind, how=stores.stopped):
        if (kind, how) not in made:
            made[kind, how] = how(disks.Disk(pool / f"{how.__name__}-{kind}", kind).make())
        return made[kind, how]

    return image


@pytest.fixture
def disk(pool, request):
    """Makes disks; they are unmounted when the test ends."""
    made = []

    def make(kind, **options):
        made.append(disks.Disk(pool / f"{request.node.name[:60].replace('/', '-')}-{len(made)}", kind, **options))
        return made[-1]

    yield make
    for each in made:
        if each.is_mounted():
            disks.succeeds("umount", "--lazy", str(each.path))
        disks.run("rm", "-rf", "--one-file-system", str(each.folder))


@pytest.fixture
def faulty(pool):
    """Makes disks that can fail."""
    made = []

    def make(kind, **options):
        made.append(FaultyDisk(pool / f"faulty-{len(made)}", kind, **options))
        return made[-1]

    yield make
    for each in made:
        each.work_well()
        if each.is_mounted():
            disks.succeeds("umount", str(each.path))
        each.detach()
        disks.run("rm", "-rf", "--one-file-system", str(each.folder))


@pytest.fixture(scope="session")
def tally(tmp_path_factory):
    """Counts what was tried, over all workers."""
    return Tally(counts_folder(tmp_path_factory))


def counts_folder(tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "tally"


def pytest_sessionfinish(session):
    """Says how much was tried; a whole run that tried too little has failed."""
    if hasattr(session.config, "workerinput"):
        return
    base = Path(session.config._tmp_path_factory.getbasetemp())
    tally = Tally(base / "tally")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for line in tally.lines():
        reporter.write_line(line)
    missing = tally.missing() if os.environ.get("DRYSTONE_FAULTS") == "whole" and not disks.what_is_missing() else []
    for line in missing:
        reporter.write_line(f"FAILED: {line}")
    if missing and session.exitstatus == 0:
        session.exitstatus = 1
