//! The S3 wire: from a request's head and body to words of the core, and back.
//!
//! In reading order: [`service`] is the way of every request; then what happens on it: who sent it
//! ([`auth`], [`body`]), which operation it is (`route`, `operation`, `query`; `probe` is none of S3's), what it answers
//! (one file per verb family), and in which words (`error`, `xml`, `headers`, `checksums`, `dates`).

pub mod service;
pub mod auth;
pub mod body;
mod route;
mod operation;
mod query;
mod probe;
pub(crate) mod call;
pub(crate) mod error;
mod buckets;
mod subresources;
mod lifecycle;
mod put;
mod get;
mod attributes;
mod ranges;
mod conditions;
mod delete;
mod copy;
mod list;
mod uploads;
mod headers;
mod checksums;
mod dates;
mod xml;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
