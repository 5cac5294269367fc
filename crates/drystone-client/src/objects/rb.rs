//! `drystone rb`: removes a bucket; with `--force`, what is in it first.

use aws_sdk_s3::Client;
use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::objects::listing::{Depth, Listing};
use crate::objects::sweep::Sweep;
use crate::output::{Form, Output, OutputArgs, counted, grouped};
use crate::progress::{Counting, Progress};
use crate::stop::Stop;
use crate::target::Target;
use crate::uploads::upload::Upload;
use crate::uploads::walk::Walk;

/// Aborts at a time.
const ABORTS_AT_A_TIME: usize = 8;

/// Failures that are named; after so many the reason is clear, and the others are counted.
const NAMED_FAILURES_MAX: u64 = 20;

/// Settings of `rb`.
#[derive(Debug, Args)]
#[command(after_help = "\
A bucket that holds objects is not removed, unless --force deletes them first. Where the server does not remove a \
bucket with unfinished uploads, --force aborts them too. Versions of objects are never deleted.

Exit code: 0 removed, 1 it could not be removed, 2 the command makes no sense, 3 some objects could not be deleted, \
and were named.

Examples:
  drystone rb s3://photos
  drystone rb s3://photos --force")]
pub struct RbArgs {
    /// Name of the bucket
    #[arg(value_name = "s3://BUCKET", value_parser = Target::parse_bucket)]
    pub target: Target,
    /// Delete every object in it first
    #[arg(long)]
    pub force: bool,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What was done, as JSON.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    bucket: &'a str,
    deleted_objects: u64,
    aborted_uploads: u64,
}

/// Removes the bucket.
///
/// # Errors
/// When it cannot be removed.
pub async fn run(args: RbArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let connection = Connection::open(&args.connection).await?;
    let client = connection.for_bucket(&args.target.bucket).await?;
    let mut emptying = Emptying {
        output: &mut output,
        client: &client,
        target: &args.target,
        deleted: 0,
        aborted: 0,
        failed: 0,
    };
    let removed = if args.force {
        let stop = Stop::default();
        let removed = stop.guard(Interrupt::listen()?, emptying.remove_all(&stop)).await;
        emptying.told(removed)?
    } else {
        delete_bucket(&client, &args.target).await.map_err(|failure| match failure {
            Failure::Refused { doing, status, code, message } if code == "BucketNotEmpty" => {
                let message =
                    format!("{message}; look with `drystone ls`, or add --force to delete what is in it");
                Failure::Refused { doing, status, code, message }
            }
            other => other,
        })?;
        Ending::Done
    };
    if removed != Ending::Done {
        return Ok(removed);
    }
    let (bucket, deleted_objects, aborted_uploads) =
        (&args.target.bucket, emptying.deleted, emptying.aborted);
    match output.form() {
        Form::Json => {
            output.json(&Line { kind: "remove_bucket", bucket, deleted_objects, aborted_uploads })?;
        }
        _ => output.data(&format!("remove_bucket: {bucket}\n"))?,
    }
    output.flush()?;
    Ok(Ending::Done)
}

async fn delete_bucket(client: &Client, target: &Target) -> Result<(), Failure> {
    let sent = client.delete_bucket().bucket(&target.bucket).send().await;
    sent.map(drop).map_err(|error| Failure::from_sdk(format!("remove {target}"), &error))
}

/// A bucket that is being emptied.
struct Emptying<'a> {
    output: &'a mut Output,
    client: &'a Client,
    target: &'a Target,
    deleted: u64,
    aborted: u64,
    failed: u64,
}

impl Emptying<'_> {
    async fn remove_all(&mut self, stop: &Stop) -> Result<(), Failure> {
        self.delete_objects(stop).await?;
        if stop.is_asked() {
            return Err(Failure::Interrupted);
        }
        if self.failed > 0 {
            return Ok(());
        }
        match delete_bucket(self.client, self.target).await {
            // Some servers count unfinished uploads as content, and some answer so for versions.
            Err(failure) if failure.code() == Some("BucketNotEmpty") => {
                self.abort_uploads(stop).await?;
                if self.failed > 0 {
                    return Ok(());
                }
                delete_bucket(self.client, self.target).await.map_err(|failure| match failure {
                    Failure::Refused { doing, status, code, message } if code == "BucketNotEmpty" => {
                        let left = "no object and no upload is left in it, so it holds versions of objects, which \
                                    --force does not delete, or somebody writes to it";
                        Failure::Refused { doing, status, code, message: format!("{message} ({left})") }
                    }
                    other => other,
                })
            }
            other => other,
        }
    }

    async fn delete_objects(&mut self, stop: &Stop) -> Result<(), Failure> {
        let mut listing = Listing::new(self.client.clone(), self.target.clone(), Depth::Everything);
        let mut sweep = Sweep::new(self.client.clone(), &self.target.bucket);
        let progress = Progress::start("Objects deleted:", Counting::Open);
        while let Some(page) = stop.unless(listing.next_page()).await? {
            let keys = page.objects.into_iter().map(|object| object.key).collect();
            for (_, outcome) in sweep.delete(keys).await {
                match outcome {
                    Ok(()) => self.deleted += 1,
                    Err(failure) => progress.aside(|| self.fail(&failure))?,
                }
            }
            progress.set(self.deleted);
        }
        Ok(())
    }

    async fn abort_uploads(&mut self, stop: &Stop) -> Result<(), Failure> {
        let mut walk = Walk::new(self.client.clone(), self.target.clone());
        while let Some(page) = stop.unless(walk.next_page()).await? {
            let client = self.client;
            let abort = |upload: Upload| async move {
                let call = client.abort_multipart_upload().bucket(&upload.bucket).key(&upload.key);
                let sent = call.upload_id(&upload.id).send().await;
                sent.map(drop).map_err(|error| Failure::from_sdk(format!("abort {}", upload.named()), &error))
            };
            let outcomes: Vec<_> =
                stream::iter(page.into_iter().map(abort)).buffer_unordered(ABORTS_AT_A_TIME).collect().await;
            for outcome in outcomes {
                match outcome {
                    Ok(()) => self.aborted += 1,
                    Err(failure) if failure.is_no_such_upload() => {}
                    Err(failure) => self.fail(&failure)?,
                }
            }
        }
        Ok(())
    }

    fn fail(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.failed += 1;
        if self.failed <= NAMED_FAILURES_MAX {
            self.output.say(failure)?;
        }
        Ok(())
    }

    /// Says what was done, and whether the bucket is gone.
    fn told(&mut self, removed: Result<(), Failure>) -> Result<Ending, Failure> {
        let mut done = vec![format!("{} deleted", counted(self.deleted, "object"))];
        if self.aborted > 0 {
            done.push(format!("{} aborted", counted(self.aborted, "upload")));
        }
        if self.failed > 0 {
            done.push(format!("{} failed", grouped(self.failed)));
        }
        let done = done.join(", ");
        let target = self.target;
        match removed {
            Ok(()) if self.failed > 0 => {
                self.output.say(format_args!("{done}; {target} is still there."))?;
                Ok(Ending::SomeFailed)
            }
            Ok(()) => {
                if self.deleted + self.aborted > 0 {
                    self.output.say(format_args!("{done}."))?;
                }
                Ok(Ending::Done)
            }
            Err(Failure::Interrupted) => {
                self.output.say(format_args!("Interrupted: {done}; {target} is still there."))?;
                Ok(Ending::Interrupted)
            }
            Err(failure) => {
                self.output.say(format_args!("{done}; {target} is still there."))?;
                Err(failure)
            }
        }
    }
}
