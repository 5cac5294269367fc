//! Receiving a body: one loop that hashes and writes, and everything that was promised of it checked.
//!
//! A batch of pieces is written, and hashed on the thread that writes it, while the next batch
//! arrives; so a body costs two batches of memory however long it is. What does not keep its
//! promises is dropped, and the data door gives its range back.

use bytes::Bytes;
use futures_util::future;

use crate::body::{self, BodyError};
use crate::checksum::{Checksum, DigestValues, Digests, crc64};
use crate::data::door::{Extent, Pending, Written};
use crate::error::Error;
use crate::objects::put::{BODY_BYTES_MAX, ChecksumClaim, Incoming, SmallBodies};
use crate::store::{SMALL_BODY_BYTES_MAX, Store};

/// Bytes that are gathered before they are written.
const BATCH_BYTES: usize = 512 * 1024;

/// Pieces that are gathered before they are written: a client that cuts its body into single bytes
/// must not make a batch cost many times its bytes. As many as one vectored write takes.
const BATCH_PIECES: usize = 1024;

/// What was received, besides where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Size in bytes.
    pub(crate) size: u64,
    /// MD5 of the bytes.
    pub(crate) md5: [u8; 16],
    /// CRC64NVME of the bytes.
    pub(crate) crc64: u64,
    /// The checksum that the client chose, if any.
    pub(crate) checksum: Option<Checksum>,
}

/// A received body that may be named in a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) received: Received,
    /// The bytes, when the body is small.
    pub(crate) small: Option<Bytes>,
    /// The finished extent, when it is not.
    pub(crate) extent: Option<Extent>,
}

/// A received body and the extent that it does not own yet.
pub(crate) struct ReceivedBody {
    stored: Stored,
    pending: Option<Pending>,
}

impl ReceivedBody {
    /// Splits it into what a transaction names and what that transaction must settle.
    pub(crate) fn split(self) -> (Stored, Vec<Pending>) {
        (self.stored, self.pending.into_iter().collect())
    }
}

impl Store {
    /// Receives a body and checks every promise made of it.
    ///
    /// # Errors
    /// [`Error::EntityTooLarge`], [`Error::NoSpace`] before the body is read; then [`Error::Body`],
    /// [`Error::BadContentMd5`], [`Error::ContentSha256Mismatch`], [`Error::ChecksumMismatch`],
    /// [`Error::Data`]. Nothing of the body remains.
    pub(crate) async fn receive(
        &self,
        incoming: Incoming,
        small: SmallBodies,
    ) -> Result<ReceivedBody, Error> {
        let len = incoming.len;
        if len > BODY_BYTES_MAX {
            return Err(Error::EntityTooLarge { size: len, max: BODY_BYTES_MAX });
        }
        if len == 0 || (len <= SMALL_BODY_BYTES_MAX && small == SmallBodies::Allowed) {
            self.room_for_rows(len)?;
            return receive_small(incoming).await;
        }
        self.receive_large(incoming).await
    }

    async fn receive_large(&self, mut incoming: Incoming) -> Result<ReceivedBody, Error> {
        let digests = Digests::new(incoming.sha256, incoming.checksum.map(|claim| claim.algorithm()));
        let mut state = (self.data.clone().reserve(incoming.len)?, digests);
        let mut batches = Batches { left: incoming.len, announced: incoming.len };
        let mut batch = batches.next(&mut incoming.body).await?;
        while !batch.is_empty() {
            let (writer, digests) = state;
            let (next, written) =
                future::join(batches.next(&mut incoming.body), writer.write(batch, digests)).await;
            state = written?;
            batch = next?;
        }
        let (writer, digests) = state;
        // The promises are checked before the sync, so that a bad body costs no sync.
        let values = digests.finish();
        incoming.check_digests(&values)?;
        let Written { pending, crc64 } = writer.finish().await?;
        let received = incoming.check_checksum(&values, crc64)?;
        let stored = Stored { received, small: None, extent: Some(pending.extent()) };
        Ok(ReceivedBody { stored, pending: Some(pending) })
    }
}

async fn receive_small(mut incoming: Incoming) -> Result<ReceivedBody, Error> {
    let mut batches = Batches { left: incoming.len, announced: incoming.len };
    let mut bytes = Vec::new();
    let mut pieces = batches.next(&mut incoming.body).await?;
    let body = if let ([_], 0) = (pieces.as_slice(), batches.left) {
        // The usual case: the body came in one piece, and is kept as it came.
        batches.end(&mut incoming.body).await?;
        pieces.remove(0)
    } else {
        while !pieces.is_empty() {
            pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
            pieces = batches.next(&mut incoming.body).await?;
        }
        Bytes::from(bytes)
    };
    let mut digests = Digests::new(incoming.sha256, incoming.checksum.map(|claim| claim.algorithm()));
    digests.update(&body);
    let values = digests.finish();
    incoming.check_digests(&values)?;
    let received = incoming.check_checksum(&values, crc64(&body))?;
    let small = Some(body).filter(|body| !body.is_empty());
    Ok(ReceivedBody { stored: Stored { received, small, extent: None }, pending: None })
}

/// Gathers a body's pieces into batches and holds it to its announced length.
struct Batches {
    left: u64,
    announced: u64,
}

impl Batches {
    /// The next batch; empty after the body's verified end.
    async fn next(&mut self, body: &mut std::pin::Pin<Box<dyn body::Body>>) -> Result<Vec<Bytes>, BodyError> {
        let mut batch = Vec::new();
        let mut gathered = 0;
        while self.left > 0 && gathered < BATCH_BYTES && batch.len() < BATCH_PIECES {
            let Some(piece) = body::next(body).await.transpose()? else {
                let received = self.announced - self.left;
                return Err(BodyError::Incomplete { received, announced: self.announced });
            };
            self.left = self
                .left
                .checked_sub(piece.len() as u64)
                .ok_or(BodyError::TooLong { announced: self.announced })?;
            gathered += piece.len();
            if !piece.is_empty() {
                batch.push(piece);
            }
        }
        if batch.is_empty() {
            self.end(body).await?;
        }
        Ok(batch)
    }

    /// Reads to the verified end, where signatures and trailers are.
    async fn end(&mut self, body: &mut std::pin::Pin<Box<dyn body::Body>>) -> Result<(), BodyError> {
        while let Some(piece) = body::next(body).await.transpose()? {
            if !piece.is_empty() {
                return Err(BodyError::TooLong { announced: self.announced });
            }
        }
        Ok(())
    }
}

impl Incoming {
    fn check_digests(&self, values: &DigestValues) -> Result<(), Error> {
        if let (Some(expected), Some(computed)) = (self.sha256, values.sha256)
            && expected.0 != computed
        {
            return Err(Error::ContentSha256Mismatch { expected: expected.0, computed });
        }
        match self.content_md5 {
            Some(expected) if expected != values.md5 => {
                Err(Error::BadContentMd5 { expected, computed: values.md5 })
            }
            _ => Ok(()),
        }
    }

    fn check_checksum(&self, values: &DigestValues, crc64: u64) -> Result<Received, Error> {
        let checksum = self.checksum.map(|claim| match claim.algorithm() {
            crate::checksum::Algorithm::Crc64Nvme => Checksum::crc64(crc64),
            _ => values.checksum.expect("the digests were started with the claim's algorithm"),
        });
        let promised = match self.checksum {
            Some(ChecksumClaim::Given(value)) => Some(value),
            Some(ChecksumClaim::Trailer(_)) => {
                Some(self.body.trailer().ok_or(BodyError::Trailer("the announced checksum did not come"))?)
            }
            Some(ChecksumClaim::Compute(_)) | None => None,
        };
        if let (Some(promised), Some(computed)) = (promised, checksum)
            && promised != computed
        {
            return Err(Error::ChecksumMismatch(computed.algorithm()));
        }
        Ok(Received { size: self.len, md5: values.md5, crc64, checksum })
    }
}
