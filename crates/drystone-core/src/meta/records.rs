//! The bytes of each row's value.
//!
//! A record begins with its marker and its version, then its fields in the order written here, all
//! numbers big-endian, texts with a length before them. `docs/format.md` describes every byte; the
//! golden files beside the tests hold one record of each version. A record that does not read back
//! whole is [`MetaError::Corrupt`](crate::meta::door::MetaError::Corrupt), never guessed at.

mod abort_job;
mod bytes_of;
mod lifecycle;
mod object;
mod scrub;
mod space;
mod upload;

pub use abort_job::{AbortBucketRecord, AbortJobRecord, AbortSelectionRecord};
pub use bytes_of::{Reader, Record, Writer};
pub use lifecycle::LifecycleRecord;
pub use object::{BodyPlace, ManifestRecord, ObjectRecord, Place, Segment, SmallBodyRecord, StoredPart};
pub use scrub::ScrubRecord;
pub use space::{CountersRecord, ExtentRecord, FreedRecord, UsageRecord};
pub use upload::{BucketRecord, CompletionRecord, HeldRecord, PartRecord, UploadIndexRecord, UploadRecord};
