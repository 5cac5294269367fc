//! Which buckets a command looks at: those that were named, or all that the caller may list.

use std::collections::HashSet;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::target::Target;

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
    let doing = || format!("list the buckets of {}", connection.server_name());
    let mut targets = Vec::new();
    let mut followed = HashSet::new();
    let mut token: Option<String> = None;
    loop {
        let list = connection.client().list_buckets().set_continuation_token(token.clone());
        // Amazon pages only when asked to, and then allows more than 10,000 buckets; others ignore it.
        let list = if connection.endpoint().is_none() { list.max_buckets(PAGE_BUCKETS) } else { list };
        let page = list.send().await.map_err(|error| Failure::from_sdk(doing(), &error))?;
        let names = page.buckets().iter().filter_map(|bucket| bucket.name());
        targets.extend(names.map(|name| Target { bucket: name.to_owned(), path: String::new() }));
        token = page.continuation_token().filter(|token| !token.is_empty()).map(str::to_owned);
        match &token {
            None => return Ok(targets),
            Some(next) if followed.insert(next.clone()) => {}
            Some(_) => {
                let why = "the server's pages of buckets go round in a circle".into();
                return Err(Failure::Nonsense { doing: doing(), why });
            }
        }
    }
}
