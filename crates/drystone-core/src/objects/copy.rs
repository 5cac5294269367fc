//! CopyObject: a new name for the same bytes. Nothing is written but metadata.
//!
//! The source's bytes are read only when the client asks for a checksum that is not known yet.

use crate::access::Caller;
use crate::checksum::{Algorithm, Checksum, ChecksumType, Hasher};
use crate::error::Error;
use crate::meta::door::Tx;
use crate::meta::records::{BodyPlace, ManifestRecord, ObjectRecord};
use crate::meta::tables::{self, load, next_number, save};
use crate::names::{BucketName, ObjectKey};
use crate::objects::conditions::{ReadConditions, WriteCondition};
use crate::objects::get::{GetObject, Located, Span, find};
use crate::objects::object::{Attributes, ObjectChecksum, ObjectInfo};
use crate::objects::put::{BODY_BYTES_MAX, PutOutcome, publish};
use crate::objects::reader::ObjectReader;
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership;
use crate::store::{Store, bucket_for};

/// How often a copy starts again because its source was replaced while it was read.
pub(crate) const ATTEMPTS: u32 = 4;

/// What to copy from.
#[derive(Clone, Debug)]
pub struct CopySource {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// When to copy.
    pub conditions: ReadConditions,
}

/// Where the copy's attributes come from.
#[derive(Clone, Debug)]
pub enum MetadataDirective {
    /// From the source, except for what belongs to one object only.
    Copy {
        /// Names that are never copied.
        but: &'static [&'static str],
        /// What the request says of these; `None` when it says nothing.
        own: Option<Attributes>,
    },
    /// From the request.
    Replace(Attributes),
}

/// What to copy.
#[derive(Clone, Debug)]
pub struct CopyObject {
    /// From where.
    pub source: CopySource,
    /// To which bucket.
    pub bucket: BucketName,
    /// To which key.
    pub key: ObjectKey,
    /// With which attributes.
    pub directive: MetadataDirective,
    /// `x-amz-checksum-algorithm`: the checksum that the copy is to have.
    pub checksum: Option<Algorithm>,
    /// When to write.
    pub condition: WriteCondition,
}

impl MetadataDirective {
    /// The attributes of a copy of an object with the attributes `source`.
    fn apply(&self, mut source: Attributes) -> Attributes {
        match self {
            Self::Replace(attributes) => attributes.clone(),
            Self::Copy { but, own } => {
                source.0.retain(|(name, _)| !but.contains(&&**name));
                source.0.extend(own.iter().flat_map(|own| own.0.iter().cloned()));
                source
            }
        }
    }
}

impl CopySource {
    /// The read that finds `span` of the source.
    pub(crate) fn read(&self, span: Span) -> GetObject {
        GetObject {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            conditions: ReadConditions::default(),
            span,
        }
    }
}

impl Store {
    /// Copies an object by reference.
    ///
    /// # Errors
    /// As a read of the source and a write of the target; [`Error::InvalidRequest`] for a copy onto
    /// itself that changes nothing, or of more than 5 GiB; [`Error::ConditionalRequestConflict`] when
    /// the source keeps being replaced.
    pub async fn copy_object(&self, caller: &Caller, request: CopyObject) -> Result<PutOutcome, Error> {
        let onto_itself = request.source.bucket == request.bucket && request.source.key == request.key;
        let same = matches!(request.directive, MetadataDirective::Copy { own: None, .. });
        if onto_itself && same && request.checksum.is_none() {
            return Err(Error::InvalidRequest(
                "This copy request is illegal because it is trying to copy an object to itself without changing \
                 the object's metadata, storage class, website redirect location or encryption attributes."
                    .into(),
            ));
        }
        for _ in 0..ATTEMPTS {
            let source = self.copy_source(caller, &request.source, Span::Whole)?;
            self.room_for_rows(0)?;
            if source.located.info.size > BODY_BYTES_MAX {
                return Err(Error::InvalidRequest(
                    "The specified copy source is larger than the maximum allowable size for a copy source: \
                     5368709120"
                        .into(),
                ));
            }
            let checksum = copy_checksum(&source.located.info, request.checksum, source.reader).await?;
            let copied = self.copy_found(caller, request.clone(), source.sequence, checksum).await?;
            if let Some(outcome) = copied {
                return Ok(outcome);
            }
        }
        Err(Error::ConditionalRequestConflict)
    }

    /// Finds the source of a copy and opens a stream of it, in case it must be read.
    pub(crate) fn copy_source(
        &self,
        caller: &Caller,
        source: &CopySource,
        span: Span,
    ) -> Result<SourceFound, Error> {
        let finding = self.pins.enter();
        let view = self.meta.snapshot();
        let found = find(&*view, caller, &source.read(span))?;
        source.conditions.check_copy_source(found.record.info.etag, found.record.info.modified)?;
        let segments = found.segments(&*view)?;
        let reader = ObjectReader::open(self, &*view, &finding, &segments)?;
        Ok(SourceFound { sequence: found.record.sequence, located: found.located, reader })
    }

    /// Copies the source if it is still the write `sequence`; `None` when it was replaced.
    async fn copy_found(
        &self,
        caller: &Caller,
        request: CopyObject,
        sequence: u64,
        checksum: ObjectChecksum,
    ) -> Result<Option<PutOutcome>, Error> {
        let (caller, modified) = (caller.clone(), self.clock.now());
        let quota = self.quotas.of(&request.bucket);
        self.commit_and_give_back(Vec::new(), move |tx: &mut dyn Tx| {
            let from = bucket_for(tx, &request.source.bucket, &caller)?;
            let to = bucket_for(tx, &request.bucket, &caller)?;
            let before = quota.before(tx, to.id, &request.bucket)?;
            let row = tables::current(from.id, request.source.key.as_str());
            let source: ObjectRecord =
                load(tx, &row)?.ok_or_else(|| Error::NoSuchKey(request.source.key.clone()))?;
            if source.sequence != sequence && !planted(Mistake::CopyIgnoresReplacement) {
                return Ok(None);
            }
            let body = share_body(tx, &source.body)?;
            let attributes = request.directive.apply(source.info.attributes);
            let info = ObjectInfo { modified, attributes, checksum, ..source.info };
            publish(tx, to.id, &request.key, &request.condition, info.clone(), body)?;
            before.check(tx)?;
            Ok(Some(PutOutcome::from(&info)))
        })
        .await
    }
}

/// A copy's source.
pub(crate) struct SourceFound {
    /// Which write of the key it is.
    pub(crate) sequence: u64,
    /// What was found.
    pub(crate) located: Located,
    /// A stream of its bytes, which also keeps them from being freed.
    pub(crate) reader: ObjectReader,
}

/// The checksum of the copy: the source's, unless another one is asked for.
async fn copy_checksum(
    source: &ObjectInfo,
    asked: Option<Algorithm>,
    mut reader: ObjectReader,
) -> Result<ObjectChecksum, Error> {
    let full = |value| ObjectChecksum { value, kind: ChecksumType::FullObject, parts: 0 };
    match asked {
        None => Ok(source.checksum),
        Some(Algorithm::Crc64Nvme) => Ok(full(Checksum::crc64(source.crc64))),
        Some(algorithm)
            if source.checksum.kind == ChecksumType::FullObject
                && source.checksum.value.algorithm() == algorithm =>
        {
            Ok(source.checksum)
        }
        Some(algorithm) => {
            let mut hasher = Hasher::new(algorithm);
            while let Some(piece) = reader.next().await.transpose()? {
                hasher.update(&piece);
            }
            Ok(full(hasher.finish()))
        }
    }
}

/// Adds a name to every place of a body; a manifest is written again, since each object owns one.
fn share_body(tx: &mut dyn Tx, body: &BodyPlace) -> Result<BodyPlace, Error> {
    for segment in ownership::segments_of(tx, body)? {
        if planted(Mistake::CopyTakesNoReference) {
            break;
        }
        ownership::share(tx, &segment)?;
    }
    let BodyPlace::Manifest(id) = body else { return Ok(*body) };
    let manifest: Option<ManifestRecord> = load(tx, &tables::manifest(*id))?;
    let id = next_number(tx)?;
    if let Some(manifest) = manifest {
        save(tx, tables::manifest(id), &manifest);
    }
    Ok(BodyPlace::Manifest(id))
}
