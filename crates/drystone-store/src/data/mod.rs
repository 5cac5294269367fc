//! The data door on disk: extents in volumes.
//!
//! In reading order: [`extent`] lays an extent out; [`volume`] is one file, with a sync that its
//! writers share; [`catalogue`] knows which volumes there are and keeps few of them open;
//! [`allocate`] finds places; [`hashing`] takes several bodies in at once; [`writer`] and [`reader`] move bytes; [`reclaim`] gives them back;
//! [`volumes`] is the door; [`numbers`] remembers what must outlive a crash; [`pool`] has the
//! threads and [`buffers`] the memory.

mod extent;
mod volume;
mod catalogue;
mod allocate;
mod hashing;
mod writer;
mod reader;
mod reclaim;
mod volumes;
mod numbers;
mod pool;
mod buffers;

pub(crate) use catalogue::VOLUMES_OPEN_MAX;
pub(crate) use numbers::Numbers;
pub(crate) use volumes::{StillInUse, Volumes, VolumesOptions};
