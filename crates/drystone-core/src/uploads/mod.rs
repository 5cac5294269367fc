//! Multipart uploads: one verb per file.
//!
//! In reading order: what an upload is ([`upload`]), then the verbs. The promise of the whole: an
//! upload is a row. Whoever's transaction removes that row, by completing or by aborting, wins; every
//! other transaction of the upload, a part's included, finds no row and refuses. So one abort is
//! final, and exactly one of Complete and Abort succeeds.

pub mod upload;

pub mod create;
pub mod part;
pub mod part_copy;
pub mod list_parts;
pub mod list;
pub mod census;
pub mod complete;
pub mod abort;
