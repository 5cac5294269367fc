//! From S3 to here: to a file, in pieces in any order, or to a stream, in order.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;

use aws_sdk_s3::Client;

use crate::failure::Failure;
use crate::target::Target;
use crate::transfer::crc::{Crc, Kept};
use crate::transfer::crew::Crew;
use crate::transfer::fetch::fetch;
use crate::transfer::found::Found;
use crate::transfer::landing::Landing;
use crate::transfer::lanes::Lanes;
use crate::transfer::layout::{Layout, Piece};
use crate::transfer::mover::Mover;
use crate::work::{aside, blocking};

/// Reads an object into a file, which appears when it is whole and has the object's checksum.
///
/// # Errors
/// Why not; the file is what it was then.
pub async fn to_file(
    mover: &Mover,
    client: &Client,
    target: &Target,
    found: &Found,
    path: &Path,
) -> Result<u64, Failure> {
    let layout = Layout::of(found.bytes)?;
    // A listing tells no checksums, and what is read in pieces is not checked by the SDK.
    let known = if layout.is_single() || found.kept.is_some() {
        found.clone()
    } else {
        mover.stop.unless(Found::look(client, target)).await?
    };
    let layout = if known.bytes == found.bytes { layout } else { Layout::of(known.bytes)? };
    let landing = Landing::begin(path).await?;
    let read = async {
        let mut crew = Crew::new(mover.lanes.clone());
        for piece in layout.pieces() {
            let (client, target, known) = (client.clone(), target.clone(), known.clone());
            let (landing, meter) = (landing.clone(), mover.meter.clone());
            let task = async move {
                let bytes = fetch(&client, &target, &known, piece).await?;
                let crc = known.kept.as_ref().map(|kept| Crc::of(kept.kind, &bytes));
                landing.write(piece.offset, bytes).await?;
                meter.add(piece.bytes);
                Ok((piece.number, crc))
            };
            crew.add(piece.bytes, task).await?;
        }
        crew.finish().await
    };
    let mut crcs = mover.stop.unless(read).await?;
    crcs.sort_unstable_by_key(|(number, _)| *number);
    let whole = crcs.into_iter().map(|(_, crc)| crc).reduce(|one, two| Some(one?.then(two?))).flatten();
    compare(target, known.kept.as_ref(), whole)?;
    landing.finish(known.last_modified).await?;
    Ok(known.bytes)
}

/// Which bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
}

/// Reads an object, or a span of it, into a stream. The checksum can only be compared after all has been written,
/// so an error at the end means that what was written is wrong.
///
/// # Errors
/// Why not.
pub async fn to_stream(
    mover: &Mover,
    client: &Client,
    target: &Target,
    found: &Found,
    span: Span,
    stream: impl Write + Send + 'static,
) -> Result<u64, Failure> {
    let layout = Layout::of(span.bytes)?;
    let pieces = layout.pieces().map(|piece| Piece { offset: span.offset + piece.offset, ..piece });
    let ahead = Lanes::ahead(layout.piece_bytes());
    let is_whole = span == Span { offset: 0, bytes: found.bytes };
    let kept = found.kept.as_ref().filter(|_| is_whole);
    let write = async {
        let (mut coming, mut left) = (VecDeque::with_capacity(ahead), pieces.fuse());
        let (mut stream, mut whole) = (stream, None::<Crc>);
        loop {
            while coming.len() < ahead
                && let Some(piece) = left.next()
            {
                let (client, target, found) = (client.clone(), target.clone(), found.clone());
                coming.push_back(aside(async move { fetch(&client, &target, &found, piece).await }));
            }
            let Some(next) = coming.pop_front() else { break };
            let bytes = next.await?;
            let length = bytes.len() as u64;
            if let Some(kept) = kept {
                let crc = Crc::of(kept.kind, &bytes);
                whole = Some(whole.map_or(crc, |before| before.then(crc)));
            }
            let written = blocking(move || stream.write_all(&bytes).map(|()| stream)).await;
            stream = written.map_err(Failure::Output)?;
            mover.meter.add(length);
        }
        blocking(move || stream.flush()).await.map_err(Failure::Output)?;
        Ok::<_, Failure>(whole)
    };
    let whole = mover.stop.unless(write).await?;
    compare(target, kept, whole)?;
    Ok(span.bytes)
}

/// Whether what was read is what was stored.
fn compare(target: &Target, kept: Option<&Kept>, read: Option<Crc>) -> Result<(), Failure> {
    match (kept, read) {
        (Some(kept), Some(read)) if read.base64() != kept.base64 => {
            let why = format!(
                "the bytes that came have the checksum {}, and those that were stored {} ({:?}); read it again",
                read.base64(),
                kept.base64,
                kept.kind
            );
            Err(Failure::Nonsense { doing: format!("read {target}"), why })
        }
        _ => Ok(()),
    }
}
