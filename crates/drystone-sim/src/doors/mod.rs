//! One behaviour suite per door, as functions that take a factory.
//!
//! A backend passes when every function of its door's suite returns. The in-memory backends run
//! them here; the backends on disk run them in drystone-store's tests.

#![expect(clippy::missing_panics_doc, reason = "a suite reports what a backend does wrong by panicking")]

pub mod meta;
pub mod data;
