//! Buckets: one verb per file.

pub mod create;
pub mod head;
pub mod list;
pub mod delete;
pub mod quota;
