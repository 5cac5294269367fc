use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use bytes::Bytes;
use drystone_core::checksum::Digests;
use drystone_core::data::door::Written;
use drystone_sim::doors;
use drystone_sim::doors::data::{bytes, read, stored, taken, write};
use drystone_sim::wait::wait;
use tempfile::TempDir;

use super::*;
use crate::data::writer::LANE_BYTES_MAX;
use crate::durable::faults::{self, Syncs};
use crate::format::{LastStop, Lock};
use crate::world::SystemEntropy;

fn temp() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(dir: &TempDir, stop: LastStop) -> Arc<Volumes> {
    let folder = dir.path().join("volumes");
    let found = Volumes::list(&folder).expect("lists");
    let numbers = Numbers::open(&folder, &found, stop).expect("opens the numbers");
    let room = Arc::new(Room::open(dir.path(), dir.path().join("ballast")).expect("opens the room"));
    // A crash here is to forget the volumes, and with them a lock: each opening takes one of its own.
    let held = Arc::new(Lock::take(temp().path()).expect("nobody has it"));
    let entropy = Arc::new(SystemEntropy);
    Volumes::open(VolumesOptions { folder: &folder, found, numbers, room, entropy, held }).expect("opens")
}

fn door(volumes: &Arc<Volumes>) -> Arc<dyn Data> {
    Arc::clone(volumes) as Arc<dyn Data>
}

fn path(dir: &TempDir, volume: u64) -> PathBuf {
    dir.path().join("volumes").join(format!("{volume:016x}"))
}

fn free(data: &Arc<dyn Data>, extent: Extent) -> Result<(), DataError> {
    wait(Arc::clone(data).free(vec![Freed { id: extent.id, len: extent.len }]))
}

/// Bytes that the files in `volumes/` take on disk, without `NUMBERS`.
fn on_disk(dir: &TempDir) -> u64 {
    let entries = std::fs::read_dir(dir.path().join("volumes")).expect("the folder is there");
    let volumes =
        entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.file_name() != "NUMBERS");
    volumes.map(|entry| entry.metadata().expect("it is there").blocks() * 512).sum()
}

#[test]
fn volumes_behave() {
    doors::data::all(&|| {
        let dir = temp();
        (door(&open(&dir, LastStop::Clean)), Box::new(dir))
    });
}

#[test]
fn the_disk_gets_everything_back() {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let data = door(&volumes);
    let sizes = [1, 5_000, 100_000, 900_000, 3_000_000, 20_000_000];
    let extents: Vec<Extent> = sizes.iter().map(|size| stored(&data, &bytes(*size, *size))).collect();
    let total: u64 = sizes.iter().map(|size| extent::footprint(*size)).sum();
    assert!(on_disk(&dir) >= total && on_disk(&dir) < total + 256 * 1024, "{} for {total}", on_disk(&dir));
    for extent in extents {
        free(&data, extent).expect("frees");
    }
    assert_eq!(taken(&data), 0);
    assert_eq!(on_disk(&dir), 0);
    volumes.close().expect("closes");
    assert!(data.volumes().is_empty(), "empty volumes are removed when they are active no more");
}

#[test]
fn extents_outlive_the_process_and_new_ones_go_to_new_volumes() {
    let dir = temp();
    let body = bytes(700_000, 1);
    let data = door(&open(&dir, LastStop::Clean));
    let extent = stored(&data, &body);
    drop(data);
    let data = door(&open(&dir, LastStop::Unclean));
    assert_eq!(data.suspects(), [extent.id.volume]);
    assert!(read(&data, extent, 0..extent.len).expect("reads") == body);
    let newer = stored(&data, &body);
    assert!(newer.id.volume > extent.id.volume);
    assert_eq!(data.suspects(), [extent.id.volume]);
    free(&data, newer).expect("frees");
    drop(data);
    // The number of the volume that is gone does not come back.
    let data = door(&open(&dir, LastStop::Unclean));
    assert!(stored(&data, &body).id.volume > newer.id.volume);
}

#[test]
fn after_a_clean_stop_nobody_is_suspect() {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let extent = stored(&door(&volumes), &bytes(10_000, 1));
    volumes.close().expect("closes");
    drop(volumes);
    let data = door(&open(&dir, LastStop::Clean));
    assert_eq!(data.volumes(), [extent.id.volume]);
    assert!(data.suspects().is_empty());
}

#[test]
fn an_empty_volume_that_a_crash_left_is_removed_at_the_next_start() {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let (kept, gone) =
        (stored(&door(&volumes), &bytes(10, 1)), stored(&door(&volumes), &bytes(2_000_000, 2)));
    free(&door(&volumes), gone).expect("frees");
    assert_eq!(volumes.volumes(), [kept.id.volume, gone.id.volume], "an active volume stays");
    drop(volumes);
    assert_eq!(open(&dir, LastStop::Unclean).volumes(), [kept.id.volume]);
}

#[test]
fn unfinished_writers_make_the_stop_unclean() {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let writer = door(&volumes).reserve(10).expect("reserves");
    assert!(matches!(volumes.close(), Err(StillInUse::Writers(1))));
    drop(writer);
}

#[test]
fn what_a_crash_leaves_behind_is_found_and_given_back() {
    let dir = temp();
    let kept_body = bytes(300_000, 1);
    let data = door(&open(&dir, LastStop::Clean));
    let kept = stored(&data, &kept_body);
    let large_kept = stored(&data, &bytes(2_000_000, 3));
    // The process dies with a finished extent that nobody owns, a half-written one, and room that
    // was taken and never written: forgetting them is what a crash does.
    let orphan = stored(&data, &bytes(200_000, 2));
    let half = Arc::clone(&data).reserve(500_000).expect("reserves");
    let (half, _) = wait(half.write(vec![bytes(200_000, 4)], Digests::new(None, None))).expect("writes");
    std::mem::forget(half);
    std::mem::forget(Arc::clone(&data).reserve(30_000_000).expect("reserves"));
    assert!(on_disk(&dir) > 30_000_000);
    drop(data);

    let data = door(&open(&dir, LastStop::Unclean));
    for volume in data.suspects() {
        let owned: Vec<Range<u64>> = [kept, large_kept]
            .iter()
            .filter(|extent| extent.id.volume == volume)
            .map(|extent| data.footprint(extent.id, extent.len))
            .collect();
        let mut unowned = Vec::new();
        for range in data.allocated(volume).expect("tells") {
            let mut from = range.start;
            for owned in owned.iter().filter(|owned| owned.start < range.end) {
                if from < owned.start {
                    unowned.push(from..owned.start);
                }
                from = from.max(owned.end);
            }
            if from < range.end {
                unowned.push(from..range.end);
            }
        }
        data.punch(volume, &unowned).expect("punches");
    }
    data.recovered();
    assert!(data.suspects().is_empty());
    assert!(read(&data, orphan, 0..orphan.len).is_err());
    assert!(read(&data, kept, 0..kept.len).expect("reads") == kept_body);
    let owned = extent::footprint(kept.len) + extent::footprint(large_kept.len);
    assert_eq!(taken(&data), owned);
    assert_eq!(on_disk(&dir), owned);
    drop(data);
    assert!(open(&dir, LastStop::Unclean).suspects().is_empty(), "recovery is not repeated");
}

#[test]
fn every_flipped_bit_is_found_and_never_handed_out() {
    let dir = temp();
    let data = door(&open(&dir, LastStop::Clean));
    let body = bytes(140_000, 1);
    let extent = stored(&data, &body);
    let file = File::options().read(true).write(true).open(path(&dir, extent.id.volume)).expect("opens");
    let end = 64 + 140_000 + 3 * 8;
    let places =
        (0..80).chain((80..end).step_by(4_999)).chain([65_599, 65_600, 65_607, 65_608]).chain(end - 9..end);
    for at in places {
        let at = extent.id.offset + at;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("reads");
        file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at).expect("writes");
        let found = read(&data, extent, 0..extent.len);
        assert!(matches!(found, Err(DataError::Corrupt { .. })), "byte {at}: {found:?}");
        file.write_all_at(&byte, at).expect("writes");
    }
    assert!(read(&data, extent, 0..extent.len).expect("reads") == body);
}

/// Makes the next read of `volume` come from the disk.
fn forget_pages(volumes: &Volumes, volume: u64) {
    let volume = volumes.catalogue.get(volume).expect("opens").expect("it is there");
    rustix::fs::fadvise(&volume.file, 0, None, rustix::fs::Advice::DontNeed).expect("advises");
}

#[test]
fn what_is_not_cached_is_read_ahead_from_the_disk() {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let data = door(&volumes);
    let body = bytes(3_000_000, 1);
    let extent = stored(&data, &body);
    for range in [0..3_000_000, 1..2_999_999, 65_536..65_537, 700_000..1_900_000, 2_999_999..3_000_000] {
        forget_pages(&volumes, extent.id.volume);
        let found = read(&data, extent, range.clone()).expect("reads");
        assert!(found == body.slice(range.start as usize..range.end as usize), "{range:?}");
    }
    // A reader that goes away with a batch on its way harms nobody.
    forget_pages(&volumes, extent.id.volume);
    let mut reader = Box::into_pin(Arc::clone(&data).read(extent, 0..3_000_000));
    wait(std::future::poll_fn(|cx| reader.as_mut().poll_next(cx))).expect("there is more").expect("reads");
    drop(reader);
    // Damage is found on this way too.
    let file = File::options().write(true).open(path(&dir, extent.id.volume)).expect("opens");
    file.write_all_at(b"!", extent.id.offset + 2_000_000).expect("writes");
    crate::durable::sync_data(&file).expect("syncs");
    forget_pages(&volumes, extent.id.volume);
    assert!(matches!(read(&data, extent, 0..3_000_000), Err(DataError::Corrupt { .. })));
    assert!(read(&data, extent, 0..1_900_000).expect("reads") == body.slice(..1_900_000));
}

#[test]
fn frames_in_a_wrong_place_and_torn_tails_are_found() {
    let dir = temp();
    let data = door(&open(&dir, LastStop::Clean));
    let extent = stored(&data, &bytes(4 * 65_536, 1));
    let twin = stored(&data, &bytes(4 * 65_536, 1));
    let file = File::options().read(true).write(true).open(path(&dir, extent.id.volume)).expect("opens");
    let frame = |extent: Extent, n: u64| {
        let mut frame = vec![0; 65_544];
        file.read_exact_at(&mut frame, extent.id.offset + extent::frame_offset(n)).expect("reads");
        frame
    };
    let original = frame(extent, 1);
    // The same bytes from another extent, another frame of this one, and a tail that never arrived.
    let torn = [&original[..40_000], &vec![0; 25_544]].concat();
    for wrong in [frame(twin, 1), frame(extent, 2), torn, vec![0; 65_544]] {
        file.write_all_at(&wrong, extent.id.offset + extent::frame_offset(1)).expect("writes");
        let found = read(&data, extent, 65_536..65_537);
        assert!(matches!(found, Err(DataError::Corrupt { .. })), "{found:?}");
        assert!(read(&data, extent, 0..65_536).is_ok(), "other frames are fine");
    }
    file.set_len(extent.id.offset + 100_000).expect("cuts");
    assert!(matches!(read(&data, extent, 0..extent.len), Err(DataError::Corrupt { .. })));
    drop(data);
    std::fs::remove_file(path(&dir, extent.id.volume)).expect("removes");
    let data = door(&open(&dir, LastStop::Unclean));
    let found = read(&data, extent, 0..1);
    assert!(matches!(found, Err(DataError::Corrupt { .. })), "{found:?}");
}

/// Ends `writer`'s extent and makes the sync that may be missing, as the lane does.
fn kept(writer: Box<dyn ExtentWriter>) -> Result<Written, DataError> {
    let written = wait(writer.finish())?;
    written.pending.unsynced().map_or(Ok(()), |unsynced| unsynced.sync())?;
    Ok(written)
}

#[test]
fn a_failed_sync_fails_all_who_need_it_and_is_never_tried_again() {
    // Synced by the lane, and by a thread for syncs.
    for len in [10_000, LANE_BYTES_MAX + 1] {
        failed_sync(len);
    }
}

fn failed_sync(len: u64) {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let data = door(&volumes);
    let body = bytes(len, 1);
    let healthy = stored(&data, &body);
    let volume = volumes.catalogue.get(healthy.id.volume).expect("opens").expect("it is there");
    let failing = faults::watch(&volume.file, Syncs::Fail);
    let writers: Vec<_> = (0..5)
        .map(|_| {
            let writer = Arc::clone(&data).reserve(len).expect("reserves");
            wait(writer.write(vec![body.clone()], Digests::new(None, None))).expect("writes").0
        })
        .collect();
    for writer in writers {
        let failed = kept(writer);
        assert!(matches!(failed, Err(DataError::Io { action: "syncing", .. })), "{failed:?}");
    }
    assert_eq!(failing.tried(), 1, "a failed sync is not tried again");
    // What was durable before is still read; new extents go elsewhere; freeing does not pretend.
    assert!(read(&data, healthy, 0..len).expect("reads") == body);
    let elsewhere = stored(&data, &body);
    assert_ne!(elsewhere.id.volume, healthy.id.volume);
    assert!(free(&data, healthy).is_err());
    assert_eq!(failing.tried(), 1);
}

#[test]
fn one_sync_answers_all_who_came_before_it() {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let extent = stored(&door(&volumes), &bytes(10, 1));
    let volume = volumes.catalogue.get(extent.id.volume).expect("opens").expect("it is there");
    // The only thread is held up while they come.
    let pool = Pool::start("test", 1).expect("starts");
    let (release, held_up) = std::sync::mpsc::sync_channel::<()>(1);
    pool.run(move || held_up.recv().expect("released"));
    let watch = faults::watch(&volume.file, Syncs::Work);
    let syncs: Vec<_> = (0..50).map(|_| volume.sync(&pool)).collect();
    assert_eq!(watch.tried(), 0);
    release.send(()).expect("it waits");
    for sync in syncs {
        wait(sync).expect("syncs");
    }
    assert_eq!(watch.tried(), 1);
    wait(volume.sync(&pool)).expect("syncs");
    assert_eq!(watch.tried(), 2, "who comes later needs another");
}

#[test]
fn small_and_large_extents_use_different_volumes() {
    let dir = temp();
    let data = door(&open(&dir, LastStop::Clean));
    let small: Vec<_> = (0..3).map(|n| stored(&data, &bytes(1_000, n)).id.volume).collect();
    let large = stored(&data, &bytes(2_000_000, 1)).id.volume;
    assert!(small.iter().all(|volume| *volume == small[0] && *volume != large), "{small:?} {large}");
}

#[test]
fn an_extent_larger_than_a_volume_gets_its_own() {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let data = door(&volumes);
    let large = crate::data::allocate::VOLUME_BYTES + 1;
    let writer = Arc::clone(&data).reserve(large).expect("reserves");
    let [volume] = data.volumes()[..] else { panic!("one volume: {:?}", data.volumes()) };
    let len = std::fs::metadata(path(&dir, volume)).expect("it is there").len();
    assert_eq!(len, extent::footprint(large));
    drop(writer);
    // Closing waits for what was given up.
    volumes.close().expect("closes");
    assert_eq!(on_disk(&dir), 0);
}

#[test]
fn promised_room_counts_until_it_is_used_or_given_back() {
    let dir = temp();
    let volumes = open(&dir, LastStop::Clean);
    let data = door(&volumes);
    let promised = || volumes.reclaim.ledger.load(Ordering::Acquire);
    let small = Arc::clone(&data).reserve(100_000).expect("reserves");
    assert_eq!(promised(), extent::footprint(100_000));
    let large = Arc::clone(&data).reserve(10_000_000).expect("reserves");
    assert_eq!(promised(), extent::footprint(100_000), "large ones take theirs at once");
    drop((small, large));
    assert_eq!(promised(), 0);
    stored(&data, &Bytes::from_static(b"x"));
    assert_eq!(promised(), 0);
}

#[test]
fn many_volumes_keep_few_files_open() {
    let dir = temp();
    let folder = dir.path().join("volumes");
    std::fs::create_dir(&folder).expect("makes");
    let catalogue = Catalogue::new(folder, Vec::new());
    for number in 1..=600 {
        drop(catalogue.make(number, 4096).expect("makes"));
    }
    let open_files = std::fs::read_dir("/proc/self/fd").expect("lists").filter_map(|entry| {
        std::fs::read_link(entry.expect("an entry").path()).ok().filter(|to| to.starts_with(dir.path()))
    });
    let count = open_files.count();
    assert!(count <= 256, "{count} files are open");
    for number in 1..=600 {
        assert!(catalogue.get(number).expect("opens").is_some(), "{number} is opened again");
    }
}

#[test]
fn readers_see_nothing_of_unwritten_extents() {
    let dir = temp();
    let data = door(&open(&dir, LastStop::Clean));
    let written = write(&data, &bytes(5_000, 1), 5_000).expect("writes");
    let next = Extent {
        id: ExtentId { offset: written.pending.extent().id.offset + 8_192, ..written.pending.extent().id },
        len: 5_000,
        token: 1,
    };
    assert!(matches!(read(&data, next, 0..10), Err(DataError::Corrupt { .. })));
}
