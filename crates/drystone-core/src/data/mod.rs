//! The data room: the door to write-once extents, and the backend that keeps them in memory.

pub mod door;
pub mod memory;
