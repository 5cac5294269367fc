//! PUT, GET and HEAD of 4 KiB through the store over memory: the core's own share of a request.

use std::convert::identity;
use std::future::poll_fn;
use std::hint::black_box;

use bytes::Bytes;
use criterion::Criterion;
use drystone_bench::payload::Payload;
use drystone_core::objects::conditions::ReadConditions;
use drystone_core::objects::get::{GetObject, Span};
use drystone_sim::wait::wait;

use crate::memory_store::{MemoryStore, key};

/// Objects that are put again and again, so that memory does not grow with the number of rounds.
const OBJECTS: u64 = 10_000;

const SIZE: u64 = 4096;

pub(crate) fn bench(criterion: &mut Criterion) {
    let here = MemoryStore::new(identity);
    let bytes = Bytes::copy_from_slice(Payload::new(4096).stamped(SIZE, 1, 0));
    let name = |number: u64| format!("objects/{:08}", number % OBJECTS);
    (0..OBJECTS).for_each(|number| here.put(&name(number), &bytes));
    let mut number = 0_u64;
    let mut next = || {
        number = number.wrapping_add(7_919);
        name(number)
    };
    let request = |name: &str| GetObject {
        bucket: here.bucket.clone(),
        key: key(name),
        conditions: ReadConditions::default(),
        span: Span::Whole,
    };

    let mut group = criterion.benchmark_group("store over memory, 4 KiB");
    group.bench_function("PUT", |bencher| bencher.iter(|| here.put(&next(), &bytes)));
    group.bench_function("GET", |bencher| {
        bencher.iter(|| {
            let (located, mut reader) =
                here.store.get_object(&here.caller, &request(&next())).expect("the object is there");
            let piece = wait(poll_fn(|cx| reader.poll_next(cx)));
            let len = piece.map(|piece| piece.expect("its bytes are whole").len());
            assert_eq!((located.info.size, len), (SIZE, Some(4096)), "the object is whole");
        });
    });
    group.bench_function("HEAD", |bencher| {
        bencher.iter(|| {
            black_box(here.store.head_object(&here.caller, &request(&next())).expect("the object is there"))
        });
    });
    group.finish();
}
