//! All HTTP: sockets, the S3 wire, the admin port, metrics.

pub mod s3;
