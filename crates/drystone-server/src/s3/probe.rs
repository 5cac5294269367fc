//! MinIO's health probes, on the port where MinIO has them.
//!
//! Whoever comes from MinIO has probes that ask the S3 port: in compose files, load balancers, `mc ready`. They are
//! not signed. Without this they would find a server that works and call it ill. Nobody loses an answer: a signed
//! request finds a bucket called `minio` as it finds any other, and an unsigned one would be refused.
//!
//! Source: MinIO documentation, "Healthcheck API".

use drystone_core::store::Store;
use http::{Method, Response, StatusCode};

use crate::response_body::ResponseBody;
use crate::s3::call::empty;
use crate::s3::route::Target;

/// The answer to an unsigned request, if it is a probe.
pub(crate) fn answer(store: &Store, method: &Method, target: &Target<'_>) -> Option<Response<ResponseBody>> {
    let (bucket, key) = (target.bucket.as_deref()?, target.key.as_deref()?);
    if bucket != "minio" || (*method != Method::GET && *method != Method::HEAD) {
        return None;
    }
    match key {
        "health/live" => Some(empty(StatusCode::OK)),
        "health/ready" | "health/cluster" => Some(empty(match store.ready() {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        })),
        _ => None,
    }
}
