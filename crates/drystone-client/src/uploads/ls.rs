//! `drystone uploads ls`: every unfinished upload, with what it holds.
//!
//! Rows come in the server's order, which S3 says is by key, and are printed as they come, so that a million
//! uploads need no more memory than a thousand; only an order that is asked for needs them all first.

use std::cmp::Reverse;

use aws_sdk_s3::Client;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::moment;
use crate::output::{Form, Output, OutputArgs, counted};
use crate::progress::{Counting, Progress};
use crate::size::{Size, parse_size};
use crate::table::{Column, Side, Table};
use crate::target::Target;
use crate::uploads::buckets;
use crate::uploads::cutoffs::{CutoffArgs, Cutoffs};
use crate::uploads::holdings;
use crate::uploads::totals::Totals;
use crate::uploads::upload::Upload;
use crate::uploads::walk::Walk;

/// Settings of `uploads ls`.
#[derive(Debug, Args)]
#[command(after_help = "\
Cut-offs narrow each other. Sizes come from the listing where the server is Drystone, and from one
more request for each upload elsewhere. The rule that will abort an upload is shown where the server
tells.

Exit code: 0 listed, 1 it could not be listed, 3 some buckets or sizes could not, 2 the command
makes no sense.

Examples:
  drystone uploads ls
  drystone uploads ls s3://photos/2026/ --older-than 7d --sort bytes
  drystone uploads ls photos --json | jq -r 'select(.kind == \"upload\") | .id'")]
pub struct LsArgs {
    /// Buckets, with a prefix of keys if you like; all buckets when none is named
    #[arg(value_name = "BUCKET[/PREFIX]")]
    pub targets: Vec<Target>,
    /// Which uploads.
    #[command(flatten)]
    pub cutoffs: CutoffArgs,
    /// Only uploads that hold at least this much: 1GiB, 500MB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub min_size: Option<u64>,
    /// Order of the rows: largest first, oldest first, or by key [default: the server's]
    #[arg(long, value_name = "ORDER")]
    pub sort: Option<Order>,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Largest first.
    Bytes,
    /// Oldest first.
    Age,
    /// By key.
    Key,
}

/// The columns of a listing of uploads.
pub const COLUMNS: &[Column] = &[
    ("KEY", Side::Left),
    ("UPLOAD ID", Side::Left),
    ("PARTS", Side::Right),
    ("BYTES", Side::Right),
    ("STARTED", Side::Left),
    ("LAST ACTIVITY", Side::Left),
    ("INITIATOR", Side::Left),
    ("ABORTED BY RULE", Side::Left),
];

/// A line of JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Upload(&'a Upload),
    Total(&'a Totals),
}

/// Lists.
///
/// # Errors
/// When nothing could be listed, or the output takes no more.
pub async fn run(args: LsArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let now = moment::now();
    let cutoffs = Cutoffs { min_bytes: args.min_size.unwrap_or(0), ..args.cutoffs.at(now)? };
    let connection = Connection::open(&args.connection).await?;
    let named = !args.targets.is_empty();
    let targets = buckets::targets(&connection, args.targets).await?;
    let mut listing = Listing::new(&mut output, args.sort);
    for target in targets {
        let listed = match connection.for_bucket(&target.bucket).await {
            Ok(client) => listing.walk(&client, &target, &cutoffs).await,
            Err(failure) => Err(failure),
        };
        match listed {
            // Of all buckets, some may be closed to us; what was named must be there.
            Err(failure @ Failure::Refused { .. }) if !named => listing.trouble(&failure)?,
            other => other?,
        }
    }
    listing.finish(now)
}

/// What is being printed.
struct Listing<'o> {
    output: &'o mut Output,
    table: Table,
    order: Option<Order>,
    waiting: Vec<Upload>,
    totals: Totals,
    troubles: u64,
}

impl<'o> Listing<'o> {
    fn new(output: &'o mut Output, order: Option<Order>) -> Self {
        let (waiting, totals) = (Vec::new(), Totals::default());
        Self { output, table: Table::new(COLUMNS), order, waiting, totals, troubles: 0 }
    }

    fn trouble(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.troubles += 1;
        self.output.warn(failure)?;
        Ok(())
    }

    async fn walk(&mut self, client: &Client, target: &Target, cutoffs: &Cutoffs) -> Result<(), Failure> {
        let mut walk = Walk::new(client.clone(), target.clone());
        let progress = Progress::start("Uploads looked at:", Counting::Open);
        while let Some(page) = walk.next_page().await? {
            let meant = page.into_iter().filter(|upload| cutoffs.admit_initiated(upload)).collect();
            let found = holdings::measure(client, meant, Some(&progress)).await;
            if let Some(failure) = found.first_failure {
                self.troubles += found.unknown;
                let uploads = counted(found.unknown, "upload");
                progress
                    .aside(|| self.output.warn(format!("what {uploads} hold is not known: {failure}")))?;
            }
            let shown = found.uploads.into_iter().filter(|upload| cutoffs.admit(upload));
            progress.aside(|| self.add(shown))?;
        }
        drop(progress);
        if walk.undated() > 0 {
            let uploads = counted(walk.undated(), "upload");
            let words = "when they were started; a cut-off by age leaves them out";
            self.output.warn(format!("the server does not say of {uploads} in {target} {words}"))?;
        }
        Ok(())
    }

    fn add(&mut self, uploads: impl Iterator<Item = Upload>) -> Result<(), Failure> {
        for upload in uploads {
            self.totals.add(&upload);
            match self.order {
                None => self.print(&upload)?,
                Some(_) => self.waiting.push(upload),
            }
        }
        self.table.end(self.output)?;
        Ok(self.output.flush()?)
    }

    fn print(&mut self, upload: &Upload) -> Result<(), Failure> {
        match self.output.form() {
            Form::Json => self.output.json(&Line::Upload(upload))?,
            Form::Table | Form::Plain => self.table.row(self.output, &row(upload))?,
        }
        Ok(())
    }

    fn finish(mut self, now: Timestamp) -> Result<Ending, Failure> {
        let mut waiting = std::mem::take(&mut self.waiting);
        match self.order {
            Some(Order::Bytes) => waiting.sort_by_key(|upload| Reverse(upload.bytes())),
            // An upload without a time is not known to be old.
            Some(Order::Age) => waiting.sort_by_key(|upload| (upload.initiated.is_none(), upload.initiated)),
            Some(Order::Key) => waiting.sort_by(|a, b| (&a.bucket, &a.key).cmp(&(&b.bucket, &b.key))),
            None => {}
        }
        for upload in &waiting {
            self.print(upload)?;
        }
        self.table.end(self.output)?;
        if self.output.form() == Form::Json {
            self.output.json(&Line::Total(&self.totals))?;
        } else if self.totals.uploads == 0 {
            self.output.say("No unfinished uploads.")?;
        } else {
            self.output.say(self.totals.sentence(now))?;
        }
        self.output.flush()?;
        Ok(if self.troubles == 0 { Ending::Done } else { Ending::SomeFailed })
    }
}

/// The cells of an upload.
pub fn row(upload: &Upload) -> Vec<String> {
    let unknown = || "?".to_owned();
    let time = |time: Option<Timestamp>| time.map_or_else(unknown, moment::shown);
    let rule = upload.fate.as_ref().map_or_else(
        || "-".to_owned(),
        |fate| format!("{} on {}", fate.abort_rule_id, moment::shown(fate.abort_date)),
    );
    vec![
        format!("{}/{}", upload.bucket, upload.key),
        upload.id.clone(),
        upload.held.map_or_else(unknown, |held| held.parts.to_string()),
        upload.held.map_or_else(unknown, |held| Size(held.bytes).to_string()),
        time(upload.initiated),
        time(upload.last_activity()),
        upload.initiator.clone().unwrap_or_else(|| "-".to_owned()),
        rule,
    ]
}
