//! Reads a range of an object into memory, and begins again when the connection breaks in the middle.
//!
//! The SDK repeats a request until its answer begins; after that, whoever reads the body has to.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::ChecksumMode;
use bytes::{Bytes, BytesMut};

use crate::failure::Failure;
use crate::pause::{Backoff, pause};
use crate::target::Target;
use crate::transfer::found::Found;
use crate::transfer::layout::Piece;

/// How often a range is asked for at most.
const TRIES_MAX: u32 = 4;

/// Between the first two tries.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Between later tries.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Reads a piece of the object, of the version that was found.
///
/// # Errors
/// When the server refuses, the object has changed, or its answers keep breaking off.
pub async fn fetch(client: &Client, target: &Target, found: &Found, piece: Piece) -> Result<Bytes, Failure> {
    let mut waits = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut tried = 1;
    loop {
        match once(client, target, found, piece).await {
            Err(Try::Again(_)) if tried < TRIES_MAX => {
                tried += 1;
                pause(waits.step()).await;
            }
            Err(Try::Again(failure) | Try::Never(failure)) => return Err(failure),
            Ok(bytes) => return Ok(bytes),
        }
    }
}

enum Try {
    Again(Failure),
    Never(Failure),
}

async fn once(client: &Client, target: &Target, found: &Found, piece: Piece) -> Result<Bytes, Try> {
    let doing = || format!("read {target}");
    let is_whole = piece.offset == 0 && piece.bytes == found.bytes;
    let get = client.get_object().bucket(&target.bucket).key(&target.path);
    let get = get.set_if_match(found.etag.clone());
    let get = if is_whole {
        // The SDK compares what it reads with whatever checksum comes along.
        get.checksum_mode(ChecksumMode::Enabled)
    } else {
        get.range(format!("bytes={}-{}", piece.offset, piece.offset + piece.bytes - 1))
    };
    let answer = get.send().await.map_err(|error| {
        Try::Never(match Failure::from_sdk(doing(), &error) {
            Failure::Refused { doing, status: status @ 412, code, .. } => {
                let message = "it was replaced while it was being read; run the command again".into();
                Failure::Refused { doing, status, code, message }
            }
            other => other,
        })
    })?;
    let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
    if length.is_some_and(|length| length != piece.bytes) {
        let why = format!(
            "{} bytes were asked for, and {} are offered: the server ignores ranges, or the object was replaced",
            piece.bytes,
            length.unwrap_or(0)
        );
        return Err(Try::Never(Failure::Nonsense { doing: doing(), why }));
    }
    let capacity = usize::try_from(piece.bytes).expect("64-bit targets only");
    let (mut bytes, mut body) = (BytesMut::with_capacity(capacity), answer.body);
    loop {
        match body.try_next().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > capacity => {
                let why = format!("more than the {} bytes that were asked for came", piece.bytes);
                return Err(Try::Never(Failure::Nonsense { doing: doing(), why }));
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) if bytes.len() == capacity => return Ok(bytes.freeze()),
            Ok(None) => {
                let why = format!("only {} of {} bytes came", bytes.len(), piece.bytes);
                return Err(Try::Again(Failure::NoAnswer { doing: doing(), why }));
            }
            Err(error) => {
                let why = format!("after {} of {} bytes: {}", bytes.len(), piece.bytes, Causes(&error));
                return Err(Try::Again(Failure::NoAnswer { doing: doing(), why }));
            }
        }
    }
}

/// An error and its causes in one line.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
