//! Jobs that abort a selection of uploads.

use bytes::Bytes;

use crate::abort_jobs::job::{Counts, State};
use crate::abort_jobs::selection::{Age, Conditions};
use crate::meta::records::{Reader, Record, Writer};
use crate::names::{AccountId, BucketName, Timestamp};

/// How far a job is; apart from [`AbortSelectionRecord`] because every batch changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortJobRecord {
    /// How far it is.
    pub state: State,
    /// When it was started; 0 before.
    pub started: Timestamp,
    /// When it ended; 0 before.
    pub finished: Timestamp,
    /// What the preview counted.
    pub planned: Counts,
    /// What is aborted.
    pub aborted: Counts,
    /// Uploads that could not be aborted.
    pub failed: u64,
    /// Which of them was the last, and why; empty when there is none.
    pub last_error: Box<str>,
    /// Number of the bucket that it is in; it is done with all lower ones.
    pub bucket: u64,
    /// Key of the last row of `uploads` in that bucket that it is done with; empty at the bucket's beginning.
    pub position: Bytes,
}

impl Record for AbortJobRecord {
    const MARKER: [u8; 2] = *b"aj";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u8(match self.state {
            State::Previewed => 1,
            State::Running => 2,
            State::Done => 3,
            State::Cancelled => 4,
            State::Failed => 5,
        });
        to.u64(self.started.0);
        to.u64(self.finished.0);
        write_counts(to, self.planned);
        write_counts(to, self.aborted);
        to.u64(self.failed);
        to.text(&self.last_error);
        to.u64(self.bucket);
        to.u16(u16::try_from(self.position.len()).expect("the key of a row is shorter than 64 KiB"));
        to.raw(&self.position);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self {
            state: match from.u8()? {
                1 => State::Previewed,
                2 => State::Running,
                3 => State::Done,
                4 => State::Cancelled,
                5 => State::Failed,
                _ => return Err("it is in an unknown state"),
            },
            started: Timestamp(from.u64()?),
            finished: Timestamp(from.u64()?),
            planned: read_counts(from)?,
            aborted: read_counts(from)?,
            failed: from.u64()?,
            last_error: from.text()?,
            bucket: from.u64()?,
            position: {
                let len = from.u16()?;
                from.raw(len.into())?
            },
        })
    }
}

/// What a job was asked for; never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortSelectionRecord {
    /// Whose it is.
    pub owner: AccountId,
    /// When it was previewed.
    pub created: Timestamp,
    /// Whether it may do without a cut-off.
    pub age: Age,
    /// The conditions, frozen.
    pub conditions: Conditions,
    /// The buckets that were named; none for all of the owner's.
    pub buckets: Vec<BucketName>,
}

impl Record for AbortSelectionRecord {
    const MARKER: [u8; 2] = *b"as";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.text(self.owner.as_str());
        to.u64(self.created.0);
        to.u8(match self.age {
            Age::CutOff => 0,
            Age::All => 1,
        });
        to.text(&self.conditions.prefix);
        to.u64(self.conditions.up_to);
        write_time(to, self.conditions.initiated_before);
        write_time(to, self.conditions.idle_since_before);
        to.u64(self.conditions.min_bytes);
        to.text(self.conditions.initiator.as_ref().map_or("", AccountId::as_str));
        to.u16(u16::try_from(self.buckets.len()).expect("a selection names at most 1,000 buckets"));
        self.buckets.iter().for_each(|bucket| to.text(bucket.as_str()));
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        let owner = AccountId::new(from.text()?);
        let created = Timestamp(from.u64()?);
        let age = match from.u8()? {
            0 => Age::CutOff,
            1 => Age::All,
            _ => return Err("it says neither that it has a cut-off nor that it needs none"),
        };
        let prefix = from.text()?;
        let up_to = from.u64()?;
        let initiated_before = read_time(from)?;
        let idle_since_before = read_time(from)?;
        let min_bytes = from.u64()?;
        let initiator = Some(from.text()?).filter(|id| !id.is_empty()).map(AccountId::new);
        let conditions =
            Conditions { prefix, up_to, initiated_before, idle_since_before, min_bytes, initiator };
        let count = from.u16()?;
        let buckets = (0..count).map(|_| read_bucket(from)).collect::<Result<_, _>>()?;
        Ok(Self { owner, created, age, conditions, buckets })
    }
}

/// What a job does in one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortBucketRecord {
    /// The bucket's name.
    pub name: BucketName,
    /// What the preview counted; more than 0 uploads.
    pub planned: Counts,
    /// What is aborted.
    pub aborted: Counts,
}

impl Record for AbortBucketRecord {
    const MARKER: [u8; 2] = *b"ab";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.text(self.name.as_str());
        write_counts(to, self.planned);
        write_counts(to, self.aborted);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self { name: read_bucket(from)?, planned: read_counts(from)?, aborted: read_counts(from)? })
    }
}

fn read_bucket(from: &mut Reader) -> Result<BucketName, &'static str> {
    BucketName::parse(&from.text()?).map_err(|_| "a name in it is not a bucket's")
}

fn write_time(to: &mut Writer, time: Option<Timestamp>) {
    to.u8(u8::from(time.is_some()));
    to.u64(time.unwrap_or_default().0);
}

fn read_time(from: &mut Reader) -> Result<Option<Timestamp>, &'static str> {
    match (from.u8()?, from.u64()?) {
        (0, 0) => Ok(None),
        (1, time) => Ok(Some(Timestamp(time))),
        _ => Err("a cut-off in it is neither there nor absent"),
    }
}

fn write_counts(to: &mut Writer, counts: Counts) {
    to.u64(counts.uploads);
    to.u64(counts.parts);
    to.u64(counts.bytes);
}

fn read_counts(from: &mut Reader) -> Result<Counts, &'static str> {
    Ok(Counts { uploads: from.u64()?, parts: from.u64()?, bytes: from.u64()? })
}
