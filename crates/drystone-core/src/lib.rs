//! The object store itself: names, bytes and the time that is given to it. No HTTP, no disk.

pub mod names;
pub mod error;
pub mod world;
pub mod body;
pub mod checksum;
pub mod meta;
pub mod data;
