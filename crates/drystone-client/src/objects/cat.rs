//! `drystone cat`: an object's bytes on standard output.

use std::io;

use clap::Args;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::stop::Stop;
use crate::target::Target;
use crate::transfer::download::{Span, to_stream};
use crate::transfer::found::Found;
use crate::transfer::lanes::Lanes;
use crate::transfer::mover::{Meter, Mover, OpenUploads};

/// Settings of `cat`.
#[derive(Debug, Args)]
#[command(after_help = "\
A whole object is compared with its checksum, if the server keeps one of all bytes; since what is written cannot be \
taken back, a difference is an error at the end.

Exit code: 0 written, 1 it could not be read or written to its end, 2 the command makes no sense.

Examples:
  drystone cat s3://photos/list.txt | sort
  drystone cat s3://photos/wall.jpg --range 0-1023     the first 1,024 bytes
  drystone cat s3://photos/wall.jpg --range -1024      the last 1,024 bytes")]
pub struct CatArgs {
    /// Object
    #[arg(value_name = "s3://BUCKET/KEY", value_parser = Target::parse_key)]
    pub target: Target,
    /// Bytes, from 0: FIRST-LAST, FIRST-, or -LENGTH for the last ones
    #[arg(long, value_name = "RANGE", value_parser = parse_range, allow_hyphen_values = true)]
    pub range: Option<Range>,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Which bytes, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// From the first to the last, both included.
    Between(u64, u64),
    /// From here to the end.
    From(u64),
    /// So many at the end.
    Last(u64),
}

/// Reads a range, with or without the `bytes=` of HTTP.
fn parse_range(text: &str) -> Result<Range, String> {
    let expected =
        || format!("`{text}` is not a range of bytes; expected something like 0-1023, 1024- or -1024");
    let number = |digits: &str| {
        let are_digits = digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| are_digits).ok_or_else(expected)
    };
    let (first, last) = text.strip_prefix("bytes=").unwrap_or(text).split_once('-').ok_or_else(expected)?;
    let range = match (first, last) {
        ("", last) => Range::Last(number(last)?),
        (first, "") => Range::From(number(first)?),
        (first, last) => Range::Between(number(first)?, number(last)?),
    };
    match range {
        Range::Between(first, last) if last < first => {
            Err(format!("`{text}` ends before it begins; expected something like 0-1023"))
        }
        Range::Last(0) => Err(format!("`{text}` is no byte at all; expected something like -1024")),
        range => Ok(range),
    }
}

impl Range {
    /// The bytes of an object of so many; `None` when it has none of them. What goes beyond its end is cut off.
    fn of(self, bytes: u64) -> Option<Span> {
        let last = bytes.checked_sub(1)?;
        let (first, last) = match self {
            Self::Between(first, end) => (first, last.min(end)),
            Self::From(first) => (first, last),
            Self::Last(count) => (bytes.saturating_sub(count), last),
        };
        (first <= last).then(|| Span { offset: first, bytes: last - first + 1 })
    }
}

/// Writes the object.
///
/// # Errors
/// When it cannot be read or written to its end.
pub async fn run(args: CatArgs) -> Result<Ending, Failure> {
    let connection = Connection::open(&args.connection).await?;
    let client = connection.for_bucket(&args.target.bucket).await?;
    let found = Found::look(&client, &args.target).await?;
    let span = match args.range {
        None => Span { offset: 0, bytes: found.bytes },
        Some(range) => range.of(found.bytes).ok_or_else(|| {
            let beyond = "and the range begins behind its last";
            Failure::Usage(format!("{} has {} bytes, {beyond}", args.target, found.bytes))
        })?,
    };
    // Nothing has to be put in order: Ctrl-C just ends the process.
    let mover = Mover {
        lanes: Lanes::default(),
        stop: Stop::default(),
        meter: Meter::none(),
        open: OpenUploads::default(),
    };
    to_stream(&mover, &client, &args.target, &found, span, io::stdout()).await?;
    Ok(Ending::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_writes_them() {
        for (text, range) in [
            ("0-1023", Range::Between(0, 1_023)),
            ("bytes=5-5", Range::Between(5, 5)),
            ("7-", Range::From(7)),
            ("-7", Range::Last(7)),
        ] {
            assert_eq!(parse_range(text), Ok(range), "{text}");
        }
        for text in ["", "-", "7", "a-b", "+1-2", "1-+2", "5-4", "-0", "0-1,3-4", "99999999999999999999-"] {
            assert!(parse_range(text).unwrap_err().contains("expected something like"), "{text}");
        }
    }

    #[test]
    fn a_range_is_cut_to_the_object() {
        let span = |offset, bytes| Some(Span { offset, bytes });
        assert_eq!(Range::Between(0, 99).of(10), span(0, 10));
        assert_eq!(Range::Between(9, 9).of(10), span(9, 1));
        assert_eq!(Range::From(3).of(10), span(3, 7));
        assert_eq!(Range::Last(99).of(10), span(0, 10));
        assert_eq!(Range::Last(3).of(10), span(7, 3));
        assert_eq!([Range::From(10).of(10), Range::Between(0, 1).of(0), Range::Last(1).of(0)], [None; 3]);
    }
}
