//! The metadata door of a machine that forgets.
//!
//! The extents that a command names are synced, it runs against everything committed, its batch goes to the
//! disk in one call, and only then is it seen and settled. A batch whose call fails may be on the disk or not;
//! the engine takes no more until the next start, which finds out.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use drystone_core::data::door::Pending;
use drystone_core::meta::door::{BoxFuture, Command, Meta, MetaError, Order, Row, Tx, Verdict, View};
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::meta::overlay::{Overlay, Writes};
use parking_lot::Mutex;

use crate::amnesia::faults::Passage;
use crate::amnesia::machine::{COMMANDS_MAX, Machine};

pub(super) struct AmnesiaMeta {
    machine: Machine,
    start: u64,
    /// What the running process sees.
    live: MemoryMeta,
    /// One command after another.
    lane: Mutex<()>,
}

impl AmnesiaMeta {
    pub(super) fn new(machine: Machine, start: u64, rows: BTreeMap<Bytes, Bytes>) -> Self {
        let live = MemoryMeta::new();
        let rows = rows.into_iter().map(|(key, value)| (key, Some(value))).collect();
        drop(live.submit(Box::new(Apply(rows))));
        Self { machine, start, live, lane: Mutex::new(()) }
    }

    fn run(&self, mut command: Box<dyn Command>) {
        let lane = self.lane.lock();
        let poisoned = || MetaError::Poisoned("an earlier write failed".into());
        let (dead, commands) = self.machine.with(|state| {
            state.commands += 1;
            (state.start != self.start || state.poisoned, state.commands)
        });
        assert!(commands < COMMANDS_MAX, "somebody tries again and again without being asked");
        if dead {
            drop(lane);
            return command.settle(Err(poisoned()));
        }
        let mut unsynced = command.pending().iter().filter_map(Pending::unsynced);
        if let Err(error) = unsynced.try_for_each(|unsynced| unsynced.sync()) {
            drop(lane);
            return command.settle(Err(MetaError::Extent(error)));
        }
        let view = self.live.snapshot();
        let mut tx = Overlay::new(&*view);
        let ran = catch_unwind(AssertUnwindSafe(|| command.run(&mut tx)));
        let writes = tx.into_writes();
        drop(view);
        let outcome = match ran {
            Ok(Verdict::Commit) if !writes.is_empty() => self.write(writes),
            Ok(Verdict::Commit | Verdict::Refuse) => Ok(()),
            Err(_) => {
                self.machine.with(|state| state.poisoned = true);
                Err(MetaError::Poisoned("a command panicked".into()))
            }
        };
        drop(lane);
        command.settle(outcome);
    }

    fn write(&self, writes: Writes) -> Result<(), MetaError> {
        self.machine.with(|state| match state.change(self.start) {
            Passage::Passes => {
                state.keep(writes.clone());
                Ok(())
            }
            Passage::Full => Err(MetaError::Full { needed: 1, available: 0 }),
            Passage::Fails => {
                (state.poisoned, state.unknown) = (true, Some(writes.clone()));
                Err(MetaError::Engine("the simulated disk failed".into()))
            }
            Passage::Dark => {
                // Only the call during which the power went may have written something.
                if !state.poisoned && state.start == self.start {
                    (state.poisoned, state.unknown) = (true, Some(writes.clone()));
                }
                Err(MetaError::Engine("the power is out".into()))
            }
        })?;
        drop(self.live.submit(Box::new(Apply(writes))));
        Ok(())
    }
}

impl Meta for AmnesiaMeta {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        Box::new(Snapshot { door: self, view: self.live.snapshot() })
    }

    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        self.run(command);
        Box::pin(std::future::ready(()))
    }
}

/// A batch on its way into the live view.
struct Apply(Writes);

impl Command for Apply {
    fn run(&mut self, tx: &mut dyn Tx) -> Verdict {
        for (key, value) in std::mem::take(&mut self.0) {
            match value {
                Some(value) => tx.put(key.to_vec(), value.to_vec()),
                None => tx.delete(key.to_vec()),
            }
        }
        Verdict::Commit
    }

    fn settle(self: Box<Self>, _: Result<(), MetaError>) {}
}

/// A view whose reads may fail.
struct Snapshot<'m> {
    door: &'m AmnesiaMeta,
    view: Box<dyn View + Send + 'm>,
}

impl Snapshot<'_> {
    fn read(&self) -> Result<(), MetaError> {
        match self.door.machine.with(|state| state.read(self.door.start)) {
            Passage::Passes => Ok(()),
            _ => Err(MetaError::Engine("the simulated disk could not be read".into())),
        }
    }
}

impl View for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        self.read()?;
        self.view.get(key)
    }

    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v> {
        match self.read() {
            Ok(()) => self.view.scan(range, order),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }
}
