//! The commit lane: one thread that runs all commands, one after another, and syncs them together.
//!
//! It takes what waits, syncs the small extents that it names (one sync for all), runs each command
//! against everything before it, writes the accepted ones as one batch, syncs once, and settles all. A
//! command that refuses leaves nothing; a command whose neighbours need a sync is settled after it, even
//! a refused one, because it may have refused for what a neighbour wrote. After a failed write or sync
//! of its own nobody knows what the disk holds: the lane takes no more commands, ever, and says so to
//! whoever opened the store. So it does when a write does not end (see `flight`). An extent's failed sync
//! ends only the commands that name it.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use drystone_core::data::door::{DataError, Unsynced};
use drystone_core::meta::door::{BoxFuture, Command, MetaError, Verdict, View};
use drystone_core::meta::overlay::{Overlay, Writes};
use drystone_core::planted::{Mistake, planted};
use drystone_core::sync::Mutex;
use drystone_core::sync::thread::{self, JoinHandle};

use crate::meta::flight::{Fatal, Flight, Patience, Settled, Waiting, settle_all};
use crate::queue::{Queue, Rejected};

/// Commands that wait for the lane; the next callers wait for a place. Ten batches.
const QUEUE_COMMANDS_MAX: usize = 10 * BATCH_COMMANDS_MAX;
/// Commands in one batch: at 5 us each the last waits 5 ms for the batch's sync to begin.
const BATCH_COMMANDS_MAX: usize = 1024;
/// Bytes of keys and values after which a batch takes no further command.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the lane writes to.
pub(super) trait Engine: Send + 'static {
    /// Everything written so far.
    fn view(&self) -> Box<dyn View + '_>;
    /// Whether a batch of `bytes` can be written; nothing has been touched when it cannot.
    fn admit(&self, bytes: u64) -> Result<(), MetaError>;
    /// Writes a batch, all or nothing, and puts it on stable storage.
    fn write(&self, writes: Writes) -> Result<(), MetaError>;
}

/// The lane's end for callers.
pub(super) struct Lane {
    queue: Arc<Queue<Waiting>>,
    flight: Arc<Flight>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    commit: JoinHandle<()>,
    watch: JoinHandle<()>,
}

impl Lane {
    /// Starts the lane over `engine`.
    pub(super) fn start(engine: impl Engine, fatal: Fatal, patience: Patience) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(QUEUE_COMMANDS_MAX));
        let flight = Arc::new(Flight::new(fatal));
        let runner = Runner { engine, flight: Arc::clone(&flight) };
        let taken = Arc::clone(&queue);
        let commit = thread::Builder::new().name("drystone-commit".into()).spawn(move || {
            // Owned here, so that the end is heard of however the thread ends.
            let landing = Landing(Arc::clone(&runner.flight));
            let mut commands = VecDeque::new();
            while taken.take(BATCH_COMMANDS_MAX, &mut commands) {
                landing.0.board(&mut commands);
                while runner.batch() {}
            }
        })?;
        let (taken, watched) = (Arc::clone(&queue), Arc::clone(&flight));
        let watch = thread::Builder::new().name("drystone-watch".into()).spawn(move || {
            if watched.watch(patience) {
                return;
            }
            // Nobody else may answer those who come later.
            let mut commands = VecDeque::new();
            while taken.take(BATCH_COMMANDS_MAX, &mut commands) {
                let why = watched.refused().unwrap_or_else(closed);
                settle_all(commands.drain(..), &Err(why));
            }
        });
        let watch = watch.inspect_err(|_| queue.close())?;
        Ok(Self { queue, flight, threads: Mutex::new(Some(Threads { commit, watch })) })
    }

    /// Hands `command` over; see `Meta::submit`.
    pub(super) fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        match self.queue.try_push(Waiting::new(command)) {
            Ok(()) => Box::pin(std::future::ready(())),
            Err(Rejected::Closed(command)) => {
                command.settle(Err(closed()));
                Box::pin(std::future::ready(()))
            }
            Err(Rejected::Full(command)) => Box::pin(async {
                if let Err(command) = self.queue.push(command).await {
                    command.settle(Err(closed()));
                }
            }),
        }
    }

    /// Whether the lane stopped for good.
    pub(super) fn is_poisoned(&self) -> bool {
        self.flight.is_poisoned()
    }

    /// Takes no more commands, and returns after all that came are settled.
    pub(super) fn close(&self) {
        self.queue.close();
        let Some(Threads { commit, watch }) = self.threads.lock().take() else { return };
        let this = thread::current().id();
        // The last owner of a store may be a command that the lane itself settles.
        if [commit.thread().id(), watch.thread().id()].contains(&this) {
            return;
        }
        // A lane that was given up may hang for ever: its thread is left alone.
        let mut threads = vec![watch];
        if self.flight.wait_for_landing() {
            threads.push(commit);
        }
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("the commit lane ended with a panic");
            }
        }
    }
}

/// Says that the lane has ended.
struct Landing(Arc<Flight>);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.land();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close();
    }
}

fn closed() -> MetaError {
    MetaError::Poisoned("the store is closed".into())
}

/// The lane's end on its thread.
struct Runner<E> {
    engine: E,
    flight: Arc<Flight>,
}

impl<E: Engine> Runner<E> {
    /// Runs and settles commands until a batch is full; says whether any may be left.
    fn batch(&self) -> bool {
        match self.flight.begin() {
            Ok(true) => {}
            Ok(false) => return false,
            Err((commands, why)) => {
                settle_all(commands, &Err(why));
                return false;
            }
        }
        let lost = self.sync_extents();
        let written = self.run(&lost);
        if planted(Mistake::SettledBeforeWritten) {
            settle_all(self.flight.end(), &Ok(()));
        }
        let outcome = match written {
            Ok((writes, _)) if writes.is_empty() => Ok(()),
            Ok((writes, bytes)) => self.write(writes, bytes),
            Err(Panicked) => Err(MetaError::Poisoned("a command panicked".into())),
        };
        let ran = self.flight.end();
        if let Err(error @ (MetaError::Poisoned(_) | MetaError::Engine(_))) = &outcome
            && !planted(Mistake::FailedWriteForgotten)
        {
            self.flight.poison(&error.to_string());
        }
        // A panic while settling is a bug like one while running.
        if settle_all(ran, &outcome) == Settled::WithAPanic {
            self.flight.poison("settling a command panicked");
        }
        true
    }

    fn write(&self, writes: Writes, bytes: usize) -> Result<(), MetaError> {
        self.engine.admit(bytes as u64)?;
        match self.flight.refused() {
            // Given up while its commands ran: they may have been answered that nothing is written.
            Some(why) => Err(why),
            None => self.engine.write(writes),
        }
    }

    /// Brings the extents that the batch's commands name to stable storage; gives back the volumes where that
    /// failed, and why.
    fn sync_extents(&self) -> BTreeMap<u64, DataError> {
        if planted(Mistake::SmallExtentsNotSynced) {
            return BTreeMap::new();
        }
        let sync = |(volume, unsynced): (_, Arc<dyn Unsynced>)| Some((volume, unsynced.sync().err()?));
        self.flight.unsynced().into_iter().filter_map(sync).collect()
    }

    /// Runs commands until the batch is full; gives back what they wrote, and how many bytes. Those with an extent
    /// in a volume that is `lost` are settled instead: nobody can have read what they did not write.
    fn run(&self, lost: &BTreeMap<u64, DataError>) -> Result<(Writes, usize), Panicked> {
        let view = self.engine.view();
        let mut batch = Overlay::new(&*view);
        let mut bytes = 0;
        while bytes < BATCH_BYTES_MAX
            && let Some(mut waiting) = self.flight.next()
        {
            let lost = waiting.unsynced().find_map(|unsynced| lost.get(&unsynced.volume()));
            if let Some(error) = lost.cloned() {
                match settle_all([waiting], &Err(MetaError::Extent(error))) {
                    Settled::Well => continue,
                    Settled::WithAPanic => return Err(Panicked),
                }
            }
            let mut tx = Overlay::new(&batch);
            let verdict = catch_unwind(AssertUnwindSafe(|| waiting.command().run(&mut tx)));
            let writes = tx.into_writes();
            self.flight.ran(waiting);
            match verdict {
                Ok(Verdict::Commit) => {
                    bytes += size(&writes);
                    batch.absorb(writes);
                }
                Ok(Verdict::Refuse) => {}
                Err(_) => return Err(Panicked),
            }
        }
        Ok((batch.into_writes(), bytes))
    }
}

/// A command panicked.
struct Panicked;

/// Bytes of keys and values.
fn size(writes: &Writes) -> usize {
    writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, bytes::Bytes::len)).sum()
}

#[cfg(test)]
mod tests;

#[cfg(all(test, feature = "shuttle"))]
mod models;
