"""What a successful sync is worth while the file system below fails, and what makes it worth more.

No Drystone here: four threads append to a file each, and sync it. When a write of the file system's own journal fails, a sync
that comes in at that moment may succeed and keep nothing. A change that the file system accepts afterwards says that this was
not so; the store asks for one before it answers anybody (`durable::expect_alive`), and this is the proof that it helps.
"""

import ctypes
import os
import random
import threading

import pytest

from disk import KINDS, Disk
from drystone import MIB
from faulty_disk import WRITES
from tally import LONG

# What each thread appends, in bytes, and how often.
SIZES, APPENDS = [300, 700, 5000, 70_000], 60
# The write that fails is one of these.
FIRST = [1, 2, 3, 5, 8, 13, 21, 34]
ROUNDS = 300 if LONG else 25

LIBC = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE = 1


def chunk(number):
    """What the append of this number consists of."""
    return bytes([number % 255 + 1])


def is_alive(probe):
    """Asks for a change that changes nothing, as the store does."""
    if LIBC.fallocate(probe, KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(1)):
        raise OSError(ctypes.get_errno(), "no more changes")


def append(file, size, sync):
    """Appends until something fails; how many bytes were synced with success."""
    for number in range(APPENDS):
        try:
            os.pwrite(file, chunk(number) * size, number * size)
            sync(file)
        except OSError:
            return number * size
    return APPENDS * size


def sync_folder(path):
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def lost(place, blank, seed, ask):
    """In how many of the files bytes are missing after one failed write and a mount."""
    chance = random.Random(seed)
    place.copy_of(blank)
    place.mount()
    probe = os.open(place.path / "probe", os.O_RDWR | os.O_CREAT)
    is_alive(probe)
    names = [place.path / f"file-{size}" for size in SIZES]
    files = [os.open(name, os.O_RDWR | os.O_CREAT) for name in names]
    for file in files:
        os.ftruncate(file, 64 * MIB)
        os.fsync(file)
    sync_folder(place.path)
    place.fail(WRITES, first := chance.choice(FIRST), first)

    def sync(file):
        os.fdatasync(file)
        if ask:
            is_alive(probe)

    kept = [0] * len(SIZES)

    def work(at):
        kept[at] = append(files[at], SIZES[at], sync)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(len(SIZES))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place.failed
    for file in [*files, probe]:
        os.close(file)
    place.unmount()
    place.mount()
    missing = 0
    for name, size, bytes_kept in zip(names, SIZES, kept, strict=True):
        expected = b"".join(chunk(number) * size for number in range(bytes_kept // size))
        with name.open("rb") as file:
            missing += file.read(bytes_kept) != expected
    place.unmount()
    return missing


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sync_and_a_change_after_it_keep_what_was_written(kind, faulty):
    place = faulty(kind)
    blank = Disk(place.folder / "blank", kind).make().image
    trusted = sum(lost(place, blank, f"{kind} {seed}", ask=False) for seed in range(ROUNDS))
    asked = sum(lost(place, blank, f"{kind} {seed}", ask=True) for seed in range(ROUNDS))
    print(f"{kind}: files that lost synced bytes in {ROUNDS} rounds: {trusted} without the question, {asked} with it")
    assert asked == 0
