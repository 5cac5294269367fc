//! All HTTP: sockets, the S3 wire, the admin port, metrics.

mod deadline;
mod work;
pub mod response_body;
pub mod listen;
pub mod request_id;
pub mod metrics;
pub mod admin;
pub mod s3;

pub use self::work::Drained;
