//! A machine that forgets: both doors over a simulated disk that keeps, when the power goes, only what was
//! synced.
//!
//! In reading order: [`faults`] counts the calls through the doors and says which of them fails;
//! [`machine`] is what survives a start; `meta` and `data` are the doors of one start. A test arms a
//! fault, does something, cuts the power and starts again: the store must then be what it acknowledged.
//! Without it only a real disk could show what a missing sync loses, a few hundred times an hour; here it
//! is a few thousand times a second, at a place that the test chooses.

pub mod faults;
pub mod machine;
mod meta;
mod data;
