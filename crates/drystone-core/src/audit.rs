//! Audit: what became of an upload, told once to whoever keeps the books.
//!
//! A command notes its [`Event`]s while it decides. They are told when it has settled and its writes are on stable
//! storage: also when its caller has gone away, so that nobody can hide an abort by hanging up; and never of a
//! command that was refused or failed. What a crash cuts off between the sync and the telling is not told.
//!
//! To have an operation told, commit it with `Store::commit_and_tell` and
//! push an event for each upload that it creates, completes or removes. The binary's
//! [`Audit`] writes the line and counts; nobody else has to do either.

use std::fmt;
use std::sync::Arc;

use crate::access::Caller;
use crate::names::{BucketName, ObjectKey, UploadId};
use crate::uploads::abort::Aborted;

/// Who keeps the books.
pub trait Audit: Send + Sync + 'static {
    /// Takes note of something that has happened for good. It may be called on the thread that settles commands, so
    /// it must not wait for another command.
    fn told(&self, event: &Event);
}

/// Something that happened to an upload, or to all uploads of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub deed: Deed,
    /// Who asked for it: of a job whoever started it; of a rule nobody.
    pub caller: Option<Caller>,
    /// The bucket.
    pub bucket: BucketName,
    /// Key and id of the upload; `None` when the deed is about all of the bucket.
    pub upload: Option<(ObjectKey, UploadId)>,
    /// Created: 0. Completed: the parts of the object. Ended otherwise: the parts that were freed.
    pub parts: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An upload was created.
    Created,
    /// It was completed; the parts that the client did not list were freed.
    Completed {
        /// What was freed.
        discarded: Aborted,
    },
    /// It was ended without an object.
    Aborted(Cause),
    /// Its bucket was deleted with all its uploads.
    BucketDeleted {
        /// How many there were.
        uploads: u64,
    },
}

/// Why an upload was aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A client asked for it.
    Request,
    /// A lifecycle rule of its bucket, by its id.
    Rule(Box<str>),
    /// A bulk abort job, by its id.
    Job(Box<str>),
}

/// Events of a settled command: they are told when this goes, whoever drops it.
pub(crate) struct Telling {
    pub(crate) audit: Option<Arc<dyn Audit>>,
    pub(crate) events: Vec<Event>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(audit) = &self.audit {
            self.events.iter().for_each(|event| audit.told(event));
        }
    }
}

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").field("events", &self.events).finish_non_exhaustive()
    }
}
