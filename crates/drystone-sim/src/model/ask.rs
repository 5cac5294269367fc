//! Asks a real store what an operation asks the model, and reads what it shows.

use bytes::Bytes;
use drystone_core::access::Caller;
use drystone_core::body::FullBody;
use drystone_core::buckets::create::CreateBucket;
use drystone_core::buckets::list::ListBuckets;
use drystone_core::checksum::{Checksum, crc64};
use drystone_core::error::Error;
use drystone_core::lifecycle::rules::{AbortAfter, Rule, Rules, Status};
use drystone_core::names::{AccountId, BucketName, ObjectKey, PartNumber};
use drystone_core::objects::ObjectReader;
use drystone_core::objects::conditions::{ETagMatch, ReadConditions, WriteCondition};
use drystone_core::objects::copy::{CopyObject, CopySource, MetadataDirective};
use drystone_core::objects::delete::{DeleteObject, DeleteObjects, DeleteTarget};
use drystone_core::objects::get::{GetObject, Located, Span};
use drystone_core::objects::list::{From, ListEntry, ListObjects};
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::{Incoming, PutObject};
use drystone_core::store::Store;
use drystone_core::uploads::abort::AbortUpload;
use drystone_core::uploads::complete::{CompleteUpload, ListedPart};
use drystone_core::uploads::create::CreateUpload;
use drystone_core::uploads::list::{ListUploads, UploadEntry, UploadsFrom};
use drystone_core::uploads::list_parts::ListParts;
use drystone_core::uploads::part::UploadPart;
use drystone_core::uploads::part_copy::UploadPartCopy;

use crate::model::body::Body;
use crate::model::operation::{Answer, Operation, Place, When};
use crate::model::shown::{Shown, ShownBucket, ShownObject, ShownUpload};
use crate::model::state::{Details, Model};

/// Entries of a page: few, so that listings have several pages.
const PAGE: usize = 3;

/// The caller of every request.
pub fn caller() -> Caller {
    Caller::of(AccountId::new("mason"))
}

/// A bucket's name.
///
/// # Panics
/// When it is none.
pub fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).expect("operations name buckets well")
}

/// An object's key.
///
/// # Panics
/// When it is none.
pub fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).expect("operations name keys well")
}

/// What the store says.
#[derive(Debug)]
pub enum Reply {
    /// It answered, perhaps with a refusal.
    Answered(Answer),
    /// It could not: a door failed, or there is no room.
    Failed(Error),
}

/// The ids of uploads, by when they were created; `None` for one whose answer was lost.
pub type Ids = Vec<Option<String>>;

/// A request, made of an operation and of what the model knows at that moment.
pub struct Request {
    operation: Operation,
    details: Details,
    target: Place,
    upload_id: String,
}

impl Request {
    /// Puts a request together.
    pub fn new(model: &Model, ids: &Ids, operation: &Operation) -> Self {
        Self::with(model, ids, operation, model.details(operation))
    }

    /// Puts a request together with these details.
    pub fn with(model: &Model, ids: &Ids, operation: &Operation, details: Details) -> Self {
        let upload = match operation {
            Operation::Part { upload, .. }
            | Operation::PartCopy { upload, .. }
            | Operation::Complete { upload, .. }
            | Operation::Abort { upload } => Some(*upload),
            _ => None,
        };
        // An upload whose id was lost cannot be asked for: an id that was never given out stands for it.
        let upload_id =
            upload.and_then(|upload| ids.get(upload)?.clone()).unwrap_or_else(|| "unknown".into());
        Self {
            operation: operation.clone(),
            details,
            target: upload.map_or(("", ""), |upload| model.target(upload)),
            upload_id,
        }
    }

    /// Sends it. The id of a created upload is put into `ids`.
    pub async fn send(self, store: &Store, ids: &mut Ids) -> Reply {
        let creates = matches!(self.operation, Operation::Create { .. });
        match self.ask(store, ids).await {
            Ok(answer) => Reply::Answered(answer),
            Err(error) => {
                if let Some(name) = refusal(&error) {
                    Reply::Answered(Answer::Refused(name))
                } else {
                    if creates {
                        ids.push(None);
                    }
                    Reply::Failed(error)
                }
            }
        }
    }

    async fn ask(self, store: &Store, ids: &mut Ids) -> Result<Answer, Error> {
        let who = &caller();
        match self.operation {
            Operation::CreateBucket { bucket: name } => {
                store.create_bucket(who, CreateBucket { name: bucket(name), region: None }).await?;
                Ok(Answer::Done)
            }
            Operation::DeleteBucket { bucket: name } => {
                store.delete_bucket(who, &bucket(name)).await?;
                Ok(Answer::Done)
            }
            Operation::Rule { bucket: name } => {
                store.put_lifecycle(who, &bucket(name), after_a_day()).await?;
                Ok(Answer::Done)
            }
            Operation::NoRule { bucket: name } => {
                store.delete_lifecycle(who, &bucket(name)).await?;
                Ok(Answer::Done)
            }
            Operation::Put { .. }
            | Operation::Delete { .. }
            | Operation::DeleteMany { .. }
            | Operation::Copy { .. } => self.ask_of_objects(store).await,
            _ => self.ask_of_uploads(store, ids).await,
        }
    }

    async fn ask_of_objects(self, store: &Store) -> Result<Answer, Error> {
        let who = &caller();
        let Details { body, if_match, .. } = self.details;
        match self.operation {
            Operation::Put { to, when, .. } => {
                let request = PutObject {
                    bucket: bucket(to.0),
                    key: key(to.1),
                    incoming: incoming(body.as_ref()),
                    attributes: Attributes::default(),
                    condition: write_condition(when, if_match),
                };
                store.put_object(who, request).await.map(|put| Answer::Tag(put.etag.to_string()))
            }
            Operation::Delete { at, .. } => {
                let if_match = if_match.map(|tag| ETagMatch::OneOf(vec![tag]));
                let target = DeleteTarget { key: key(at.1), if_match };
                store.delete_object(who, DeleteObject { bucket: bucket(at.0), target }).await?;
                Ok(Answer::Done)
            }
            Operation::DeleteMany { bucket: name, keys } => {
                let objects =
                    keys.iter().map(|name| DeleteTarget { key: key(name), if_match: None }).collect();
                let each = store.delete_objects(who, DeleteObjects { bucket: bucket(name), objects }).await?;
                each.into_iter().collect::<Result<Vec<()>, Error>>()?;
                Ok(Answer::Done)
            }
            Operation::Copy { from, to, when } => {
                let request = CopyObject {
                    source: copy_source(from),
                    bucket: bucket(to.0),
                    key: key(to.1),
                    directive: MetadataDirective::Copy { but: &[], own: None },
                    checksum: None,
                    condition: write_condition(when, if_match),
                };
                store.copy_object(who, request).await.map(|copy| Answer::Tag(copy.etag.to_string()))
            }
            other => unreachable!("{other:?} is not about objects"),
        }
    }

    async fn ask_of_uploads(self, store: &Store, ids: &mut Ids) -> Result<Answer, Error> {
        let Self { operation, details, target, upload_id } = self;
        let who = &caller();
        let Details { body, if_match, listed } = details;
        match operation {
            Operation::Create { to } => {
                let request = CreateUpload {
                    bucket: bucket(to.0),
                    key: key(to.1),
                    attributes: Attributes::default(),
                    checksum: None,
                    checksum_type: None,
                };
                let made = store.create_upload(who, request).await?;
                ids.push(Some(made.upload_id.to_string()));
                Ok(Answer::Done)
            }
            Operation::Part { number, .. } => {
                let request = UploadPart {
                    bucket: bucket(target.0),
                    key: key(target.1),
                    upload_id,
                    part: part(number),
                    incoming: incoming(body.as_ref()),
                };
                store.upload_part(who, request).await.map(|part| Answer::Tag(part.etag.to_string()))
            }
            Operation::PartCopy { number, from, range, .. } => {
                let request = UploadPartCopy {
                    source: copy_source(from),
                    range: range.map(|(first, last)| first..=last),
                    bucket: bucket(target.0),
                    key: key(target.1),
                    upload_id,
                    part: part(number),
                };
                store.upload_part_copy(who, request).await.map(|part| Answer::Tag(part.etag.to_string()))
            }
            Operation::Complete { when, .. } => {
                let request = CompleteUpload {
                    bucket: bucket(target.0),
                    key: key(target.1),
                    upload_id,
                    parts: listed
                        .into_iter()
                        .map(|(number, etag)| ListedPart { part: part(number), etag, checksum: None })
                        .collect(),
                    object_size: None,
                    checksum: None,
                    checksum_type: None,
                    condition: write_condition(when, if_match),
                };
                store.complete_upload(who, request).await.map(|put| Answer::Tag(put.etag.to_string()))
            }
            Operation::Abort { .. } => {
                let request = AbortUpload {
                    bucket: bucket(target.0),
                    key: key(target.1),
                    upload_id,
                    if_initiated: None,
                };
                let freed = store.abort_upload(who, request).await?;
                Ok(Answer::Freed { parts: freed.parts, bytes: freed.bytes })
            }
            other => unreachable!("{other:?} is not about uploads"),
        }
    }
}

fn write_condition(when: When, if_match: Option<String>) -> WriteCondition {
    match (when, if_match) {
        (When::IfAbsent, _) => WriteCondition::IfAbsent,
        (_, Some(tag)) => WriteCondition::IfMatch(tag),
        (_, None) => WriteCondition::None,
    }
}

fn copy_source(from: Place) -> CopySource {
    CopySource { bucket: bucket(from.0), key: key(from.1), conditions: ReadConditions::default() }
}

/// A rule that aborts every upload after a day.
fn after_a_day() -> Rules {
    let (id, prefix) = ("old".into(), "".into());
    let rule = Rule { id, status: Status::Enabled, prefix, abort_after: AbortAfter::Hours(24) };
    Rules::new(vec![rule]).expect("one rule is enough")
}

/// The name of a refusal; `None` for a failure of the doors.
fn refusal(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::NoSuchBucket(_) => "NoSuchBucket",
        Error::BucketAlreadyOwnedByYou(_) => "BucketAlreadyOwnedByYou",
        Error::BucketNotEmpty(_) => "BucketNotEmpty",
        Error::NoSuchKey(_) => "NoSuchKey",
        Error::NoSuchUpload { .. } => "NoSuchUpload",
        Error::PreconditionFailed(_) => "PreconditionFailed",
        Error::ConditionalRequestConflict => "ConditionalRequestConflict",
        Error::EntityTooSmall { .. } => "EntityTooSmall",
        Error::InvalidPart { .. } => "InvalidPart",
        Error::InvalidPartOrder { .. } => "InvalidPartOrder",
        Error::InvalidArgument { .. } => "InvalidArgument",
        Error::InvalidRequest(_) => "InvalidRequest",
        Error::NoSpace { .. } | Error::Meta(_) | Error::Data(_) => return None,
        other => panic!("no operation of the model is refused like this: {other:?}"),
    })
}

fn part(number: u16) -> PartNumber {
    PartNumber::new(number.into()).expect("operations number parts well")
}

fn incoming(body: Option<&Body>) -> Incoming {
    let bytes = Bytes::copy_from_slice(body.map_or(&[], Body::bytes));
    Incoming {
        len: bytes.len() as u64,
        body: Box::pin(FullBody::new(bytes)),
        content_md5: None,
        sha256: None,
        checksum: None,
    }
}

/// The request that reads `span` of the object at a place.
pub fn get(at: Place, span: Span) -> GetObject {
    GetObject { bucket: bucket(at.0), key: key(at.1), conditions: ReadConditions::default(), span }
}

/// Everything that a reader still has to say.
///
/// # Errors
/// What it ended with instead.
pub async fn read(mut reader: ObjectReader) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = std::future::poll_fn(|cx| reader.poll_next(cx)).await {
        body.extend_from_slice(&piece?);
    }
    Ok(body)
}

/// What the store shows. An upload that no answer told of is given the first place in `ids` that waits for
/// one.
///
/// # Errors
/// What a door failed with.
///
/// # Panics
/// When listings and reads contradict each other.
pub async fn show(store: &Store, ids: &mut Ids) -> Result<Shown, Error> {
    let mut shown = Shown::new();
    for name in buckets(store)? {
        let rule = store.lifecycle(&caller(), &name)?.is_some();
        let mut bucket = ShownBucket { rule, ..ShownBucket::default() };
        for name_of_key in objects(store, &name)? {
            let request = GetObject {
                bucket: name.clone(),
                key: name_of_key.clone(),
                conditions: ReadConditions::default(),
                span: Span::Whole,
            };
            let (Located { info, .. }, reader) = store.get_object(&caller(), &request)?;
            let body = Body::new(read(reader).await?);
            assert_eq!(info.size, body.len(), "{name_of_key}: its size is that of its body");
            let checksum = Checksum::crc64(crc64(body.bytes()));
            assert_eq!(info.checksum.value, checksum, "{name_of_key}: its checksum is that of its body");
            bucket.objects.insert(name_of_key.to_string(), ShownObject { etag: info.etag.to_string(), body });
        }
        for (key, id) in uploads(store, &name)? {
            let known = ids.iter().position(|known| known.as_ref() == Some(&id));
            let at = known.or_else(|| ids.iter().position(Option::is_none)).unwrap_or(usize::MAX);
            if let Some(lost) = ids.get_mut(at) {
                *lost = Some(id.clone());
            }
            let parts = parts(store, &name, &key, &id)?;
            bucket.uploads.insert((key.to_string(), at), parts);
        }
        shown.insert(name.to_string(), bucket);
    }
    Ok(shown)
}

fn buckets(store: &Store) -> Result<Vec<BucketName>, Error> {
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = store.list_buckets(&caller(), &ListBuckets { prefix: String::new(), after, max: PAGE })?;
        names.extend(page.buckets.into_iter().map(|bucket| bucket.name));
        after = page.next;
        if after.is_none() {
            return Ok(names);
        }
    }
}

fn objects(store: &Store, bucket: &BucketName) -> Result<Vec<ObjectKey>, Error> {
    let mut keys: Vec<ObjectKey> = Vec::new();
    let mut from = From::Start;
    loop {
        let request =
            ListObjects { bucket: bucket.clone(), prefix: String::new(), delimiter: None, from, max: PAGE };
        let page = store.list_objects(&caller(), &request)?;
        for entry in page.entries {
            let ListEntry::Object(object) = entry else { panic!("nothing rolls up without a delimiter") };
            assert!(
                keys.last().is_none_or(|last| last.as_str() < object.key.as_str()),
                "in order, each once"
            );
            keys.push(object.key);
        }
        match keys.last() {
            Some(last) if page.truncated => from = From::After(last.to_string()),
            _ => return Ok(keys),
        }
    }
}

fn uploads(store: &Store, bucket: &BucketName) -> Result<Vec<(ObjectKey, String)>, Error> {
    let mut found = Vec::new();
    let mut from = UploadsFrom::Start;
    loop {
        let request = ListUploads {
            bucket: bucket.clone(),
            prefix: String::new(),
            delimiter: None,
            from: from.clone(),
            max: PAGE,
        };
        let page = store.list_uploads(&caller(), &request)?;
        for entry in page.entries {
            let UploadEntry::Upload(upload) = entry else { panic!("nothing rolls up without a delimiter") };
            from = UploadsFrom::AfterUpload { key: upload.key.to_string(), upload_id: upload.upload_id };
            found.push((upload.key, upload.upload_id.to_string()));
        }
        if !page.truncated {
            return Ok(found);
        }
    }
}

fn parts(store: &Store, bucket: &BucketName, key: &ObjectKey, upload_id: &str) -> Result<ShownUpload, Error> {
    let mut found = ShownUpload::new();
    let mut after = 0;
    loop {
        let request = ListParts {
            bucket: bucket.clone(),
            key: key.clone(),
            upload_id: upload_id.to_owned(),
            after,
            max: PAGE,
        };
        let page = store.list_parts(&caller(), &request)?;
        for part in page.parts {
            after = part.part.get();
            found.insert(after, (part.etag.to_string(), part.size));
        }
        if !page.truncated {
            let (parts, bytes) = (found.len() as u32, found.values().map(|(_, size)| size).sum());
            let held = &page.upload.held;
            assert_eq!(
                (held.parts, held.bytes),
                (parts, bytes),
                "what an upload holds is what its parts are"
            );
            return Ok(found);
        }
    }
}
