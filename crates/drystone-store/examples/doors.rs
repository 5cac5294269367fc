//! Measures both doors on a real disk.
//!
//! `cargo run --release -p drystone-store --example doors -- <new folder> [seconds per line]`
//!
//! Every write is durable before it counts. The figures in docs/design/0002 and 0003 come from here.
#![expect(clippy::print_stdout, reason = "the table is the purpose")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people need three digits"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use drystone_core::checksum::Digests;
use drystone_core::data::door::{Data, Extent, Freed};
use drystone_core::meta::door::{Meta, MetaError};
use drystone_core::world::Clock;
use drystone_sim::doors::data::{bytes, read};
use drystone_sim::wait::wait;
use drystone_store::world::SystemClock;
use drystone_store::{OpenOptions, open};

/// What a line shows.
struct Figures {
    /// Runs a second.
    rate: f64,
    /// Milliseconds of the run in the middle.
    p50: f64,
    /// Milliseconds of the 99th run in a hundred.
    p99: f64,
    /// Microseconds of processor time of one run, on all threads: what a busy machine cannot hide.
    cpu: f64,
}

/// Processor time of this process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the kernel tells");
    let fields = stat.rsplit(')').next().into_iter().flat_map(str::split_whitespace);
    // User and system time are fields 14 and 15 in hundredths; two lie before the parenthesis.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Runs `work(thread, round)` on `threads` threads for `time`.
fn measure(threads: u64, time: Duration, work: impl Fn(u64, u64) + Sync) -> Figures {
    let cpu_before = cpu();
    let clock = SystemClock::new();
    let mut taken: Vec<Duration> = std::thread::scope(|scope| {
        let run = |thread| {
            let (clock, work) = (&clock, &work);
            scope.spawn(move || {
                let mut taken = Vec::new();
                let mut round = 0;
                while clock.elapsed() < time {
                    let start = clock.elapsed();
                    work(thread, round);
                    taken.push(clock.elapsed().saturating_sub(start));
                    round += 1;
                }
                taken
            })
        };
        let handles: Vec<_> = (0..threads).map(run).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("no thread panics")).collect()
    });
    let total = clock.elapsed();
    taken.sort();
    let at = |share: f64| {
        taken.get((taken.len() as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let runs = taken.len() as f64;
    let cpu = (cpu() - cpu_before) * 1e6 / runs;
    Figures { rate: runs / total.as_secs_f64(), p50: at(0.5), p99: at(0.99), cpu }
}

fn row(what: &str, unit_bytes: u64, Figures { rate, p50, p99, cpu }: Figures) {
    let mib = rate * unit_bytes as f64 / (1024.0 * 1024.0);
    println!("{what:42} {rate:8.0}/s {mib:7.1} MiB/s  p50 {p50:8.3} ms  p99 {p99:8.3} ms  cpu {cpu:7.0} us");
}

/// Writes `body` as a durable extent, hashed on the way like a request's.
fn put(data: &Arc<dyn Data>, body: &Bytes) -> Extent {
    let mut writer = Arc::clone(data).reserve(body.len() as u64).expect("there is room");
    let mut digests = Digests::new(None, None);
    for start in (0..body.len()).step_by(256 * 1024) {
        let piece = body.slice(start..body.len().min(start + 256 * 1024));
        (writer, digests) = wait(writer.write(vec![piece], digests)).expect("it is written");
    }
    let written = wait(writer.finish()).expect("it is synced");
    let extent = written.pending.extent();
    written.pending.keep();
    extent
}

fn commit(meta: &Arc<dyn Meta>, thread: u64, round: u64) {
    let key = [b"object/bench-bucket/".to_vec(), format!("{thread:04}/{round:010}").into_bytes()].concat();
    let committed = wait(meta.commit::<(), MetaError, _>(Vec::new(), move |tx| {
        if tx.get(&key)?.is_none() {
            tx.put(key.clone(), vec![7; 300]);
        }
        Ok(())
    }));
    committed.expect("it commits");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().expect("a new folder as the first argument");
    let seconds = arguments.next().map_or(4, |text| text.parse().expect("seconds as a number"));
    let time = Duration::from_secs(seconds);
    let store = open(OpenOptions::new(&dir)).expect("the store opens");
    let (meta, data) = (store.meta(), store.data());

    for threads in [1, 8, 64] {
        let base = threads * 1000;
        row(
            &format!("commits of 300 B, {threads} writers"),
            300,
            measure(threads, time, |thread, round| {
                commit(&meta, base + thread, round);
            }),
        );
    }
    row(
        "gets of 300 B, 2 readers",
        300,
        measure(2, time, |thread, round| {
            let key = format!("object/bench-bucket/{:04}/{:010}", 64_000 + thread, round * 7 % 50);
            assert!(meta.snapshot().get(key.as_bytes()).expect("it reads").is_some());
        }),
    );

    for (len, threads) in [(4 << 10, 32), (64 << 10, 8), (1 << 20, 8), (8 << 20, 8), (8 << 20, 1)] {
        let body = bytes(len, 1);
        let kept = parking_lot::Mutex::new(Vec::new());
        let rate = measure(threads, time, |_, _| {
            let extent = put(&data, &body);
            kept.lock().push(extent);
        });
        row(&format!("durable extents of {} KiB, {threads} writers", len >> 10), len, rate);
        let extents = kept.into_inner();
        let turn = AtomicU64::new(0);
        row(
            &format!("reads of {} KiB from memory, 2 readers", len >> 10),
            len,
            measure(2, time / 2, |_, _| {
                let turn = turn.fetch_add(1, Ordering::Relaxed) as usize;
                if let Some(extent) = extents.get(turn * 7_919 % extents.len().min(200)) {
                    read(&data, *extent, 0..extent.len).expect("it reads");
                }
            }),
        );
        let clock = SystemClock::new();
        let count = extents.len();
        for group in extents.chunks(500) {
            let freed = group.iter().map(|extent| Freed { id: extent.id, len: extent.len }).collect();
            wait(Arc::clone(&data).free(freed)).expect("it is freed");
        }
        println!("{:42} {:8.0}/s", "  freed, 500 at a time", count as f64 / clock.elapsed().as_secs_f64());
    }
    drop((meta, data));
    store.close().expect("it closes in order");
}
