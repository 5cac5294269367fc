//! From S3 to S3, by the server: no byte comes here.

use aws_sdk_s3::Client;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::Failure;
use crate::target::Target;
use crate::transfer::broken::Broken;
use crate::transfer::crew::Crew;
use crate::transfer::found::Found;
use crate::transfer::layout::{Layout, PIECES_MAX};
use crate::transfer::mover::Mover;
use crate::transfer::open_upload::{OpenUpload, Sent};
use crate::transfer::upload::{begin, end};

/// The longest object that one CopyObject copies. Source: Amazon S3 API Reference, "CopyObject".
pub const SINGLE_BYTES_MAX: u64 = 5 << 30;

/// The bytes of a part of a longer one: 512 MiB, so that ten at a time are worth while, and a failed one is not
/// much to repeat.
const PIECE_BYTES: u64 = 512 << 20;

/// What a copy source leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Copies an object with everything it says about itself. `client` is that of the target's bucket.
///
/// # Errors
/// Why not, and what became of the upload.
pub async fn copy(
    mover: &Mover,
    client: &Client,
    from: &Target,
    found: &Found,
    to: &Target,
) -> Result<u64, Broken> {
    let source = format!("{}/{}", from.bucket, utf8_percent_encode(&from.path, PLAIN));
    if found.bytes <= SINGLE_BYTES_MAX {
        let copy = client.copy_object().bucket(&to.bucket).key(&to.path).copy_source(source);
        let copy = copy.set_copy_source_if_match(found.etag.clone());
        let whole = async {
            let _lane = mover.lanes.enter(0).await;
            let sent = copy.send().await;
            sent.map_err(|error| explained(Failure::from_sdk(format!("copy {from} to {to}"), &error)))
        };
        mover.stop.unless(whole).await?;
        mover.meter.add(found.bytes);
        return Ok(found.bytes);
    }
    let layout = match Layout::with_pieces_of(found.bytes, PIECE_BYTES.max(found.bytes.div_ceil(PIECES_MAX)))
    {
        Some(layout) => layout,
        None => Layout::of(found.bytes)?,
    };
    let upload = begin(mover, client, to, found.about.clone()).await?;
    let send = async {
        let mut crew = Crew::new(mover.lanes.clone());
        for piece in layout.pieces() {
            let (upload, meter, source) = (upload.clone(), mover.meter.clone(), source.clone());
            let (named, etag) = (from.to_string(), found.etag.clone());
            let task = async move {
                let range = format!("bytes={}-{}", piece.offset, piece.offset + piece.bytes - 1);
                let sent = copied(&upload, piece.number, source, etag, range, &named).await?;
                meter.add(piece.bytes);
                Ok(sent)
            };
            crew.add(0, task).await?;
        }
        crew.finish().await
    };
    let sent = mover.stop.unless(send).await;
    end(mover, &upload, sent).await?;
    Ok(found.bytes)
}

async fn copied(
    upload: &OpenUpload,
    number: u32,
    source: String,
    etag: Option<String>,
    range: String,
    from: &str,
) -> Result<Sent, Failure> {
    let doing = || format!("copy part {number} of {from} to {}", upload.target());
    let part = upload.client().upload_part_copy().bucket(&upload.target().bucket).key(&upload.target().path);
    let part = part.upload_id(upload.id()).part_number(number.cast_signed()).copy_source(source);
    let sent = part.copy_source_range(range).set_copy_source_if_match(etag).send().await;
    let answer = sent.map_err(|error| explained(Failure::from_sdk(doing(), &error)))?;
    let etag = upload.etag(doing(), answer.copy_part_result().and_then(|part| part.e_tag()))?;
    // The server knows the checksum of what it copied; nobody here has seen the bytes.
    Ok(Sent { number, etag, crc: None })
}

fn explained(failure: Failure) -> Failure {
    match failure {
        Failure::Refused { doing, status: status @ 412, code, .. } => {
            let message = "the source was replaced while it was being copied; run the command again".into();
            Failure::Refused { doing, status, code, message }
        }
        other => other,
    }
}
