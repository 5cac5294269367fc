//! The schedules that a model is run in: drawn, or all there are.
//!
//! Only in builds whose locks a model checker schedules (feature `shuttle`). What is drawn is the same in every run,
//! as everything that [`crate::effort`] begins: a mistake that a suite catches today it catches tomorrow.

use std::sync::Arc;

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::effort;

/// Stack of each of the checker's threads, in bytes: the futures of a whole request, unoptimised, do not fit into
/// the 32 KiB that it gives by itself.
const STACK_BYTES: usize = 256 * 1024;

/// How often a thread is stopped for another at most, where that is drawn by priority.
const CHANGES: usize = 3;

/// Runs `model` in `schedules` that are drawn by lot, and in as many that are drawn by priority (Burckhardt et al.,
/// "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010). How many they were.
///
/// # Panics
/// When the model does, with the schedule in which it did.
pub fn drawn(schedules: u64, model: impl Fn() + Send + Sync + 'static) -> usize {
    let (seed, schedules, model) = (effort::seed(), schedules as usize, Arc::new(model));
    run(RandomScheduler::new_from_seed(seed, schedules), &model)
        + run(PctScheduler::new_from_seed(seed, CHANGES, schedules), &model)
}

/// Runs `model` in every schedule there is: a thread more, or a lock, and there are a hundred times as many. How many
/// they were.
///
/// # Panics
/// When the model does, with the schedule in which it did.
pub fn every(model: impl Fn() + Send + Sync + 'static) -> usize {
    run(DfsScheduler::new(None, false), &Arc::new(model))
}

fn run(scheduler: impl Scheduler + 'static, model: &Arc<impl Fn() + Send + Sync + 'static>) -> usize {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let model = Arc::clone(model);
    Runner::new(scheduler, config).run(move || model())
}
