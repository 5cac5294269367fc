//! What an argument of `cp` names: an object or folder in S3, a file or folder here, or a stream.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::output::printable;
use crate::target::Target;

/// How everything in S3 begins, so that nobody takes a file for a bucket.
const SCHEME: &str = "s3://";

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In S3.
    S3(Target),
    /// On this machine.
    Local(PathBuf),
    /// Standard input or standard output.
    Stream,
}

impl Place {
    /// Reads an argument.
    ///
    /// # Errors
    /// When it names no bucket, or nothing.
    pub fn parse(typed: &OsStr) -> Result<Self, Failure> {
        match typed.to_str() {
            Some("-") => Ok(Self::Stream),
            Some("") => {
                let words = "an argument is empty; expected a path, `-`, or something like s3://photos/2026/";
                Err(Failure::Usage(words.into()))
            }
            Some(text) if text.starts_with(SCHEME) => text
                .parse()
                .map(Self::S3)
                .map_err(|bad: crate::target::BadTarget| Failure::Usage(bad.to_string())),
            _ => Ok(Self::Local(typed.into())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(target) => f.write_str(&printable(&target.to_string())),
            Self::Local(path) => f.write_str(&printable(&path.to_string_lossy())),
            Self::Stream => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_with_s3_is_in_s3() {
        let parse = |text: &str| Place::parse(OsStr::new(text));
        assert_eq!(parse("s3://photos/a b").unwrap(), Place::S3("photos/a b".parse().unwrap()));
        for text in ["photos/a", "./s3://x", "/abs", "S3://photos"] {
            assert_eq!(parse(text).unwrap(), Place::Local(text.into()));
        }
        assert_eq!(parse("-").unwrap(), Place::Stream);
        for text in ["", "s3://", "s3:///key", "s3://a*b/x"] {
            assert_eq!(parse(text).unwrap_err().ending().code(), 2, "{text}");
        }
    }
}
