use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use drystone_core::data::door::Pending;
use drystone_core::meta::door::{Tx, Verdict};
use drystone_sim::doors;
use drystone_sim::wait::wait;
use tempfile::TempDir;

use super::*;
use crate::durable::faults::{self, Syncs};
use crate::format::Lock;

fn temp() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn try_open(dir: &Path, stop: LastStop, fatal: Fatal) -> Result<Embedded, OpenError> {
    let room = Arc::new(Room::open(dir, dir.join("ballast")).expect("the room opens"));
    let held = Arc::new(Lock::take(dir).expect("nobody has it"));
    Embedded::open(EmbeddedOptions { path: &dir.join("meta"), stop, room, fatal, held })
}

fn open_with(dir: &Path, fatal: Fatal) -> Embedded {
    try_open(dir, LastStop::Unclean, fatal).expect("the engine opens")
}

fn open(dir: &Path) -> Arc<dyn Meta> {
    Arc::new(open_with(dir, Arc::new(|_| {})))
}

fn commit(
    meta: &Arc<dyn Meta>,
    decide: impl FnMut(&mut dyn Tx) -> Result<(), MetaError> + Send + 'static,
) -> Result<(), MetaError> {
    wait(meta.commit(Vec::<Pending>::new(), decide)).map_err(|(error, _)| error)
}

#[test]
fn embedded_meta_behaves() {
    doors::meta::all(&|| {
        let dir = temp();
        (open(dir.path()), Box::new(dir))
    });
}

#[test]
fn everything_settled_is_there_after_reopening() {
    let dir = temp();
    for round in 0..5_u32 {
        let meta = open(dir.path());
        let view = meta.snapshot();
        for earlier in 0..round {
            for row in 0..50_u32 {
                let key = [earlier.to_be_bytes(), row.to_be_bytes()].concat();
                let value = view.get(&key).expect("reads").expect("a settled row is there");
                assert_eq!(value.len(), 100 * row as usize);
            }
        }
        drop(view);
        for row in 0..50_u32 {
            let key = [round.to_be_bytes(), row.to_be_bytes()].concat();
            commit(&meta, move |tx| {
                tx.put(key.clone(), vec![1; 100 * row as usize]);
                Ok(())
            })
            .expect("commits");
        }
    }
}

#[test]
fn an_unfinished_folder_is_made_again() {
    let dir = temp();
    let fresh = dir.path().join("meta.new");
    std::fs::create_dir(&fresh).expect("made");
    // The engine's version is the last that it writes, and a power cut leaves it empty.
    std::fs::write(fresh.join("0.jnl"), "half").expect("written");
    std::fs::write(fresh.join("version"), "").expect("written");
    let meta = open(dir.path());
    commit(&meta, |tx| {
        tx.put(b"a".to_vec(), b"1".to_vec());
        Ok(())
    })
    .expect("commits");
    assert!(!fresh.exists());
}

#[test]
fn a_folder_that_lost_its_version_is_damaged_and_not_begun_anew() {
    let dir = temp();
    drop(open(dir.path()));
    let version = dir.path().join("meta/version");
    std::fs::remove_file(&version).expect("removed");
    let before: Vec<_> = names(&dir.path().join("meta"));
    let error = try_open(dir.path(), LastStop::Unclean, Arc::new(|_| {})).err().expect("it is refused");
    assert!(matches!(&error, OpenError::Damaged { path, .. } if *path == version), "{error}");
    assert_eq!(names(&dir.path().join("meta")), before);
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).expect("reads").map(|entry| entry.expect("reads").file_name()).collect();
    names.sort();
    names
}

#[test]
fn a_sync_answers_nobody_when_the_file_system_takes_no_more_changes() {
    let dir = temp();
    let stops = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&stops);
    let fatal: Fatal = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let meta: Arc<dyn Meta> = Arc::new(open_with(dir.path(), fatal));
    let put = |key: &'static str| {
        commit(&meta, move |tx| {
            tx.put(key.into(), b"1".to_vec());
            Ok(())
        })
    };
    put("before").expect("commits");
    let lock = std::fs::File::open(dir.path().join("LOCK")).expect("it is there");
    let asked = faults::watch(&lock, Syncs::Fail);
    let error = put("during").expect_err("nobody knows what was kept");
    assert!(matches!(&error, MetaError::Engine(why) if why.contains("no more changes")), "{error}");
    assert_eq!((asked.tried(), stops.load(Ordering::SeqCst)), (1, 1));
    drop(asked);
    put("after").expect_err("nothing is written any more");
    drop(meta);
    let meta = open(dir.path());
    assert!(meta.snapshot().get(b"before").expect("reads").is_some());
    assert!(meta.snapshot().get(b"after").expect("reads").is_none());
}

#[test]
fn a_panic_is_told_once() {
    let dir = temp();
    let told = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let fatal: Fatal = {
        let (told, count) = (Arc::clone(&told), Arc::clone(&count));
        Arc::new(move |why: &str| {
            count.fetch_add(1, Ordering::SeqCst);
            told.lock().expect("not poisoned").push(why.to_owned());
        })
    };
    let meta: Arc<dyn Meta> = Arc::new(open_with(dir.path(), fatal));
    for _ in 0..3 {
        let outcome = commit(&meta, |_| panic!("the test panics on purpose"));
        assert!(matches!(outcome, Err(MetaError::Poisoned(_))), "{outcome:?}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(told.lock().expect("not poisoned").concat().contains("panicked"));
}

#[test]
fn a_closed_engine_settles_what_comes_late() {
    let dir = temp();
    let engine = Arc::new(open_with(dir.path(), Arc::new(|_| {})));
    engine.close();
    let meta: Arc<dyn Meta> = engine;
    let outcome = commit(&meta, |_| Ok(()));
    assert!(matches!(outcome, Err(MetaError::Poisoned(_))), "{outcome:?}");
    assert_eq!(meta.snapshot().get(b"a").expect("readers go on"), None);
}

/// A command that owns its store.
struct Owner(Option<Arc<dyn Meta>>, Option<futures_channel::oneshot::Sender<()>>);
impl Command for Owner {
    fn run(&mut self, _: &mut dyn Tx) -> Verdict {
        Verdict::Refuse
    }
    fn settle(mut self: Box<Self>, _: Result<(), MetaError>) {
        drop(self.0.take());
        let _ = self.1.take().map(|done| done.send(()));
    }
}

#[test]
fn a_store_may_be_dropped_by_the_command_that_it_settles() {
    let dir = temp();
    let meta = open(dir.path());
    let last = Arc::clone(&meta);
    let (done, end) = futures_channel::oneshot::channel::<()>();
    // Either this thread or the lane drops the last handle; neither may hang.
    let submitted = meta.submit(Box::new(Owner(Some(last), Some(done))));
    wait(submitted);
    drop(meta);
    wait(end).expect("the command was settled");
}

/// A store with three batches of one large row each; gives the bytes of its journal.
fn three_batches(dir: &Path) -> Vec<u8> {
    let meta = open(dir);
    for row in [b'a', b'b', b'c'] {
        commit(&meta, move |tx| {
            tx.put(vec![row], vec![row; 20_000]);
            Ok(())
        })
        .expect("commits");
    }
    drop(meta);
    std::fs::read(dir.join("meta/0.jnl")).expect("the journal is there")
}

/// Damages the journal of `dir` where the row `row` has its value: a page of it never arrived.
fn lose_a_page_of(dir: &Path, journal: &[u8], row: u8) {
    let mut journal = journal.to_vec();
    let value = journal.windows(10_000).position(|bytes| bytes.iter().all(|byte| *byte == row));
    let value = value.expect("the row is in the journal");
    journal[value + 3_000..value + 7_096].fill(0);
    std::fs::write(dir.join("meta/0.jnl"), journal).expect("written");
}

fn rows(meta: &Arc<dyn Meta>) -> Vec<Bytes> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    meta.snapshot().scan(everything, Order::Ascending).map(|row| row.expect("reads").0).collect()
}

#[test]
fn a_torn_last_batch_is_cut_off_after_an_unclean_stop() {
    let dir = temp();
    let journal = three_batches(dir.path());
    lose_a_page_of(dir.path(), &journal, b'c');
    let meta = open(dir.path());
    assert_eq!(rows(&meta), ["a", "b"]);
    commit(&meta, |tx| {
        tx.put(b"d".to_vec(), b"after".to_vec());
        Ok(())
    })
    .expect("commits");
    drop(meta);
    assert_eq!(rows(&open(dir.path())), ["a", "b", "d"]);
}

#[test]
fn damage_in_the_middle_or_after_a_clean_stop_is_refused() {
    for (row, stop) in [(b'b', LastStop::Unclean), (b'c', LastStop::Clean)] {
        let dir = temp();
        let journal = three_batches(dir.path());
        lose_a_page_of(dir.path(), &journal, row);
        let before = std::fs::read(dir.path().join("meta/0.jnl")).expect("the journal is there");
        let refused = try_open(dir.path(), stop, Arc::new(|_| {}));
        assert!(matches!(refused.err(), Some(OpenError::Metadata { .. })), "{row} {stop:?}");
        let after = std::fs::read(dir.path().join("meta/0.jnl")).expect("the journal is there");
        assert!(before == after, "a refused journal is not touched");
    }
}

#[test]
fn a_start_reads_of_long_journals_only_what_no_table_holds() {
    const BATCHES: u32 = 240;
    let value = |row: u32| Bytes::from(vec![row as u8; 100_000]);
    let dir = temp();
    let folder = dir.path().join("meta");
    let write = |meta: &Arc<dyn Meta>, row: u32| {
        commit(meta, move |tx| {
            tx.put(row.to_be_bytes().to_vec(), value(row).to_vec());
            Ok(())
        })
        .expect("commits");
    };
    let meta = open(dir.path());
    // Six memtables, of which the engine lets no more than four wait.
    (0..BATCHES).for_each(|row| write(&meta, row));
    drop(meta);
    let before = journal::size(&folder).expect("journals have a size");
    assert!(flushed::read(&folder).expect("tables are read").is_some_and(|flushed| flushed.newest > 0));
    let unfinished = folder.join("journal.new");
    std::fs::write(&unfinished, "half").expect("written");
    let meta = open(dir.path());
    let after = journal::size(&folder).expect("journals have a size");
    assert!(after < before * 3 / 4, "{before} bytes became {after}");
    assert!(!unfinished.exists());
    write(&meta, BATCHES);
    drop(meta);
    let meta = open(dir.path());
    assert_eq!(rows(&meta).len(), BATCHES as usize + 1);
    for row in 0..=BATCHES {
        assert!(
            meta.snapshot().get(&row.to_be_bytes()).expect("reads").as_ref() == Some(&value(row)),
            "{row}"
        );
    }
}
