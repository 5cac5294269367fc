//! Feeds [`drystone_sim::records::records`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drystone_sim::records::records(data));
