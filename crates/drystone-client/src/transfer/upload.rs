//! From here to S3: a file, or a stream whose length nobody knows.
//!
//! What fits one piece is a single PutObject, which is there or not. Anything longer is a multipart upload, and
//! whatever goes wrong between its first request and its last, a wish to stop included, ends in an abort.

use std::io::{self, Read};
use std::thread;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::target::Target;
use crate::transfer::about::About;
use crate::transfer::broken::{Broken, Unfinished};
use crate::transfer::crc::{Crc, Kind};
use crate::transfer::crew::Crew;
use crate::transfer::layout::{Layout, PIECES_MAX, Piece, open_ended_piece_bytes};
use crate::transfer::mover::Mover;
use crate::transfer::open_upload::{OpenUpload, Sent, knows_no_checksum};
use crate::transfer::source::SourceFile;

/// Pieces of a stream that have been read and wait for a lane.
const READ_AHEAD: usize = 1;

/// Sends a file.
///
/// # Errors
/// Why not, and what became of the upload.
pub async fn file(
    mover: &Mover,
    client: &Client,
    source: &SourceFile,
    target: &Target,
    about: About,
) -> Result<u64, Broken> {
    let length = source.length();
    let layout = Layout::of(length)?;
    if layout.is_single() {
        let put = async {
            let lane = mover.lanes.enter(length).await;
            let body = source.read(Piece { number: 1, offset: 0, bytes: length }).await?;
            source.assert_unchanged().await?;
            put(client, target, about, body).await?;
            drop(lane);
            mover.meter.add(length);
            Ok(length)
        };
        return mover.stop.unless(put).await;
    }
    let upload = begin(mover, client, target, about).await?;
    let send = async {
        let sent = mover.stop.unless(upload.send_pieces(mover, source, layout.pieces())).await?;
        source.assert_unchanged().await?;
        Ok(sent)
    };
    end(mover, &upload, Box::pin(send).await).await?;
    Ok(length)
}

/// Sends a stream to its end. With `expected` bytes, parts are as large as that needs; otherwise they grow.
///
/// # Errors
/// Why not, and what became of the upload.
pub async fn stream(
    mover: &Mover,
    client: &Client,
    stream: impl Read + Send + 'static,
    expected: Option<u64>,
    target: &Target,
    about: About,
) -> Result<u64, Broken> {
    let layout = expected.map(Layout::of).transpose()?;
    let mut pieces = pieces_of(stream, move |number| match layout {
        // More may come than was expected; nothing forbids it, as long as parts are left.
        Some(layout) if u64::from(number) <= PIECES_MAX => Some(layout.piece_bytes()),
        Some(_) => None,
        None => open_ended_piece_bytes(number.into()),
    })?;
    let first = mover.stop.unless(next(&mut pieces)).await?.unwrap_or_default();
    let Some(second) = mover.stop.unless(next(&mut pieces)).await? else {
        let length = first.len() as u64;
        mover.stop.unless(put(client, target, about, first)).await?;
        mover.meter.add(length);
        return Ok(length);
    };
    let upload = begin(mover, client, target, about).await?;
    let mut length = 0;
    let send = async {
        let mut crew = Crew::new(mover.lanes.clone());
        let (mut number, mut waiting) = (1, Some(first));
        let mut after = Some(second);
        while let Some(body) = waiting {
            let (upload, meter, bytes) = (upload.clone(), mover.meter.clone(), body.len() as u64);
            length += bytes;
            let task = async move {
                let sent = upload.send(number, body).await?;
                meter.add(bytes);
                Ok(sent)
            };
            crew.add(bytes, task).await?;
            number += 1;
            waiting = match after.take() {
                Some(second) => Some(second),
                None => next(&mut pieces).await?,
            };
        }
        crew.finish().await
    };
    let sent = mover.stop.unless(send).await;
    end(mover, &upload, sent).await?;
    Ok(length)
}

/// Creates the upload and notes that it is open.
pub(super) async fn begin(
    mover: &Mover,
    client: &Client,
    target: &Target,
    about: About,
) -> Result<OpenUpload, Failure> {
    if mover.stop.is_asked() {
        return Err(Failure::Interrupted);
    }
    let upload = OpenUpload::create(client.clone(), target.clone(), about).await?;
    mover.open.began(upload.id(), &target.bucket, &target.path);
    Ok(upload)
}

/// Completes the upload, or aborts it.
pub(super) async fn end(
    mover: &Mover,
    upload: &OpenUpload,
    sent: Result<Vec<Sent>, Failure>,
) -> Result<(), Broken> {
    let completed = match sent {
        Ok(sent) => upload.complete(sent).await,
        Err(failure) => Err(failure),
    };
    let outcome = match completed {
        Ok(()) => Ok(()),
        Err(failure) => {
            let target = upload.target().clone();
            let fate = upload.abort().await;
            let (bucket, key, id) = (target.bucket, target.path, upload.id().to_owned());
            Err(Broken { failure, upload: Some(Unfinished { bucket, key, id, fate }) })
        }
    };
    mover.open.ended(upload.id());
    outcome
}

/// Sends an object in one request.
async fn put(client: &Client, target: &Target, about: About, body: Bytes) -> Result<(), Failure> {
    let doing = || format!("send {target}");
    let crc = Crc::of(Kind::Crc64Nvme, &body).base64();
    let put = |about: About| {
        let put = client.put_object().bucket(&target.bucket).key(&target.path);
        put.set_content_type(about.content_type)
            .set_content_encoding(about.content_encoding)
            .set_content_language(about.content_language)
            .set_content_disposition(about.content_disposition)
            .set_cache_control(about.cache_control)
            .set_metadata(Some(about.metadata).filter(|metadata| !metadata.is_empty()))
            .body(ByteStream::from(body.clone()))
    };
    let checked = put(about.clone()).checksum_crc64_nvme(&crc).send().await;
    let answer = match checked.map_err(|error| Failure::from_sdk(doing(), &error)) {
        Err(failure) if knows_no_checksum(&failure) => {
            put(about).send().await.map_err(|error| Failure::from_sdk(doing(), &error))?
        }
        answer => answer?,
    };
    match answer.checksum_crc64_nvme() {
        Some(stored) if stored != crc => {
            let why =
                format!("the server stored bytes of CRC64NVME {stored}, and {crc} was sent: do not trust it");
            Err(Failure::Nonsense { doing: doing(), why })
        }
        _ => Ok(()),
    }
}

type Pieces = mpsc::Receiver<io::Result<Bytes>>;

/// Reads a stream in pieces, on a thread of its own: a read from a terminal or a pipe can last for ever, and must
/// not keep the process from ending.
fn pieces_of(
    mut stream: impl Read + Send + 'static,
    size_of: impl Fn(u32) -> Option<u64> + Send + 'static,
) -> Result<Pieces, Failure> {
    let (hand_on, pieces) = mpsc::channel(READ_AHEAD);
    let read = move || {
        for number in 1.. {
            let piece = read_piece(&mut stream, size_of(number));
            let is_last = !matches!(piece, Ok(Some(_)));
            // Whoever no longer waits has failed, and says so.
            if piece.transpose().is_some_and(|piece| hand_on.blocking_send(piece).is_err()) || is_last {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("stream".into()).spawn(read);
    thread.map_err(|source| Failure::File { doing: "start to read standard input".into(), source })?;
    Ok(pieces)
}

/// The next piece, as long as it should be unless the stream ends; `None` at the end. A stream that goes on where
/// no piece is left is an error.
fn read_piece(stream: &mut impl Read, bytes: Option<u64>) -> io::Result<Option<Bytes>> {
    let mut piece = Vec::new();
    stream.take(bytes.unwrap_or(1)).read_to_end(&mut piece)?;
    match (piece.is_empty(), bytes) {
        (true, _) => Ok(None),
        (false, Some(_)) => Ok(Some(piece.into())),
        (false, None) => Err(io::Error::other(
            "it is longer than the parts of an upload can hold; say how long with --expected-size",
        )),
    }
}

async fn next(pieces: &mut Pieces) -> Result<Option<Bytes>, Failure> {
    let piece = pieces.recv().await.transpose();
    piece.map_err(|source| Failure::File { doing: "read standard input".into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_cut_into_whole_pieces_whatever_its_reads_return() {
        /// Returns one byte a read, as a terminal may.
        struct Slow(u8);
        impl Read for Slow {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                if self.0 == 0 || into.is_empty() {
                    return Ok(0);
                }
                into[0] = self.0;
                self.0 -= 1;
                Ok(1)
            }
        }
        let mut pieces = pieces_of(Slow(7), |number| Some(u64::from(number) + 1)).unwrap();
        let mut lengths = Vec::new();
        while let Some(piece) = next(&mut pieces).await.unwrap() {
            lengths.push(piece.len());
        }
        assert_eq!(lengths, [2, 3, 2]);

        let mut pieces = pieces_of(Slow(7), |number| (number < 3).then_some(3)).unwrap();
        let mut complaint = None;
        for _ in 0..3 {
            complaint = next(&mut pieces).await.err();
        }
        assert!(complaint.unwrap().to_string().contains("--expected-size"));
    }

    #[tokio::test]
    async fn a_stream_that_fails_is_not_taken_for_its_end() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the tape is torn"))
            }
        }
        let mut pieces = pieces_of(Fails, |_| Some(8)).unwrap();
        assert!(next(&mut pieces).await.unwrap_err().to_string().contains("the tape is torn"));
    }
}
