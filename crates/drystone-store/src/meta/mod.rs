//! The metadata door on disk: one engine, one lane.

mod flight;
mod lane;
mod flushed;
mod journal;
mod often;
mod waits;
mod embedded;
mod inventory;

pub(crate) use embedded::{Embedded, EmbeddedOptions};
pub(crate) use flight::Fatal;
pub(crate) use inventory::Inventory;
