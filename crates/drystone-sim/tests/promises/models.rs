//! Requests under a model checker: every lock of the core is a place where another thread may come first.
//!
//! The races of [`crate::races::scenarios`] run in many schedules over the in-memory doors, whose locks are the
//! checker's here. They are the models of uploads; that of reader pins, alone and in every schedule there is, comes
//! after them. Those of the commit lane and of the volumes' syncs stand beside the code, in drystone-store.

use std::sync::Arc;

use drystone_core::data::door::ExtentId;
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::reclaim::pins::Pins;
use drystone_core::sync::{Mutex, thread};
use drystone_sim::{effort, schedules};

use crate::races::arena::{Arena, Drive, Outcome};
use crate::races::scenarios;

/// Waits where the checker sees it.
struct Scheduled;

impl Drive for Scheduled {
    fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        shuttle::future::block_on(future)
    }
}

fn race(scenario: usize) {
    let mut arena = Arena::new(Scheduled, Arc::new(MemoryMeta::new()), MemoryData::new(1 << 30));
    let upload = arena.prepare();
    let (name, racers) = scenarios::all(upload).swap_remove(scenario);
    let (runners, known) = arena.start(&racers).split();
    let threads: Vec<_> = runners
        .into_iter()
        .map(|runner| {
            let store = Arc::clone(&arena.store);
            thread::spawn(move || shuttle::future::block_on(runner.run(store)))
        })
        .collect();
    let outcomes: Vec<Outcome> =
        threads.into_iter().map(|thread| thread.join().expect("a racer comes home")).collect();
    arena.judge(name, &known, &outcomes);
    arena.verify(name);
    arena.clean(upload);
}

#[test]
fn in_every_schedule_that_is_tried_one_order_of_requests_explains_everything() {
    let scenarios = scenarios::all(0).len();
    let each = effort::of(50, 20_000);
    let tried: usize = (0..scenarios).map(|scenario| schedules::drawn(each, move || race(scenario))).sum();
    println!("models: {tried} schedules of {scenarios} scenarios");
}

/// An extent, and whether it still has a name and its bytes.
struct Named {
    pins: Arc<Pins>,
    name: Mutex<Option<ExtentId>>,
    freed: Mutex<bool>,
}

impl Named {
    /// Finds the extent by its name and reads it.
    fn read(&self) {
        let finding = self.pins.enter();
        let Some(id) = *self.name.lock() else { return };
        let pin = self.pins.pin(&finding, vec![id]);
        drop(finding);
        assert!(!*self.freed.lock(), "it is freed while it is read");
        drop(pin);
    }

    /// Takes its name from the extent, and frees what nobody reads.
    fn give_back(&self) {
        let mut found: Vec<ExtentId> = self.name.lock().take().into_iter().collect();
        self.pins.wait_for_finders();
        let pinned = self.pins.keep_free(&mut found, |id| *id);
        assert_eq!(found.len() + pinned.len(), 1, "it is freed, or kept for its reader");
        *self.freed.lock() |= !found.is_empty();
    }
}

#[test]
fn in_every_schedule_there_is_nothing_is_freed_that_was_found_before_it_lost_its_name() {
    let tried = schedules::every(|| {
        let named = Arc::new(Named {
            pins: Arc::default(),
            name: Mutex::new(Some(ExtentId { volume: 1, offset: 0 })),
            freed: Mutex::new(false),
        });
        let beside = Arc::clone(&named);
        let reader = thread::spawn(move || beside.read());
        named.give_back();
        reader.join().expect("the reader comes home");
    });
    println!("models: {tried} schedules of a reader and who gives back");
    assert!(tried > 1_000, "only {tried} schedules");
}
