//! A listing of keys that have many noncurrent versions: a page must not cost what it does not show.
//!
//! The bucket is one of its own, since versioning cannot be taken back, and is gone afterwards. A server that does
//! not keep versions says so, and is left out.

use crate::client::{Client, Source, Version, Versioning};
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::report::{Progress, talk};
use crate::scenario::list::list;
use crate::stage::Stage;
use crate::target::Target;

const LIST: Workload = Workload {
    name: "list-versioned",
    what: "LIST in pages of 1,000 keys, each with 100 noncurrent versions",
    unit: Unit::Requests,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 1] = [LIST];

/// Versions of each key, the current one with them.
const VERSIONS: u64 = 101;

/// Size of each, in bytes: listing does not look at bodies.
const SIZE: u64 = 16;

/// Clients that make the versions.
const MAKERS: usize = 32;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let target = Target { bucket: format!("{}-versions", stage.target.bucket), ..stage.target.clone() };
    let stage = Stage { target: &target, ..*stage };
    let mut client = Client::new(&target, 0);
    client.make_bucket().await?;
    if client.enable_versioning().await? == Versioning::NotBuilt {
        talk(&format!("  {}: {} is left out, as it does not keep versions", target.name, LIST.name));
        return client.remove_bucket().await;
    }
    let keys = stage.profile.versioned_keys;
    // A run that was interrupted may have left some.
    clear(&stage, &mut client).await?;
    fill(&stage, keys).await?;
    let measurement = list(&stage, LIST, &[("list-type", "2"), ("max-keys", "1000")], keys).await?;
    let kept = clear(&stage, &mut client).await?;
    client.remove_bucket().await?;
    if kept != keys * VERSIONS {
        return Err(wrong(format!("{kept} versions were kept, not {}", keys * VERSIONS)));
    }
    stage.tell(measurement);
    Ok(())
}

fn wrong(why: String) -> Failure {
    Failure::Wrong { request: LIST.name.to_owned(), why }
}

/// Puts every key once, then every key once more, and so on.
async fn fill(stage: &Stage<'_>, keys: u64) -> Result<(), Failure> {
    let puts = keys * VERSIONS;
    let progress = Progress::new(format!("{} gets its versions", stage.target.name), puts);
    let bounds =
        Bounds { clients: MAKERS, payload_bytes: SIZE as usize, requests: puts, time: super::LONG_PATIENCE };
    let put = async |client: &mut Client<'_>, number: u64| {
        client.put(&format!("{:07}", number % keys), Source::whole(stage.id(19, number), SIZE)).await?;
        progress.add(1);
        Ok(0)
    };
    stage.prepare(LIST, bounds, put).await
}

/// Removes all versions; how many there were.
async fn clear(stage: &Stage<'_>, client: &mut Client<'_>) -> Result<u64, Failure> {
    stage.once(LIST, super::LONG_PATIENCE, clear_pages(client)).await
}

async fn clear_pages(client: &mut Client<'_>) -> Result<u64, Failure> {
    let (mut removed, mut last): (u64, Option<Version>) = (0, None);
    loop {
        let page = client.versions().await?;
        let Some(first) = page.first() else { return Ok(removed) };
        if last.as_ref() == Some(first) {
            return Err(wrong(format!("a version of {} is listed after it was deleted", first.key)));
        }
        client.delete_versions(&page).await?;
        removed += page.len() as u64;
        last = Some(first.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};

    use clap::Parser;

    use super::*;
    use crate::args::Args;
    use crate::plan::Plan;
    use crate::profile::Profile;
    use crate::report::Report;
    use crate::stage::Wanted;
    use crate::testing::{serving, wait};

    /// What a server makes of an object that is overwritten.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Old {
        Kept,
        /// It agrees to keep it, and does not.
        Lost,
        /// It is kept, also when it is deleted.
        Undeletable,
        Refused,
    }

    /// A bucket that holds versions, by key and number.
    #[derive(Default)]
    struct Bucket {
        made: u64,
        versions: BTreeSet<(String, u64)>,
        gone: bool,
    }

    impl Bucket {
        fn answer(&mut self, old: Old, line: &str, body: &str) -> String {
            let (method, rest) = line.split_once(' ').unwrap();
            let (path, query) = rest.split_once(' ').unwrap().0.split_once('?').unwrap_or((rest, ""));
            let key = path.split(' ').next().unwrap().splitn(3, '/').nth(2);
            match (method, key, query) {
                ("PUT", None, "versioning=") if old == Old::Refused => {
                    return respond("501 Not Implemented", "");
                }
                ("PUT", Some(key), _) => {
                    if old == Old::Lost {
                        self.versions.retain(|(other, _)| other != key);
                    }
                    self.made += 1;
                    self.versions.insert((key.to_owned(), self.made));
                }
                ("GET", None, query) if query.contains("versions=") => {
                    let version = |(key, id): &(String, u64)| {
                        [
                            "<Version><Key>",
                            key,
                            "</Key><VersionId>",
                            &id.to_string(),
                            "</VersionId></Version>",
                        ]
                        .concat()
                    };
                    let page: String = self.versions.iter().take(1_000).map(version).collect();
                    return respond("200 OK", &page);
                }
                ("GET", None, _) => {
                    let keys: BTreeSet<&str> = self.versions.iter().map(|(key, _)| key.as_str()).collect();
                    let page: String = keys.iter().map(|key| ["<Key>", key, "</Key>"].concat()).collect();
                    return respond("200 OK", &page);
                }
                ("POST", None, "delete=") => {
                    let before = self.versions.len();
                    let asked = |key: &str, id: u64| format!("<Key>{key}</Key><VersionId>{id}</VersionId>");
                    if old == Old::Undeletable {
                        return respond("200 OK", &"<Deleted>".repeat(before.min(1_000)));
                    }
                    self.versions.retain(|(key, id)| !body.contains(&asked(key, *id)));
                    return respond("200 OK", &"<Deleted>".repeat(before - self.versions.len()));
                }
                ("DELETE", None, _) => self.gone = true,
                _ => {}
            }
            respond("200 OK", "")
        }
    }

    fn respond(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    /// Plays on such a server: how it ended, what was told, and the bucket afterwards.
    fn played(old: Old) -> (Result<(), Failure>, usize, (usize, bool)) {
        // What an interrupted run has left.
        let versions = BTreeSet::from([("0000003".to_owned(), 0), ("0000099".to_owned(), 0)]);
        let left = if old == Old::Kept { versions } else { BTreeSet::new() };
        let bucket = Arc::new(Mutex::new(Bucket { versions: left, ..Bucket::default() }));
        let shared = Arc::clone(&bucket);
        let address = serving(move |line, body| shared.lock().unwrap().answer(old, line, body));
        let args = Args::parse_from(["bench", "--endpoint", &address.to_string()]);
        let target = Plan::new(&args, std::path::Path::new(".")).unwrap().targets.remove(0);
        let report = RefCell::new(Report::new(None));
        let profile = Profile { versioned_keys: 12, ..Profile::SMOKE };
        let stage = Stage {
            target: &target,
            server: None,
            profile: &profile,
            wanted: &Wanted::default(),
            run: 1,
            salt: 0,
            report: &report,
            sampler: None,
        };
        let ended = wait(play(&stage));
        let bucket = bucket.lock().unwrap();
        (ended, report.borrow().measurements().len(), (bucket.versions.len(), bucket.gone))
    }

    #[test]
    fn a_server_that_keeps_versions_is_measured_and_keeps_nothing_afterwards() {
        let (ended, told, left) = played(Old::Kept);
        ended.unwrap();
        assert_eq!((told, left), (1, (0, true)));
    }

    #[test]
    fn a_server_that_only_says_that_it_keeps_versions_is_found_out() {
        let (ended, told, _) = played(Old::Lost);
        assert_eq!(told, 0);
        let why = ended.unwrap_err().to_string();
        assert!(why.contains("12 versions were kept, not 1212"), "{why}");
    }

    #[test]
    fn a_server_that_lists_what_was_deleted_is_not_asked_for_ever() {
        let (ended, told, _) = played(Old::Undeletable);
        assert_eq!(told, 0);
        let why = ended.unwrap_err().to_string();
        assert!(why.contains("is listed after it was deleted"), "{why}");
    }

    #[test]
    fn a_server_that_does_not_keep_versions_is_left_out() {
        let (ended, told, left) = played(Old::Refused);
        ended.unwrap();
        assert_eq!((told, left), (0, (0, true)));
    }
}
