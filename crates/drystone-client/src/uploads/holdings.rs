//! What uploads hold, where the listing does not say: ListParts for each, several at a time.
//!
//! S3's listing of uploads has no sizes, so on servers other than Drystone the cost of an upload is one request
//! per thousand parts. An upload that is completed or aborted meanwhile is gone, which is no failure; one whose
//! parts may not be listed stays, with its size unknown.

use aws_sdk_s3::Client;
use futures_util::stream::{self, StreamExt as _};

use crate::failure::Failure;
use crate::progress::Progress;
use crate::uploads::parts::{self, Listed, Parts};
use crate::uploads::upload::{Held, Upload};

/// Requests at a time: enough to hide the way to a far server, few enough for a small one.
pub const REQUESTS_MAX: usize = 16;

/// Uploads that were asked for.
#[derive(Debug, Default)]
pub struct Holdings {
    /// Those that are still there, in the order in which they came.
    pub uploads: Vec<Upload>,
    /// How many of them hold nobody knows what.
    pub unknown: u64,
    /// Why, of the first.
    pub first_failure: Option<Failure>,
}

/// Completes each upload that does not say what it holds.
pub async fn measure(client: &Client, uploads: Vec<Upload>, progress: Option<&Progress>) -> Holdings {
    let asked = stream::iter(uploads).map(|upload| async {
        let found = match upload.held {
            Some(_) => None,
            None => Some(parts::list(client, &upload).await),
        };
        if let Some(progress) = progress {
            progress.add(1);
        }
        (upload, found)
    });
    let mut asked = asked.buffered(REQUESTS_MAX);
    let mut holdings = Holdings::default();
    while let Some((mut upload, found)) = asked.next().await {
        match found {
            None => {}
            Some(Ok(Listed::There(parts))) => {
                upload.held = Some(sum(&upload, &parts));
                upload.fate = upload.fate.or(parts.fate);
            }
            Some(Ok(Listed::Gone)) => continue,
            Some(Err(failure)) => {
                holdings.unknown += 1;
                holdings.first_failure.get_or_insert(failure);
            }
        }
        holdings.uploads.push(upload);
    }
    holdings
}

/// What these parts of an upload come to.
pub fn sum(upload: &Upload, parts: &Parts) -> Held {
    let parts = &parts.parts;
    Held {
        parts: u64::try_from(parts.len()).unwrap_or(u64::MAX),
        bytes: parts.iter().fold(0, |sum, part| sum.saturating_add(part.size)),
        last_activity: parts.iter().filter_map(|part| part.last_modified).max().max(upload.initiated),
    }
}
