//! `drystone uploads abort`: one upload by its id, or all that a cut-off leaves.
//!
//! Nothing is aborted that was not planned, shown with its bytes, and agreed to: on a terminal by a question,
//! elsewhere by `--yes`. Only exact upload ids are aborted, so an upload that is started meanwhile is safe. A second
//! listing proves the result, and what could not be aborted is counted and named.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::moment;
use crate::output::{Answer, Audience, Form, Output, OutputArgs, counted, grouped};
use crate::progress::{Counting, Progress};
use crate::server::Server;
use crate::size::Size;
use crate::table::{Column, Side, Table};
use crate::target::Target;
use crate::uploads::aborting;
use crate::uploads::buckets;
use crate::uploads::bulk;
use crate::uploads::cutoffs::{CutoffArgs, Cutoffs};
use crate::uploads::holdings::{self, REQUESTS_MAX};
use crate::uploads::ls;
use crate::uploads::outcome::Outcome;
use crate::uploads::receipt::{Entry, Means, Meant, Receipt, ReceiptFile, Sum};
use crate::uploads::totals::Totals;
use crate::uploads::upload::Upload;
use crate::uploads::walk::Walk;

/// Settings of `uploads abort`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --id a cut-off has to be named, or --all to mean that there is none. Cut-offs narrow each
other. Nothing is aborted before the plan was shown and agreed to; where nobody can be asked, --yes
agrees. On Drystone many uploads are aborted by one job of the server.
An upload that the server no longer has counts as gone.

Exit code: 0 all gone, 3 some failed, 4 nothing matched, 2 the command makes no sense,
1 it could not be done, 130 stopped by Ctrl-C.

Examples:
  drystone uploads abort photos --older-than 7d --dry-run
  drystone uploads abort s3://photos/2026/ --older-than 7d --idle 1d
  drystone uploads abort --initiated-before 2026-11-01T00:00Z --yes --receipt clean-up.json
  drystone uploads abort photos/wall.jpg --id 06h0i357u00000000020bfv9vffdc4ag")]
pub struct AbortArgs {
    /// Buckets, with a prefix of keys if you like, or all when none is named; with --id the bucket and key of one upload
    #[arg(value_name = "BUCKET[/PREFIX]")]
    pub targets: Vec<Target>,
    /// The one upload to abort, by its id
    #[arg(long, value_name = "ID", conflicts_with_all = ["older_than", "initiated_before", "idle", "all"])]
    pub id: Option<String>,
    /// Which uploads.
    #[command(flatten)]
    pub cutoffs: CutoffArgs,
    /// Every upload, however young; only without a cut-off
    #[arg(long, conflicts_with_all = ["older_than", "initiated_before", "idle"])]
    pub all: bool,
    /// Show what would be aborted, and abort nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Agree to the plan without being asked
    #[arg(long)]
    pub yes: bool,
    /// New file for a record of what was aborted, as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub receipt: Option<PathBuf>,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

const COLUMNS: &[Column] = &[
    ("OUTCOME", Side::Left),
    ("KEY", Side::Left),
    ("UPLOAD ID", Side::Left),
    ("PARTS", Side::Right),
    ("BYTES", Side::Right),
    ("WHY", Side::Left),
];

/// A line of JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Upload(&'a Upload),
    Total(&'a Totals),
    Abort(&'a Entry),
    Receipt(&'a Receipt),
}

/// What was chosen, and by what.
pub(crate) struct Choice {
    pub(crate) targets: Vec<Target>,
    pub(crate) cutoffs: Cutoffs,
    /// How long uploads must have been idle, for a server that judges it itself.
    pub(crate) idle_seconds: Option<u64>,
    pub(crate) meant: Meant,
    pub(crate) started: Timestamp,
}

/// Aborts.
///
/// # Errors
/// When nothing could be planned, nobody agreed, or the output or receipt takes no more.
pub async fn run(args: AbortArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    args.check()?;
    // Made before the first request: what cannot be recorded is not begun.
    let mut record = args.receipt.as_deref().map(ReceiptFile::create).transpose()?;
    let done = abort(&args, &mut output, &mut record).await;
    // Nothing was aborted when nobody has taken it.
    record.into_iter().for_each(ReceiptFile::discard);
    output.flush()?;
    done
}

impl AbortArgs {
    /// What clap cannot see.
    fn check(&self) -> Result<(), Failure> {
        let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
        match (&self.id, self.targets.as_slice()) {
            (Some(id), _) if id.is_empty() => usage("--id is empty; `drystone uploads ls` shows the ids"),
            (Some(_), [one]) if !one.path.is_empty() => Ok(()),
            (Some(_), _) => usage(
                "--id aborts one upload: name its bucket and key, as in `drystone uploads abort photos/wall.jpg --id ID`",
            ),
            (None, _) if !self.all && self.cutoffs.is_empty() => usage(
                "no cut-off: name one, as in --older-than 7d, --idle 24h or --initiated-before 2026-11-01T00:00Z, or \
                 spell out --all to abort every unfinished upload",
            ),
            (None, _) => Ok(()),
        }
    }
}

/// Plans, asks, aborts, proves.
async fn abort(
    args: &AbortArgs,
    output: &mut Output,
    record: &mut Option<ReceiptFile>,
) -> Result<Ending, Failure> {
    let connection = Connection::open(&args.connection).await?;
    let server = Server::meet(&connection).await?;
    let cutoffs = args.cutoffs.at(server.now)?;
    let choice = Choice {
        targets: args.targets.clone(),
        cutoffs,
        idle_seconds: args.cutoffs.idle.map(|idle| u64::try_from(idle.as_secs()).unwrap_or(0)),
        meant: Meant {
            targets: args.targets.iter().map(ToString::to_string).collect(),
            id: args.id.clone(),
            all: args.all,
            initiated_before: cutoffs.initiated_before,
            idle_since_before: cutoffs.idle_since_before,
        },
        started: moment::now(),
    };
    if server.offers(bulk::OFFER) && args.id.is_none() && !args.dry_run {
        return bulk::abort(args, &connection, choice, output, record).await;
    }
    let plan = plan(args, &connection, &choice, output).await?;
    if plan.is_empty() {
        output.say("Nothing matched; nothing was aborted.")?;
        return Ok(Ending::NothingMatched);
    }
    let totals = Totals::of(&plan);
    if args.dry_run {
        show(&plan, &totals, output)?;
        return Ok(Ending::Done);
    }
    output.say(format!("To abort on {}: {}.", connection.server_name(), totals.sentence(choice.started)))?;
    agreed(args, output, totals.uploads)?;
    let planned = plan.iter().fold(Sum::default(), |mut sum, upload| {
        sum.add(upload);
        sum
    });
    let mut interrupt = Interrupt::listen()?;
    let (entries, interrupted) = all(&connection, &server, plan, &choice.cutoffs, &mut interrupt).await?;
    let mut receipt =
        Receipt::begin(connection.server_name(), choice.meant, Means::Requests, choice.started, planned);
    (receipt.interrupted, receipt.uploads) = (interrupted, entries);
    if !interrupted {
        receipt.proven = Some(prove(&connection, &mut receipt.uploads, output).await?);
    }
    receipt.count();
    conclude(receipt, record, output)
}

/// Finds the uploads that are meant, with what they hold.
async fn plan(
    args: &AbortArgs,
    connection: &Connection,
    choice: &Choice,
    output: &mut Output,
) -> Result<Vec<Upload>, Failure> {
    if let (Some(id), [target]) = (&args.id, choice.targets.as_slice()) {
        return one(connection, target, id).await;
    }
    let progress = Progress::start("Uploads looked at:", Counting::Open);
    let mut plan = Vec::new();
    let mut undated = 0;
    for target in buckets::targets(connection, choice.targets.clone()).await? {
        let client = connection.for_bucket(&target.bucket).await?;
        let mut walk = Walk::new(client.clone(), target);
        while let Some(page) = walk.next_page().await? {
            let meant = page.into_iter().filter(|upload| choice.cutoffs.admit_initiated(upload)).collect();
            let found = holdings::measure(&client, meant, Some(&progress)).await;
            if let Some(failure) = found.first_failure {
                let uploads = counted(found.unknown, "upload");
                let left = if choice.cutoffs.need_parts() { "; left alone" } else { "" };
                progress.aside(|| {
                    output.warn(format!("the parts of {uploads} are not known{left}: {failure}"))
                })?;
            }
            plan.extend(found.uploads.into_iter().filter(|upload| choice.cutoffs.admit(upload)));
        }
        undated += walk.undated();
    }
    drop(progress);
    if undated > 0 && !args.cutoffs.is_empty() {
        let uploads = counted(undated, "upload");
        output.warn(format!(
            "the server does not say when {uploads} were started; a cut-off by age leaves them alone"
        ))?;
    }
    Ok(plan)
}

/// The upload of this very key and id, as the server lists it. Not every server minds the key when it is told to
/// abort an id, so an id that was mistyped, or copied with another key, must not get that far.
async fn one(connection: &Connection, target: &Target, id: &str) -> Result<Vec<Upload>, Failure> {
    let client = connection.for_bucket(&target.bucket).await?;
    let mut walk = Walk::new(client.clone(), target.clone());
    while let Some(page) = walk.next_page().await? {
        let found: Vec<Upload> =
            page.into_iter().filter(|upload| upload.key == target.path && upload.id == id).collect();
        if !found.is_empty() {
            return Ok(holdings::measure(&client, found, None).await.uploads);
        }
    }
    Ok(Vec::new())
}

/// Prints what would be aborted.
fn show(plan: &[Upload], totals: &Totals, output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new(ls::COLUMNS);
    for upload in plan {
        match output.form() {
            Form::Json => output.json(&Line::Upload(upload))?,
            Form::Table | Form::Plain => table.row(output, &ls::row(upload))?,
        }
    }
    table.end(output)?;
    if output.form() == Form::Json {
        output.json(&Line::Total(totals))?;
    }
    output.say(format!("Would abort {}. Nothing was aborted.", totals.sentence(moment::now())))?;
    Ok(())
}

/// Makes sure that somebody agreed.
pub(crate) fn agreed(args: &AbortArgs, output: &mut Output, uploads: u64) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let uploads = counted(uploads, "upload");
    match output.audience() {
        Audience::Nobody => Err(Failure::Usage(format!(
            "nobody is here to agree to aborting {uploads}: add --yes, or --dry-run to see them; nothing was aborted"
        ))),
        Audience::Person => match output.ask(format!("Abort {uploads} for good?"))? {
            Answer::Yes => Ok(()),
            Answer::No => Err(Failure::Usage("not agreed; nothing was aborted".into())),
        },
    }
}

/// Aborts every planned upload, several at a time, until somebody stops it.
async fn all(
    connection: &Connection,
    server: &Server,
    plan: Vec<Upload>,
    cutoffs: &Cutoffs,
    interrupt: &mut Interrupt,
) -> Result<(Vec<Entry>, bool), Failure> {
    let progress =
        Progress::start("Aborting", Counting::Things(u64::try_from(plan.len()).unwrap_or(u64::MAX)));
    let stopped = AtomicBool::new(false);
    let work = stream::iter(plan).map(|upload| async {
        if stopped.load(Ordering::Relaxed) {
            return Entry::new(upload, Outcome::NotTried);
        }
        let outcome = match connection.for_bucket(&upload.bucket).await {
            Ok(client) => aborting::abort(&client, server.kind, &upload, cutoffs).await,
            Err(failure) => Outcome::Failed(failure),
        };
        progress.add(1);
        Entry::new(upload, outcome)
    });
    let mut work = std::pin::pin!(work.buffered(REQUESTS_MAX));
    let mut entries = Vec::new();
    loop {
        let next = tokio::select! {
            next = work.next() => next,
            // What is under way is waited for; what has not begun is not begun.
            () = interrupt.asked(), if !stopped.load(Ordering::Relaxed) => {
                stopped.store(true, Ordering::Relaxed);
                continue;
            }
        };
        match next {
            Some(entry) => entries.push(entry),
            None => return Ok((entries, stopped.load(Ordering::Relaxed))),
        }
    }
}

/// Lists again what was aborted; what still stands there has failed. Whether nothing does.
async fn prove(connection: &Connection, entries: &mut [Entry], output: &mut Output) -> Result<bool, Failure> {
    let gone = entries.iter().filter(|entry| entry.outcome.is_gone());
    let mut whole: Vec<Target> = gone
        .map(|entry| Target { bucket: entry.upload.bucket.clone(), path: entry.upload.key.clone() })
        .collect();
    whole.sort();
    whole.dedup();
    // One upload is looked for under its key; many under what their keys have in common.
    let mut targets: Vec<Target> = Vec::new();
    for target in whole {
        match targets.last_mut().filter(|last| last.bucket == target.bucket) {
            Some(last) => last.path = common(&last.path, &target.path).to_owned(),
            None => targets.push(target),
        }
    }
    let progress = Progress::start("Listing again:", Counting::Open);
    let mut left: HashSet<(String, String, String)> = HashSet::new();
    for target in targets {
        let mut walk = Walk::new(connection.for_bucket(&target.bucket).await?, target);
        loop {
            match walk.next_page().await {
                Ok(Some(page)) => {
                    progress.add(u64::try_from(page.len()).unwrap_or(u64::MAX));
                    left.extend(page.into_iter().map(|upload| (upload.bucket, upload.key, upload.id)));
                }
                Ok(None) => break,
                Err(failure) => {
                    progress.aside(|| output.warn(format!("nothing is proven: {failure}")))?;
                    return Ok(false);
                }
            }
        }
    }
    drop(progress);
    let mut proven = true;
    for entry in entries.iter_mut().filter(|entry| entry.outcome.is_gone()) {
        let Upload { bucket, key, id, .. } = &entry.upload;
        if left.contains(&(bucket.clone(), key.clone(), id.clone())) {
            proven = false;
            let why = "the server accepted it, and still lists the upload; run the command again".to_owned();
            let failure = Failure::Nonsense { doing: format!("abort {}", entry.upload.named()), why };
            entry.error = Some(failure.to_string());
            entry.outcome = Outcome::Failed(failure);
        }
    }
    Ok(proven)
}

/// What two keys begin with, both.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let end = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y).map(|((at, _), _)| at);
    a.get(..end.unwrap_or(a.len().min(b.len()))).unwrap_or_default()
}

/// Writes the receipt down, then says what became of the plan.
pub(crate) fn conclude(
    mut receipt: Receipt,
    record: &mut Option<ReceiptFile>,
    output: &mut Output,
) -> Result<Ending, Failure> {
    receipt.finished = moment::now();
    // Whatever becomes of the output, the record comes first.
    record.take().map_or(Ok(()), |file| file.write(&receipt))?;
    let ending = ending(&receipt);
    let mut table = Table::new(COLUMNS);
    for entry in &receipt.uploads {
        match output.form() {
            Form::Json => output.json(&Line::Abort(entry))?,
            Form::Table | Form::Plain => table.row(output, &cells(entry))?,
        }
    }
    table.end(output)?;
    output.say(summary(&receipt))?;
    if output.form() == Form::Json {
        // Each stood on a line of its own.
        receipt.uploads.clear();
        output.json(&Line::Receipt(&receipt))?;
    }
    Ok(ending)
}

/// An entry's row.
fn cells(entry: &Entry) -> [String; 6] {
    let Upload { bucket, key, id, .. } = &entry.upload;
    [
        entry.outcome.to_string(),
        format!("{bucket}/{key}"),
        id.clone(),
        entry.upload.parts().to_string(),
        Size(entry.upload.bytes()).to_string(),
        entry.error.clone().unwrap_or_default(),
    ]
}

/// The receipt in one sentence.
fn summary(receipt: &Receipt) -> String {
    let Sum { uploads, parts, bytes } = receipt.aborted;
    let mut text =
        format!("Aborted {} with {} and {}", counted(uploads, "upload"), counted(parts, "part"), Size(bytes));
    let more = [
        (receipt.already_gone, "already gone"),
        (receipt.spared, "spared"),
        (receipt.failed, "failed"),
        (receipt.not_tried, "not tried"),
    ];
    for (number, word) in more.into_iter().filter(|(number, _)| *number > 0) {
        text.extend(["; ", &grouped(number), " ", word]);
    }
    text.push_str(match (receipt.interrupted, receipt.proven) {
        (true, _) => ". Stopped before the end.",
        (false, Some(true)) => ". A second listing shows none of them.",
        (false, _) => ".",
    });
    text
}

/// The exit code that the receipt stands for.
fn ending(receipt: &Receipt) -> Ending {
    if receipt.interrupted {
        Ending::Interrupted
    } else if receipt.failed > 0 || receipt.proven == Some(false) {
        Ending::SomeFailed
    } else {
        Ending::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_looked_for_under_what_they_have_in_common() {
        assert_eq!(common("logs/ä1", "logs/ö2"), "logs/");
        assert_eq!(common("logs", "logs/2"), "logs");
        assert_eq!(common("a", "b"), "");
    }
}
