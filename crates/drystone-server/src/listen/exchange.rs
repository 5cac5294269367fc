//! One request and its answer, and what becomes of a body that nobody wanted.
//!
//! A request first waits for its turn, so that all bodies in flight together have a bound; when that
//! takes too long, its client is told to come again, and nothing is read of its body: reading away needs
//! a buffer too, and any number may wait.
//!
//! A client that is still sending when the answer comes may never read it: it sees a connection
//! that breaks, and tries again. So before the answer of a request that had its turn goes out:
//! 1. nothing unread: nothing to do;
//! 2. the client waits for `100 Continue`: answer at once and close, as nobody can know whether what
//!    comes next is a body or a request (RFC 9110, section 10.1.1);
//! 3. a little is left: read it away, then answer, and the connection lives on;
//! 4. much is left: answer at once and close, while [`connection`](super::connection) goes on
//!    reading for a while so that the answer is not lost, as after being told to come again;
//! 5. the client waits for `100 Continue` of a body that is empty: HTTP lets us leave it out, and hyper
//!    does. But botocore (AWS CLI, boto3) then reads the next answer of the same connection with the
//!    status line of this one, and hangs until its time is up. So that connection is closed.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::Peer;
use super::arriving::{Arriving, GiveBack, Unread};
use super::connection::Arrived;
use super::rest::{Answered, Signs};
use crate::deadline;
use crate::response_body::{BoxError, ResponseBody};

/// Bytes of an unwanted body that are read away to keep a connection: the part sizes of the AWS CLI
/// (8 MiB), rclone (5 MiB) and restic's packs (16 MiB). Reading them is cheaper than a handshake and
/// a retry.
const DRAIN_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The document for a client that did not get its turn.
const SLOW_DOWN: &[u8] =
    b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SlowDown</Code><Message>Please reduce \
    your request rate.</Message></Error>";
/// How long reading them away may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// Answers one request. `signs` hear when hyper has the whole answer, and when the connection must outlive it.
pub(super) async fn exchange<H, F>(
    handler: H,
    request: Request<Incoming>,
    arrived: &Arrived,
    signs: &Arc<Signs>,
) -> Result<Response<Answering>, Infallible>
where
    H: Fn(Request<Arriving>, Peer) -> F,
    F: Future<Output = Response<ResponseBody>>,
{
    let mut answered = Answered::when_dropped(signs);
    let expects = expects_continue(&request);
    let answered_early = expects == Expects::Continue && request.body().is_end_stream();
    let unread = (!request.body().is_end_stream()).then(GiveBack::default);
    let seat = &arrived.seat;
    let turn = seat.turn(&arrived.places).await;
    let request = request.map(|body| Arriving::new(body, unread.clone(), seat));
    let mut response = if turn.is_some() {
        handler(request, arrived.peer).await
    } else {
        drop(request);
        come_again()
    };
    let left = unread.and_then(|slot| slot.lock().take());
    if let Some(left) = left
        && (turn.is_none() || settle(left, expects).await == Connection::Closes)
    {
        signs.linger();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if answered_early {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answered.turn = turn;
    Ok(response.map(|body| Answering { body, _answered: answered }))
}

/// An answer's body.
pub(super) struct Answering {
    body: ResponseBody,
    _answered: Answered,
}

impl Body for Answering {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// S3's answer of a server that is too busy; SDKs try again, a little later each time.
fn come_again() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(Bytes::from_static(SLOW_DOWN)));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Stays,
    Closes,
}

/// Whether the client holds its body back until it is asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Continue,
    Nothing,
}

fn expects_continue(request: &Request<Incoming>) -> Expects {
    let expects = request
        .headers()
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && request.version() == Version::HTTP_11 { Expects::Continue } else { Expects::Nothing }
}

async fn settle(left: Unread, expects: Expects) -> Connection {
    let Unread { mut body, asked } = left;
    let waits = expects == Expects::Continue && !asked;
    let too_much = body.size_hint().exact().is_some_and(|bytes| bytes > DRAIN_BYTES_MAX);
    if waits || too_much {
        return Connection::Closes;
    }
    let drained = deadline::within(DRAIN_TIME_MAX, async {
        let mut bytes = 0;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            bytes += frame.ok().as_ref().and_then(|frame| frame.data_ref()).map(|data| data.len() as u64)?;
            if bytes > DRAIN_BYTES_MAX {
                return None;
            }
        }
        Some(())
    });
    if drained.await.flatten().is_some() { Connection::Stays } else { Connection::Closes }
}
