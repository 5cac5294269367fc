//! An object that is about to be read: how long it is, which version, and with which checksum.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use jiff::Timestamp;

use crate::failure::Failure;
use crate::objects::listing::Listed;
use crate::target::Target;
use crate::transfer::about::About;
use crate::transfer::crc::Kept;
use crate::uploads::upload::timestamp;

/// An object, as HeadObject or a listing tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its bytes.
    pub bytes: u64,
    /// Its ETag, which every read of it asks for, so that all of them are of one version.
    pub etag: Option<String>,
    /// When it was stored.
    pub last_modified: Option<Timestamp>,
    /// The checksum of all its bytes, if the server told one.
    pub kept: Option<Kept>,
    /// What it says about itself; only HeadObject tells.
    pub about: About,
}

impl From<&Listed> for Found {
    fn from(listed: &Listed) -> Self {
        Self {
            bytes: listed.bytes,
            etag: listed.etag.clone(),
            last_modified: listed.last_modified,
            kept: None,
            about: About::default(),
        }
    }
}

impl Found {
    /// Looks at an object.
    ///
    /// # Errors
    /// When it is not there, or may not be looked at.
    pub async fn look(client: &Client, target: &Target) -> Result<Self, Failure> {
        let doing = || format!("look at {target}");
        let head = client.head_object().bucket(&target.bucket).key(&target.path);
        match head.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(answer) => Self::read(&answer).ok_or_else(|| Failure::Nonsense {
                doing: doing(),
                why: "the server does not say how long it is".into(),
            }),
            Err(error) => Err(explained(Failure::from_sdk(doing(), &error))),
        }
    }

    fn read(answer: &HeadObjectOutput) -> Option<Self> {
        Some(Self {
            bytes: u64::try_from(answer.content_length()?).ok()?,
            etag: answer.e_tag().map(str::to_owned),
            last_modified: answer.last_modified().and_then(timestamp),
            kept: Kept::choose(
                answer.checksum_type(),
                answer.checksum_crc64_nvme(),
                answer.checksum_crc32(),
                answer.checksum_crc32_c(),
            ),
            about: About {
                content_type: answer.content_type().map(str::to_owned),
                content_encoding: answer.content_encoding().map(str::to_owned),
                content_language: answer.content_language().map(str::to_owned),
                content_disposition: answer.content_disposition().map(str::to_owned),
                cache_control: answer.cache_control().map(str::to_owned),
                metadata: answer.metadata().cloned().unwrap_or_default(),
            },
        })
    }
}

/// HeadObject's refusals have no body that would say why.
fn explained(failure: Failure) -> Failure {
    match failure {
        Failure::Refused { doing, status: 404, .. } => Failure::Refused {
            doing,
            status: 404,
            code: "NotFound".into(),
            message:
                "there is no such object; `drystone ls` shows which there are, and --recursive takes what \
                      begins with it"
                    .into(),
        },
        Failure::Refused { doing, status: 403, .. } => Failure::Refused {
            doing,
            status: 403,
            code: "AccessDenied".into(),
            message: "it may not be read".into(),
        },
        other => other,
    }
}
