//! UploadPartCopy: a part by reference to another object's bytes.
//!
//! Nothing is written but metadata. A range's bytes are read once, verified, for the part's MD5 and
//! CRC64NVME; of a whole object both are known already. Only a small body, which lives in the metadata,
//! is written again: parts never name small bodies, so that a reader of many parts, which opens small
//! bodies at once, holds one of them at most.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::access::Caller;
use crate::body::FullBody;
use crate::checksum::{Algorithm, Checksum, Digests, Hasher};
use crate::error::Error;
use crate::meta::door::Tx;
use crate::meta::records::{ObjectRecord, PartRecord};
use crate::meta::tables::{self, load};
use crate::names::{BucketName, ObjectKey, PartNumber};
use crate::objects::copy::{ATTEMPTS, CopySource, SourceFound};
use crate::objects::get::{ByteRange, Span, cut};
use crate::objects::put::{BODY_BYTES_MAX, ChecksumClaim, Incoming};
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership;
use crate::store::{Store, bucket_for};
use crate::uploads::part::{PartOutcome, UploadPart, record_part};
use crate::uploads::upload::find_upload;

/// What to copy.
#[derive(Clone, Debug)]
pub struct UploadPartCopy {
    /// From where.
    pub source: CopySource,
    /// Which bytes of it, both ends inclusive; all when `None`.
    pub range: Option<RangeInclusive<u64>>,
    /// The upload's bucket.
    pub bucket: BucketName,
    /// The upload's key.
    pub key: ObjectKey,
    /// The upload's id as it came in.
    pub upload_id: String,
    /// The part's number.
    pub part: PartNumber,
}

impl Store {
    /// Stores a part that shares the bytes of another object.
    ///
    /// # Errors
    /// As a read of the source and as [`Store::upload_part`]; [`Error::InvalidArgument`] for a range
    /// that reaches past the source, [`Error::InvalidRequest`] when it lies wholly past it or more
    /// than 5 GiB would be copied.
    pub async fn upload_part_copy(
        &self,
        caller: &Caller,
        request: UploadPartCopy,
    ) -> Result<PartOutcome, Error> {
        let upload = self.open_upload(caller, &request.bucket, &request.key, &request.upload_id)?;
        self.room_for_rows(0)?;
        for _ in 0..ATTEMPTS {
            let span = match &request.range {
                None => Span::Whole,
                Some(range) => {
                    let whole = self.copy_source(caller, &request.source, Span::Whole)?;
                    check_range(range, whole.located.info.size)?;
                    Span::Range(ByteRange::FromTo { first: *range.start(), last: *range.end() })
                }
            };
            let mut source = self.copy_source(caller, &request.source, span)?;
            if let Some(bytes) = source.reader.take_single() {
                return self.store_part(caller, part_of_small_body(request, bytes, upload.algorithm)).await;
            }
            let size = source.located.range.end - source.located.range.start;
            if size > BODY_BYTES_MAX {
                return Err(Error::InvalidRequest(
                    "The specified copy source is larger than the maximum allowable size for a copy source: \
                     5368709120"
                        .into(),
                ));
            }
            let (sequence, range) = (source.sequence, source.located.range.clone());
            let record = self.part_of_source(source, upload.algorithm).await?;
            if let Some(outcome) =
                self.record_copied(caller, request.clone(), sequence, range, record).await?
            {
                return Ok(outcome);
            }
        }
        Err(Error::ConditionalRequestConflict)
    }

    /// What is to be known of a part with the source's bytes.
    async fn part_of_source(
        &self,
        mut source: SourceFound,
        algorithm: Option<Algorithm>,
    ) -> Result<PartRecord, Error> {
        let info = &source.located.info;
        let range = &source.located.range;
        let known = *range == (0..info.size)
            && info.etag.parts == 0
            && algorithm.is_none_or(|a| a == Algorithm::Crc64Nvme);
        let (md5, crc64, checksum) = if known {
            (info.etag.md5, info.crc64, algorithm.map(|_| Checksum::crc64(info.crc64)))
        } else {
            let mut digests = Digests::new(None, algorithm);
            let mut crc = Hasher::new(Algorithm::Crc64Nvme);
            while let Some(piece) = source.reader.next().await.transpose()? {
                digests.update(&piece);
                crc.update(&piece);
            }
            let (values, crc) = (digests.finish(), crc.finish());
            (values.md5, crc.as_u64(), values.checksum.or(algorithm.map(|_| crc)))
        };
        Ok(PartRecord {
            size: range.end - range.start,
            md5,
            crc64,
            checksum,
            modified: self.clock.now(),
            segments: Vec::new(),
        })
    }

    /// Records the part if the source is still the write `sequence`; `None` when it was replaced.
    async fn record_copied(
        &self,
        caller: &Caller,
        request: UploadPartCopy,
        sequence: u64,
        range: std::ops::Range<u64>,
        part: PartRecord,
    ) -> Result<Option<PartOutcome>, Error> {
        let (caller, quota) = (caller.clone(), self.quotas.of(&request.bucket));
        self.commit_and_give_back(Vec::new(), move |tx: &mut dyn Tx| {
            let from = bucket_for(tx, &request.source.bucket, &caller)?;
            let to = bucket_for(tx, &request.bucket, &caller)?;
            let before = quota.before(tx, to.id, &request.bucket)?;
            let (id, _) = find_upload(tx, to.id, &request.key, &request.upload_id)?;
            let row = tables::current(from.id, request.source.key.as_str());
            let source: ObjectRecord =
                load(tx, &row)?.ok_or_else(|| Error::NoSuchKey(request.source.key.clone()))?;
            if source.sequence != sequence {
                return Ok(None);
            }
            let segments = cut(ownership::segments_of(tx, &source.body)?, range.clone());
            for segment in &segments {
                if planted(Mistake::PartCopyTakesNoReference) {
                    break;
                }
                ownership::share(tx, segment)?;
            }
            let record = PartRecord { segments, ..part.clone() };
            record_part(tx, to.id, &id, request.part, &record)?;
            before.check(tx)?;
            Ok(Some(PartOutcome::from(&record)))
        })
        .await
    }
}

fn part_of_small_body(request: UploadPartCopy, bytes: Bytes, algorithm: Option<Algorithm>) -> UploadPart {
    let UploadPartCopy { bucket, key, upload_id, part, .. } = request;
    let incoming = Incoming {
        len: bytes.len() as u64,
        body: Box::pin(FullBody::new(bytes)),
        content_md5: None,
        sha256: None,
        checksum: algorithm.map(ChecksumClaim::Compute),
    };
    UploadPart { bucket, key, upload_id, part, incoming }
}

/// Refuses a range that reaches past the source, with AWS's two answers.
fn check_range(range: &RangeInclusive<u64>, size: u64) -> Result<(), Error> {
    if *range.start() >= size {
        return Err(Error::InvalidRequest(
            "The specified copy range is invalid for the source object size".into(),
        ));
    }
    if *range.end() >= size {
        return Err(Error::InvalidArgument {
            name: "x-amz-copy-source-range",
            value: format!("bytes={}-{}", range.start(), range.end()),
            why: format!("Range specified is not valid for source object of size: {size}"),
        });
    }
    Ok(())
}
