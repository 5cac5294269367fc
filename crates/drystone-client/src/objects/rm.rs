//! `drystone rm`: deletes an object, or every object under a prefix.

use clap::Args;
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::objects::listing::{Depth, Listing};
use crate::objects::naming;
use crate::objects::sweep::{Outcome, Sweep};
use crate::output::{Form, Output, OutputArgs, counted, printable};
use crate::stop::Stop;
use crate::target::Target;

/// Settings of `rm`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --recursive the path is a folder: s3://photos/2026 means what begins with `2026/`, never `2026-old/`. In a bucket \
with versions, what is deleted gets a delete marker, and the versions stay. Unfinished uploads stay too: see \
`drystone uploads abort`. Ctrl-C stops between two batches of 1,000.

Exit code: 0 deleted, or nothing was there; 1 it could not be deleted; 2 the command makes no sense; 3 some could not \
be deleted, and were named.

Examples:
  drystone rm s3://photos/2026/wall.jpg
  drystone rm s3://photos/2026/ --recursive --dryrun
  drystone rm s3://photos/2026/ --recursive --quiet")]
pub struct RmArgs {
    /// Object; or bucket and folder, with --recursive
    #[arg(value_name = "s3://BUCKET/KEY")]
    pub target: Target,
    /// Everything in the folder, or in the bucket
    #[arg(long)]
    pub recursive: bool,
    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    pub dryrun: bool,
    /// Do not print what was deleted; failures are still named
    #[arg(long)]
    pub quiet: bool,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What was done with an object, as JSON.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    bucket: &'a str,
    key: &'a str,
    dryrun: bool,
}

/// Deletes.
///
/// # Errors
/// When a listing fails, or the output takes no more; failures of keys are told and counted.
pub async fn run(args: RmArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    if !args.recursive && (args.target.path.is_empty() || args.target.path.ends_with('/')) {
        let (target, next) = (&args.target, "to delete everything in it, add --recursive");
        return Err(Failure::Usage(format!("{target} names no object but a folder or bucket; {next}")));
    }
    let connection = Connection::open(&args.connection).await?;
    let client = connection.for_bucket(&args.target.bucket).await?;
    let mut removal =
        Removal { output: &mut output, args: &args, deleted: 0, in_flight: 0, failed: 0, last_failure: None };
    if !args.recursive {
        let keys = vec![args.target.path.clone()];
        let outcomes = if args.dryrun {
            keys.into_iter().map(|key| (key, Ok(()))).collect()
        } else {
            Sweep::new(client, &args.target.bucket).delete(keys).await
        };
        removal.tell(outcomes)?;
        return removal.last_failure.map_or(Ok(Ending::Done), Err);
    }
    let folder = naming::as_folder(args.target.clone());
    let interrupt = Interrupt::listen()?;
    let stop = Stop::default();
    let listing = Listing::new(client.clone(), folder, Depth::Everything);
    let sweep = Sweep::new(client, &args.target.bucket);
    let emptied = stop.guard(interrupt, removal.empty(&stop, listing, sweep)).await;
    removal.conclude(emptied)
}

/// What has been deleted so far.
struct Removal<'a> {
    output: &'a mut Output,
    args: &'a RmArgs,
    deleted: u64,
    /// Keys of the batch whose answer has not come yet.
    in_flight: usize,
    failed: u64,
    last_failure: Option<Failure>,
}

impl Removal<'_> {
    async fn empty(&mut self, stop: &Stop, mut listing: Listing, mut sweep: Sweep) -> Result<(), Failure> {
        // A batch is not dropped half-way: nobody would know what became of it.
        while let Some(page) = stop.unless(listing.next_page()).await? {
            let keys: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
            let outcomes = if self.args.dryrun {
                keys.into_iter().map(|key| (key, Ok(()))).collect()
            } else {
                self.in_flight = keys.len();
                sweep.delete(keys).await
            };
            self.in_flight = 0;
            self.tell(outcomes)?;
        }
        Ok(())
    }

    fn tell(&mut self, outcomes: Vec<Outcome>) -> Result<(), Failure> {
        let (bucket, dryrun) = (&self.args.target.bucket, self.args.dryrun);
        for (key, outcome) in outcomes {
            match outcome {
                Ok(()) => {
                    self.deleted += 1;
                    if self.args.quiet {
                        continue;
                    }
                    if self.output.form() == Form::Json {
                        self.output.json(&Line { kind: "delete", bucket, key: &key, dryrun })?;
                    } else {
                        let mark = if dryrun { "(dryrun) " } else { "" };
                        self.output.data(&format!("{mark}delete: s3://{bucket}/{}\n", printable(&key)))?;
                    }
                }
                Err(failure) => {
                    if self.args.recursive {
                        self.output.say(format_args!("delete failed: {failure}"))?;
                    }
                    self.failed += 1;
                    self.last_failure = Some(failure);
                }
            }
        }
        Ok(self.output.flush()?)
    }

    fn conclude(self, emptied: Result<(), Failure>) -> Result<Ending, Failure> {
        let done = if self.args.dryrun { "would be deleted" } else { "deleted" };
        let failed = self.failed;
        let mut said = vec![format!("{} {done}", counted(self.deleted, "object"))];
        if failed > 0 {
            said.push(format!("{} failed", counted(failed, "object")));
        }
        if self.in_flight > 0 {
            said.push(format!("and nobody knows of {}", counted(self.in_flight as u64, "more object")));
        }
        let said = said.join(", ");
        match emptied {
            Err(Failure::Interrupted) => {
                self.output.say(format_args!("Interrupted: {said}; the others are as they were."))?;
                Ok(Ending::Interrupted)
            }
            Err(failure) => {
                self.output.say(format_args!("{said}."))?;
                Err(failure)
            }
            Ok(()) if failed > 0 => {
                self.output.say(format_args!("{said}."))?;
                Ok(Ending::SomeFailed)
            }
            Ok(()) => {
                if self.deleted == 0 {
                    self.output.say(format_args!("Nothing is in {}.", self.args.target))?;
                }
                Ok(Ending::Done)
            }
        }
    }
}
