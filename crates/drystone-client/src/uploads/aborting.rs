//! Aborts one upload, and makes sure of it.
//!
//! On Drystone one call is enough, and it is guarded by the upload's time of initiation. On other servers a part
//! that arrives while the abort runs may stay, as S3's own documentation says, so the abort is repeated until
//! ListParts shows nothing, a bounded number of times.

use std::time::Duration;

use aws_sdk_s3::Client;

use crate::failure::Failure;
use crate::pause::{Backoff, pause};
use crate::server::Kind;
use crate::uploads::cutoffs::Cutoffs;
use crate::uploads::holdings;
use crate::uploads::outcome::Outcome;
use crate::uploads::parts::{self, Listed};
use crate::uploads::upload::{Upload, date_time};

/// How often an upload is aborted at most. A part of 5 GiB that arrives at 100 Mbit/s needs seven minutes, so
/// after these rounds it is named as not gone, and another run will find it.
const ROUNDS_MAX: usize = 5;

/// Between the first two rounds.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Between later rounds.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Aborts an upload unless it has become active since it was planned.
pub async fn abort(client: &Client, kind: Kind, upload: &Upload, cutoffs: &Cutoffs) -> Outcome {
    if cutoffs.idle_since_before.is_some() {
        match still_idle(client, upload, cutoffs).await {
            Ok(None) => {}
            Ok(Some(outcome)) => return outcome,
            Err(failure) => return Outcome::Failed(failure),
        }
    }
    match kind {
        Kind::Drystone => guarded(client, upload).await,
        Kind::Other => repeated(client, upload).await,
    }
}

/// Looks at the upload again; `None` when it is still to be aborted.
async fn still_idle(client: &Client, upload: &Upload, cutoffs: &Cutoffs) -> Result<Option<Outcome>, Failure> {
    let Listed::There(found) = parts::list(client, upload).await? else {
        return Ok(Some(Outcome::AlreadyGone));
    };
    let now = Upload { held: Some(holdings::sum(upload, &found)), ..upload.clone() };
    Ok((!cutoffs.admit(&now)).then_some(Outcome::Spared("it became active meanwhile")))
}

/// One call, which the server refuses when the id belongs to another upload than the one that was listed.
async fn guarded(client: &Client, upload: &Upload) -> Outcome {
    let call = client.abort_multipart_upload().bucket(&upload.bucket).key(&upload.key).upload_id(&upload.id);
    let call = call.set_if_match_initiated_time(upload.initiated.map(date_time));
    match call.send().await {
        Ok(_) => Outcome::Aborted,
        Err(error) => match Failure::from_sdk(format!("abort {}", upload.named()), &error) {
            failure if failure.is_no_such_upload() => Outcome::AlreadyGone,
            failure if failure.code() == Some("PreconditionFailed") => {
                Outcome::Spared("the server has another upload of this id, started at another time")
            }
            failure => Outcome::Failed(failure),
        },
    }
}

/// Calls until the server shows no part.
async fn repeated(client: &Client, upload: &Upload) -> Outcome {
    let mut waits = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    for round in 0..ROUNDS_MAX {
        if round > 0 {
            pause(waits.step()).await;
        }
        let call =
            client.abort_multipart_upload().bucket(&upload.bucket).key(&upload.key).upload_id(&upload.id);
        if let Err(error) = call.send().await {
            return match Failure::from_sdk(format!("abort {}", upload.named()), &error) {
                failure if failure.is_no_such_upload() && round == 0 => Outcome::AlreadyGone,
                failure if failure.is_no_such_upload() => Outcome::Aborted,
                failure => Outcome::Failed(failure),
            };
        }
        match parts::list(client, upload).await {
            Ok(Listed::Gone) => return Outcome::Aborted,
            Ok(Listed::There(left)) if left.parts.is_empty() => return Outcome::Aborted,
            Ok(Listed::There(_)) => {}
            // Whoever may abort may not have the right to look; the second listing of all uploads tells.
            Err(failure) if failure.code() == Some("AccessDenied") => return Outcome::Aborted,
            Err(failure) => return Outcome::Failed(failure),
        }
    }
    Outcome::Failed(Failure::Nonsense {
        doing: format!("abort {}", upload.named()),
        why: format!(
            "after {ROUNDS_MAX} aborts the server still shows parts of it; run the command again later"
        ),
    })
}
