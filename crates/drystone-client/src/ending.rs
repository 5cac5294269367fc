//! How a command ends: its exit code, which scripts read.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything that was asked for is done.
    Done,
    /// It could not be done, or not be found out.
    Failed,
    /// What was typed cannot be meant.
    Usage,
    /// Some of it failed, and what failed was named.
    SomeFailed,
    /// Nothing matched, so there was nothing to do.
    NothingMatched,
    /// Ctrl-C; what was done until then was said.
    Interrupted,
}

impl Ending {
    /// The process's exit code. Those of `uploads abort` are part of its promise; 130 is what shells expect
    /// after SIGINT.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SomeFailed => 3,
            Self::NothingMatched => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        ending.code().into()
    }
}
