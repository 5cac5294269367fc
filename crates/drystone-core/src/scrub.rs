//! Scrub: everything is read again, so that rot is found while there is still a copy elsewhere.
//!
//! A pass reads every object and every part of an upload in progress, in the order of their rows, through
//! the reader that clients use. It takes a slice at a time and holds nothing in between: an abort in the
//! middle gives its bytes back at once. Its place is a row of the metadata, so that a pass goes on after a
//! restart. Whoever drives it decides the pace. Damage is named, counted, and never ends a pass.

use std::time::Duration;

use bytes::Bytes;

use crate::buckets::list::read_name;
use crate::checksum::Crc64;
use crate::error::Error;
use crate::meta::door::{MetaError, Order, Tx, View};
use crate::meta::records::{
    BucketRecord, ObjectRecord, PartRecord, Record, ScrubRecord, Segment, UploadIndexRecord,
};
use crate::meta::tables::{self, Table, Within, load, save};
use crate::names::{BucketName, UploadId};
use crate::objects::ObjectReader;
use crate::objects::get::cut;
use crate::reclaim::ownership::segments_of;
use crate::store::{Chain, Store};

/// Most bytes of a body that are read at once, in bytes.
pub const SLICE_BYTES_MAX: u64 = 8 << 20;

/// What is scrubbed, in this order.
const TABLES: [Table; 2] = [Table::Current, Table::Parts];

/// A scrub at its place.
#[derive(Debug, Default)]
pub struct Scrub {
    record: ScrubRecord,
    /// What was read of the body after the place, if all of it was since the start of the process.
    body: Option<Begun>,
}

/// A body that was read from its beginning up to the place.
#[derive(Debug)]
struct Begun {
    /// Its row, to see that it is still the same body.
    row: BodyRow,
    crc64: Crc64,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes were read, and are right.
    Sound(u64),
    /// A body is damaged; the pass goes on behind it.
    Damaged {
        /// Which object or part.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The pass has ended.
    Finished,
}

/// A row that has a body.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BodyRow {
    key: Bytes,
    value: Bytes,
}

/// A body to be read.
struct Body {
    size: u64,
    crc64: u64,
    segments: Vec<Segment>,
}

/// How to read a slice, the body that it is of, and where it ends in that; or why it cannot be read.
type Slice = Result<(ObjectReader, Body, u64), Error>;

impl Scrub {
    /// How far it is and what it has found.
    pub fn record(&self) -> &ScrubRecord {
        &self.record
    }

    /// Whether a pass is going on, or is to begin because the last one began `interval` ago.
    fn is_due(&self, store: &Store, interval: Duration) -> bool {
        let ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self.record.finished.0 == 0 || store.clock.now().0 >= self.record.started.0.saturating_add(ms)
    }

    /// The row after the place is done.
    fn pass_by(&mut self, row: &BodyRow) {
        self.record.position = row.key.clone();
        self.record.offset = 0;
        self.body = None;
    }
}

impl Store {
    /// Finds the scrub's place. A store that was never scrubbed counts as scrubbed now.
    ///
    /// # Errors
    /// [`Error::Meta`].
    pub async fn scrub(&self) -> Result<Scrub, Error> {
        let kept = load(&*self.meta.snapshot(), &tables::scrub())?;
        if let Some(record) = kept {
            return Ok(Scrub { record, body: None });
        }
        let now = self.clock.now();
        let record = ScrubRecord { started: now, finished: now, ..Default::default() };
        let scrub = Scrub { record, body: None };
        self.keep_scrub(&scrub).await?;
        Ok(scrub)
    }

    /// Whether there is something to do: a pass that has begun, or one to begin because `interval` has passed
    /// since the last one began.
    pub fn scrub_is_due(&self, scrub: &mut Scrub, interval: Duration) -> bool {
        let due = scrub.is_due(self, interval);
        if due && scrub.record.finished.0 != 0 {
            *scrub =
                Scrub { record: ScrubRecord { started: self.clock.now(), ..Default::default() }, body: None };
        }
        due
    }

    /// Reads the next slice of the pass.
    ///
    /// # Errors
    /// [`Error::Meta`] when the rows cannot be walked; the place stays.
    pub async fn scrub_next(&self, scrub: &mut Scrub) -> Result<Step, Error> {
        let Some((row, opened)) = self.open_slice(scrub)? else {
            scrub.record.finished = self.clock.now();
            return Ok(Step::Finished);
        };
        let read = match opened {
            Ok((reader, body, end)) => read_slice(scrub, &row, reader, &body, end).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) => {
                scrub.record.checked += bytes;
                Ok(Step::Sound(bytes))
            }
            Err(error) => {
                scrub.record.damaged += 1;
                scrub.pass_by(&row);
                let what = name_of(&*self.meta.snapshot(), &row);
                Ok(Step::Damaged { what, why: Chain(&error).to_string() })
            }
        }
    }

    /// Opens the next slice: whose it is, and how to read it. `None` when the pass is at its end.
    fn open_slice(&self, scrub: &mut Scrub) -> Result<Option<(BodyRow, Slice)>, Error> {
        let finding = self.pins.enter();
        let view = self.meta.snapshot();
        let Some(row) = next_row(&*view, &scrub.record.position)? else { return Ok(None) };
        let opened = body_of(&*view, &row).and_then(|body| {
            if scrub.record.offset >= body.size {
                // It has been replaced by a shorter one.
                scrub.record.offset = 0;
            }
            let end = body.size.min(scrub.record.offset + SLICE_BYTES_MAX);
            let slice = cut(body.segments.iter().copied(), scrub.record.offset..end);
            Ok((ObjectReader::open(self, &*view, &finding, &slice)?, body, end))
        });
        Ok(Some((row, opened)))
    }

    /// Keeps the place, so that a restart goes on there.
    ///
    /// # Errors
    /// [`Error::Meta`] when it cannot be kept; then a restart goes on at the one before.
    pub async fn keep_scrub(&self, scrub: &Scrub) -> Result<(), Error> {
        let record = scrub.record.clone();
        let keep = move |tx: &mut dyn Tx| {
            save(tx, tables::scrub(), &record);
            Ok(())
        };
        self.commit(Vec::new(), keep).await
    }
}

/// The first row behind `position`.
fn next_row(view: &dyn View, position: &[u8]) -> Result<Option<BodyRow>, Error> {
    for table in TABLES {
        let prefix = tables::all(table);
        if position.first() > prefix.first() {
            continue;
        }
        let within = if position.first() == prefix.first() {
            Within::after(&prefix, position.to_vec())
        } else {
            Within::prefix(prefix)
        };
        if let Some(row) = view.scan(within.range(), Order::Ascending).next() {
            let (key, value) = row?;
            return Ok(Some(BodyRow { key, value }));
        }
    }
    Ok(None)
}

fn is_part(key: &[u8]) -> bool {
    key.first() == Some(&(Table::Parts as u8))
}

fn body_of(view: &dyn View, BodyRow { key, value }: &BodyRow) -> Result<Body, Error> {
    if is_part(key) {
        let part = PartRecord::decode(key, value.clone())?;
        return Ok(Body { size: part.size, crc64: part.crc64, segments: part.segments });
    }
    let object = ObjectRecord::decode(key, value.clone())?;
    let segments = segments_of(view, &object.body)?;
    Ok(Body { size: object.info.size, crc64: object.info.crc64, segments })
}

/// Reads up to `end` and moves the place there; behind the row if that is the end of its body.
async fn read_slice(
    scrub: &mut Scrub,
    row: &BodyRow,
    mut reader: ObjectReader,
    body: &Body,
    end: u64,
) -> Result<u64, Error> {
    let offset = scrub.record.offset;
    let mut begun = match scrub.body.take() {
        _ if offset == 0 => Some(Begun { row: row.clone(), crc64: Crc64::new() }),
        Some(begun) if begun.row == *row => Some(begun),
        _ => None,
    };
    let mut read = 0;
    while let Some(piece) = reader.next().await.transpose()? {
        read += piece.len() as u64;
        if let Some(begun) = &mut begun {
            begun.crc64.update(&piece);
        }
    }
    if read != end - offset {
        return Err(damaged(row, "it has fewer bytes than its size says"));
    }
    if end < body.size {
        scrub.record.offset = end;
        scrub.body = begun;
        return Ok(read);
    }
    if begun.is_some_and(|begun| begun.crc64.finish() != body.crc64) {
        return Err(damaged(row, "its bytes do not match its CRC64NVME"));
    }
    scrub.pass_by(row);
    Ok(read)
}

fn damaged(BodyRow { key, .. }: &BodyRow, why: &'static str) -> Error {
    MetaError::Corrupt { key: key.escape_ascii().to_string(), why }.into()
}

/// What a person calls the row's body, as far as that can be found out.
fn name_of(view: &dyn View, BodyRow { key, .. }: &BodyRow) -> String {
    let known = if is_part(key) { part_name(view, key) } else { object_name(view, key) };
    known.unwrap_or_else(|| format!("the body of row {}", key.escape_ascii()))
}

fn part_name(view: &dyn View, key: &[u8]) -> Option<String> {
    let number = tables::read_part_key(key).ok()?;
    let id = UploadId::from_bytes(*key.get(1..)?.first_chunk()?);
    let index: UploadIndexRecord = load(view, &tables::upload_by_age(&id)).ok()??;
    let bucket = bucket_name(view, index.bucket)?;
    Some(format!("part {number} of upload {id} of {bucket}/{}", index.key.escape_debug()))
}

fn object_name(view: &dyn View, key: &[u8]) -> Option<String> {
    let bucket = bucket_name(view, u64::from_be_bytes(*key.get(1..)?.first_chunk()?))?;
    Some(format!("object {bucket}/{}", String::from_utf8_lossy(key.get(9..)?).escape_debug()))
}

fn bucket_name(view: &dyn View, number: u64) -> Option<BucketName> {
    let within = Within::prefix(tables::all(Table::Buckets));
    let mut rows = view.scan(within.range(), Order::Ascending).flatten();
    rows.find_map(|(key, value)| {
        let bucket = BucketRecord::decode(&key, value).ok()?;
        (bucket.id == number).then(|| read_name(&key).ok()).flatten()
    })
}
