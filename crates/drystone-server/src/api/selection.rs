//! The JSON of a selection, read strictly.
//!
//! A member that is not known, is there twice, or has another type is an error: an old server must not pass
//! over the condition of a newer client and abort more than it was asked to.

use drystone_core::abort_jobs::selection::{Age, Selection};
use drystone_core::names::{AccountId, BucketName, Timestamp};
use serde::Deserialize;

use super::refusal::Refusal;

/// A selection as it is sent. `null` counts as absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    buckets: Option<Vec<String>>,
    prefix: Option<String>,
    initiated_before: Option<String>,
    idle_longer_than_seconds: Option<u64>,
    min_bytes: Option<u64>,
    initiator: Option<String>,
    all: Option<bool>,
}

/// Reads a selection.
///
/// # Errors
/// What is wrong with it, with an example.
pub(super) fn read(body: &[u8]) -> Result<Selection, Refusal> {
    let sent: Sent = serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error))?;
    let buckets = sent.buckets.unwrap_or_default();
    let buckets = buckets.iter().map(|name| BucketName::parse(name)).collect::<Result<_, _>>();
    Ok(Selection {
        buckets: buckets.map_err(|error| Refusal::selection(error.to_string()))?,
        prefix: sent.prefix.unwrap_or_default(),
        initiated_before: sent.initiated_before.as_deref().map(time).transpose()?,
        idle_longer_than_s: sent.idle_longer_than_seconds,
        min_bytes: sent.min_bytes.unwrap_or(0),
        initiator: match sent.initiator {
            Some(id) if id.is_empty() => {
                let why = "initiator is empty: name an account, or leave it out for all";
                return Err(Refusal::selection(why.to_owned()));
            }
            initiator => initiator.map(AccountId::new),
        },
        age: if sent.all == Some(true) { Age::All } else { Age::CutOff },
    })
}

/// A time as RFC 3339 writes it, in whole milliseconds; what is left is cut off, so that nothing is added to
/// what was asked for.
fn time(text: &str) -> Result<Timestamp, Refusal> {
    let time = text.parse::<jiff::Timestamp>().ok();
    let ms = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    ms.map(Timestamp).ok_or_else(|| {
        Refusal::selection(format!(
            "initiated_before is {text:?}, which is no time since 1970 with a zone: say for example \
             \"2026-11-01T00:00:00Z\""
        ))
    })
}
