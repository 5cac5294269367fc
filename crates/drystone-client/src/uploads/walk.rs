//! Goes through all unfinished uploads of a bucket, page by page.
//!
//! A page is followed by the one after *both* markers, as S3 asks: with the key alone, uploads of the same key
//! are lost. Amazon's own samples stop at the first 1,000. Servers differ, and a wrong walk aborts too little or
//! never ends, so whatever a server answers:
//! - a marker that came before ends the walk with an error, and so does a page that says it is not the last
//!   and gives no way on;
//! - an upload that stood on the page before is not shown again;
//! - an upload whose key does not begin with the prefix is not shown at all, whatever the server takes a
//!   prefix to be.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;
use aws_sdk_s3::types::{EncodingType, MultipartUpload};

use crate::failure::Failure;
use crate::listed_key::decoded;
use crate::raw::Seen;
use crate::target::Target;
use crate::uploads::extensions::{self, Extension};
use crate::uploads::upload::{Upload, timestamp};

/// Uploads on a page: what S3 gives at most.
pub const PAGE_UPLOADS: i32 = 1_000;

/// A walk through one target.
#[derive(Debug)]
pub struct Walk {
    client: Client,
    target: Target,
    place: Place,
    /// Hashes of the markers that were followed: eight bytes for a thousand uploads.
    followed: HashSet<u64>,
    /// Hashes of the page before.
    previous: HashSet<u64>,
    undated: u64,
}

#[derive(Debug)]
enum Place {
    Begin,
    After(Marker),
    End,
}

#[derive(Clone, Debug, Hash)]
struct Marker {
    key: String,
    upload_id: Option<String>,
}

impl Walk {
    /// Begins at the target's first upload.
    pub fn new(client: Client, target: Target) -> Self {
        let (followed, previous) = (HashSet::new(), HashSet::new());
        Self { client, target, place: Place::Begin, followed, previous, undated: 0 }
    }

    /// How many uploads the server gave no `Initiated` for, so far.
    pub fn undated(&self) -> u64 {
        self.undated
    }

    /// The next page's uploads, which may be none though pages follow; `None` after the last page.
    ///
    /// # Errors
    /// The server's refusal, or [`Failure::Nonsense`] when its pages lead nowhere.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Upload>>, Failure> {
        let marker = match &self.place {
            Place::Begin => None,
            Place::After(marker) => Some(marker.clone()),
            Place::End => return Ok(None),
        };
        let doing = format!("list the uploads of {}", self.target);
        let seen = Seen::default();
        let prefix = Some(&self.target.path).filter(|path| !path.is_empty()).cloned();
        let list = self.client.list_multipart_uploads().bucket(&self.target.bucket).set_prefix(prefix);
        // Keys may hold what XML cannot.
        let list = list.encoding_type(EncodingType::Url).max_uploads(PAGE_UPLOADS);
        let (key, id) = marker.map_or((None, None), |marker| (Some(marker.key), marker.upload_id));
        let list = list.set_key_marker(key).set_upload_id_marker(id);
        let page = list.customize().interceptor(seen.clone()).send().await;
        let page = page.map_err(|error| Failure::from_sdk(doing.clone(), &error))?;
        let body = seen.answer().unwrap_or_default().body;
        let uploads = self.read(&page, &extensions::of_uploads(&body));
        self.place = self.follow(&page, doing)?;
        Ok(Some(uploads))
    }

    /// The page's uploads, without those that are not meant or were on the page before.
    fn read(&mut self, page: &ListMultipartUploadsOutput, extensions: &[Extension]) -> Vec<Upload> {
        let mut shown = HashSet::new();
        let mut uploads = Vec::with_capacity(page.uploads().len());
        // Extensions are there for each upload, or, on other servers, for none.
        let mut extensions = extensions.iter().filter(|_| extensions.len() == page.uploads().len());
        for listed in page.uploads() {
            let extension = extensions.next().cloned().unwrap_or_default();
            let Some(upload) = self.upload(page, listed, extension) else { continue };
            let hash = hash(&(&upload.key, &upload.id));
            if upload.key.starts_with(&self.target.path)
                && shown.insert(hash)
                && !self.previous.contains(&hash)
            {
                self.undated += u64::from(upload.initiated.is_none());
                uploads.push(upload);
            }
        }
        self.previous = shown;
        uploads
    }

    fn upload(
        &self,
        page: &ListMultipartUploadsOutput,
        listed: &MultipartUpload,
        extension: Extension,
    ) -> Option<Upload> {
        let initiator = listed.initiator().and_then(|who| {
            who.display_name().filter(|name| !name.is_empty()).or(who.id()).filter(|id| !id.is_empty())
        });
        Some(Upload {
            bucket: self.target.bucket.clone(),
            key: decoded(page.encoding_type(), listed.key()?),
            id: listed.upload_id()?.to_owned(),
            initiated: listed.initiated().and_then(timestamp),
            initiator: initiator.map(str::to_owned),
            held: extension.held,
            fate: extension.fate,
        })
    }

    /// Where the walk goes on.
    fn follow(&mut self, page: &ListMultipartUploadsOutput, doing: String) -> Result<Place, Failure> {
        if page.is_truncated() != Some(true) {
            return Ok(Place::End);
        }
        let given = page.next_key_marker().filter(|key| !key.is_empty());
        let marker = match (given, page.uploads().last()) {
            (Some(key), _) => Marker {
                key: decoded(page.encoding_type(), key),
                upload_id: page.next_upload_id_marker().filter(|id| !id.is_empty()).map(str::to_owned),
            },
            // Some servers leave the markers out; they stand for the page's last upload.
            (None, Some(last)) => Marker {
                key: decoded(page.encoding_type(), last.key().unwrap_or_default()),
                upload_id: last.upload_id().map(str::to_owned),
            },
            (None, None) => {
                let why =
                    "the server says that more uploads follow, and gives neither a marker nor an upload";
                return Err(Failure::Nonsense { doing, why: why.into() });
            }
        };
        if !self.followed.insert(hash(&marker)) {
            let why = format!(
                "the server's pages go round in a circle: it leads to the key {:?} again",
                marker.key
            );
            return Err(Failure::Nonsense { doing, why });
        }
        Ok(Place::After(marker))
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Region};

    use super::*;

    fn walk(path: &str) -> Walk {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"));
        Walk::new(Client::from_conf(config.build()), format!("photos/{path}").parse().unwrap())
    }

    fn page(keys: &[(&str, &str)], next: Option<(&str, Option<&str>)>) -> ListMultipartUploadsOutput {
        let uploads =
            keys.iter().map(|(key, id)| MultipartUpload::builder().key(*key).upload_id(*id).build());
        ListMultipartUploadsOutput::builder()
            .set_uploads(Some(uploads.collect()))
            .is_truncated(next.is_some())
            .set_next_key_marker(next.map(|(key, _)| key.to_owned()))
            .set_next_upload_id_marker(next.and_then(|(_, id)| id).map(str::to_owned))
            .build()
    }

    fn ids(uploads: &[Upload]) -> Vec<&str> {
        uploads.iter().map(|upload| upload.id.as_str()).collect()
    }

    #[test]
    fn both_markers_are_followed_and_a_circle_is_an_error() {
        let mut walk = walk("");
        let mut follow = |key, id| walk.follow(&page(&[("a", "1")], Some((key, id))), "list".into());
        let Ok(Place::After(marker)) = follow("a", Some("1")) else { panic!("there is a way on") };
        assert_eq!((marker.key.as_str(), marker.upload_id.as_deref()), ("a", Some("1")));
        assert!(follow("a", Some("2")).is_ok(), "the same key, further on");
        assert!(follow("b", None).is_ok(), "a server without the second marker");
        let circle = follow("a", Some("1")).unwrap_err().to_string();
        assert!(circle.contains("circle"), "{circle}");
    }

    #[test]
    fn a_page_without_markers_is_followed_by_its_last_upload_or_not_at_all() {
        let mut walk = walk("");
        let Ok(Place::After(marker)) =
            walk.follow(&page(&[("a", "1"), ("b", "2")], Some(("", None))), String::new())
        else {
            panic!("there is a way on")
        };
        assert_eq!((marker.key.as_str(), marker.upload_id.as_deref()), ("b", Some("2")));
        let nowhere = walk.follow(&page(&[], Some(("", None))), "list".into()).unwrap_err().to_string();
        assert!(nowhere.contains("neither a marker nor an upload"), "{nowhere}");
    }

    #[test]
    fn nothing_outside_the_prefix_and_nothing_twice_is_shown() {
        let mut walk = walk("logs/");
        let first = page(&[("logs/a", "1"), ("other", "2"), ("logs/a", "3"), ("logs/a", "3")], None);
        assert_eq!(ids(&walk.read(&first, &[])), ["1", "3"]);
        assert_eq!(ids(&walk.read(&page(&[("logs/a", "3"), ("logs/b", "4")], None), &[])), ["4"]);
        assert_eq!(walk.undated(), 3);
    }

    #[test]
    fn extensions_belong_to_their_upload_or_to_none() {
        let held = |parts| Extension {
            held: Some(crate::uploads::upload::Held { parts, bytes: 0, last_activity: None }),
            fate: None,
        };
        let two = page(&[("a", "1"), ("b", "2")], None);
        let uploads = walk("").read(&two, &[held(1), held(2)]);
        assert_eq!(uploads.iter().map(Upload::parts).collect::<Vec<_>>(), [1, 2]);
        assert!(walk("").read(&two, &[held(1)]).iter().all(|upload| upload.held.is_none()));
    }
}
