//! How much of everything is done: enough to prove the tool, to see a trend, or to publish.

use std::time::Duration;

use crate::clock::{self, Moment};
use crate::process;

/// 1 KiB in bytes.
pub const KIB: u64 = 1024;
/// 1 MiB in bytes.
pub const MIB: u64 = 1024 * KIB;
/// 1 GiB in bytes.
pub const GIB: u64 = 1024 * MIB;

/// The machine rests when all its processes and kernel threads together use less of a core than this.
const RESTING_CORES: f64 = 0.05;
/// The longest that it is waited for: some servers never rest.
const RESTING_MAX: Duration = Duration::from_secs(15);

/// How much is done of each workload.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// How often everything is measured.
    pub runs: u32,
    /// Time for each workload that repeats a request.
    pub time: Duration,
    /// Most requests of such a workload.
    pub requests_max: u64,
    /// Most bytes that such a workload stores.
    pub stored_bytes_max: u64,
    /// Size of a small object.
    pub small_bytes: u64,
    /// Small objects that GET and HEAD go over.
    pub small_objects: u64,
    /// Objects of 64 KiB that GET and HEAD go over.
    pub medium_objects: u64,
    /// Objects of 1 MiB that GET and HEAD go over.
    pub large_objects: u64,
    /// Size of the object that is streamed, and of the one that is uploaded in parts.
    pub stream_bytes: u64,
    /// Size of a part.
    pub part_bytes: u64,
    /// Keys that are listed; ten in each folder.
    pub keys: u64,
    /// Keys that are listed where each has 100 noncurrent versions.
    pub versioned_keys: u64,
    /// Small objects that are deleted 1,000 at a time.
    pub batch_keys: u64,
    /// Parts of the uploads that have as many as S3 allows.
    pub many_parts: u64,
    /// Uploads that are created, get one part of 1 MiB, are listed and aborted.
    pub uploads: u64,
    /// How long the bytes of aborted uploads are waited for.
    pub bytes_back_max: Duration,
    /// How long the machine must rest before a workload, after all its dirty pages were written.
    pub settle: Option<Duration>,
    /// Uploads at once whose memory is looked at.
    pub memory_uploads: u64,
    /// Size of each of them.
    pub memory_upload_bytes: u64,
    /// Uploads that are open at once, are listed, and aborted by one job.
    pub many_uploads: u64,
    /// Keys of the grown store.
    pub many_keys: u64,
    /// Connections that do nothing.
    pub idle_connections: u64,
}

impl Profile {
    /// For publishing: what the rivals were measured with.
    pub const FULL: Self = Self {
        runs: 3,
        time: Duration::from_secs(5),
        requests_max: 1_000_000,
        stored_bytes_max: 3 * GIB,
        small_bytes: 4 * KIB,
        small_objects: 2_000,
        medium_objects: 512,
        large_objects: 64,
        stream_bytes: GIB,
        part_bytes: 16 * MIB,
        keys: 10_000,
        versioned_keys: 10_000,
        batch_keys: 20_000,
        many_parts: 10_000,
        uploads: 1_000,
        bytes_back_max: Duration::from_mins(1),
        settle: Some(Duration::from_millis(500)),
        memory_uploads: 64,
        memory_upload_bytes: GIB,
        many_uploads: 1_000_000,
        many_keys: 1_000_000,
        idle_connections: 4_000,
    };

    /// For a developer who waits for it: a minute or so.
    pub const QUICK: Self = Self {
        runs: 1,
        time: Duration::from_secs(2),
        stored_bytes_max: GIB,
        stream_bytes: 256 * MIB,
        keys: 3_000,
        versioned_keys: 1_000,
        batch_keys: 5_000,
        uploads: 200,
        bytes_back_max: Duration::from_secs(10),
        many_uploads: 100_000,
        many_keys: 100_000,
        idle_connections: 2_000,
        ..Self::FULL
    };

    /// Lets what went before end: writes all dirty pages of the machine, and waits until it rests. A server may
    /// answer first and work afterwards, and shall not do it at the next workload's cost.
    pub async fn settle(&self) {
        let Some(rest) = self.settle else { return };
        rustix::fs::sync();
        let start = Moment::now();
        loop {
            let (before, step) = (process::machine_cpu_s(), Moment::now());
            clock::pause(rest).await;
            let used = (process::machine_cpu_s() - before) / step.elapsed().as_secs_f64();
            if used < RESTING_CORES || start.elapsed() >= RESTING_MAX {
                return;
            }
        }
    }

    /// For the tests: every workload once, a few requests each; the figures mean nothing.
    pub const SMOKE: Self = Self {
        runs: 1,
        requests_max: 64,
        stored_bytes_max: 64 * MIB,
        small_objects: 32,
        medium_objects: 16,
        large_objects: 8,
        stream_bytes: 24 * MIB,
        part_bytes: 8 * MIB,
        keys: 1_200,
        versioned_keys: 20,
        batch_keys: 1_200,
        many_parts: 64,
        uploads: 16,
        bytes_back_max: Duration::from_secs(10),
        settle: None,
        memory_uploads: 8,
        memory_upload_bytes: 16 * MIB,
        many_uploads: 600,
        many_keys: 2_000,
        idle_connections: 64,
        ..Self::FULL
    };
}
