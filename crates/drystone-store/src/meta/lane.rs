//! The commit lane: one thread that runs all commands, one after another, and syncs them together.
//!
//! It takes what waits, runs each command against everything before it, writes the accepted ones as
//! one batch, syncs once, and settles all. A command that refuses leaves nothing; a command whose
//! neighbours need a sync is settled after it, even a refused one, because it may have refused for
//! what a neighbour wrote. After a failed write or sync nobody knows what the disk holds: the lane
//! takes no more commands, ever, and says so to whoever opened the store.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use drystone_core::meta::door::{BoxFuture, Command, MetaError, Verdict, View};
use drystone_core::meta::overlay::{Overlay, Writes};
use drystone_core::planted::{Mistake, planted};
use parking_lot::Mutex;

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

/// Told once when the lane stops for good, with the reason.
pub(crate) type Fatal = Arc<dyn Fn(&str) + Send + Sync>;

/// The lane's end for callers.
pub(super) struct Lane {
    queue: Arc<Queue<Waiting>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    poisoned: Arc<AtomicBool>,
}

/// A command on its way; it is settled even if it is dropped here.
struct Waiting(Option<Box<dyn Command>>);

impl Waiting {
    fn settle(mut self, outcome: Result<(), MetaError>) {
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

impl Lane {
    /// Starts the lane over `engine`.
    pub(super) fn start(engine: impl Engine, fatal: Fatal) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(QUEUE_COMMANDS_MAX));
        let poisoned = Arc::new(AtomicBool::new(false));
        let mut runner = Runner { engine, fatal, poisoned: None, tell: Arc::clone(&poisoned) };
        let taken = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("drystone-commit".into()).spawn(move || {
            let mut commands = VecDeque::new();
            while !commands.is_empty() || taken.take(BATCH_COMMANDS_MAX, &mut commands) {
                runner.batch(&mut commands);
            }
        })?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)), poisoned })
    }

    /// Hands `command` over; see `Meta::submit`.
    pub(super) fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        match self.queue.try_push(Waiting(Some(command))) {
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
        self.poisoned.load(Ordering::Acquire)
    }

    /// Takes no more commands, and returns after all that came are settled.
    pub(super) fn close(&self) {
        self.queue.close();
        let Some(thread) = self.thread.lock().take() else { return };
        // The last owner of a store may be a command that the lane itself settles.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the commit lane ended with a panic");
        }
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
    fatal: Fatal,
    poisoned: Option<String>,
    tell: Arc<AtomicBool>,
}

impl<E: Engine> Runner<E> {
    /// Runs and settles commands until a batch is full.
    fn batch(&mut self, commands: &mut VecDeque<Waiting>) {
        if let Some(why) = &self.poisoned {
            for command in commands.drain(..) {
                command.settle(Err(MetaError::Poisoned(why.clone())));
            }
            return;
        }
        let mut ran = Vec::with_capacity(commands.len());
        let written = self.run(commands, &mut ran);
        if planted(Mistake::SettledBeforeWritten) {
            ran.drain(..).for_each(|command| command.settle(Ok(())));
        }
        let outcome = match written {
            Ok((writes, _)) if writes.is_empty() => Ok(()),
            Ok((writes, bytes)) => self.engine.admit(bytes as u64).and_then(|()| self.engine.write(writes)),
            Err(Panicked) => Err(MetaError::Poisoned("a command panicked".into())),
        };
        if let Err(error @ (MetaError::Poisoned(_) | MetaError::Engine(_))) = &outcome
            && !planted(Mistake::FailedWriteForgotten)
        {
            self.poison(error.to_string());
        }
        for command in ran {
            // A panic while settling is a bug like one while running; the others still get their answer.
            let settled = catch_unwind(AssertUnwindSafe(|| command.settle(outcome.clone())));
            if settled.is_err() && self.poisoned.is_none() {
                self.poison("settling a command panicked".into());
            }
        }
    }

    /// Runs commands until the batch is full; gives back what they wrote, and how many bytes.
    fn run(
        &self,
        commands: &mut VecDeque<Waiting>,
        ran: &mut Vec<Waiting>,
    ) -> Result<(Writes, usize), Panicked> {
        let view = self.engine.view();
        let mut batch = Overlay::new(&*view);
        let mut bytes = 0;
        while bytes < BATCH_BYTES_MAX
            && let Some(mut waiting) = commands.pop_front()
        {
            let mut tx = Overlay::new(&batch);
            let verdict = match &mut waiting.0 {
                Some(command) => catch_unwind(AssertUnwindSafe(|| command.run(&mut tx))),
                None => Ok(Verdict::Refuse),
            };
            let writes = tx.into_writes();
            ran.push(waiting);
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

    fn poison(&mut self, why: String) {
        tracing::error!(why, "metadata takes no more writes");
        self.tell.store(true, Ordering::Release);
        (self.fatal)(&why);
        self.poisoned = Some(why);
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
