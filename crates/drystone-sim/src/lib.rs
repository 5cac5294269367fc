//! The test kit: what the product's tests share and the product never links.
//!
//! In reading order: [`wait`] runs a future on the thread of a test; [`doors`] holds one behaviour
//! suite per door, which every backend must pass; [`disk`] mounts small file systems to fill and to cut
//! off from power.

pub mod wait;
pub mod doors;
pub mod disk;
