//! Requests under a model checker: every lock of the core is a place where another thread may come first.
//!
//! The races of [`crate::races::scenarios`] run in many schedules, drawn by lot and by priority (Burckhardt et
//! al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010), over the in-memory
//! doors, whose locks are the checker's here. They are the models of uploads and of reader pins; those of the
//! commit lane and of the volumes' syncs stand beside the code, in drystone-store.

use std::sync::Arc;

use drystone_core::data::memory::MemoryData;
use drystone_core::meta::memory::MemoryMeta;
use drystone_sim::effort;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use crate::races::arena::{Arena, Drive, Outcome};
use crate::races::scenarios;

/// Waits where the checker sees it.
struct Scheduled;

impl Drive for Scheduled {
    fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        shuttle::future::block_on(future)
    }
}

/// Stack of each of the checker's threads, in bytes: the futures of a whole request, unoptimised, do not fit into
/// the 32 KiB that it gives by itself.
const STACK_BYTES: usize = 256 * 1024;

fn with_room() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config
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
            shuttle::thread::spawn(move || shuttle::future::block_on(runner.run(store)))
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
    let schedules = effort::of(50, 20_000) as usize;
    let scenarios = scenarios::all(0).len();
    for scenario in 0..scenarios {
        Runner::new(RandomScheduler::new(schedules), with_room()).run(move || race(scenario));
        Runner::new(PctScheduler::new(3, schedules), with_room()).run(move || race(scenario));
    }
    println!("models: {} schedules of {scenarios} scenarios", 2 * schedules * scenarios);
}
