//! The model: S3 in a few maps.

#![expect(clippy::indexing_slicing, reason = "an operation that names no upload is a mistake of the test")]

use std::collections::BTreeMap;

use crate::model::body::{Body, etag_of_parts};
use crate::model::operation::{Answer, Listed, Operation, Place, When};
use crate::model::shown::{Shown, ShownBucket, ShownObject};

/// Smallest size of a part that is not the last, in bytes (S3 User Guide, "Multipart upload limits").
const PART_BYTES_MIN: u64 = 5 << 20;

/// A store in maps.
#[derive(Clone, Debug, Default)]
pub struct Model {
    buckets: BTreeMap<&'static str, Bucket>,
    /// Every upload that was ever created, in order.
    uploads: Vec<Upload>,
    /// Counts buckets, so that a new one of an old name is another.
    made: u64,
    /// Counts bodies: no two are the same.
    bodies: u64,
}

#[derive(Clone, Debug)]
struct Bucket {
    number: u64,
    /// Whether its uploads are aborted after a day.
    rule: bool,
    objects: BTreeMap<&'static str, ShownObject>,
}

#[derive(Clone, Debug)]
struct Upload {
    to: Place,
    /// The bucket, which may be gone or another of the name.
    bucket: u64,
    open: bool,
    parts: BTreeMap<u16, Body>,
    /// How it was completed: what was listed, and the entity tag that was answered.
    completed: Option<(Vec<(u16, String)>, String)>,
}

/// What a concrete request carries that the operation only describes.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The body to send.
    pub body: Option<Body>,
    /// The tag of `If-Match`.
    pub if_match: Option<String>,
    /// Part numbers and tags that a Complete lists.
    pub listed: Vec<(u16, String)>,
}

/// A tag that no body of a test has.
const NO_TAG: &str = "00000000000000000000000000000000";

impl Model {
    /// Uploads that were ever created.
    pub fn uploads(&self) -> usize {
        self.uploads.len()
    }

    /// Where an upload goes.
    ///
    /// # Panics
    /// When there is no such upload.
    pub fn target(&self, upload: usize) -> Place {
        self.uploads[upload].to
    }

    /// What the request for `operation` carries if it is sent now.
    pub fn details(&self, operation: &Operation) -> Details {
        let body = match operation {
            Operation::Put { size, .. } | Operation::Part { size, .. } => {
                Some(Body::random(*size, self.bodies + 1))
            }
            _ => None,
        };
        let listed = match operation {
            Operation::Complete { upload, listed, .. } => self.listed(*upload, *listed),
            _ => Vec::new(),
        };
        let if_match = match operation {
            Operation::Put { to: at, when, .. }
            | Operation::Delete { at, when }
            | Operation::Copy { to: at, when, .. } => self.tag(*at, *when),
            Operation::Complete { upload, when, .. } => self.tag(self.uploads[*upload].to, *when),
            _ => None,
        };
        Details { body, if_match, listed }
    }

    /// The details of requests that are put together at one moment: no two have the same body.
    pub fn details_of_all(&self, operations: &[Operation]) -> Vec<Details> {
        let mut moment = self.clone();
        let mut next = |operation| {
            let details = moment.details(operation);
            moment.bodies += u64::from(details.body.is_some());
            details
        };
        operations.iter().map(&mut next).collect()
    }

    fn tag(&self, at: Place, when: When) -> Option<String> {
        match when {
            When::Always | When::IfAbsent => None,
            When::IfCurrent => {
                Some(self.object(at).map_or_else(|| NO_TAG.to_owned(), |object| object.etag.clone()))
            }
            When::IfOther => Some(NO_TAG.to_owned()),
        }
    }

    fn listed(&self, upload: usize, listed: Listed) -> Vec<(u16, String)> {
        let upload = &self.uploads[upload];
        let mut all: Vec<_> = upload.parts.iter().map(|(number, body)| (*number, body.etag())).collect();
        match (listed, &upload.completed) {
            (Listed::Again, Some((parts, _))) => return parts.clone(),
            (Listed::First, _) => all.truncate(1),
            (Listed::Last, _) => drop(all.drain(..all.len().saturating_sub(1))),
            (Listed::Stale, _) => all.iter_mut().take(1).for_each(|(_, tag)| NO_TAG.clone_into(tag)),
            (Listed::All | Listed::Again, _) => {}
        }
        all
    }

    /// Does `operation` and says what S3 answers. A refused one changes nothing.
    ///
    /// # Panics
    /// When the operation names an upload that was never created.
    pub fn apply(&mut self, operation: &Operation) -> Answer {
        self.apply_with(operation, &self.details(operation))
    }

    /// As [`Model::apply`], for a request that was put together earlier.
    ///
    /// # Panics
    /// When the operation names an upload that was never created.
    pub fn apply_with(&mut self, operation: &Operation, details: &Details) -> Answer {
        let before = self.clone();
        let outcome = self.perform(operation, details);
        if let Err(why) = outcome {
            *self = before;
            self.bodies += u64::from(details.body.is_some());
            return Answer::Refused(why);
        }
        self.bodies += u64::from(details.body.is_some());
        outcome.unwrap_or(Answer::Done)
    }

    fn perform(&mut self, operation: &Operation, details: &Details) -> Result<Answer, &'static str> {
        let body = || details.body.clone().unwrap_or_else(|| Body::new(Vec::new()));
        match operation {
            Operation::CreateBucket { bucket } => {
                if self.buckets.contains_key(bucket) {
                    return Err("BucketAlreadyOwnedByYou");
                }
                self.made += 1;
                let (number, objects) = (self.made, BTreeMap::new());
                self.buckets.insert(bucket, Bucket { number, rule: false, objects });
                Ok(Answer::Done)
            }
            Operation::DeleteBucket { bucket } => {
                let number = match self.buckets.get(bucket) {
                    None => return Err("NoSuchBucket"),
                    Some(bucket) if !bucket.objects.is_empty() => return Err("BucketNotEmpty"),
                    Some(bucket) => bucket.number,
                };
                self.buckets.remove(bucket);
                self.uploads
                    .iter_mut()
                    .filter(|upload| upload.bucket == number)
                    .for_each(|upload| upload.open = false);
                Ok(Answer::Done)
            }
            Operation::Put { to, when, .. } => {
                let body = body();
                self.publish(*to, *when, details, ShownObject { etag: body.etag(), body })
            }
            Operation::Delete { at, .. } => {
                self.bucket(at.0)?;
                match (self.object(*at), &details.if_match) {
                    (None, None) => {}
                    (None, Some(_)) => return Err("NoSuchKey"),
                    (Some(object), Some(tag)) if object.etag != *tag => return Err("PreconditionFailed"),
                    (Some(_), _) => drop(self.bucket(at.0)?.objects.remove(at.1)),
                }
                Ok(Answer::Done)
            }
            Operation::DeleteMany { bucket, keys } => {
                let bucket = self.bucket(bucket)?;
                keys.iter().for_each(|key| drop(bucket.objects.remove(key)));
                Ok(Answer::Done)
            }
            Operation::Copy { from, to, .. } if from == to => Err("InvalidRequest"),
            Operation::Copy { from, to, when } => {
                let source = self.source(*from)?;
                self.publish(*to, *when, details, source)
            }
            Operation::Create { to } => {
                let bucket = self.bucket(to.0)?.number;
                let (open, parts, completed) = (true, BTreeMap::new(), None);
                self.uploads.push(Upload { to: *to, bucket, open, parts, completed });
                Ok(Answer::Done)
            }
            Operation::Part { upload, number, .. } => {
                let body = body();
                let tag = body.etag();
                self.open_upload(*upload)?.parts.insert(*number, body);
                Ok(Answer::Tag(tag))
            }
            Operation::PartCopy { upload, number, from, range } => {
                self.open_upload(*upload)?;
                let source = self.source(*from)?.body;
                let body = match range {
                    None => source,
                    Some((first, _)) if *first >= source.len() => return Err("InvalidRequest"),
                    Some((_, last)) if *last >= source.len() => return Err("InvalidArgument"),
                    Some((first, last)) => {
                        Body::new(source.bytes()[*first as usize..=*last as usize].to_vec())
                    }
                };
                let tag = body.etag();
                self.open_upload(*upload)?.parts.insert(*number, body);
                Ok(Answer::Tag(tag))
            }
            Operation::Complete { upload, when, .. } => self.complete(*upload, details, *when),
            Operation::Abort { upload } => {
                let upload = self.open_upload(*upload)?;
                upload.open = false;
                let bytes = upload.parts.values().map(Body::len).sum();
                Ok(Answer::Freed { parts: upload.parts.len() as u32, bytes })
            }
            Operation::Rule { bucket } => {
                self.bucket(bucket)?.rule = true;
                Ok(Answer::Done)
            }
            Operation::NoRule { bucket } => {
                self.bucket(bucket)?.rule = false;
                Ok(Answer::Done)
            }
        }
    }

    fn complete(&mut self, at: usize, details: &Details, when: When) -> Result<Answer, &'static str> {
        let listed = details.listed.as_slice();
        let number = self.bucket(self.uploads[at].to.0)?.number;
        let upload = &self.uploads[at];
        if !upload.open || upload.bucket != number {
            return match &upload.completed {
                Some((parts, tag)) if upload.bucket == number && parts == listed => {
                    Ok(Answer::Tag(tag.clone()))
                }
                Some(_) if upload.bucket == number && listed.is_empty() => Err("InvalidRequest"),
                Some(_) if upload.bucket == number => Err("InvalidPart"),
                _ => Err("NoSuchUpload"),
            };
        }
        if listed.is_empty() {
            return Err("InvalidRequest");
        }
        let find =
            |(number, tag): &(u16, String)| upload.parts.get(number).filter(|body| body.etag() == *tag);
        let bodies: Vec<Body> =
            listed.iter().map(|part| find(part).cloned()).collect::<Option<_>>().ok_or("InvalidPart")?;
        if bodies.split_last().is_some_and(|(_, rest)| rest.iter().any(|body| body.len() < PART_BYTES_MIN)) {
            return Err("EntityTooSmall");
        }
        let (to, etag) = (upload.to, etag_of_parts(&bodies));
        let body = Body::new(bodies.iter().flat_map(Body::bytes).copied().collect());
        let answer = self.publish(to, when, details, ShownObject { etag: etag.clone(), body })?;
        let upload = &mut self.uploads[at];
        (upload.open, upload.completed) = (false, Some((listed.to_vec(), etag)));
        Ok(answer)
    }

    fn publish(
        &mut self,
        to: Place,
        when: When,
        details: &Details,
        object: ShownObject,
    ) -> Result<Answer, &'static str> {
        self.bucket(to.0)?;
        match (self.object(to), &details.if_match) {
            (Some(_), None) if when == When::IfAbsent => return Err("PreconditionFailed"),
            (None, Some(_)) => return Err("NoSuchKey"),
            (Some(there), Some(tag)) if there.etag != *tag => return Err("PreconditionFailed"),
            _ => {}
        }
        let tag = object.etag.clone();
        self.bucket(to.0)?.objects.insert(to.1, object);
        Ok(Answer::Tag(tag))
    }

    fn bucket(&mut self, name: &str) -> Result<&mut Bucket, &'static str> {
        self.buckets.get_mut(name).ok_or("NoSuchBucket")
    }

    /// The object at a place.
    pub fn object(&self, at: Place) -> Option<&ShownObject> {
        self.buckets.get(at.0)?.objects.get(at.1)
    }

    fn source(&mut self, from: Place) -> Result<ShownObject, &'static str> {
        self.bucket(from.0)?.objects.get(from.1).cloned().ok_or("NoSuchKey")
    }

    fn open_upload(&mut self, at: usize) -> Result<&mut Upload, &'static str> {
        let number = self.bucket(self.uploads[at].to.0)?.number;
        let upload = &mut self.uploads[at];
        if upload.open && upload.bucket == number { Ok(upload) } else { Err("NoSuchUpload") }
    }

    /// More than a day has passed, and every upload in a bucket with a rule is aborted: parts and bytes of each.
    pub fn expire(&mut self) -> Vec<(u32, u64)> {
        let governed = |number| self.buckets.values().any(|bucket| bucket.rule && bucket.number == number);
        let due = self.uploads.iter_mut().filter(|upload| upload.open && governed(upload.bucket));
        due.map(|upload| {
            upload.open = false;
            (upload.parts.len() as u32, upload.parts.values().map(Body::len).sum())
        })
        .collect()
    }

    /// Every upload of `bucket` is aborted that holds what it held in `then`, as by a job that spares what became
    /// active: how many, and the parts and bytes of all.
    pub fn abort_idle(&mut self, bucket: &str, then: &Self) -> (u64, u64, u64) {
        let number = self.buckets.get(bucket).map(|bucket| bucket.number);
        let idle = |(now, before): &(&mut Upload, &Upload)| {
            now.open && Some(now.bucket) == number && now.parts == before.parts
        };
        let idle = self.uploads.iter_mut().zip(&then.uploads).filter(idle);
        idle.fold((0, 0, 0), |(uploads, parts, bytes), (upload, _)| {
            upload.open = false;
            let held: u64 = upload.parts.values().map(Body::len).sum();
            (uploads + 1, parts + upload.parts.len() as u64, bytes + held)
        })
    }

    /// The store has forgotten how uploads were completed.
    pub fn forget_completions(&mut self) {
        self.uploads.iter_mut().for_each(|upload| upload.completed = None);
    }

    /// What the model shows.
    pub fn shown(&self) -> Shown {
        let mut shown = Shown::new();
        for (name, bucket) in &self.buckets {
            let objects =
                bucket.objects.iter().map(|(key, object)| ((*key).to_owned(), object.clone())).collect();
            let rule = bucket.rule;
            let uploads = self.uploads.iter().enumerate();
            let uploads = uploads
                .filter(|(_, upload)| upload.open && upload.bucket == bucket.number)
                .map(|(at, upload)| {
                    let part = |(number, body): (&u16, &Body)| (*number, (body.etag(), body.len()));
                    ((upload.to.1.to_owned(), at), upload.parts.iter().map(part).collect())
                })
                .collect();
            shown.insert((*name).to_owned(), ShownBucket { rule, objects, uploads });
        }
        shown
    }
}
