//! Starts of a server that holds many keys: from exec to the first answer, and what it holds in memory then.
//!
//! Once after an end in order and once after `kill -9` in the midst of its work. Only a server that this program
//! started can be started again.

use std::time::Duration;

use crate::client::{Client, Source};
use crate::clock;
use crate::closed_loop::{Bounds, Tally};
use crate::failure::Failure;
use crate::measurement::{Measurement, Moves, Unit, Used, Workload};
use crate::process::Processes;
use crate::report::talk;
use crate::server::Ending;
use crate::stage::Stage;

pub(super) const ORDERLY: Workload = Workload {
    name: "start",
    what: "from exec to the first answer, with the keys of the grown store",
    unit: Unit::Requests,
    moves: Moves::Out,
};
pub(super) const KILLED: Workload = Workload {
    name: "start-killed",
    what: "the same after kill -9",
    unit: Unit::Requests,
    moves: Moves::Out,
};

/// How long a server rests before its memory is looked at.
const REST: Duration = Duration::from_secs(1);

/// Clients that write shortly before a server is killed, and what they write.
const WRITERS: usize = 32;
const WRITES: u64 = 2_000;
const WRITE_BYTES: u64 = 4 * crate::profile::KIB;

/// Starts the server anew; `key` is of an object that must be there each time.
pub(super) async fn play(stage: &Stage<'_>, key: &str) -> Result<(), Failure> {
    if stage.server.is_none() {
        talk(&format!("  {}: its start is left out, as it was not started here", stage.target.name));
        return Ok(());
    }
    if stage.wants(ORDERLY) {
        start(stage, key, ORDERLY, Ending::Orderly).await?;
    }
    if stage.wants(KILLED) {
        let folder = stage.folder(KILLED.name);
        let writing = Bounds {
            clients: WRITERS,
            payload_bytes: WRITE_BYTES as usize,
            requests: WRITES.min(stage.profile.many_keys),
            time: super::PATIENCE,
        };
        let object = |number: u64| format!("{folder}/{number:06}");
        let write = async |client: &mut Client<'_>, number| {
            client.put(&object(number), Source::whole(stage.id(16, number), WRITE_BYTES)).await.map(|()| 0)
        };
        stage.prepare(KILLED, writing, write).await?;
        start(stage, key, KILLED, Ending::Killed).await?;
        super::batch::remove(stage, KILLED, writing.requests, object).await?;
    }
    Ok(())
}

async fn start(stage: &Stage<'_>, key: &str, workload: Workload, ending: Ending) -> Result<(), Failure> {
    let Some(server) = stage.server else { return Ok(()) };
    let mut server = server.lock().await;
    server.restart(ending).await.map_err(|error| Failure::Server(format!("{error:#}")))?;
    stage.target.pids.become_others(vec![server.process().pid()]);
    let mut client = Client::new(stage.target, 0);
    client.head(key).await?;
    let taken = server.process().age();
    let processes = Processes::new(&stage.target.pids.now());
    // All that it has used since it was started, this start has used.
    let used = Used { server: Some(processes.read()), client_cpu_s: 0.0, other_cpu_s: 0.0 };
    let taken_us = u32::try_from(taken.as_micros()).unwrap_or(u32::MAX);
    let tally =
        Tally { latencies_us: vec![taken_us], started: 1, seconds: taken.as_secs_f64(), ..Tally::default() };
    clock::pause(REST).await;
    #[expect(clippy::cast_precision_loss, reason = "memory in MiB")]
    let idle_mib = processes.read().rss_bytes as f64 / 1_048_576.0;
    let measurement = Measurement::new(&stage.target.name, workload, stage.run, 1, tally, used);
    stage.tell(measurement.with("idle_mib", idle_mib));
    Ok(())
}
