//! Feeds [`drystone_server::s3::fuzzing::chunked`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drystone_server::s3::fuzzing::chunked(data));
