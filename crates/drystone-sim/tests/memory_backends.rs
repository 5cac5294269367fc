//! The in-memory backends pass their doors' suites.

use std::sync::Arc;

use drystone_core::data::door::{Data, DataError};
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::door::{BoxFuture, Command, Meta, View};
use drystone_core::meta::memory::MemoryMeta;
use drystone_sim::amnesia::machine::Machine;
use drystone_sim::doors;

#[test]
fn memory_meta_behaves() {
    doors::meta::all(&|| (Arc::new(MemoryMeta::new()), Box::new(())));
}

#[test]
fn memory_data_behaves() {
    doors::data::all(&|| (MemoryData::new(64 << 20), Box::new(())));
}

#[test]
fn memory_data_counts_reservations_against_its_capacity() {
    let data: Arc<dyn Data> = MemoryData::new(1_000);
    let writer = Arc::clone(&data).reserve(600).expect("600 of 1000 fit");
    let refused = Arc::clone(&data).reserve(401);
    assert!(matches!(refused, Err(DataError::NoSpace { needed: 401, available: 400 })));
    drop(writer);
    assert!(data.reserve(1_000).is_ok());
}

/// Metadata of a machine that takes each command for a request of its own: the suite sends more of them than
/// one request may need.
struct Rested {
    meta: Arc<dyn Meta>,
    machine: Machine,
}

impl Meta for Rested {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        self.meta.snapshot()
    }

    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        self.machine.rest();
        self.meta.submit(command)
    }
}

#[test]
fn the_doors_of_a_machine_that_forgets_behave() {
    doors::meta::all(&|| {
        let machine = Machine::new();
        (Arc::new(Rested { meta: machine.start().0, machine: machine.clone() }), Box::new(machine))
    });
    doors::data::all(&|| {
        let machine = Machine::new();
        (machine.start().1, Box::new(machine))
    });
}
