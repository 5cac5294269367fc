//! When a connection rests, and what it waits with then.
//!
//! HTTP needs 16 KiB of a connection for heads, and after a large body up to 256 KiB more: for thousands of clients that
//! asked once and stay, more than all work that is under way. So a connection that has stood still for [`REST_AFTER`]
//! since its last answer lets go of all that, and waits for its client's next byte with the socket alone. hyper has no
//! such rest: it is ended there, which it allows only between two requests, and begun anew with the next byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::places::Turn;

/// How long a connection stands still before it rests. A client that asks again at once finds its buffers as it left
/// them.
pub(super) const REST_AFTER: Duration = Duration::from_millis(100);

/// What a connection's stream, its requests and whoever serves it let each other know. All of them run in one task.
#[derive(Default)]
pub(super) struct Signs {
    /// Whether the client may still be sending when we close.
    lingers: AtomicBool,
    stage: AtomicU8,
    /// The turn of the last request, while hyper may hold a part of its answer.
    turn: Mutex<Option<Turn>>,
}

/// How far the last request of a connection has come; each stage is reached only from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Stage {
    /// The client has sent something that is not answered.
    Asked,
    /// hyper has taken the whole answer.
    Answered,
    /// It has left.
    Sent,
    /// The client has nothing more to say.
    Still,
}

impl Signs {
    /// The connection must outlive its last answer.
    pub(super) fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending when we close.
    pub(super) fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }

    /// Bytes came, or a request that was among them is taken up.
    pub(super) fn asked(&self) {
        self.stage.store(Stage::Asked as u8, Ordering::Relaxed);
    }

    /// hyper has nothing in front of the stream any more.
    pub(super) fn handed_on(&self) {
        drop(self.turn.lock().take());
    }

    /// Nor has the stream.
    pub(super) fn sent(&self) {
        self.step(Stage::Answered, Stage::Sent);
    }

    /// There is nothing to read.
    pub(super) fn nothing_came(&self) {
        self.step(Stage::Sent, Stage::Still);
    }

    /// Whether the last answer has left and nothing came after it.
    pub(super) fn still(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == Stage::Still as u8
    }

    fn step(&self, from: Stage, to: Stage) {
        if self.stage.load(Ordering::Relaxed) == from as u8 {
            self.stage.store(to as u8, Ordering::Relaxed);
        }
    }
}

/// Dropped with an answer, when hyper has taken the whole of it.
pub(super) struct Answered {
    signs: Arc<Signs>,
    /// The request's turn, which ends when the answer has left hyper.
    pub(super) turn: Option<Turn>,
}

impl Answered {
    /// Is dropped with the answer to a request that begins now.
    pub(super) fn when_dropped(signs: &Arc<Signs>) -> Self {
        signs.asked();
        Self { signs: Arc::clone(signs), turn: None }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        *self.signs.turn.lock() = self.turn.take();
        self.signs.stage.store(Stage::Answered as u8, Ordering::Relaxed);
    }
}

/// A stream that can wait for bytes without having room for them.
pub(super) trait Waiting {
    /// Ready when reading would not wait, be it for an error.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Waiting for TcpStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(drop)
    }
}

impl Waiting for TlsStream<TcpStream> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (stream, session) = self.get_mut();
        // What came with the last bytes of the handshake is in the session already, and the socket says nothing of it.
        match session.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() == 0 => stream.poll_readable(cx),
            _ => Poll::Ready(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_still_when_its_last_answer_has_left_and_nothing_came_since() {
        let signs = Arc::new(Signs::default());
        signs.sent();
        signs.nothing_came();
        assert!(!signs.still(), "it was asked nothing yet");
        let answered = Answered::when_dropped(&signs);
        signs.sent();
        signs.nothing_came();
        assert!(!signs.still(), "what left was not the whole answer");
        drop(answered);
        signs.nothing_came();
        assert!(!signs.still(), "a part of the answer may wait to be sent");
        signs.sent();
        assert!(!signs.still(), "there may be something to read");
        signs.nothing_came();
        assert!(signs.still());
        signs.asked();
        signs.sent();
        signs.nothing_came();
        assert!(!signs.still(), "half a request is no rest");
    }
}
