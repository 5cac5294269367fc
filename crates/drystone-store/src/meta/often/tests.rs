use std::sync::Mutex;
use std::thread;

use super::*;

/// An engine of one row, "row", and what is kept in front of it.
#[derive(Default)]
struct Engine {
    row: Mutex<Option<Bytes>>,
    often: Often,
}

type View = (Option<Bytes>, Moment);

impl Engine {
    fn view(&self) -> View {
        self.often.moment(|| self.row.lock().expect("not poisoned").clone())
    }

    fn put(&self, value: Option<u32>) {
        let value = value.map(|value| Bytes::from(value.to_string()));
        let writes = Writes::from([(Bytes::from("row"), value.clone())]);
        self.often.write(&writes, || *self.row.lock().expect("not poisoned") = value);
    }

    fn put_another(&self) {
        self.often.write(&Writes::from([(Bytes::from("another"), None)]), || {});
    }

    /// The row, and whether the engine was asked for it.
    fn get(&self, (row, moment): &View) -> (Option<Bytes>, bool) {
        let mut asked = false;
        let read = || {
            asked = true;
            Ok(row.clone())
        };
        let value = self.often.get(b"row", *moment, read).expect("it is read");
        assert_eq!(value, *row, "a snapshot sees what it saw when it was taken");
        (value, asked)
    }

    fn asks(&self, view: &View) -> bool {
        self.get(view).1
    }
}

#[test]
fn the_engine_is_asked_once() {
    let engine = Engine::default();
    engine.put(Some(1));
    assert!(engine.asks(&engine.view()));
    assert!(!engine.asks(&engine.view()));
    engine.put_another();
    assert!(!engine.asks(&engine.view()));
}

#[test]
fn a_changed_row_is_asked_for_again_and_older_snapshots_see_the_older_one() {
    let engine = Engine::default();
    engine.put(Some(1));
    let old = engine.view();
    assert!(engine.asks(&old));
    engine.put(Some(2));
    assert!(engine.asks(&engine.view()));
    assert!(!engine.asks(&engine.view()));
    assert!(engine.asks(&old));
    assert!(!engine.asks(&engine.view()), "what an old snapshot saw replaces nothing");
    engine.put(None);
    assert_eq!(engine.get(&engine.view()), (None, true));
}

#[test]
fn a_row_that_is_not_there_is_never_kept() {
    let engine = Engine::default();
    assert!(engine.asks(&engine.view()));
    assert!(engine.asks(&engine.view()));
    engine.put(Some(1));
    assert_eq!(engine.get(&engine.view()).0, Some("1".into()));
}

#[test]
fn what_is_read_late_is_not_kept() {
    let engine = Engine::default();
    engine.put(Some(1));
    let late = engine.view();
    engine.put_another();
    assert!(engine.asks(&late));
    assert!(engine.asks(&engine.view()));
}

#[test]
fn a_snapshot_that_is_taken_while_a_batch_is_written_asks_the_engine() {
    let engine = Engine::default();
    engine.put(Some(1));
    let before = engine.view();
    engine.get(&before);
    let writes = Writes::from([(Bytes::from("row"), Some(Bytes::from("2")))]);
    engine.often.write(&writes, || {
        assert!(engine.asks(&engine.view()));
        assert!(engine.asks(&before));
        *engine.row.lock().expect("not poisoned") = Some("2".into());
        let during = engine.view();
        assert!(engine.asks(&during));
        assert!(engine.asks(&during));
    });
    let (view, moment) = engine.often.moment(|| {
        let row = engine.row.lock().expect("not poisoned").clone();
        engine.put(Some(3));
        row
    });
    assert!(engine.asks(&(view, moment)));
}

#[test]
fn no_more_rows_are_kept_than_may_be() {
    let often = Often::default();
    let ((), moment) = often.moment(|| ());
    for key in 0..3 * ROWS_MAX {
        let read = || Ok(Some(Bytes::from("value")));
        often.get(&key.to_be_bytes(), moment, read).expect("it is read");
        assert!(often.rows.read().len() <= ROWS_MAX);
    }
}

#[test]
fn readers_and_a_writer_at_once_see_one_history() {
    let engine = Engine::default();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    engine.get(&engine.view());
                }
            });
        }
        scope.spawn(|| {
            for value in 0..20_000 {
                engine.put((value % 5 != 0).then_some(value));
                if value % 3 == 0 {
                    engine.put_another();
                }
            }
        });
    });
}
