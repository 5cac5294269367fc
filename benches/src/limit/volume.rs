//! The plain durable writer: blocks into one preallocated file, one sync for all who wait.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use rustix::io::pwrite;

use crate::clock::Moment;
use crate::closed_loop::Tally;
use crate::payload::Payload;

/// How much is written, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writes {
    /// Writers at once.
    pub(super) clients: usize,
    /// Size of a block.
    pub(super) block_bytes: u64,
    /// Most bytes in all; the file has this size.
    pub(super) bytes_max: u64,
    /// Time after which no block is begun.
    pub(super) time: Duration,
}

/// Syncs of one file, each for all who wrote before it began.
#[derive(Debug, Default)]
struct Syncs {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Syncs that were begun.
    begun: u64,
    /// Syncs that ended; they never overlap.
    ended: u64,
    /// A sync failed: nobody may believe the next one.
    broken: bool,
}

impl Syncs {
    /// Returns when what the caller wrote is on stable storage.
    fn wait(&self, file: &File) -> rustix::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A sync that has begun may have missed it: the next one has not.
        let mine = state.begun + 1;
        loop {
            if state.broken {
                return Err(rustix::io::Errno::IO);
            }
            if state.ended >= mine {
                return Ok(());
            }
            if state.begun > state.ended {
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.begun += 1;
            drop(state);
            let synced = fdatasync(file);
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.ended = state.begun;
            state.broken = synced.is_err();
            self.ended.notify_all();
        }
    }
}

/// Writes blocks until the time or the file is over.
///
/// # Errors
/// The file cannot be made, written or synced.
pub(super) fn write(writes: Writes, scratch: &Path) -> Result<Tally> {
    let folder = crate::server::new_folder(scratch)?;
    let path = folder.path().join("volume");
    let file = File::create(&path).with_context(|| format!("make {}", path.display()))?;
    fallocate(&file, FallocateFlags::empty(), 0, writes.bytes_max)
        .with_context(|| format!("reserve {} bytes in {}", writes.bytes_max, path.display()))?;
    fdatasync(&file).context("sync the empty volume")?;
    let block_bytes = usize::try_from(writes.block_bytes).unwrap_or(usize::MAX);
    let mut payloads: Vec<Payload> = (0..writes.clients).map(|_| Payload::new(block_bytes)).collect();
    let (syncs, next, start) = (Syncs::default(), AtomicU64::new(0), Moment::now());
    let writer = |payload: &mut Payload| -> rustix::io::Result<Vec<u32>> {
        let mut latencies_us = Vec::new();
        loop {
            let offset = next.fetch_add(writes.block_bytes, Ordering::Relaxed);
            if offset + writes.block_bytes > writes.bytes_max || start.elapsed() >= writes.time {
                return Ok(latencies_us);
            }
            let begun = Moment::now();
            let mut bytes = payload.stamped(writes.block_bytes, 0, offset);
            let mut at = offset;
            while !bytes.is_empty() {
                let written = pwrite(&file, bytes, at)?;
                bytes = bytes.get(written..).unwrap_or_default();
                at += written as u64;
            }
            syncs.wait(&file)?;
            latencies_us.push(begun.elapsed_us());
        }
    };
    let mut tally = Tally::default();
    let written: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = payloads.iter_mut().map(|payload| scope.spawn(|| writer(payload))).collect();
        writers.into_iter().map(|writer| writer.join().expect("a writer does not panic")).collect()
    });
    tally.seconds = start.elapsed().as_secs_f64();
    for latencies_us in written {
        tally.latencies_us.extend(latencies_us.with_context(|| format!("write {}", path.display()))?);
    }
    tally.started = tally.latencies_us.len() as u64;
    tally.bytes = tally.started * writes.block_bytes;
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_fill_the_file_and_no_more() {
        let scratch = tempfile::tempdir().unwrap();
        let writes =
            Writes { clients: 4, block_bytes: 4096, bytes_max: 100 * 4096, time: Duration::from_mins(1) };
        let tally = write(writes, scratch.path()).unwrap();
        assert_eq!((tally.started, tally.bytes, tally.latencies_us.len()), (100, 100 * 4096, 100));
    }

    #[test]
    fn after_a_failed_sync_nobody_is_told_that_his_bytes_are_safe() {
        let (reading, _writing) = std::io::pipe().unwrap();
        // A pipe cannot be synced.
        let file = File::from(std::os::fd::OwnedFd::from(reading));
        let syncs = Syncs::default();
        assert!(syncs.wait(&file).is_err());
        assert!(syncs.wait(&file).is_err());
    }
}
