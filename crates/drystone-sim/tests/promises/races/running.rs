//! Races of threads, in memory and over the real volumes and commit lane.

use std::sync::{Arc, Barrier};

use drystone_core::data::memory::MemoryData;
use drystone_core::meta::memory::MemoryMeta;
use drystone_sim::effort;
use drystone_sim::wait::wait;
use drystone_store::{OpenOptions, open};

use crate::races::arena::{Arena, Drive, Outcome};
use crate::races::scenarios;

/// Waits: others run.
struct Waiting;

impl Drive for Waiting {
    fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        wait(future)
    }
}

/// Runs one race on as many threads as there are racers, in `arena`, and cleans up.
fn race(arena: &mut Arena<Waiting>, number: usize) {
    let upload = arena.prepare();
    let all = scenarios::all(upload);
    let (name, racers) = &all[number % all.len()];
    let (runners, known) = arena.start(racers).split();
    let barrier = Barrier::new(runners.len());
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = runners
            .into_iter()
            .map(|runner| {
                let (store, barrier) = (Arc::clone(&arena.store), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    wait(runner.run(store))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a racer comes home")).collect()
    });
    arena.judge(name, &known, &outcomes);
    arena.verify(name);
    arena.clean(upload);
}

#[test]
fn threads_that_race_in_memory_are_explained_by_one_order() {
    let races = effort::of(16_000, 960_000) as usize;
    // A new store now and then: an upload that was ever made has a place in the model.
    for first in (0..races).step_by(500) {
        let mut arena = Arena::new(Waiting, Arc::new(MemoryMeta::new()), MemoryData::new(1 << 30));
        (first..races.min(first + 500)).for_each(|number| race(&mut arena, number));
    }
    println!("running: {races} races in memory");
}

#[test]
fn threads_that_race_on_disk_are_explained_by_one_order() {
    let races = effort::of(240, 40_000) as usize;
    for first in (0..races).step_by(400) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let opened =
            open(OpenOptions::new(folder.path())).unwrap_or_else(|error| panic!("it opens: {error}"));
        let mut arena = Arena::new(Waiting, opened.meta(), opened.data());
        (first..races.min(first + 400)).for_each(|number| race(&mut arena, number));
        drop(arena);
        opened.close().expect("it closes in order");
    }
    println!("running: {races} races on disk");
}
