//! Feeds [`drystone_sim::operations::operations`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drystone_sim::operations::operations(data));
