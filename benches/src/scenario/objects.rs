//! Objects of one size: PUT new ones, GET and HEAD a fixed number of them, DELETE them all.

use crate::client::{Client, Source};
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::profile::{KIB, MIB, Profile};
use crate::stage::Stage;

/// Objects of one size.
pub(super) struct Objects {
    workloads: [Workload; 4],
    /// Size in bytes.
    size: fn(&Profile) -> u64,
    clients: usize,
    /// How many are read.
    read: fn(&Profile) -> u64,
    /// Tells their bodies from those of other scenarios.
    kind: u16,
}

/// 4 KiB, unless another size is asked for; 32 clients.
pub(super) const SMALL: Objects = Objects {
    workloads: [
        workload("put4k", "PUT of 4 KiB, or of --small-bytes", Unit::Requests, Moves::In),
        workload("get4k", "GET of the same", Unit::Requests, Moves::Out),
        workload("head4k", "HEAD", Unit::Requests, Moves::Out),
        workload("delete4k", "DELETE of the same", Unit::Requests, Moves::Out),
    ],
    size: |profile| profile.small_bytes,
    clients: 32,
    read: |profile| profile.small_objects,
    kind: 1,
};

/// 64 KiB, 16 clients.
pub(super) const MEDIUM: Objects = Objects {
    workloads: [
        workload("put64k", "PUT of 64 KiB", Unit::Bytes, Moves::In),
        workload("get64k", "GET of 64 KiB", Unit::Bytes, Moves::Out),
        workload("head64k", "HEAD of 64 KiB", Unit::Requests, Moves::Out),
        workload("delete64k", "DELETE of 64 KiB", Unit::Requests, Moves::Out),
    ],
    size: |_| 64 * KIB,
    clients: 16,
    read: |profile| profile.medium_objects,
    kind: 11,
};

/// 1 MiB, 8 clients.
pub(super) const LARGE: Objects = Objects {
    workloads: [
        workload("put1m", "PUT of 1 MiB", Unit::Bytes, Moves::In),
        workload("get1m", "GET of 1 MiB", Unit::Bytes, Moves::Out),
        workload("head1m", "HEAD of 1 MiB", Unit::Requests, Moves::Out),
        workload("delete1m", "DELETE of 1 MiB", Unit::Requests, Moves::Out),
    ],
    size: |_| MIB,
    clients: 8,
    read: |profile| profile.large_objects,
    kind: 2,
};

const fn workload(name: &'static str, what: &'static str, unit: Unit, moves: Moves) -> Workload {
    Workload { name, what, unit, moves }
}

impl Objects {
    pub(super) fn workloads(&'static self) -> &'static [Workload] {
        &self.workloads
    }
}

pub(super) async fn play(stage: &Stage<'_>, objects: &Objects) -> Result<(), Failure> {
    let Objects { workloads: [put, get, head, delete], size, clients, read, kind } = *objects;
    let profile = stage.profile;
    let size = size(profile);
    let folder = stage.folder(put.name);
    let key = |number: u64| format!("{folder}/{number:08}");
    let source = |number: u64| Source::whole(stage.id(kind, number), size);
    let bounds = Bounds {
        clients,
        payload_bytes: usize::try_from(size).expect("an object of this scenario fits in memory"),
        requests: profile.requests_max,
        time: profile.time,
    };
    let reading = Bounds { payload_bytes: 0, ..bounds };

    let mut made = 0;
    if stage.wants(put) || stage.wants(delete) {
        let requests = bounds.requests.min(profile.stored_bytes_max / size);
        let bounds = Bounds { requests, ..bounds };
        let put_next = async |client: &mut Client<'_>, number| {
            client.put(&key(number), source(number)).await.map(|()| size)
        };
        let (measurement, started) = stage.measure(put, bounds, put_next).await?;
        made = started;
        if stage.wants(put) {
            stage.tell(measurement);
        }
    }
    let read = read(profile);
    if stage.wants(get) || stage.wants(head) {
        let missing = Bounds { requests: read.saturating_sub(made), time: super::PATIENCE, ..bounds };
        let put_missing = async |client: &mut Client<'_>, number| {
            client.put(&key(made + number), source(made + number)).await.map(|()| size)
        };
        stage.prepare(put, missing, put_missing).await?;
        made = made.max(read);
    }
    if stage.wants(get) {
        let get_some = async |client: &mut Client<'_>, number| {
            let number = scattered(number, read);
            client.get(&key(number), source(number)).await.map(|()| size)
        };
        stage.tell(stage.measure(get, reading, get_some).await?.0);
    }
    if stage.wants(head) {
        let head_some = async |client: &mut Client<'_>, number| {
            client.head(&key(scattered(number, read))).await.map(|()| 0)
        };
        stage.tell(stage.measure(head, reading, head_some).await?.0);
    }
    let mut deleted = 0;
    if stage.wants(delete) {
        let bounds = Bounds { requests: made, ..reading };
        let delete_next =
            async |client: &mut Client<'_>, number| client.delete(&key(number)).await.map(|()| 0);
        let (measurement, started) = stage.measure(delete, bounds, delete_next).await?;
        deleted = started;
        stage.tell(measurement);
    }
    let rest = Bounds { requests: made - deleted, time: super::PATIENCE, ..reading };
    let delete_rest =
        async |client: &mut Client<'_>, number| client.delete(&key(deleted + number)).await.map(|()| 0);
    stage.prepare(delete, rest, delete_rest).await
}

/// A scattered but repeatable order over `count` objects.
pub(super) fn scattered(number: u64, count: u64) -> u64 {
    // Knuth's multiplicative hash: neighbours in time are far apart in the order of keys.
    (number.wrapping_mul(2_654_435_761) >> 7) % count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_over_all_objects() {
        let mut seen = [0_u32; 64];
        (0..6_400).for_each(|number| seen[usize::try_from(scattered(number, 64)).unwrap()] += 1);
        assert!(seen.iter().all(|count| (50..=200).contains(count)), "{seen:?}");
    }
}
