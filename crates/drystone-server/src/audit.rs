//! The audit in the log: one line for each upload that is created, completed, aborted or expires.
//!
//! The lines have the tracing target `audit`, so that they can be turned on and off and routed by themselves. Each is
//! whole: it stands outside of its request's span and names the request itself, because what it tells of may be
//! finished when the request is not there any more. No line holds a secret, and no key, whatever it is made of, can
//! forge one: strings are written as values, which both forms of the log escape.
//!
//! | field | meaning |
//! |---|---|
//! | `action` | `create`, `complete`, `abort`, `expire`, `delete-bucket` |
//! | `cause` | of what ended without an object: `request`, `lifecycle`, `bulk`, `bucket-deletion` |
//! | `account` | who asked; of a rule nobody |
//! | `bucket`, `key`, `upload_id` | what; a deleted bucket has no key and no upload |
//! | `parts`, `bytes` | of the object for `complete`, freed for `abort`, `expire` and `delete-bucket` |
//! | `discarded_parts`, `discarded_bytes` | `complete`: what the client did not list, which was freed |
//! | `uploads` | `delete-bucket`: how many uploads went with it |
//! | `rule`, `job` | the lifecycle rule or the bulk job that aborted it |
//! | `request_id` | as on the answer, in `x-amz-request-id` |
//!
//! What is freed is counted here as well, so that line and number cannot disagree:
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `drystone_uploads_aborted_total` | cause | uploads that ended without an object |
//! | `drystone_uploads_freed_bytes_total` | cause | bytes of their parts |

use drystone_core::audit::{Audit, Cause, Deed, Event};

/// The tracing target of the lines.
pub const TARGET: &str = "audit";

const ABORTED: &str = "drystone_uploads_aborted_total";
const FREED: &str = "drystone_uploads_freed_bytes_total";

const REQUEST: &str = "request";
const LIFECYCLE: &str = "lifecycle";
const BULK: &str = "bulk";
const BUCKET_DELETION: &str = "bucket-deletion";

/// Writes the lines and counts.
#[derive(Debug)]
pub struct AuditLog(());

impl AuditLog {
    /// Starts to count at zero, in the recorder that is [installed](crate::metrics::Metrics::install).
    pub fn start() -> Self {
        ::metrics::describe_counter!(ABORTED, "Uploads that ended without an object, by cause.");
        ::metrics::describe_counter!(FREED, "Bytes of the parts of uploads that ended without an object.");
        for cause in [REQUEST, LIFECYCLE, BULK, BUCKET_DELETION] {
            ::metrics::counter!(ABORTED, "cause" => cause).absolute(0);
            ::metrics::counter!(FREED, "cause" => cause).absolute(0);
        }
        Self(())
    }
}

/// What a line says beside what every line says.
#[derive(Default)]
struct Said<'e> {
    action: &'static str,
    cause: Option<&'static str>,
    discarded: Option<(u32, u64)>,
    uploads: Option<u64>,
    rule: Option<&'e str>,
    job: Option<&'e str>,
}

impl Audit for AuditLog {
    fn told(&self, event: &Event) {
        let said = say(&event.deed);
        if let Some(cause) = said.cause {
            ::metrics::counter!(ABORTED, "cause" => cause).increment(said.uploads.unwrap_or(1));
            ::metrics::counter!(FREED, "cause" => cause).increment(event.bytes);
        }
        tracing::info!(
            target: TARGET,
            parent: None,
            action = said.action,
            cause = said.cause,
            account = event.caller.as_ref().map(|caller| caller.account.as_str()),
            bucket = event.bucket.as_str(),
            key = event.upload.as_ref().map(|(key, _)| key.as_str()),
            upload_id = event.upload.as_ref().map(|(_, id)| tracing::field::display(id)),
            parts = event.parts,
            bytes = event.bytes,
            discarded_parts = said.discarded.map(|(parts, _)| parts),
            discarded_bytes = said.discarded.map(|(_, bytes)| bytes),
            uploads = said.uploads,
            rule = said.rule,
            job = said.job,
            request_id = event.caller.as_ref().and_then(|caller| caller.request).map(tracing::field::display),
            "audit"
        );
    }
}

fn say(deed: &Deed) -> Said<'_> {
    match deed {
        Deed::Created => Said { action: "create", ..Said::default() },
        Deed::Completed { discarded } => {
            let discarded = Some((discarded.parts, discarded.bytes)).filter(|(parts, _)| *parts > 0);
            Said { action: "complete", discarded, ..Said::default() }
        }
        Deed::Aborted(Cause::Request) => Said { action: "abort", cause: Some(REQUEST), ..Said::default() },
        Deed::Aborted(Cause::Rule(rule)) => {
            Said { action: "expire", cause: Some(LIFECYCLE), rule: Some(rule), ..Said::default() }
        }
        Deed::Aborted(Cause::Job(job)) => {
            Said { action: "abort", cause: Some(BULK), job: Some(job), ..Said::default() }
        }
        Deed::BucketDeleted { uploads } => Said {
            action: "delete-bucket",
            cause: Some(BUCKET_DELETION),
            uploads: Some(*uploads),
            ..Said::default()
        },
    }
}
