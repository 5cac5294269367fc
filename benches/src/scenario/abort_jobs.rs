//! A bulk abort job: how fast it is, what memory it takes, and what others notice of it.
//!
//! One request counts very many uploads and another starts the job. While it runs, one client
//! goes on putting small objects: how long each of them takes is the latency that is told.

use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, Source};
use crate::clock::Moment;
use crate::closed_loop::{Bounds, Tally};
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::profile::KIB;
use crate::stage::Stage;

/// The workload.
pub(super) const ABORT_JOB: Workload = Workload {
    name: "abort-job",
    what: "a bulk abort of --uploads-many uploads, with PUTs of 4 KiB beside it",
    unit: Unit::Requests,
    moves: Moves::Out,
};

/// Where the API for administrators is.
const JOBS: &str = "/.drystone/api/v1/upload-aborts";
/// How long aborting them may take.
const PATIENCE: Duration = Duration::from_hours(1);
/// Size of the objects that are put beside it.
const PUT_BYTES: u64 = 4 * KIB;
/// How often the job is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Aborts the `count` uploads of `folder` by one job, and measures it.
pub(super) async fn abort(stage: &Stage<'_>, folder: &str, count: u64) -> Result<(), Failure> {
    let watch = stage.watch().await;
    let mut client = Client::new(stage.target, PUT_BYTES as usize);
    client.open().await?;
    let begun = Moment::now();
    let selection = format!("{{\"prefix\":\"{folder}/\",\"all\":true}}");
    let job = job(&client.api("POST", JOBS, &selection).await?)?;
    let preview_s = begun.elapsed().as_secs_f64();
    let path = format!("{JOBS}/{}", job.id);
    client.api("POST", &format!("{path}/start"), "").await?;
    let begun = Moment::now();
    let running = stage.once(ABORT_JOB, PATIENCE, beside(stage, &mut client, folder, &path)).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let (ended, mut tally) = running;
    tally.seconds = seconds;
    if (job.planned, ended.aborted, ended.state.as_str()) != (count, count, "done") {
        let why = format!("of {count} uploads {} were planned; it ended as {ended:?}", job.planned);
        return Err(Failure::Wrong { request: path, why });
    }
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let aborted_per_s = count as f64 / seconds;
    let puts = tally.started;
    let measurement = stage.measurement(ABORT_JOB, 1, tally, &watch);
    stage.tell(
        measurement.with("preview_s", preview_s).with("job_s", seconds).with("aborted_per_s", aborted_per_s),
    );
    let bounds = Bounds { clients: 1, payload_bytes: 0, requests: puts, time: PATIENCE };
    let delete =
        async |client: &mut Client<'_>, number| client.delete(&beside_key(folder, number)).await.map(|()| 0);
    stage.prepare(ABORT_JOB, bounds, delete).await
}

/// What the server says of a job.
#[derive(Debug)]
struct Job {
    id: String,
    state: String,
    planned: u64,
    aborted: u64,
}

fn job(text: &str) -> Result<Job, Failure> {
    let wrong = || Failure::Wrong { request: JOBS.to_owned(), why: text.to_owned() };
    let value: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let read = |pointer: &str| value.pointer(pointer).ok_or_else(wrong);
    Ok(Job {
        id: read("/id")?.as_str().ok_or_else(wrong)?.to_owned(),
        state: read("/state")?.as_str().ok_or_else(wrong)?.to_owned(),
        planned: read("/planned/uploads")?.as_u64().ok_or_else(wrong)?,
        aborted: read("/aborted/uploads")?.as_u64().ok_or_else(wrong)?,
    })
}

fn beside_key(folder: &str, number: u64) -> String {
    format!("{folder}-beside/{number:07}")
}

/// Puts objects one after another until the job has ended.
async fn beside(
    stage: &Stage<'_>,
    client: &mut Client<'_>,
    folder: &str,
    path: &str,
) -> Result<(Job, Tally), Failure> {
    let mut tally = Tally::default();
    let mut asked = Moment::now();
    loop {
        let number = tally.started;
        let sent = Moment::now();
        client.put(&beside_key(folder, number), Source::whole(stage.id(9, number), PUT_BYTES)).await?;
        tally.latencies_us.push(sent.elapsed_us());
        tally.started += 1;
        if asked.elapsed() >= ASK_EVERY {
            asked = Moment::now();
            let job = job(&client.api("GET", path, "").await?)?;
            if job.state != "running" {
                return Ok((job, tally));
            }
        }
    }
}
