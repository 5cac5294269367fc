//! Which buckets a command looks at: those that were named, or all that the caller may list.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::moment;
use crate::target::Target;
use crate::uploads::upload::timestamp;

/// Buckets on a page of the list.
const PAGE_BUCKETS: i32 = 1_000;

/// The targets that were named, each looked at once; every bucket of the caller's when none was.
///
/// # Errors
/// When buckets cannot be listed.
pub async fn targets(connection: &Connection, named: Vec<Target>) -> Result<Vec<Target>, Failure> {
    if !named.is_empty() {
        return Ok(Target::without_covered(named));
    }
    let all = all(connection).await?;
    Ok(all.into_iter().map(|bucket| Target { bucket: bucket.name, path: String::new() }).collect())
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// When it was made.
    #[serde(serialize_with = "moment::json::time_or_null")]
    pub created: Option<Timestamp>,
}

/// Every bucket of the caller's.
///
/// # Errors
/// When buckets cannot be listed.
pub async fn all(connection: &Connection) -> Result<Vec<Bucket>, Failure> {
    let doing = || format!("list the buckets of {}", connection.server_name());
    let mut buckets = Vec::new();
    let mut followed = HashSet::new();
    let mut token: Option<String> = None;
    loop {
        let list = connection.client().list_buckets().set_continuation_token(token.clone());
        // Amazon pages only when asked to, and then allows more than 10,000 buckets; others ignore it.
        let list = if connection.endpoint().is_none() { list.max_buckets(PAGE_BUCKETS) } else { list };
        let page = list.send().await.map_err(|error| Failure::from_sdk(doing(), &error))?;
        buckets.extend(page.buckets().iter().filter_map(|bucket| {
            let created = bucket.creation_date().and_then(timestamp);
            Some(Bucket { name: bucket.name()?.to_owned(), created })
        }));
        token = page.continuation_token().filter(|token| !token.is_empty()).map(str::to_owned);
        match &token {
            None => return Ok(buckets),
            Some(next) if followed.insert(next.clone()) => {}
            Some(_) => {
                let why = "the server's pages of buckets go round in a circle".into();
                return Err(Failure::Nonsense { doing: doing(), why });
            }
        }
    }
}
