//! How far a long preparation is, for whoever waits at a terminal; a log gets none of it.

use std::cell::Cell;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use crate::clock::Moment;

/// How often it is told.
const EVERY: Duration = Duration::from_millis(500);

/// One preparation.
#[derive(Debug)]
pub struct Progress {
    what: String,
    total: u64,
    done: Cell<u64>,
    told: Cell<Moment>,
    since: Moment,
    watched: Watched,
}

/// Whether somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Yes,
    No,
}

impl Progress {
    /// Nothing of `total` is done yet.
    pub fn new(what: impl Into<String>, total: u64) -> Self {
        let watched = if std::io::stderr().is_terminal() { Watched::Yes } else { Watched::No };
        let now = Moment::now();
        Self { what: what.into(), total, done: Cell::new(0), told: Cell::new(now), since: now, watched }
    }

    /// So many more are done.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to look at")]
    pub fn add(&self, more: u64) {
        self.done.set(self.done.get() + more);
        if self.watched == Watched::Yes && self.told.get().elapsed() >= EVERY {
            self.told.set(Moment::now());
            let (done, total) = (self.done.get(), self.total);
            let rate = done as f64 / self.since.elapsed().as_secs_f64();
            eprint!("\r  {}: {done} of {total}, {rate:.0}/s \x1b[K", self.what);
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.watched == Watched::Yes {
            eprint!("\r\x1b[K");
        }
    }
}
