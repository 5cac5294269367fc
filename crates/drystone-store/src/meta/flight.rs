//! The commands that the lane has taken and not settled yet, and the watch over them.
//!
//! The engine may never come back from a write: its background threads ended on an error while it
//! waits for them to catch up, or the disk hangs. It tells nobody, so a thread looks from time to time
//! whether the lane still works on the same batch as before. After enough looks it gives the batch up:
//! metadata takes no more writes, and everyone who waits gets an error instead of nothing. Without it
//! clients would wait for ever on a server that looks alive.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use drystone_core::data::door::{Pending, Unsynced};
use drystone_core::meta::door::{Command, MetaError};
use drystone_core::sync::atomic::{AtomicBool, Ordering};
use drystone_core::sync::{Condvar, Mutex};

/// Told once when the lane stops for good, with the reason.
pub(crate) type Fatal = Arc<dyn Fn(&str) + Send + Sync>;

/// A command on its way; it is settled even if it is dropped here.
pub(super) struct Waiting(Option<Box<dyn Command>>);

impl Waiting {
    pub(super) fn new(command: Box<dyn Command>) -> Self {
        Self(Some(command))
    }

    pub(super) fn command(&mut self) -> &mut dyn Command {
        &mut **self.0.as_mut().expect("it is taken out by its end only")
    }

    /// Which of its extents are not on stable storage.
    pub(super) fn unsynced(&self) -> impl Iterator<Item = &Arc<dyn Unsynced>> {
        self.0.iter().flat_map(|command| command.pending()).filter_map(Pending::unsynced)
    }

    pub(super) fn settle(mut self, outcome: Result<(), MetaError>) {
        if let Some(command) = self.0.take() {
            command.settle(outcome);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(command) = self.0.take() {
            command.settle(Err(MetaError::Busy));
        }
    }
}

/// How long a batch may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Time between two looks.
    pub(super) look_every: Duration,
    /// Looks that may find the same batch at work, the first one not counted.
    pub(super) looks_max: u32,
}

impl Patience {
    /// A minute: a sync behind the dirty pages of many uploads takes seconds, a write that waits for
    /// flushes and merges of 4 MiB memtables some more, on a slow disk; and clients wait a minute.
    /// Time in which the whole process or machine was stopped is no look.
    pub(super) const OF_A_DISK: Self = Self { look_every: Duration::from_secs(5), looks_max: 12 };
}

/// What the lane works on.
pub(super) struct Flight {
    state: Mutex<State>,
    /// The lane ended, or was given up.
    over: Condvar,
    poisoned: AtomicBool,
    fatal: Fatal,
}

#[derive(Default)]
struct State {
    /// Taken, and not run.
    boarded: VecDeque<Waiting>,
    /// Run, and not settled.
    ran: Vec<Waiting>,
    /// The batch that is at work.
    at_work: Option<u64>,
    batches: u64,
    poisoned: Option<String>,
    stage: Stage,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Flying,
    /// The lane's thread has ended.
    Landed,
    /// The lane's thread may never end.
    GivenUp,
}

impl Flight {
    pub(super) fn new(fatal: Fatal) -> Self {
        Self { state: Mutex::default(), over: Condvar::new(), poisoned: AtomicBool::new(false), fatal }
    }

    /// Whether nothing more is written.
    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Nothing more is written from now on.
    pub(super) fn poison(&self, why: &str) {
        let mut state = self.state.lock();
        if state.poisoned.is_some() {
            return;
        }
        state.poisoned = Some(why.to_owned());
        drop(state);
        self.poisoned.store(true, Ordering::Release);
        tracing::error!(why, "metadata takes no more writes");
        (self.fatal)(why);
    }

    /// Takes over what the lane has taken from its queue.
    pub(super) fn board(&self, commands: &mut VecDeque<Waiting>) {
        self.state.lock().boarded.append(commands);
    }

    /// Begins a batch, if anybody waits for one.
    ///
    /// # Errors
    /// All who wait, and why nothing more is written.
    pub(super) fn begin(&self) -> Result<bool, (Vec<Waiting>, MetaError)> {
        let mut state = self.state.lock();
        if let Some(why) = &state.poisoned {
            let why = MetaError::Poisoned(why.clone());
            return Err((state.boarded.drain(..).collect(), why));
        }
        if state.boarded.is_empty() {
            return Ok(false);
        }
        state.batches += 1;
        state.at_work = Some(state.batches);
        Ok(true)
    }

    /// The syncs that must be made before the batch, one for each volume.
    pub(super) fn unsynced(&self) -> BTreeMap<u64, Arc<dyn Unsynced>> {
        let state = self.state.lock();
        let unsynced = state.boarded.iter().flat_map(Waiting::unsynced);
        unsynced.map(|sync| (sync.volume(), Arc::clone(sync))).collect()
    }

    /// The next command of the batch.
    pub(super) fn next(&self) -> Option<Waiting> {
        self.state.lock().boarded.pop_front()
    }

    /// `command` was run.
    pub(super) fn ran(&self, command: Waiting) {
        self.state.lock().ran.push(command);
    }

    /// Why the batch must not be written.
    pub(super) fn refused(&self) -> Option<MetaError> {
        self.state.lock().poisoned.clone().map(MetaError::Poisoned)
    }

    /// The batch is over; who ran in it and was not given up.
    pub(super) fn end(&self) -> Vec<Waiting> {
        let mut state = self.state.lock();
        state.at_work = None;
        std::mem::take(&mut state.ran)
    }

    /// The lane's thread has ended.
    pub(super) fn land(&self) {
        self.state.lock().stage = Stage::Landed;
        self.over.notify_all();
    }

    /// Waits until the lane's thread has ended; `false` when it may never do so.
    pub(super) fn wait_for_landing(&self) -> bool {
        let mut state = self.state.lock();
        while state.stage == Stage::Flying {
            self.over.wait(&mut state);
        }
        state.stage == Stage::Landed
    }

    /// Looks after the lane until it ends; `false` when it had to be given up. Then all that it had
    /// taken is settled.
    pub(super) fn watch(&self, patience: Patience) -> bool {
        let mut looks = Looks::default();
        let mut state = self.state.lock();
        loop {
            if state.stage == Stage::Landed {
                return true;
            }
            self.over.wait_for(&mut state, patience.look_every);
            if looks.look(state.at_work) > patience.looks_max {
                break;
            }
        }
        let seconds = patience.look_every.as_secs() * u64::from(patience.looks_max);
        let why = format!(
            "the metadata engine did not finish a write within {seconds} s: a background thread of it ended on an \
             error, or the disk hangs; look at the disk and at the messages before this one, then restart: what \
             was acknowledged is safe, and the start recovers the rest"
        );
        let waiting = std::mem::take(&mut state.boarded);
        let ran = std::mem::take(&mut state.ran);
        state.stage = Stage::GivenUp;
        drop(state);
        // Poisoned before anybody hears of it, so that nothing is written after that answer.
        self.poison(&why);
        settle_all(ran.into_iter().chain(waiting), &Err(MetaError::Poisoned(why)));
        self.over.notify_all();
        false
    }
}

/// How often the same batch was found at work.
#[derive(Default)]
struct Looks {
    found: Option<u64>,
    times: u32,
}

impl Looks {
    /// Looks once more; how often the batch `at_work` had been found before.
    fn look(&mut self, at_work: Option<u64>) -> u32 {
        if at_work.is_none() || at_work != self.found {
            (self.found, self.times) = (at_work, 0);
        } else {
            self.times += 1;
        }
        self.times
    }
}

/// Settles `commands`; says whether one of them panicked. The others still get their answer.
pub(super) fn settle_all(
    commands: impl IntoIterator<Item = Waiting>,
    outcome: &Result<(), MetaError>,
) -> Settled {
    let mut all = Settled::Well;
    for command in commands {
        if catch_unwind(AssertUnwindSafe(|| command.settle(outcome.clone()))).is_err() {
            all = Settled::WithAPanic;
        }
    }
    all
}

/// How a batch was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Well,
    WithAPanic,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_batch_again_and_again_is_a_stall() {
        let mut looks = Looks::default();
        let found = [None, Some(1), Some(1), Some(2), Some(2), Some(2), None, Some(3), Some(3), Some(3)];
        assert_eq!(found.map(|batch| looks.look(batch)), [0, 0, 1, 0, 1, 2, 0, 0, 1, 2]);
        // Nothing to do is no stall, however long.
        assert_eq!([None; 5].map(|batch| looks.look(batch)), [0; 5]);
    }
}
