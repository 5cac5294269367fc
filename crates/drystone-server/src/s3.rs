//! The S3 wire: from a request's head and body to words of the core, and back.

pub mod auth;
pub mod body;
