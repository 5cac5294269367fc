"""Everything is synced, in the right order, before the client has its answer, and before a start or a stop is over."""

import pytest

import stores
from operations import OPERATIONS
from scene import Scene
from sync_order import unsynced


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "write metadata to tables"])
def test_an_answer_comes_after_its_syncs(name, disk, images):
    scene = Scene(disk("xfs"), images("xfs"))
    assert unsynced(scene.calls_until_answer(OPERATIONS[name])) == []


@pytest.mark.parametrize("how", stores.BEGINNINGS, ids=lambda how: how.__name__)
def test_a_start_and_a_stop_sync_what_they_write(how, disk, images):
    scene = Scene(disk("xfs"), images("xfs", how))
    assert unsynced(scene.calls_of_start_and_stop()) == []
