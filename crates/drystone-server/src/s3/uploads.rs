//! Multipart uploads on the wire: one verb per file.

mod extensions;
pub(crate) mod create;
pub(crate) mod part;
pub(crate) mod part_copy;
pub(crate) mod list_parts;
pub(crate) mod list;
pub(crate) mod complete;
pub(crate) mod abort;
