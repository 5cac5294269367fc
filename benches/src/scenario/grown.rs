//! A store with very many keys: what single requests cost in it, and whether they cost more than in a small one.
//!
//! The same requests are measured twice, when the bucket holds 10,000 keys and when it holds all; `growth` is the
//! CPU time of a request then, divided by what it was before. Then the server is started anew with all of it, and
//! at last nine of ten keys are deleted and what is left is listed: pages must not cost what is gone.

use crate::client::{Client, Source};
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Measurement, Moves, Unit, Workload};
use crate::report::Progress;
use crate::scenario::batch;
use crate::scenario::list::{KEYS_IN_FOLDER, list};
use crate::scenario::objects::scattered;
use crate::scenario::start;
use crate::stage::Stage;

const PUT: Workload = workload("grown-put4k", "PUT of 4 KiB into a store of many keys");
const GET: Workload = workload("grown-get", "GET of 16 bytes, any of many keys");
const HEAD: Workload = workload("grown-head", "HEAD of any of many keys");
const LIST: Workload = workload("grown-list", "LIST of many keys in pages of 1,000");
const FOLDERS: Workload = workload("grown-list-delimiter", "the same with delimiter, 10 keys in each folder");
const DELETED: Workload = workload("grown-list-deleted", "LIST where nine of ten keys were deleted");

/// Those that are measured in both sizes, then the others.
pub(super) const WORKLOADS: [Workload; 8] =
    [PUT, GET, HEAD, LIST, FOLDERS, start::ORDERLY, start::KILLED, DELETED];

/// Keys of the small store, or a tenth of the large one.
const SMALL: u64 = 10_000;

/// Size of the objects, in bytes: their number matters.
const SIZE: u64 = 16;

/// Clients that fill the store: group commit needs many.
const MAKERS: usize = 64;

/// Clients of PUT, GET and HEAD, as in the small store of `put4k`.
const CLIENTS: usize = 32;

/// Of so many folders one is kept when the others' keys are deleted.
const KEPT_OF: u64 = 10;

/// A prime larger than any number of keys here: its multiples, taken modulo that number, are every key once.
const PRIME: u64 = 2_654_435_761;

const fn workload(name: &'static str, what: &'static str) -> Workload {
    Workload { name, what, unit: Unit::Requests, moves: Moves::Out }
}

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let keys = stage.profile.many_keys;
    let small = SMALL.min(keys / 10).max(1);
    let store = Store { prefix: format!("{}/", stage.folder("grown")), stage };
    store.fill(0, small).await?;
    let before = store.measure(small).await?;
    store.fill(small, keys).await?;
    for after in store.measure(keys).await? {
        let before = before.iter().find(|before| before.workload == after.workload);
        stage.tell(grown(after, before));
    }
    start::play(stage, &store.key(0)).await?;
    if stage.wants(DELETED) {
        let left = (0..keys.div_ceil(KEYS_IN_FOLDER)).step_by(KEPT_OF as usize);
        let left: u64 = left.map(|folder| KEYS_IN_FOLDER.min(keys - folder * KEYS_IN_FOLDER)).sum();
        batch::remove(stage, DELETED, keys - left, |number| store.key(gone(number))).await?;
        let after = store.list(DELETED, &[], left).await?;
        let before = before.iter().find(|before| before.workload == LIST.name);
        stage.tell(grown(after, before));
        let kept = |number: u64| store.key(kept(number));
        return batch::remove(stage, LIST, left, kept).await;
    }
    batch::remove(stage, LIST, keys, |number| store.key(number)).await
}

/// The key that is the `number`th of those that are kept.
fn kept(number: u64) -> u64 {
    number / KEYS_IN_FOLDER * KEYS_IN_FOLDER * KEPT_OF + number % KEYS_IN_FOLDER
}

/// The key that is the `number`th of those that are deleted.
fn gone(number: u64) -> u64 {
    let in_group = KEYS_IN_FOLDER * (KEPT_OF - 1);
    number / in_group * KEYS_IN_FOLDER * KEPT_OF + KEYS_IN_FOLDER + number % in_group
}

/// Notes what the same request cost in the small store.
fn grown(after: Measurement, before: Option<&Measurement>) -> Measurement {
    let before = before.and_then(|before| before.server_cpu_s_per_1000).filter(|cpu_s| *cpu_s > 0.0);
    match (before, after.server_cpu_s_per_1000) {
        (Some(before), Some(now)) => after.with("small_cpu_us", before * 1e3).with("growth", now / before),
        _ => after,
    }
}

/// The bucket's part that grows.
struct Store<'a> {
    stage: &'a Stage<'a>,
    prefix: String,
}

impl Store<'_> {
    fn key(&self, number: u64) -> String {
        format!("{}{:07}/{}", self.prefix, number / KEYS_IN_FOLDER, number % KEYS_IN_FOLDER)
    }

    fn source(&self, number: u64) -> Source {
        Source::whole(self.stage.id(17, number), SIZE)
    }

    /// Puts the objects from `from` up to `to`, in no order: a store that only ever appends would be flattered.
    async fn fill(&self, from: u64, to: u64) -> Result<(), Failure> {
        let count = to - from;
        let progress = Progress::new(format!("{} is filled", self.stage.target.name), count);
        let bounds = Bounds {
            clients: MAKERS,
            payload_bytes: SIZE as usize,
            requests: count,
            time: super::LONG_PATIENCE,
        };
        let put = async |client: &mut Client<'_>, number: u64| {
            let number = from + number * PRIME % count;
            client.put(&self.key(number), self.source(number)).await?;
            progress.add(1);
            Ok(0)
        };
        self.stage.prepare(LIST, bounds, put).await
    }

    /// Measures what is wanted of the requests that are compared, while there are `keys`.
    async fn measure(&self, keys: u64) -> Result<Vec<Measurement>, Failure> {
        let stage = self.stage;
        let bounds = Bounds {
            clients: CLIENTS,
            payload_bytes: 0,
            requests: stage.profile.requests_max,
            time: stage.profile.time,
        };
        let mut measured = Vec::new();
        if stage.wants(PUT) {
            let size = stage.profile.small_bytes;
            let folder = format!("{}-{keys}", stage.folder(PUT.name));
            let key = |number: u64| format!("{folder}/{number:08}");
            let payload_bytes = usize::try_from(size).expect("a small object fits in memory");
            let put = async |client: &mut Client<'_>, number| {
                client.put(&key(number), Source::whole(stage.id(18, number), size)).await.map(|()| size)
            };
            let (measurement, made) = stage.measure(PUT, Bounds { payload_bytes, ..bounds }, put).await?;
            measured.push(measurement);
            batch::remove(stage, PUT, made, key).await?;
        }
        if stage.wants(GET) {
            let get = async |client: &mut Client<'_>, number| {
                let number = scattered(number, keys);
                client.get(&self.key(number), self.source(number)).await.map(|()| SIZE)
            };
            measured.push(stage.measure(GET, bounds, get).await?.0);
        }
        if stage.wants(HEAD) {
            let head = async |client: &mut Client<'_>, number| {
                client.head(&self.key(scattered(number, keys))).await.map(|()| 0)
            };
            measured.push(stage.measure(HEAD, bounds, head).await?.0);
        }
        if stage.wants(LIST) {
            measured.push(self.list(LIST, &[], keys).await?);
        }
        if stage.wants(FOLDERS) {
            let folders = keys.div_ceil(KEYS_IN_FOLDER);
            measured.push(self.list(FOLDERS, &[("delimiter", "/")], folders).await?);
        }
        Ok(measured)
    }

    async fn list(
        &self,
        workload: Workload,
        more: &[(&str, &str)],
        entries: u64,
    ) -> Result<Measurement, Failure> {
        let query = [&[("list-type", "2"), ("max-keys", "1000"), ("prefix", self.prefix.as_str())], more];
        list(self.stage, workload, &query.concat(), entries).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_either_kept_or_gone() {
        let kept: BTreeSet<u64> = (0..100).map(kept).collect();
        let gone: BTreeSet<u64> = (0..900).map(gone).collect();
        assert_eq!((kept.len(), gone.len(), kept.intersection(&gone).count()), (100, 900, 0));
        assert_eq!(kept.union(&gone).copied().collect::<Vec<_>>(), (0..1_000).collect::<Vec<_>>());
        assert!(kept.iter().all(|key| (key / KEYS_IN_FOLDER).is_multiple_of(KEPT_OF)));
    }

    #[test]
    fn filling_in_no_order_leaves_no_key_out() {
        for count in [1, 2, 1_000, 99_990] {
            let keys: BTreeSet<u64> = (0..count).map(|number| number * PRIME % count).collect();
            assert_eq!(keys.len() as u64, count);
        }
    }
}
