//! Listing a bucket of 100,000 keys in memory: a page of 1,000 keys, and a page of 1,000 folders.

use std::convert::identity;

use bytes::Bytes;
use criterion::Criterion;
use drystone_core::objects::list::{From, ListObjects};

use crate::memory_store::MemoryStore;

const KEYS: u64 = 100_000;
const KEYS_IN_FOLDER: u64 = 100;
const PAGE: usize = 1_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let here = MemoryStore::new(identity);
    let body = Bytes::from_static(b"body");
    let key = |number: u64| format!("folder-{:04}/{:04}", number / KEYS_IN_FOLDER, number % KEYS_IN_FOLDER);
    (0..KEYS).for_each(|number| here.put(&key(number), &body));

    let list = |from: From, delimiter: Option<&str>| {
        let request = ListObjects {
            bucket: here.bucket.clone(),
            prefix: String::new(),
            delimiter: delimiter.map(str::to_owned),
            from,
            max: PAGE,
        };
        let page = here.store.list_objects(&here.caller, &request).expect("the bucket is listed");
        assert_eq!(page.entries.len(), PAGE, "the page is full");
        page
    };
    let mut group = criterion.benchmark_group("listing, 100,000 keys in memory");
    group.bench_function("page of 1,000 keys", |bencher| {
        bencher.iter(|| list(From::After(key(KEYS / 2)), None));
    });
    group.bench_function("page of 1,000 folders", |bencher| bencher.iter(|| list(From::Start, Some("/"))));
    group.finish();
}
