//! All HTTP: sockets, the S3 wire, the API for administrators, the admin port, metrics, and the audit in the log.

mod deadline;
mod work;
pub mod aside;
pub mod response_body;
pub mod listen;
pub mod request_id;
pub mod metrics;
pub mod audit;
mod front;
pub mod api;
pub mod admin;
pub mod s3;

pub use self::work::Drained;
