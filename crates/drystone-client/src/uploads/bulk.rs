//! Aborts many uploads by one job that the server runs.
//!
//! Drystone offers this on its admin API: the job is previewed, which aborts nothing and freezes the cut-offs,
//! then started, and it goes on when the connection breaks, the client dies or the server restarts. So a million
//! uploads take a handful of requests. A second listing proves the result here too.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connection::Connection;
use crate::ending::Ending;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::moment;
use crate::output::{Output, counted};
use crate::pause::{Backoff, pause};
use crate::progress::{Counting, Progress};
use crate::raw::{Ask, Place, send};
use crate::server::API;
use crate::size::Size;
use crate::target::Target;
use crate::uploads::abort::{AbortArgs, Choice, agreed, conclude};
use crate::uploads::buckets;
use crate::uploads::cutoffs::Cutoffs;
use crate::uploads::receipt::{Means, Receipt, ReceiptFile, Sum};
use crate::uploads::walk::Walk;

/// What the server says that it offers.
pub(crate) const OFFER: &str = "upload-aborts";

/// Between two looks at a job.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// Between two looks at a long job.
const LATER_LOOK: Duration = Duration::from_secs(2);

/// Looks that may fail in a row, each with the SDK's own tries: some minutes of a server that restarts.
const BLIND_LOOKS_MAX: u32 = 30;

/// Uploads left over that are named; the rest is counted.
const NAMED_MAX: usize = 20;

/// Which uploads a job aborts.
#[derive(Clone, Debug, Serialize)]
struct Selection {
    buckets: Vec<String>,
    prefix: String,
    #[serde(serialize_with = "moment::json::time_or_null")]
    initiated_before: Option<Timestamp>,
    idle_longer_than_seconds: Option<u64>,
    all: bool,
}

/// A job as the server shows it; what else it says is kept for the receipt.
#[derive(Clone, Debug, Deserialize)]
struct Job {
    id: String,
    state: State,
    #[serde(deserialize_with = "moment::json::read_time")]
    created: Timestamp,
    planned: Sum,
    aborted: Sum,
    #[serde(default)]
    failed: u64,
    last_error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Previewed,
    Running,
    Done,
    Cancelled,
    Failed,
}

/// A refusal of the admin API.
#[derive(Debug, Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Debug, Deserialize)]
struct RefusalError {
    code: String,
    message: String,
}

/// The server's jobs.
struct Jobs<'c> {
    connection: &'c Connection,
}

impl Jobs<'_> {
    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Selection>,
    ) -> Result<T, Failure> {
        let doing = || format!("{method} {API}{path} of {}", self.connection.server_name());
        let nonsense = |why: String| Failure::Nonsense { doing: doing(), why };
        let body = body.map(serde_json::to_vec).transpose().map_err(|error| nonsense(error.to_string()))?;
        let whole = format!("{API}{path}");
        let ask = Ask {
            doing: doing(),
            headers: body.iter().map(|_| ("content-type", "application/json".to_owned())).collect(),
            body: Bytes::from(body.unwrap_or_default()),
            ..Ask::new(method, Place::Server(&whole))
        };
        let answer = send(self.connection.client(), ask).await?;
        if !answer.is_success() {
            let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
            let (code, message) = refusal.map_or_else(
                || (format!("HTTP {}", answer.status), "the server gave no reason".to_owned()),
                |refusal| (refusal.error.code, refusal.error.message),
            );
            return Err(Failure::Refused { doing: doing(), status: answer.status, code, message });
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| nonsense(format!("the answer makes no sense: {error}")))
    }

    async fn preview(&self, selection: &Selection) -> Result<Job, Failure> {
        self.ask("POST", "/upload-aborts", Some(selection)).await
    }

    async fn start(&self, job: &Job) -> Result<Job, Failure> {
        match self.ask("POST", &format!("/upload-aborts/{}/start", job.id), None).await {
            // The first try may have been heard, though its answer was lost.
            Err(failure @ Failure::Refused { status: 409, .. }) => {
                let now = self.look(job).await?;
                if now.state == State::Previewed { Err(failure) } else { Ok(now) }
            }
            other => other,
        }
    }

    async fn look(&self, job: &Job) -> Result<Job, Failure> {
        self.ask("GET", &format!("/upload-aborts/{}", job.id), None).await
    }

    async fn receipt(&self, job: &Job) -> Result<Value, Failure> {
        self.ask("GET", &format!("/upload-aborts/{}/receipt", job.id), None).await
    }

    async fn cancel(&self, job: &Job) -> Result<Job, Failure> {
        self.ask("DELETE", &format!("/upload-aborts/{}", job.id), None).await
    }

    /// Waits for the end of a job; whether it was stopped from here.
    async fn finish(
        &self,
        mut job: Job,
        interrupt: &mut Interrupt,
        progress: &Progress,
    ) -> Result<(Job, bool), Failure> {
        let (mut waits, mut blind, mut stopped) = (Backoff::new(FIRST_LOOK, LATER_LOOK), 0, false);
        let before = progress.position();
        while matches!(job.state, State::Running | State::Previewed) {
            let asked = tokio::select! {
                () = pause(waits.step()) => false,
                () = interrupt.asked(), if !stopped => true,
            };
            if asked {
                stopped = true;
                job = self.cancel(&job).await?;
                continue;
            }
            match self.look(&job).await {
                Ok(now) => {
                    job = now;
                    blind = 0;
                }
                Err(failure @ (Failure::NoAnswer { .. } | Failure::Refused { status: 500.., .. })) => {
                    blind += 1;
                    if blind >= BLIND_LOOKS_MAX {
                        let why = format!(
                            "{failure}; the job {} goes on without us: look at {API}/upload-aborts/{}",
                            job.id, job.id
                        );
                        return Err(Failure::NoAnswer { doing: "follow the job".into(), why });
                    }
                }
                Err(failure) => return Err(failure),
            }
            progress.set(before + job.aborted.uploads);
        }
        Ok((job, stopped))
    }
}

/// Aborts what was chosen by one job for each target, or one for everything.
pub(crate) async fn abort(
    args: &AbortArgs,
    connection: &Connection,
    choice: Choice,
    output: &mut Output,
    record: &mut Option<ReceiptFile>,
) -> Result<Ending, Failure> {
    let jobs = Jobs { connection };
    let selections = selections(&choice);
    let mut previewed: Vec<Job> = Vec::with_capacity(selections.len());
    let mut planned = Sum::default();
    for selection in &selections {
        let job = jobs.preview(selection).await?;
        planned.add_all(job.planned);
        previewed.push(job);
    }
    if planned.uploads == 0 {
        cancel_all(&jobs, &previewed).await;
        output.say("Nothing matched; nothing was aborted.")?;
        return Ok(Ending::NothingMatched);
    }
    let Sum { uploads, parts, bytes } = planned;
    let what = format!("{} with {} and {}", counted(uploads, "upload"), counted(parts, "part"), Size(bytes));
    output.say(format!("To abort on {}, by a job of the server: {what}.", connection.server_name()))?;
    if let Err(failure) = agreed(args, output, uploads) {
        cancel_all(&jobs, &previewed).await;
        return Err(failure);
    }
    let meant = choice.meant.clone();
    let mut receipt = Receipt::begin(connection.server_name(), meant, Means::Job, choice.started, planned);
    let created = previewed.iter().map(|job| job.created).min();
    if let Err(failure) = run_all(&jobs, previewed, &mut receipt, output).await {
        // Some may be aborted: the record says what is known.
        receipt.interrupted = true;
        conclude(receipt, record, output)?;
        return Err(failure);
    }
    if !receipt.interrupted {
        receipt.proven = match left_over(connection, &choice, created, output).await {
            Ok(left) => Some(left == 0),
            Err(failure) => {
                output.warn(format!("nothing is proven: {failure}"))?;
                Some(false)
            }
        };
    }
    conclude(receipt, record, output)
}

/// Starts the jobs one after another and follows each to its end.
async fn run_all(
    jobs: &Jobs<'_>,
    previewed: Vec<Job>,
    receipt: &mut Receipt,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let progress = Progress::start("Aborting", Counting::Things(receipt.planned.uploads));
    for job in previewed.into_iter().filter(|job| job.planned.uploads > 0) {
        if receipt.interrupted {
            receipt.not_tried += job.planned.uploads;
            continue;
        }
        let job = jobs.start(&job).await?;
        let planned = job.planned.uploads;
        let (job, stopped) = jobs.finish(job, &mut interrupt, &progress).await?;
        receipt.interrupted |= stopped;
        receipt.aborted.add_all(job.aborted);
        receipt.failed += job.failed;
        let untouched = planned.saturating_sub(job.aborted.uploads + job.failed);
        match job.state {
            // What was planned and is neither aborted nor failed had become active, or was gone.
            State::Done => receipt.spared += untouched,
            // It went to its end as well; what failed is counted already.
            State::Failed => {
                receipt.spared += untouched;
                let why = job.last_error.as_deref().unwrap_or("the server does not say why");
                progress.aside(|| output.warn(format!("the job {} failed: {why}", job.id)))?;
            }
            State::Cancelled | State::Running | State::Previewed => {
                receipt.interrupted = true;
                receipt.not_tried += untouched;
            }
        }
        if let Some(error) = job.last_error.as_ref().filter(|_| job.state == State::Done && job.failed > 0) {
            let failed = counted(job.failed, "upload");
            progress
                .aside(|| output.warn(format!("{failed} could not be aborted; the last one: {error}")))?;
        }
        receipt.jobs.push(jobs.receipt(&job).await?);
    }
    Ok(())
}

/// One selection for each target; one for everything when none was named.
fn selections(choice: &Choice) -> Vec<Selection> {
    let selection = |buckets: Vec<String>, prefix: String| Selection {
        buckets,
        prefix,
        initiated_before: choice.cutoffs.initiated_before,
        idle_longer_than_seconds: choice.idle_seconds,
        all: choice.meant.all,
    };
    if choice.targets.is_empty() {
        return vec![selection(Vec::new(), String::new())];
    }
    let targets = Target::without_covered(choice.targets.clone());
    targets.into_iter().map(|target| selection(vec![target.bucket], target.path)).collect()
}

/// A job that nobody agreed to is not left behind; one that stays was never started, and aborts nothing.
async fn cancel_all(jobs: &Jobs<'_>, previewed: &[Job]) {
    for job in previewed {
        drop(jobs.cancel(job).await);
    }
}

/// How many of the uploads that were meant are still listed; some of them are named.
async fn left_over(
    connection: &Connection,
    choice: &Choice,
    created: Option<Timestamp>,
    output: &mut Output,
) -> Result<u64, Failure> {
    // An upload that began after the preview was not meant, whatever `--all` says.
    let before = created.unwrap_or(choice.started);
    let initiated_before = choice.cutoffs.initiated_before.map_or(before, |cut| cut.min(before));
    let cutoffs = Cutoffs { initiated_before: Some(initiated_before), ..choice.cutoffs };
    let progress = Progress::start("Listing again:", Counting::Open);
    let mut left = 0;
    for target in buckets::targets(connection, choice.targets.clone()).await? {
        let mut walk = Walk::new(connection.for_bucket(&target.bucket).await?, target);
        while let Some(page) = walk.next_page().await? {
            progress.add(u64::try_from(page.len()).unwrap_or(u64::MAX));
            for upload in page.iter().filter(|upload| cutoffs.admit(upload)) {
                left += 1;
                if left <= NAMED_MAX {
                    progress.aside(|| output.warn(format!("still there: {}", upload.named())))?;
                }
            }
        }
    }
    Ok(u64::try_from(left).unwrap_or(u64::MAX))
}
