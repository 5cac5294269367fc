//! Checksums of 1 MiB, and the digests that every stored body gets.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use drystone_bench::payload::Payload;
use drystone_core::checksum::md5::Md5;
use drystone_core::checksum::{Algorithm, Digests, Hasher, PayloadSha256, crc64, crc64_combine};

const MIB: u64 = 1 << 20;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut payload = Payload::new(1 << 20);
    let bytes = payload.stamped(MIB, 1, 0);
    let mut group = criterion.benchmark_group("digests of 1 MiB");
    group.throughput(Throughput::Bytes(MIB));
    for algorithm in Algorithm::ALL {
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(black_box(bytes));
                hasher.finish()
            });
        });
    }
    // MD5 is part of each: it is the ETag.
    let sets = [
        ("MD5", None, None),
        ("MD5 and the signed SHA-256", Some(PayloadSha256([0; 32])), None),
        ("MD5 and CRC32", None, Some(Algorithm::Crc32)),
    ];
    for (name, signed, checksum) in sets {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut digests = Digests::new(signed, checksum);
                digests.update(black_box(bytes));
                digests.finish()
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("MD5 of bodies side by side");
    for count in [1, 2, 3, 4, 8] {
        let bodies = vec![[Bytes::copy_from_slice(bytes)]; count as usize];
        group.throughput(Throughput::Bytes(count * MIB));
        group.bench_function(format!("{count} of 1 MiB"), |bencher| {
            bencher.iter(|| {
                let mut digests = vec![Md5::default(); bodies.len()];
                Md5::update_together(digests.iter_mut().zip(bodies.iter().map(<[Bytes; 1]>::as_slice)));
                digests
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("CRC64NVME");
    let block = bytes.get(..64 * 1024).expect("a MiB is longer than a frame");
    group.bench_function("of a frame of 64 KiB", |bencher| bencher.iter(|| crc64(black_box(block))));
    let crc = crc64(block);
    group.bench_function("combined", |bencher| {
        bencher.iter(|| crc64_combine(black_box(crc), black_box(crc), black_box(16 << 20)));
    });
    group.finish();
}
