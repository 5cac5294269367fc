//! One object of 1 GiB: one PUT, then one GET, each over one connection; then ranges of it, by several clients.

use crate::client::{Client, Source};
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::profile::MIB;
use crate::scenario::objects::scattered;
use crate::stage::Stage;

const PUT: Workload =
    Workload { name: "put1g", what: "one PUT of 1 GiB", unit: Unit::Bytes, moves: Moves::In };
const GET: Workload =
    Workload { name: "get1g", what: "one GET of 1 GiB", unit: Unit::Bytes, moves: Moves::Out };
const RANGE: Workload = Workload {
    name: "get-range",
    what: "GET of 1 MiB from anywhere in 1 GiB",
    unit: Unit::Bytes,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 3] = [PUT, GET, RANGE];

/// Clients that read ranges.
const RANGE_CLIENTS: usize = 8;

/// Length of a range, in bytes.
const RANGE_BYTES: u64 = MIB;

/// Bodies are made in a buffer of this many bytes, the stamps anew for each piece.
pub(super) const PIECE_BYTES: usize = MIB as usize;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let size = stage.profile.stream_bytes;
    let key = format!("{}/object", stage.folder(PUT.name));
    let source = Source::whole(stage.id(3, 0), size);
    let once = Bounds { clients: 1, payload_bytes: PIECE_BYTES, requests: 1, time: super::PATIENCE };
    let put = async |client: &mut Client<'_>, _| client.put(&key, source).await.map(|()| size);
    let get = async |client: &mut Client<'_>, _| client.get(&key, source).await.map(|()| size);
    if stage.wants(PUT) {
        stage.tell(stage.measure(PUT, once, put).await?.0);
    } else {
        stage.prepare(PUT, once, put).await?;
    }
    if stage.wants(GET) {
        stage.tell(stage.measure(GET, once, get).await?.0);
    }
    if stage.wants(RANGE) {
        let bounds = Bounds {
            clients: RANGE_CLIENTS,
            payload_bytes: 0,
            requests: stage.profile.requests_max,
            time: stage.profile.time,
        };
        let range = async |client: &mut Client<'_>, number| {
            // Any byte may be the first: ranges do not care for the frames that a server keeps.
            let offset = scattered(number, size - RANGE_BYTES);
            let range = Source { offset, len: RANGE_BYTES, ..source };
            client.get_range(&key, offset, range).await.map(|()| RANGE_BYTES)
        };
        stage.tell(stage.measure(RANGE, bounds, range).await?.0);
    }
    stage.prepare(PUT, once, async |client: &mut Client<'_>, _| client.delete(&key).await.map(|()| 0)).await
}
