//! Listings of 10,000 keys in 1,000 folders: all keys in pages of 1,000, and the folders alone.

use std::cell::{Cell, RefCell};

use crate::client::{Client, Source};
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Measurement, Moves, Unit, Workload};
use crate::stage::Stage;

const KEYS: Workload = Workload {
    name: "list",
    what: "LIST of 10,000 keys in pages of 1,000",
    unit: Unit::Requests,
    moves: Moves::Out,
};
const FOLDERS: Workload = Workload {
    name: "list-delimiter",
    what: "LIST of 1,000 folders of 10 keys with delimiter /",
    unit: Unit::Requests,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 2] = [KEYS, FOLDERS];

/// Keys in a folder.
pub(super) const KEYS_IN_FOLDER: u64 = 10;

/// Size of the objects, in bytes: listing does not look at bodies.
const SIZE: u64 = 16;

/// Clients that make and remove the keys.
const MAKERS: usize = 32;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let prefix = format!("{}/", stage.folder(KEYS.name));
    let key = |number: u64| format!("{prefix}{:05}/{}", number / KEYS_IN_FOLDER, number % KEYS_IN_FOLDER);
    let keys = stage.profile.keys;
    let all = Bounds { clients: MAKERS, payload_bytes: SIZE as usize, requests: keys, time: super::PATIENCE };
    let make = async |client: &mut Client<'_>, number| {
        client.put(&key(number), Source::whole(stage.id(5, number), SIZE)).await.map(|()| SIZE)
    };
    stage.prepare(KEYS, all, make).await?;
    if stage.wants(KEYS) {
        listing(stage, KEYS, &[("list-type", "2"), ("max-keys", "1000"), ("prefix", &prefix)], keys).await?;
    }
    if stage.wants(FOLDERS) {
        let query = [("list-type", "2"), ("max-keys", "1000"), ("prefix", &prefix), ("delimiter", "/")];
        listing(stage, FOLDERS, &query, keys.div_ceil(KEYS_IN_FOLDER)).await?;
    }
    stage
        .prepare(KEYS, all, async |client: &mut Client<'_>, number| {
            client.delete(&key(number)).await.map(|()| 0)
        })
        .await
}

/// Lists as [`list`] does, and tells it.
pub(super) async fn listing(
    stage: &Stage<'_>,
    workload: Workload,
    query: &[(&str, &str)],
    entries: u64,
) -> Result<(), Failure> {
    stage.tell(list(stage, workload, query, entries).await?);
    Ok(())
}

/// Lists from the first page to the last, again and again, while there is time; each listing that reaches its end
/// must have `entries`.
pub(super) async fn list(
    stage: &Stage<'_>,
    workload: Workload,
    query: &[(&str, &str)],
    entries: u64,
) -> Result<Measurement, Failure> {
    let next = RefCell::new(None);
    let (seen, all) = (Cell::new(0), Cell::new(0_u64));
    let bounds = Bounds {
        clients: 1,
        payload_bytes: 0,
        requests: stage.profile.requests_max,
        time: stage.profile.time,
    };
    let page = async |client: &mut Client<'_>, _| {
        let from: Vec<(&'static str, String)> = next.take().unwrap_or_default();
        let mut query = query.to_vec();
        query.extend(from.iter().map(|(name, value)| (*name, value.as_str())));
        let page = client.list(query).await.inspect_err(|_| seen.set(0))?;
        seen.set(seen.get() + page.entries as u64);
        all.set(all.get() + page.entries as u64);
        if page.next.is_none() {
            let listed = seen.take();
            if listed != entries {
                let why = format!("{listed} entries were listed, not {entries}");
                return Err(Failure::Wrong { request: workload.name.to_owned(), why });
            }
        }
        next.replace(page.next);
        Ok(page.bytes)
    };
    let (measurement, _) = stage.measure(workload, bounds, page).await?;
    let seconds = measurement.seconds;
    #[expect(clippy::cast_precision_loss, reason = "entries stay far below 2^53")]
    let per_s = all.get() as f64 / seconds;
    Ok(measurement.with("entries_per_s", per_s))
}
