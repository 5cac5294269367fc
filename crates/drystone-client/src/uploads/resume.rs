//! `drystone uploads resume`: finishes an upload that broke off, sending only what is missing.
//!
//! What is stored is compared with the file by checksum, never by size or number alone; a part that differs is
//! sent again, and an upload of which no part fits is another file's and is left alone. The upload stays open
//! whatever goes wrong, so that the same command can be run again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use clap::Args;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::moment;
use crate::output::{Form, Output, OutputArgs, counted};
use crate::progress::{Counting, Progress};
use crate::size::Size;
use crate::target::Target;
use crate::uploads::digest::{self, Algorithm};
use crate::uploads::layout::Layout;
use crate::uploads::parts::{self, Listed, Part, Parts};
use crate::uploads::upload::Upload;
use crate::uploads::walk::Walk;

/// Parts that are sent, or read and compared, at a time: enough to fill a line, few enough for one disk.
const PARTS_AT_ONCE: usize = 4;

/// Settings of `uploads resume`.
#[derive(Debug, Args)]
#[command(after_help = "\
Parts that are stored are compared with the file by checksum, or by ETag where there is none.

Exit code: 0 complete, 4 there is no unfinished upload of this key, 2 the command makes no sense,
1 it could not be done, 130 stopped by Ctrl-C. The upload stays open unless it is complete.

Example:
  drystone uploads resume holiday.mp4 s3://photos/2026/holiday.mp4")]
pub struct ResumeArgs {
    /// The file that was being uploaded
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The bucket and key that it was being uploaded to
    #[arg(value_name = "BUCKET/KEY", value_parser = Target::parse_key)]
    pub key: Target,
    /// The upload's id, where the key has several
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The finished object, as a line of JSON.
#[derive(Serialize)]
struct Finished<'a> {
    kind: &'static str,
    bucket: &'a str,
    key: &'a str,
    id: &'a str,
    etag: Option<&'a str>,
    bytes: u64,
    parts: u64,
    kept_parts: u64,
    sent_parts: u64,
    sent_bytes: u64,
}

/// A file as it was found.
#[derive(Debug, PartialEq, Eq)]
struct Source<'p> {
    path: &'p Path,
    bytes: u64,
    modified: Option<std::time::SystemTime>,
}

impl<'p> Source<'p> {
    fn look(path: &'p Path) -> Result<Self, Failure> {
        let found = fs::metadata(path).map_err(|source| reading(path, source))?;
        if !found.is_file() || found.len() == 0 {
            return Err(Failure::Usage(format!("{} is no file with bytes in it", path.display())));
        }
        Ok(Self { path, bytes: found.len(), modified: found.modified().ok() })
    }
}

fn reading(path: &Path, source: io::Error) -> Failure {
    Failure::File { doing: format!("read {}", path.display()), source }
}

/// Resumes.
///
/// # Errors
/// When the upload cannot be found, compared, sent or completed.
pub async fn run(args: ResumeArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let source = Source::look(&args.file)?;
    let client = Connection::open(&args.connection).await?.for_bucket(&args.key.bucket).await?;
    let Some(upload) = find(&client, &args).await? else {
        output.say(format!("There is no unfinished upload of {}; nothing was sent.", args.key))?;
        return Ok(Ending::NothingMatched);
    };
    let mut interrupt = Interrupt::listen()?;
    let work = resume(&client, &source, &upload, &mut output);
    match interrupt.unless(work).await {
        Err(Failure::Interrupted) => {
            output.say("Stopped; what was sent is stored, and the same command goes on from there.")?;
            Ok(Ending::Interrupted)
        }
        other => other,
    }
}

/// The one unfinished upload of this very key.
async fn find(client: &Client, args: &ResumeArgs) -> Result<Option<Upload>, Failure> {
    let mut walk = Walk::new(client.clone(), args.key.clone());
    let mut found: Vec<Upload> = Vec::new();
    while let Some(page) = walk.next_page().await? {
        let named = |upload: &Upload| args.id.as_ref().is_none_or(|id| *id == upload.id);
        found.extend(page.into_iter().filter(|upload| upload.key == args.key.path && named(upload)));
    }
    if found.len() > 1 {
        let ids = found.iter().map(|upload| match upload.initiated {
            Some(time) => format!("\n  --id {}  started {}", upload.id, moment::shown(time)),
            None => format!("\n  --id {}", upload.id),
        });
        let (uploads, ids) = (counted(found.len() as u64, "unfinished upload"), ids.collect::<String>());
        return Err(Failure::Usage(format!("{} has {uploads}; name one:{ids}", args.key)));
    }
    Ok(found.pop())
}

/// Compares, sends and completes.
async fn resume(
    client: &Client,
    source: &Source<'_>,
    upload: &Upload,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let Listed::There(stored) = parts::list(client, upload).await? else {
        output.say(format!("{} is gone; nothing was sent.", upload.named()))?;
        return Ok(Ending::NothingMatched);
    };
    let other_file = |why: &str| Failure::Nonsense {
        doing: format!("resume {} with {}", upload.named(), source.path.display()),
        why: format!("{why}; it looks like the upload of another file, and is left as it is"),
    };
    let layouts = Layout::candidates(source.bytes, &stored.parts);
    let mut found: Option<(Layout, Vec<Part>)> = None;
    for layout in layouts {
        let kept = compare(source, layout, &stored).await?;
        if found.as_ref().is_none_or(|(_, best)| kept.len() > best.len()) {
            found = Some((layout, kept));
        }
    }
    let (layout, kept) =
        found.ok_or_else(|| other_file("the sizes of the stored parts do not fit the file"))?;
    if kept.is_empty() && !stored.parts.is_empty() {
        return Err(other_file("none of the stored parts holds the file's bytes"));
    }
    let missing: Vec<u64> = (1..=layout.parts())
        .filter(|number| !kept.iter().any(|part| u64::from(part.number) == *number))
        .collect();
    let lengths =
        missing.iter().filter_map(|number| layout.range(*number)).map(|range| range.end - range.start);
    let sent_bytes: u64 = lengths.sum();
    output.say(format!(
        "{} of {} are stored; sending {}.",
        counted(kept.len() as u64, "part"),
        layout.parts(),
        Size(sent_bytes)
    ))?;
    let algorithm = stored.algorithm.as_deref().and_then(Algorithm::named).unwrap_or(Algorithm::Md5);
    let sent = send(client, source, upload, layout, &missing, algorithm).await?;
    if Source::look(source.path)? != *source {
        let why = "the file changed while it was being sent; run the command again";
        return Err(Failure::Nonsense { doing: format!("complete {}", upload.named()), why: why.into() });
    }
    let (kept_parts, sent_parts) = (kept.len() as u64, sent.len() as u64);
    let etag = complete(client, upload, kept.iter().map(completed).chain(sent).collect()).await?;
    let Upload { bucket, key, id, .. } = upload;
    if output.form() == Form::Json {
        let finished = Finished {
            kind: "object",
            bucket,
            key,
            id,
            etag: etag.as_deref(),
            bytes: source.bytes,
            parts: layout.parts(),
            kept_parts,
            sent_parts,
            sent_bytes,
        };
        output.json(&finished)?;
    } else {
        output.data(&format!("s3://{bucket}/{key}\n"))?;
    }
    let (kept, sent) = (counted(kept_parts, "part"), counted(sent_parts, "part"));
    output.say(format!(
        "Complete: {}; kept {kept}, sent {sent} with {}.",
        Size(source.bytes),
        Size(sent_bytes)
    ))?;
    output.flush()?;
    Ok(Ending::Done)
}

/// The stored parts that hold the file's bytes.
async fn compare(source: &Source<'_>, layout: Layout, stored: &Parts) -> Result<Vec<Part>, Failure> {
    let bytes = stored.parts.iter().map(|part| part.size).sum();
    let progress = Progress::start("Comparing", Counting::Bytes(bytes));
    let compared = stream::iter(&stored.parts).map(|part| async {
        let same = match (Algorithm::of(part), layout.range(part.number.into())) {
            (Some((algorithm, wanted)), Some(range)) => {
                hashed(source.path, range, algorithm).await?.eq_ignore_ascii_case(&wanted)
            }
            _ => false,
        };
        progress.add(part.size);
        Ok::<_, Failure>(same.then(|| part.clone()))
    });
    compared.buffered(PARTS_AT_ONCE).try_filter_map(async |kept| Ok(kept)).try_collect().await
}

/// What a run of the file comes to, read on a thread that may wait for the disk.
async fn hashed(path: &Path, range: std::ops::Range<u64>, algorithm: Algorithm) -> Result<String, Failure> {
    let owned = path.to_owned();
    #[expect(clippy::disallowed_methods, reason = "reading a file waits; the caller waits for the thread")]
    let work = tokio::task::spawn_blocking(move || {
        digest::of_range(&owned, range.start, range.end - range.start, algorithm)
    });
    let done = work.await.map_err(|error| reading(path, io::Error::other(error)))?;
    done.map_err(|source| reading(path, source))
}

/// Sends the missing parts, several at a time, each with the checksum of what was read for it.
async fn send(
    client: &Client,
    source: &Source<'_>,
    upload: &Upload,
    layout: Layout,
    missing: &[u64],
    algorithm: Algorithm,
) -> Result<Vec<CompletedPart>, Failure> {
    let ranges = missing.iter().filter_map(|number| Some((*number, layout.range(*number)?)));
    let ranges: Vec<_> = ranges.collect();
    let bytes = ranges.iter().map(|(_, range)| range.end - range.start).sum();
    let progress = Progress::start("Sending", Counting::Bytes(bytes));
    let sent = stream::iter(ranges).map(|(number, range)| {
        let progress = &progress;
        async move {
            let length = range.end - range.start;
            let part = send_one(client, source, upload, number, range, algorithm).await?;
            progress.add(length);
            Ok::<_, Failure>(part)
        }
    });
    sent.buffer_unordered(PARTS_AT_ONCE).try_collect().await
}

async fn send_one(
    client: &Client,
    source: &Source<'_>,
    upload: &Upload,
    number: u64,
    range: std::ops::Range<u64>,
    algorithm: Algorithm,
) -> Result<CompletedPart, Failure> {
    let doing = format!("send part {number} of {}", upload.named());
    let checksum = hashed(source.path, range.clone(), algorithm).await?;
    let body = ByteStream::read_from().path(source.path).offset(range.start);
    let body = body.length(Length::Exact(range.end - range.start)).build().await;
    let body = body.map_err(|error| reading(source.path, io::Error::other(error)))?;
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    let Upload { bucket, key, id, .. } = upload;
    let call = client.upload_part().bucket(bucket).key(key).upload_id(id).part_number(number).body(body);
    let call = match algorithm {
        Algorithm::Sha256 => call.checksum_sha256(&checksum),
        Algorithm::Sha1 => call.checksum_sha1(&checksum),
        Algorithm::Crc64Nvme => call.checksum_crc64_nvme(&checksum),
        Algorithm::Crc32C => call.checksum_crc32_c(&checksum),
        Algorithm::Crc32 => call.checksum_crc32(&checksum),
        Algorithm::Md5 => call.set_content_md5(digest::content_md5(&checksum)),
    };
    let answer = call.send().await.map_err(|error| Failure::from_sdk(doing, &error))?;
    let part =
        CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag().map(str::to_owned)).build();
    Ok(with_checksum(part, algorithm, checksum))
}

fn with_checksum(mut part: CompletedPart, algorithm: Algorithm, value: String) -> CompletedPart {
    match algorithm {
        Algorithm::Sha256 => part.checksum_sha256 = Some(value),
        Algorithm::Sha1 => part.checksum_sha1 = Some(value),
        Algorithm::Crc64Nvme => part.checksum_crc64_nvme = Some(value),
        Algorithm::Crc32C => part.checksum_crc32_c = Some(value),
        Algorithm::Crc32 => part.checksum_crc32 = Some(value),
        Algorithm::Md5 => {}
    }
    part
}

/// A stored part as Complete names it.
fn completed(part: &Part) -> CompletedPart {
    let number = i32::try_from(part.number).unwrap_or(i32::MAX);
    let named = CompletedPart::builder().part_number(number).e_tag(&part.etag).build();
    part.checksums.iter().fold(named, |named, (name, value)| match Algorithm::named(name) {
        Some(algorithm) => with_checksum(named, algorithm, value.clone()),
        None => named,
    })
}

/// Completes the upload; the object's ETag.
async fn complete(
    client: &Client,
    upload: &Upload,
    mut parts: Vec<CompletedPart>,
) -> Result<Option<String>, Failure> {
    parts.sort_by_key(CompletedPart::part_number);
    let Upload { bucket, key, id, .. } = upload;
    let all = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let call = client.complete_multipart_upload().bucket(bucket).key(key).upload_id(id).multipart_upload(all);
    let answer = call.send().await;
    let answer = answer.map_err(|error| Failure::from_sdk(format!("complete {}", upload.named()), &error))?;
    Ok(answer.e_tag().map(str::to_owned))
}
