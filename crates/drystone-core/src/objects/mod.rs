//! Objects: one verb per file.
//!
//! In reading order: what an object is ([`object`]), when an operation may go on ([`conditions`]),
//! then the verbs.

pub mod object;
pub mod conditions;

pub mod put;
mod receive;
pub mod get;
mod reader;
pub mod attributes;
pub mod copy;
pub mod delete;
pub mod list;

pub use reader::ObjectReader;
