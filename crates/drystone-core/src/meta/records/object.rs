//! Objects: the row that listing walks, and where the bytes are.

use bytes::Bytes;

use crate::checksum::{Algorithm, Checksum, ChecksumType};
use crate::data::door::{Extent, ExtentId};
use crate::meta::records::{Reader, Record, Writer};
use crate::names::{ETag, PartNumber, Timestamp};
use crate::objects::object::{Attributes, ObjectChecksum, ObjectInfo};

/// Where some bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a row of the table `bodies`.
    Row(u64),
    /// In an extent behind the data door.
    Extent(Extent),
}

/// A run of bytes of a place: copies of a range share the place and differ in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where the bytes are kept.
    pub place: Place,
    /// Bytes of the place before the run.
    pub skip: u64,
    /// Length of the run in bytes; more than 0.
    pub len: u64,
}

impl Segment {
    /// All of `extent`.
    pub fn whole(extent: Extent) -> Self {
        Self { place: Place::Extent(extent), skip: 0, len: extent.len }
    }

    pub(super) fn write(&self, to: &mut Writer) {
        match self.place {
            Place::Row(id) => {
                to.u8(1);
                to.u64(id);
            }
            Place::Extent(extent) => {
                to.u8(2);
                to.u64(extent.id.volume);
                to.u64(extent.id.offset);
                to.u64(extent.len);
                to.u64(extent.token);
            }
        }
        to.u64(self.skip);
        to.u64(self.len);
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, &'static str> {
        let place = match from.u8()? {
            1 => Place::Row(from.u64()?),
            2 => Place::Extent(Extent {
                id: ExtentId { volume: from.u64()?, offset: from.u64()? },
                len: from.u64()?,
                token: from.u64()?,
            }),
            _ => return Err("a segment is in an unknown kind of place"),
        };
        Ok(Self { place, skip: from.u64()?, len: from.u64()? })
    }
}

/// Where an object's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPlace {
    /// Nowhere: the object is empty.
    Empty,
    /// In one run.
    One(Segment),
    /// In the runs that a manifest lists.
    Manifest(u64),
}

/// The current version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Number of the write in the store's sequence; tells two writes of the same bytes apart.
    pub sequence: u64,
    /// What clients see of it.
    pub info: ObjectInfo,
    /// Where its bytes are.
    pub body: BodyPlace,
}

fn write_etag(to: &mut Writer, etag: ETag) {
    to.raw(&etag.md5);
    to.u16(etag.parts);
}

fn read_etag(from: &mut Reader) -> Result<ETag, &'static str> {
    Ok(ETag { md5: from.array()?, parts: from.u16()? })
}

pub(super) fn write_checksum(to: &mut Writer, checksum: Option<Checksum>) {
    match checksum {
        None => to.u8(0),
        Some(sum) => {
            to.u8(sum.algorithm() as u8);
            to.raw(sum.value());
        }
    }
}

pub(super) fn read_checksum(from: &mut Reader) -> Result<Option<Checksum>, &'static str> {
    match from.u8()? {
        0 => Ok(None),
        number => {
            let algorithm = Algorithm::from_number(number).ok_or("a checksum has an unknown algorithm")?;
            let value = from.raw(algorithm.size())?;
            Ok(Checksum::new(algorithm, &value))
        }
    }
}

pub(super) fn read_checksum_type(from: &mut Reader) -> Result<ChecksumType, &'static str> {
    match from.u8()? {
        1 => Ok(ChecksumType::FullObject),
        2 => Ok(ChecksumType::Composite),
        _ => Err("a checksum has an unknown type"),
    }
}

pub(super) fn write_attributes(to: &mut Writer, attributes: &Attributes) {
    to.u16(u16::try_from(attributes.0.len()).expect("attributes are limited on their way in"));
    for (name, value) in &attributes.0 {
        to.text(name);
        to.text(value);
    }
}

pub(super) fn read_attributes(from: &mut Reader) -> Result<Attributes, &'static str> {
    let count = from.u16()?;
    (0..count).map(|_| Ok((from.text()?, from.text()?))).collect::<Result<_, _>>().map(Attributes)
}

pub(super) fn write_info(to: &mut Writer, info: &ObjectInfo) {
    to.u64(info.size);
    to.u64(info.modified.0);
    write_etag(to, info.etag);
    to.u16(info.parts);
    to.u64(info.crc64);
    write_checksum(to, Some(info.checksum.value));
    to.u8(info.checksum.kind as u8);
    to.u16(info.checksum.parts);
    write_attributes(to, &info.attributes);
}

pub(super) fn read_info(from: &mut Reader) -> Result<ObjectInfo, &'static str> {
    Ok(ObjectInfo {
        size: from.u64()?,
        modified: Timestamp(from.u64()?),
        etag: read_etag(from)?,
        parts: from.u16()?,
        crc64: from.u64()?,
        checksum: ObjectChecksum {
            value: read_checksum(from)?.ok_or("an object has no checksum")?,
            kind: read_checksum_type(from)?,
            parts: from.u16()?,
        },
        attributes: read_attributes(from)?,
    })
}

impl Record for ObjectRecord {
    const MARKER: [u8; 2] = *b"ob";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.sequence);
        write_info(to, &self.info);
        match &self.body {
            BodyPlace::Empty => to.u8(0),
            BodyPlace::One(segment) => {
                to.u8(1);
                segment.write(to);
            }
            BodyPlace::Manifest(id) => {
                to.u8(2);
                to.u64(*id);
            }
        }
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        let (sequence, info) = (from.u64()?, read_info(from)?);
        let body = match from.u8()? {
            0 => BodyPlace::Empty,
            1 => BodyPlace::One(Segment::read(from)?),
            2 => BodyPlace::Manifest(from.u64()?),
            _ => return Err("its body is in an unknown kind of place"),
        };
        Ok(Self { sequence, info, body })
    }
}

/// A body that is small enough to live in the metadata, in a row of its own so that listing does
/// not walk over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmallBodyRecord {
    /// How many segments name it.
    pub refs: u32,
    /// CRC64NVME of the bytes.
    pub crc64: u64,
    /// The bytes.
    pub bytes: Bytes,
}

impl Record for SmallBodyRecord {
    const MARKER: [u8; 2] = *b"sb";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u32(self.refs);
        to.u64(self.crc64);
        to.raw(&self.bytes);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self { refs: from.u32()?, crc64: from.u64()?, bytes: from.rest() })
    }
}

/// A part of a completed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its number in the upload.
    pub part: PartNumber,
    /// Its size in bytes.
    pub size: u64,
    /// Its checksum, if its upload kept one besides CRC64NVME.
    pub checksum: Option<Checksum>,
    /// Where its bytes are, in order; none for an empty part.
    pub segments: Vec<Segment>,
}

/// The parts of a completed object, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestRecord {
    /// The parts.
    pub parts: Vec<StoredPart>,
}

impl Record for ManifestRecord {
    const MARKER: [u8; 2] = *b"mf";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u16(u16::try_from(self.parts.len()).expect("an upload has at most 10,000 parts"));
        for part in &self.parts {
            to.u16(part.part.get());
            to.u64(part.size);
            write_checksum(to, part.checksum);
            write_segments(to, &part.segments);
        }
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        let count = from.u16()?;
        let mut parts = Vec::with_capacity(count.into());
        for _ in 0..count {
            parts.push(StoredPart {
                part: PartNumber::new(from.u16()?.into()).map_err(|_| "a part number is out of range")?,
                size: from.u64()?,
                checksum: read_checksum(from)?,
                segments: read_segments(from)?,
            });
        }
        Ok(Self { parts })
    }
}

pub(super) fn write_segments(to: &mut Writer, segments: &[Segment]) {
    to.u32(u32::try_from(segments.len()).expect("a part has at most as many segments as its source"));
    segments.iter().for_each(|segment| segment.write(to));
}

pub(super) fn read_segments(from: &mut Reader) -> Result<Vec<Segment>, &'static str> {
    let count = from.u32()?;
    (0..count).map(|_| Segment::read(from)).collect()
}
