//! All objects under a prefix, page by page, by ListObjectsV2.
//!
//! The walk ends: a server whose pages go round in a circle, or say that more follows without saying where, is an
//! error. What does not begin with the prefix is never handed on, whatever the server sends, because commands
//! delete what is listed here.

use std::collections::HashSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;
use crate::listed_key::decoded;
use crate::moment;
use crate::target::Target;
use crate::uploads::upload::timestamp;

/// How deep a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Up to the next slash; what is behind it is a folder.
    Folder,
    /// Every key.
    Everything,
}

/// One object, as far as a listing tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was stored.
    #[serde(serialize_with = "moment::json::time_or_null")]
    pub last_modified: Option<Timestamp>,
    /// Its ETag, with its quotes.
    pub etag: Option<String>,
    /// Its storage class.
    pub storage_class: Option<String>,
}

/// A page of the listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Prefixes that end in a slash, whole.
    pub folders: Vec<String>,
    /// Objects.
    pub objects: Vec<Listed>,
}

/// A walk through the keys of a bucket.
#[derive(Debug)]
pub struct Listing {
    client: Client,
    target: Target,
    depth: Depth,
    place: Place,
    followed: HashSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Token(String),
    /// Behind this key: for servers that page without tokens.
    Key(String),
    End,
}

impl Listing {
    /// A walk through what begins with the target's path.
    pub fn new(client: Client, target: Target, depth: Depth) -> Self {
        Self { client, target, depth, place: Place::Start, followed: HashSet::new() }
    }

    /// The next page; `None` behind the last.
    ///
    /// # Errors
    /// The server's refusal, or [`Failure::Nonsense`] when its pages lead nowhere.
    pub async fn next_page(&mut self) -> Result<Option<Page>, Failure> {
        let doing = || format!("list {}", self.target);
        let list = self.client.list_objects_v2().bucket(&self.target.bucket);
        let list = list.set_prefix(Some(self.target.path.clone()).filter(|prefix| !prefix.is_empty()));
        let list = match self.depth {
            Depth::Folder => list.delimiter("/"),
            Depth::Everything => list,
        };
        let list = match &self.place {
            Place::Start => list,
            Place::Token(token) => list.continuation_token(token),
            Place::Key(key) => list.start_after(key),
            Place::End => return Ok(None),
        };
        let sent = list.encoding_type(EncodingType::Url).send().await;
        let answer = sent.map_err(|error| Failure::from_sdk(doing(), &error))?;
        let page = self.read(&answer);
        self.place = self.follow(&answer, &page)?;
        Ok(Some(page))
    }

    fn read(&self, answer: &ListObjectsV2Output) -> Page {
        let (encoding, prefix) = (answer.encoding_type(), &self.target.path);
        let folders = answer.common_prefixes().iter().filter_map(|folder| folder.prefix());
        let objects = answer.contents().iter().filter_map(|object| {
            Some(Listed {
                key: decoded(encoding, object.key()?),
                bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                last_modified: object.last_modified().and_then(timestamp),
                etag: object.e_tag().map(str::to_owned),
                storage_class: object.storage_class().map(|class| class.as_str().to_owned()),
            })
        });
        Page {
            folders: folders
                .map(|folder| decoded(encoding, folder))
                .filter(|folder| folder.starts_with(prefix.as_str()))
                .collect(),
            objects: objects.filter(|object| object.key.starts_with(prefix.as_str())).collect(),
        }
    }

    fn follow(&mut self, answer: &ListObjectsV2Output, page: &Page) -> Result<Place, Failure> {
        if answer.is_truncated() != Some(true) {
            return Ok(Place::End);
        }
        let given = answer.next_continuation_token().filter(|token| !token.is_empty());
        let last = page.objects.last().map(|object| &object.key).max(page.folders.last());
        let (place, mark) = match (given, last) {
            (Some(token), _) => (Place::Token(token.to_owned()), token.to_owned()),
            (None, Some(key)) => (Place::Key(key.clone()), key.clone()),
            (None, None) => {
                let why = "the server says that more keys follow, and neither gives a token nor a key";
                return Err(Failure::Nonsense { doing: format!("list {}", self.target), why: why.into() });
            }
        };
        if self.followed.insert(mark) {
            return Ok(place);
        }
        let why = "the server's pages go round in a circle".into();
        Err(Failure::Nonsense { doing: format!("list {}", self.target), why })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Region};
    use aws_sdk_s3::types::{CommonPrefix, Object};

    use super::*;

    fn listing(path: &str) -> Listing {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"));
        let target = format!("photos/{path}").parse().unwrap();
        Listing::new(Client::from_conf(config.build()), target, Depth::Folder)
    }

    fn answer(keys: &[&str], token: Option<&str>) -> ListObjectsV2Output {
        let objects = keys.iter().map(|key| Object::builder().key(*key).size(1).build()).collect();
        let answer = ListObjectsV2Output::builder().set_contents(Some(objects));
        answer.is_truncated(true).set_next_continuation_token(token.map(str::to_owned)).build()
    }

    #[test]
    fn nothing_outside_the_prefix_is_handed_on() {
        let folders = ["logs/a/", "other/"].map(|name| CommonPrefix::builder().prefix(name).build());
        let mut strange = answer(&["logs/1", "other/2", "log"], None);
        strange.common_prefixes = Some(folders.into());
        let page = listing("logs/").read(&strange);
        assert_eq!(page.folders, ["logs/a/"]);
        assert_eq!(page.objects.iter().map(|object| &object.key).collect::<Vec<_>>(), ["logs/1"]);
    }

    #[test]
    fn tokens_are_followed_and_a_circle_is_an_error() {
        let mut listing = listing("");
        let mut follow = |keys: &[&str], token| {
            let answer = answer(keys, token);
            let page = listing.read(&answer);
            listing.follow(&answer, &page)
        };
        assert_eq!(follow(&["a"], Some("1")).unwrap(), Place::Token("1".into()));
        assert_eq!(follow(&["a", "b"], None).unwrap(), Place::Key("b".into()));
        assert!(follow(&["a"], Some("1")).unwrap_err().to_string().contains("circle"));
        assert!(follow(&[], None).unwrap_err().to_string().contains("neither gives a token"));
    }
}
