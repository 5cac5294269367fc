//! Signature Version 4 of a request without a body: what every request pays.

use std::hint::black_box;

use criterion::Criterion;

use crate::signed_request::{NOW, SignedRequest, authenticator};

pub(crate) fn bench(criterion: &mut Criterion) {
    let authenticator = authenticator();
    let small = SignedRequest::new("GET", "/bucket/put4k-1/00001234", "UNSIGNED-PAYLOAD", &[]);
    // What an SDK signs on top of what it must.
    let more = [
        ("amz-sdk-invocation-id", "89b2c1a0-9f0e-4e0a-8a55-bd2c1c8b7f2e"),
        ("amz-sdk-request", "attempt=1; max=3"),
        ("content-type", "application/octet-stream"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ("x-amz-meta-origin", "benchmark"),
    ];
    let sdk = SignedRequest::new("PUT", "/bucket/put4k-1/00001234", "UNSIGNED-PAYLOAD", &more);
    let mut group = criterion.benchmark_group("signature");
    for (name, request) in [("get", &small), ("put of an SDK", &sdk)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                authenticator.authenticate(black_box(&request.parts), NOW).expect("the signature holds")
            });
        });
    }
    group.finish();
}
