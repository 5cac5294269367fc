//! Drystone: an S3-compatible object store in one binary.

fn main() {}
