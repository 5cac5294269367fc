//! The metadata room: the door to an ordered key-value store, and what the core keeps behind it.
//!
//! In reading order: [`door`] is what an engine must offer; [`overlay`] is how a transaction sees
//! its own writes; [`memory`] is the engine of tests and of `--memory`; [`tables`] lays rows out
//! over keys; [`records`] gives each row its bytes; [`walk`] lists keys and rolls them up at a
//! delimiter.

pub mod door;
pub mod overlay;
pub mod memory;
pub mod records;
pub mod tables;
pub mod walk;
