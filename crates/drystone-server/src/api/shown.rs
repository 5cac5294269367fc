//! Jobs and receipts as JSON.

use drystone_core::abort_jobs::job::{Counts, Job};
use drystone_core::abort_jobs::selection::Age;
use drystone_core::abort_jobs::show::Receipt;
use drystone_core::names::{AccountId, BucketName, Timestamp};
use serde_json::{Value, json};

/// A job; its cut-offs are points in time.
pub(super) fn job(job: &Job) -> Value {
    let conditions = &job.conditions;
    json!({
        "id": job.id.to_string(),
        "state": job.state.name(),
        "selection": {
            "buckets": job.buckets.iter().map(BucketName::as_str).collect::<Vec<_>>(),
            "prefix": conditions.prefix,
            "initiated_before": conditions.initiated_before.map(time),
            "idle_since_before": conditions.idle_since_before.map(time),
            "min_bytes": conditions.min_bytes,
            "initiator": conditions.initiator.as_ref().map(AccountId::as_str),
            "all": job.age == Age::All,
        },
        "created": time(job.created),
        "started": job.started.map(time),
        "finished": job.finished.map(time),
        "planned": counts(job.planned),
        "aborted": counts(job.aborted),
        "failed": job.failed,
        "last_error": job.last_error,
    })
}

/// What a job did, bucket by bucket.
pub(super) fn receipt(receipt: &Receipt) -> Value {
    let buckets = receipt.buckets.iter().map(|done| {
        let Counts { uploads, parts, bytes } = done.aborted;
        json!({ "bucket": done.bucket.as_str(), "uploads": uploads, "parts": parts, "bytes": bytes })
    });
    json!({ "job": job(&receipt.job), "buckets": buckets.collect::<Vec<_>>() })
}

fn counts(Counts { uploads, parts, bytes }: Counts) -> Value {
    json!({ "uploads": uploads, "parts": parts, "bytes": bytes })
}

/// RFC 3339 with milliseconds. A time beyond year 9999 cannot be written; the latest that can says as much.
fn time(time: Timestamp) -> String {
    let ms = i64::try_from(time.0).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}
