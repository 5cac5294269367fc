//! Connections that do nothing: what each of them costs the server in memory.
//!
//! Clients keep connections for minutes. Each here has done one request before it rests, so that whatever a server
//! keeps for a connection that was used is there.

use std::time::Duration;

use crate::client::{Client, Source};
use crate::clock::{self, Moment};
use crate::closed_loop::Tally;
use crate::descriptors;
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::process::Processes;
use crate::stage::Stage;

const IDLE: Workload = Workload {
    name: "idle-connections",
    what: "HEAD on a connection of its own that stays open, and what it holds in memory",
    unit: Unit::Requests,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 1] = [IDLE];

/// How long the server rests before its memory is looked at.
const REST: Duration = Duration::from_millis(300);

/// Requests before the first look, so that what a server keeps for good is there already.
const WARM_UP: usize = 200;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    stage.once(IDLE, super::PATIENCE, connections(stage)).await
}

async fn connections(stage: &Stage<'_>) -> Result<(), Failure> {
    let key = format!("{}/object", stage.folder(IDLE.name));
    let source = Source::whole(stage.id(15, 0), 16);
    let mut client = Client::new(stage.target, 16);
    client.put(&key, source).await?;
    for _ in 0..WARM_UP {
        client.head(&key).await?;
    }
    clock::pause(REST).await;
    let held = || Processes::new(&stage.target.pids.now()).read().rss_bytes;
    let watch = stage.watch().await;
    let before = held();
    let (mut open, mut tally) = (Vec::new(), Tally::default());
    let count = stage.profile.idle_connections.min(descriptors::spare());
    let start = Moment::now();
    for _ in 0..count {
        let sent = Moment::now();
        client.reopen().await?;
        client.head(&key).await?;
        tally.latencies_us.push(sent.elapsed_us());
        tally.started += 1;
        open.extend(client.detach());
    }
    tally.seconds = start.elapsed().as_secs_f64();
    clock::pause(REST).await;
    let after = held();
    // A server that closed some in the meantime would look thrifty.
    let resting = open.iter().filter(|stream| is_open(stream)).count();
    let mut measurement = stage.measurement(IDLE, open.len(), tally, &watch);
    drop(open);
    client.delete(&key).await?;
    if resting == 0 {
        return Err(Failure::Wrong { request: key, why: "no connection stayed open".to_owned() });
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes and connections stay far below 2^53")]
    if !stage.target.pids.now().is_empty() {
        let each = after.saturating_sub(before) as f64 / resting as f64;
        measurement = measurement.with("kib_each", each / 1024.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "connections stay far below 2^53")]
    let resting = resting as f64;
    stage.tell(measurement.with("stayed_open", resting));
    Ok(())
}

fn is_open(stream: &tokio::net::TcpStream) -> bool {
    stream.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
