//! GetObject and HeadObject: find the object, decide the conditions, cut the range, stream it.

use std::ops::Range;

use crate::access::Caller;
use crate::checksum::Checksum;
use crate::error::Error;
use crate::meta::door::View;
use crate::meta::records::{BodyPlace, ManifestRecord, ObjectRecord, Segment};
use crate::meta::tables::{self, load};
use crate::names::{BucketName, ObjectKey, PartNumber};
use crate::objects::conditions::ReadConditions;
use crate::objects::object::ObjectInfo;
use crate::objects::reader::ObjectReader;
use crate::store::{Store, bucket_for};

/// What to read.
#[derive(Clone, Debug)]
pub struct GetObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// When to answer with the object.
    pub conditions: ReadConditions,
    /// Which bytes.
    pub span: Span,
}

/// Which bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// All.
    Whole,
    /// One range (RFC 9110, section 14.1.2).
    Range(ByteRange),
    /// One part of a multipart object; part 1 of any other object is all of it.
    Part(PartNumber),
}

/// A range as a client asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-last`, both inclusive; `last` may lie past the end.
    FromTo {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// `first-`.
    From {
        /// First byte.
        first: u64,
    },
    /// `-count`: the last bytes.
    Last {
        /// How many.
        count: u64,
    },
}

impl ByteRange {
    /// The bytes of an object of `size` bytes that are meant.
    ///
    /// # Errors
    /// [`Error::InvalidRange`] when there are none.
    pub fn within(self, size: u64) -> Result<Range<u64>, Error> {
        let range = match self {
            Self::FromTo { first, last } => first..last.saturating_add(1).min(size),
            Self::From { first } => first..size,
            Self::Last { count } => size.saturating_sub(count)..size,
        };
        if range.is_empty() { Err(Error::InvalidRange { size }) } else { Ok(range) }
    }
}

/// A found object and the bytes that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The object.
    pub info: ObjectInfo,
    /// The bytes that are answered.
    pub range: Range<u64>,
    /// When one part was asked for: what is known of it.
    pub part: Option<LocatedPart>,
}

/// A part of a completed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedPart {
    /// The checksum of its bytes, if its upload kept one.
    pub checksum: Option<Checksum>,
}

/// The object's record, what was located in it, and its manifest if that had to be read.
pub(crate) struct Found {
    pub(crate) record: ObjectRecord,
    pub(crate) located: Located,
    manifest: Option<ManifestRecord>,
}

impl Store {
    /// Finds an object without touching its bytes.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::NoSuchKey`], a failed condition,
    /// [`Error::InvalidRange`], [`Error::InvalidPartNumber`], [`Error::Meta`].
    pub fn head_object(&self, caller: &Caller, request: &GetObject) -> Result<Located, Error> {
        find(&*self.meta.snapshot(), caller, request).map(|found| found.located)
    }

    /// Finds an object and opens a stream of the bytes asked for.
    ///
    /// The stream keeps its bytes from being freed; it reads the object as it was found, whatever
    /// happens to the key meanwhile.
    ///
    /// # Errors
    /// As [`Store::head_object`]; [`Error::Data`].
    pub fn get_object(&self, caller: &Caller, request: &GetObject) -> Result<(Located, ObjectReader), Error> {
        let finding = self.pins.enter();
        let view = self.meta.snapshot();
        let found = find(&*view, caller, request)?;
        let segments = found.segments(&*view)?;
        let reader = ObjectReader::open(self, &*view, &finding, &segments)?;
        Ok((found.located, reader))
    }
}

/// Finds what `request` asks for.
pub(crate) fn find(view: &dyn View, caller: &Caller, request: &GetObject) -> Result<Found, Error> {
    let bucket = bucket_for(view, &request.bucket, caller)?;
    let record: ObjectRecord = load(view, &tables::current(bucket.id, request.key.as_str()))?
        .ok_or_else(|| Error::NoSuchKey(request.key.clone()))?;
    request.conditions.check_read(record.info.etag, record.info.modified)?;
    let info = record.info.clone();
    let mut manifest = None;
    let (range, part) = match request.span {
        Span::Whole => (0..info.size, None),
        Span::Range(range) => (range.within(info.size)?, None),
        Span::Part(part) => {
            manifest = load_manifest(view, &record.body)?;
            let (range, located) = find_part(&info, manifest.as_ref(), part)?;
            (range, Some(located))
        }
    };
    Ok(Found { record, located: Located { info, range, part }, manifest })
}

/// The manifest of a body that has one.
pub(crate) fn load_manifest(view: &dyn View, body: &BodyPlace) -> Result<Option<ManifestRecord>, Error> {
    match body {
        BodyPlace::Manifest(id) => Ok(load(view, &tables::manifest(*id))?),
        BodyPlace::Empty | BodyPlace::One(_) => Ok(None),
    }
}

fn find_part(
    info: &ObjectInfo,
    manifest: Option<&ManifestRecord>,
    asked: PartNumber,
) -> Result<(Range<u64>, LocatedPart), Error> {
    let Some(manifest) = manifest else {
        return match (asked, info.parts) {
            (PartNumber::MIN, 0) => Ok((0..info.size, LocatedPart { checksum: Some(info.checksum.value) })),
            _ => Err(Error::InvalidPartNumber { asked, parts: info.parts.max(1) }),
        };
    };
    let mut start = 0;
    for part in &manifest.parts {
        if part.part == asked {
            return Ok((start..start + part.size, LocatedPart { checksum: part.checksum }));
        }
        start += part.size;
    }
    Err(Error::InvalidPartNumber { asked, parts: info.parts })
}

impl Found {
    /// The segments that hold the located range, cut to it.
    pub(crate) fn segments(&self, view: &dyn View) -> Result<Vec<Segment>, Error> {
        let range = self.located.range.clone();
        if range.is_empty() {
            return Ok(Vec::new());
        }
        Ok(match (&self.record.body, &self.manifest) {
            (BodyPlace::Empty, _) => Vec::new(),
            (BodyPlace::One(segment), _) => cut([*segment], range),
            (BodyPlace::Manifest(_), Some(manifest)) => cut(runs(manifest), range),
            (body @ BodyPlace::Manifest(_), None) => {
                load_manifest(view, body)?.map(|manifest| cut(runs(&manifest), range)).unwrap_or_default()
            }
        })
    }
}

fn runs(manifest: &ManifestRecord) -> impl Iterator<Item = Segment> {
    manifest.parts.iter().flat_map(|part| part.segments.iter().copied())
}

/// The parts of `segments` that hold the bytes `range` of their concatenation.
pub(crate) fn cut(segments: impl IntoIterator<Item = Segment>, range: Range<u64>) -> Vec<Segment> {
    let mut cut = Vec::new();
    let mut start = 0;
    for segment in segments {
        let end = start + segment.len;
        let (first, last) = (range.start.max(start), range.end.min(end));
        if first < last {
            cut.push(Segment { skip: segment.skip + (first - start), len: last - first, ..segment });
        }
        start = end;
        if start >= range.end {
            break;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::records::Place;

    #[test]
    fn ranges_are_cut_to_the_object() {
        let cases = [
            (ByteRange::FromTo { first: 0, last: 0 }, Some(0..1)),
            (ByteRange::FromTo { first: 2, last: 99 }, Some(2..10)),
            (ByteRange::FromTo { first: 9, last: u64::MAX }, Some(9..10)),
            (ByteRange::FromTo { first: 10, last: 11 }, None),
            (ByteRange::From { first: 9 }, Some(9..10)),
            (ByteRange::From { first: 10 }, None),
            (ByteRange::Last { count: 3 }, Some(7..10)),
            (ByteRange::Last { count: 30 }, Some(0..10)),
            (ByteRange::Last { count: 0 }, None),
        ];
        for (range, want) in cases {
            assert_eq!(range.within(10).ok(), want, "{range:?}");
        }
        assert!(ByteRange::Last { count: 5 }.within(0).is_err(), "an empty object has no range");
    }

    #[test]
    fn a_range_over_several_segments_is_cut_at_both_ends() {
        let segment = |id, skip, len| Segment { place: Place::Row(id), skip, len };
        let body = [segment(1, 5, 10), segment(2, 0, 10), segment(3, 7, 10)];
        assert_eq!(cut(body, 8..22), [segment(1, 13, 2), segment(2, 0, 10), segment(3, 7, 2)]);
        assert_eq!(cut(body, 10..20), [segment(2, 0, 10)]);
        assert_eq!(cut(body, 0..30), body);
    }
}
