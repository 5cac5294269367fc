//! The walk that counts unfinished uploads: 100,000 of them in memory, each with its rows. It scales with their
//! number, so a million takes ten times as long.

use std::convert::identity;
use std::hint::black_box;

use criterion::Criterion;
use drystone_core::objects::object::Attributes;
use drystone_core::uploads::census::CensusStep;
use drystone_core::uploads::create::CreateUpload;
use drystone_sim::wait::wait;

use crate::memory_store::{MemoryStore, key};

const UPLOADS: u64 = 100_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let here = MemoryStore::new(identity);
    for number in 0..UPLOADS {
        let request = CreateUpload {
            bucket: here.bucket.clone(),
            key: key(&format!("backups/{number:07}.tar")),
            attributes: Attributes::default(),
            checksum: None,
            checksum_type: None,
        };
        wait(here.store.create_upload(&here.caller, request)).expect("the upload is created");
    }
    let mut group = criterion.benchmark_group("census, 100,000 uploads in memory");
    group.sample_size(10);
    group.bench_function("a whole walk", |bencher| {
        bencher.iter(|| {
            let mut walk = here.store.begin_census().expect("a walk begins");
            loop {
                match here.store.census_step(walk).expect("a step is taken") {
                    CensusStep::More(rest) => walk = rest,
                    CensusStep::Whole(census) => break black_box(census),
                }
            }
        });
    });
    group.finish();
}
