//! One unfinished upload, as far as the server tells of it.

use aws_sdk_s3::primitives::DateTime;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::moment;

/// An unfinished upload. What it looks like in JSON is part of what `--json` promises: every member is always there, and null when
/// the server does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The bucket.
    pub bucket: String,
    /// The key that it will have.
    pub key: String,
    /// The upload's id.
    pub id: String,
    /// When it was created; some servers do not say.
    pub initiated: Option<Timestamp>,
    /// Who created it: a name where there is one, an id otherwise.
    pub initiator: Option<String>,
    /// What it holds, once that is known.
    pub held: Option<Held>,
    /// The rule that will abort it.
    pub fate: Option<Fate>,
}

/// What an upload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Number of parts.
    pub parts: u64,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// When the last part arrived, or the upload was created.
    pub last_activity: Option<Timestamp>,
}

/// What a lifecycle rule of the bucket will do to an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// When it may be aborted.
    pub abort_date: Timestamp,
    /// The rule's id.
    pub abort_rule_id: String,
}

/// An upload in JSON. Every member is always there; what is not known is null.
#[derive(Serialize)]
struct Shape<'a> {
    bucket: &'a str,
    key: &'a str,
    id: &'a str,
    parts: Option<u64>,
    bytes: Option<u64>,
    #[serde(serialize_with = "moment::json::time_or_null")]
    initiated: Option<Timestamp>,
    #[serde(serialize_with = "moment::json::time_or_null")]
    last_activity: Option<Timestamp>,
    initiator: Option<&'a str>,
    #[serde(serialize_with = "moment::json::time_or_null")]
    abort_date: Option<Timestamp>,
    abort_rule_id: Option<&'a str>,
}

impl Serialize for Upload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = Shape {
            bucket: &self.bucket,
            key: &self.key,
            id: &self.id,
            parts: self.held.map(|held| held.parts),
            bytes: self.held.map(|held| held.bytes),
            initiated: self.initiated,
            last_activity: self.last_activity(),
            initiator: self.initiator.as_deref(),
            abort_date: self.fate.as_ref().map(|fate| fate.abort_date),
            abort_rule_id: self.fate.as_ref().map(|fate| fate.abort_rule_id.as_str()),
        };
        shape.serialize(serializer)
    }
}

impl Upload {
    /// The latest sign of life that is known.
    pub fn last_activity(&self) -> Option<Timestamp> {
        self.held.and_then(|held| held.last_activity).or(self.initiated)
    }

    /// Number of parts, as far as it is known.
    pub fn parts(&self) -> u64 {
        self.held.map_or(0, |held| held.parts)
    }

    /// Bytes held, as far as it is known.
    pub fn bytes(&self) -> u64 {
        self.held.map_or(0, |held| held.bytes)
    }

    /// How messages name it: `s3://photos/wall.jpg (upload 1234)`.
    pub fn named(&self) -> String {
        format!("s3://{}/{} (upload {})", self.bucket, self.key, self.id)
    }
}

/// A time as the SDK has it. `None` for one that no calendar holds.
pub fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// A time for the SDK, to the second.
pub fn date_time(time: Timestamp) -> DateTime {
    DateTime::from_secs(time.as_second())
}
