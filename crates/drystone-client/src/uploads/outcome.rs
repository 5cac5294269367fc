//! What became of an upload that was to be aborted.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::failure::Failure;

/// What became of one upload.
#[derive(Debug)]
pub enum Outcome {
    /// It is aborted, and the server has shown so where it can.
    Aborted,
    /// It was no more when its turn came.
    AlreadyGone,
    /// It is left alone, because it is no longer what was to be aborted.
    Spared(&'static str),
    /// It could not be aborted.
    Failed(Failure),
    /// Its turn did not come.
    NotTried,
}

impl Outcome {
    /// The word for it in JSON and in the table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::AlreadyGone => "already gone",
            Self::Spared(_) => "spared",
            Self::Failed(_) => "failed",
            Self::NotTried => "not tried",
        }
    }

    /// Why it is not aborted.
    pub fn why(&self) -> Option<String> {
        match self {
            Self::Spared(why) => Some((*why).to_owned()),
            Self::Failed(failure) => Some(failure.to_string()),
            Self::Aborted | Self::AlreadyGone | Self::NotTried => None,
        }
    }

    /// Whether the server says that the upload is no more.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Aborted | Self::AlreadyGone)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
