//! Ctrl-C: a command that changes things stops between two of them and says what it did.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGINT and SIGTERM, from the moment it is made; before, they end the process at once.
#[derive(Debug)]
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the process cannot handle signals.
    pub fn listen() -> Result<Self, Failure> {
        let handle = |kind| {
            signal(kind).map_err(|source: io::Error| Failure::File { doing: "handle Ctrl-C".into(), source })
        };
        Ok(Self { interrupt: handle(SignalKind::interrupt())?, terminate: handle(SignalKind::terminate())? })
    }

    /// Waits until a stop is asked for. May be dropped and called again.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Does the work, unless a stop is asked for first.
    ///
    /// # Errors
    /// [`Failure::Interrupted`], or the work's own.
    pub async fn unless<T>(&mut self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            () = self.asked() => Err(Failure::Interrupted),
            done = work => done,
        }
    }
}
