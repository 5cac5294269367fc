//! The two doors of the core, built on a file system.
//!
//! A data directory holds everything: `meta/` (the ordered key-value engine behind the metadata
//! door), `volumes/` (the extents behind the data door) and a few small files that say whose it is.
//! `docs/format.md` describes every byte.
//!
//! ```no_run
//! use drystone_store::{OpenOptions, open};
//!
//! let store = open(OpenOptions::new("./drystone-data"))?;
//! let (meta, data) = (store.meta(), store.data());
//! // ... serve ...
//! drop((meta, data));
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In reading order: [`open`] and [`Opened`] put the rooms together; `format` says what a data
//! directory is; `durable` is the only place that syncs and renames; `room` keeps metadata alive on
//! a full disk; [`descriptors`] says how many files it may have open; `queue` hands work to threads; `meta` and `data` are the doors; [`world`] is time
//! and chance.

mod opened;
mod format;
mod durable;
mod room;
pub mod descriptors;
mod queue;
mod meta;
mod data;
pub mod world;

pub use durable::replace_private;
pub use format::OpenError;
pub use opened::{CloseError, OpenOptions, Opened, memory, open};
