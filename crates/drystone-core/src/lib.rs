//! The object store itself: it knows names and bytes, and is given time. No HTTP, no disk.
//!
//! Ten nouns carry it. A *bucket* holds *objects* under *keys*. An *upload* in progress holds
//! *parts*; completed, it becomes an object. A body is a list of *segments*, each a run of an
//! *extent* (a write-once range of a volume, behind the data door) or of a small body in the
//! metadata. The *lane* commits one *command* after the other, durably, behind the metadata door.
//! What loses its last name goes on the *reclaim list* and from there back to the file system.
//!
//! ```text
//!             put_object                                   abort_upload
//!  may I? ── view of metadata                     one command: no upload, no parts,
//!  room?  ── data: reserve(len)                   extents → reclaim list
//!  body   ── hash + write, batch by batch                 │
//!  promises kept? data: finish (durable)          answer 204
//!  one command: condition, record, old → reclaim          │
//!  answer 200                                     reclaim: pins? free (durable), row away
//! ```
//!
//! Bytes are durable before they have a name; a name never exists without its bytes.

pub mod names;
pub mod error;
pub mod world;
pub mod sync;
pub mod checksum;
pub mod body;

pub mod meta;
pub mod data;

pub mod access;
pub mod audit;
pub mod store;
pub mod buckets;
pub mod objects;
pub mod uploads;
pub mod lifecycle;
pub mod abort_jobs;
pub mod reclaim;
pub mod scrub;

pub mod planted;
