//! A multipart upload that is open: it takes parts, and is then completed or aborted.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use md5::{Digest as _, Md5};

use crate::failure::Failure;
use crate::server;
use crate::target::Target;
use crate::transfer::about::About;
use crate::transfer::broken::Fate;
use crate::transfer::crc::{Crc, Kind};
use crate::transfer::crew::Crew;
use crate::transfer::layout::Piece;
use crate::transfer::mover::Mover;
use crate::transfer::source::SourceFile;
use crate::uploads::aborting;
use crate::uploads::cutoffs::Cutoffs;
use crate::uploads::outcome::Outcome;
use crate::uploads::upload::Upload;

/// Which checksums go with the parts and with the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// None: the server knows none of ours. The signature still covers a hash of every body.
    None,
    /// CRC64NVME of each part, and that of all bytes, put together from those of the parts.
    Crc64Nvme,
}

/// An upload that is open. Clones are the same upload.
#[derive(Clone, Debug)]
pub struct OpenUpload {
    client: Client,
    target: Arc<Target>,
    id: Arc<str>,
    checks: Checks,
}

/// A part that the server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number, from 1.
    pub number: u32,
    /// Its ETag, with its quotes.
    pub etag: String,
    /// Its CRC64NVME, where the server knows it and the bytes were seen here.
    pub crc: Option<Crc>,
}

impl OpenUpload {
    /// Creates an upload, with checksums if the server knows them. Not to be dropped before its answer: the upload
    /// would stay, and nobody would know its id.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create(client: Client, target: Target, about: About) -> Result<Self, Failure> {
        let doing = format!("begin an upload to {target}");
        let create = client.create_multipart_upload().bucket(&target.bucket).key(&target.path);
        let create = create
            .set_content_type(about.content_type)
            .set_content_encoding(about.content_encoding)
            .set_content_language(about.content_language)
            .set_content_disposition(about.content_disposition)
            .set_cache_control(about.cache_control)
            .set_metadata(Some(about.metadata).filter(|metadata| !metadata.is_empty()));
        let checked = create.clone().checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
        let checked = checked.checksum_type(ChecksumType::FullObject).send().await;
        let answer = match checked.map_err(|error| Failure::from_sdk(&doing, &error)) {
            Err(failure) if knows_no_checksum(&failure) => {
                create.send().await.map_err(|error| Failure::from_sdk(&doing, &error))?
            }
            answer => answer?,
        };
        let Some(id) = answer.upload_id().filter(|id| !id.is_empty()) else {
            return Err(Failure::Nonsense { doing, why: "the server gave no upload id".into() });
        };
        // Servers that do not know the checksum ignore it, and then do not name it.
        let checks = if answer.checksum_algorithm() == Some(&ChecksumAlgorithm::Crc64Nvme) {
            Checks::Crc64Nvme
        } else {
            Checks::None
        };
        Ok(Self { id: id.into(), client, target: Arc::new(target), checks })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The object that it will be.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The client that asks the server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends pieces of a file, several at a time. May be dropped; the parts that have arrived stay.
    ///
    /// # Errors
    /// The first failure, after which no more are sent.
    pub async fn send_pieces(
        &self,
        mover: &Mover,
        source: &SourceFile,
        pieces: impl Iterator<Item = Piece>,
    ) -> Result<Vec<Sent>, Failure> {
        let mut crew = Crew::new(mover.lanes.clone());
        for piece in pieces {
            let (upload, source, meter) = (self.clone(), source.clone(), mover.meter.clone());
            let task = async move {
                let sent = upload.send(piece.number, source.read(piece).await?).await?;
                meter.add(piece.bytes);
                Ok(sent)
            };
            crew.add(piece.bytes, task).await?;
        }
        crew.finish().await
    }

    /// Sends one part.
    ///
    /// # Errors
    /// When the server refuses it, or stored something else than was sent.
    pub async fn send(&self, number: u32, bytes: Bytes) -> Result<Sent, Failure> {
        let doing = || format!("send part {number} of {}", self.target);
        let crc = match self.checks {
            Checks::Crc64Nvme => Some(Crc::of(Kind::Crc64Nvme, &bytes)),
            Checks::None => None,
        };
        let part = self.client.upload_part().bucket(&self.target.bucket).key(&self.target.path);
        let part = part.upload_id(&*self.id).part_number(number.cast_signed()).body(ByteStream::from(bytes));
        let part = part.set_checksum_crc64_nvme(crc.map(Crc::base64));
        let answer = part.send().await.map_err(|error| Failure::from_sdk(doing(), &error))?;
        let etag = self.etag(doing(), answer.e_tag())?;
        Ok(Sent { number, etag, crc })
    }

    /// What a part must have to be completed.
    ///
    /// # Errors
    /// When the answer has no ETag.
    pub fn etag(&self, doing: String, etag: Option<&str>) -> Result<String, Failure> {
        let why = || "the server gave no ETag, without which no upload can be completed".into();
        etag.map(str::to_owned).ok_or_else(|| Failure::Nonsense { doing, why: why() })
    }

    /// Makes the object of these parts, in any order. Not to be dropped before its answer.
    ///
    /// # Errors
    /// When the server refuses, or what it made is not what was sent.
    pub async fn complete(&self, mut parts: Vec<Sent>) -> Result<(), Failure> {
        parts.sort_by_key(|part| part.number);
        let doing = || format!("complete the upload of {}", self.target);
        let listed = parts.iter().map(completed).collect();
        let complete = self.client.complete_multipart_upload();
        let complete = complete.bucket(&self.target.bucket).key(&self.target.path).upload_id(&*self.id);
        let listed = CompletedMultipartUpload::builder().set_parts(Some(listed)).build();
        let complete = complete.multipart_upload(listed);
        let whole = parts.iter().map(|part| part.crc).reduce(|one, two| Some(one?.then(two?))).flatten();
        let whole = whole.map(Crc::base64);
        let complete = match &whole {
            Some(value) => complete.checksum_type(ChecksumType::FullObject).checksum_crc64_nvme(value),
            None => complete,
        };
        let answer = match complete.send().await {
            Ok(answer) => answer,
            Err(error) => {
                // A try whose answer was lost may have done it; the next one then finds no upload.
                let failure = Failure::from_sdk(doing(), &error);
                return if self.is_there(&parts).await { Ok(()) } else { Err(failure) };
            }
        };
        match (answer.checksum_crc64_nvme(), &whole) {
            (Some(made), Some(whole)) if made != whole.as_str() => {
                let why = format!("the object's CRC64NVME is {made}, and {whole} was sent: do not trust it");
                Err(Failure::Nonsense { doing: doing(), why })
            }
            _ => Ok(()),
        }
    }

    /// Whether the object of these parts is there.
    async fn is_there(&self, parts: &[Sent]) -> bool {
        let Some(expected) = object_etag(parts) else { return false };
        let head = self.client.head_object().bucket(&self.target.bucket).key(&self.target.path);
        head.send().await.is_ok_and(|object| object.e_tag() == Some(expected.as_str()))
    }

    /// Aborts it, and says what became of it.
    pub async fn abort(&self) -> Fate {
        let upload = Upload {
            bucket: self.target.bucket.clone(),
            key: self.target.path.clone(),
            id: self.id.to_string(),
            initiated: None,
            initiator: None,
            held: None,
            fate: None,
        };
        let everything = Cutoffs::default();
        match aborting::abort(&self.client, server::Kind::Other, &upload, &everything).await {
            Outcome::Failed(why) => Fate::Left { why },
            _ => Fate::Aborted,
        }
    }
}

/// A part as the request that completes the upload names it.
fn completed(part: &Sent) -> CompletedPart {
    let listed = CompletedPart::builder().part_number(part.number.cast_signed()).e_tag(&part.etag);
    listed.set_checksum_crc64_nvme(part.crc.map(Crc::base64)).build()
}

/// Whether a server refuses because of the checksum, and may take the request without. Never because it found
/// other bytes than were sent.
pub(super) fn knows_no_checksum(failure: &Failure) -> bool {
    matches!(failure.code(), Some("InvalidRequest" | "InvalidArgument" | "NotImplemented"))
}

/// The ETag that S3 gives to an object of these parts: the MD5 of their MD5s, and their number.
/// Source: Amazon S3 API Reference, "Object", ETag.
fn object_etag(parts: &[Sent]) -> Option<String> {
    let mut digest = Md5::new();
    for part in parts {
        let hex = part.etag.trim_matches('"');
        if hex.len() != 32 {
            return None;
        }
        let value = u128::from_str_radix(hex, 16).ok()?;
        digest.update(value.to_be_bytes());
    }
    let value = u128::from_be_bytes(digest.finalize().into());
    Some(format!("\"{value:032x}-{}\"", parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_of_an_object_of_parts_is_known_beforehand() {
        let part = |number, etag: &str| Sent { number, etag: etag.into(), crc: None };
        // Computed by Python: md5 of the two MD5s of b"a" * 3 and b"b".
        let parts = [
            part(1, "\"47bce5c74f589f4867dbd57e9ca9f808\""),
            part(2, "\"92eb5ffee6ae2fec3ad71c777531578f\""),
        ];
        assert_eq!(object_etag(&parts).unwrap(), "\"69b2d68a7b94b5d43547bb9e1be31a73-2\"");
        assert_eq!(object_etag(&[part(1, "\"abc\"")]), None, "a server with ETags of its own");
    }
}
