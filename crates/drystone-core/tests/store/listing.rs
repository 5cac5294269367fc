//! Listing objects: against a listing by hand, for every prefix, delimiter, beginning and page size.

use std::collections::BTreeSet;

use drystone_core::objects::list::{From, ListEntry, ListObjects};
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::PutObject;

use crate::world::{BUCKET, World, bucket, bytes, owner, put, refusal, stranger};

/// Keys that lie close together in every way that key layouts get wrong: NUL and 0x01 next to the end,
/// delimiters twice, several bytes per character, the last character there is.
pub(crate) const KEYS: [&str; 24] = [
    "\0",
    "\0\0",
    "\u{1}",
    "../x",
    "/",
    "a",
    "a\0",
    "a\0\0",
    "a\0b",
    "a\u{1}",
    "a/",
    "a//b",
    "a/b",
    "a/b/c",
    "a0",
    "ab",
    "ab\0c/d",
    "b/1",
    "b/2",
    "é",
    "é/x",
    "日本/語",
    "\u{7f}",
    "\u{10ffff}",
];

/// Prefixes to list under: whole keys, their beginnings, and one that nothing begins with.
pub(crate) const PREFIXES: [&str; 11] =
    ["", "\0", "a", "a\0", "a/", "a/b", "b/", "é", "日本", "日本/語", "none"];

/// Delimiters, or none: usual, several bytes long, NUL, and one that no key has.
pub(crate) const DELIMITERS: [Option<&str>; 7] =
    [None, Some("/"), Some("//"), Some("\0"), Some("é"), Some("b/"), Some("?")];

/// The longest beginning of `key` that rolls up, if one does.
pub(crate) fn rolled<'k>(key: &'k str, prefix: &str, delimiter: Option<&str>) -> Option<&'k str> {
    let delimiter = delimiter?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// A line of a listing, to compare: the text, and whether it is a common prefix.
type Line = (String, bool);

fn by_hand(keys: &BTreeSet<&str>, prefix: &str, delimiter: Option<&str>, from: &From) -> Vec<Line> {
    let begins = |key: &&&str| match from {
        From::Start => true,
        From::After(after) => **key > after.as_str(),
        From::AfterPrefix(after) => **key > after.as_str() && !key.starts_with(after.as_str()),
    };
    let mut lines: Vec<Line> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)).filter(begins) {
        let line = match rolled(key, prefix, delimiter) {
            Some(common) => (common.to_owned(), true),
            None => ((*key).to_owned(), false),
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

fn list(world: &World, prefix: &str, delimiter: Option<&str>, from: From, max: usize) -> (Vec<Line>, bool) {
    let request = ListObjects {
        bucket: bucket(BUCKET),
        prefix: prefix.into(),
        delimiter: delimiter.map(Into::into),
        from,
        max,
    };
    let page = world.store.list_objects(&owner(), &request).unwrap();
    let line = |entry| match entry {
        ListEntry::Object(object) => (object.key.to_string(), false),
        ListEntry::Prefix(common) => (common, true),
    };
    (page.entries.into_iter().map(line).collect(), page.truncated)
}

/// Lists page by page, going on after the last line of each.
fn list_pages(world: &World, prefix: &str, delimiter: Option<&str>, max: usize) -> Vec<Line> {
    let (mut lines, mut from) = (Vec::new(), From::Start);
    loop {
        let (page, truncated) = list(world, prefix, delimiter, from, max);
        assert!(page.len() == max || !truncated, "a page that is not the last is full");
        from = match page.last() {
            None => From::Start,
            Some((text, true)) => From::AfterPrefix(text.clone()),
            Some((text, false)) => From::After(text.clone()),
        };
        lines.extend(page);
        if !truncated {
            return lines;
        }
    }
}

fn quarry() -> (World, BTreeSet<&'static str>) {
    let world = World::new();
    for name in KEYS {
        world.put(name, name.as_bytes());
    }
    // What stands beside the bucket must not show.
    world.create_bucket("quarry-2").unwrap();
    (world, KEYS.into())
}

#[test]
fn a_listing_is_what_a_listing_by_hand_is() {
    let (world, keys) = quarry();
    for prefix in PREFIXES {
        for delimiter in DELIMITERS {
            let want = by_hand(&keys, prefix, delimiter, &From::Start);
            assert_eq!(
                list(&world, prefix, delimiter, From::Start, 1000),
                (want, false),
                "{prefix:?} {delimiter:?}"
            );
        }
    }
}

#[test]
fn pages_of_every_size_never_repeat_or_skip() {
    let (world, keys) = quarry();
    for prefix in PREFIXES {
        for delimiter in DELIMITERS {
            let want = by_hand(&keys, prefix, delimiter, &From::Start);
            for max in 1..=want.len() + 1 {
                assert_eq!(
                    list_pages(&world, prefix, delimiter, max),
                    want,
                    "{prefix:?} {delimiter:?} {max}"
                );
            }
        }
    }
}

#[test]
fn a_listing_begins_after_any_text() {
    let (world, keys) = quarry();
    for prefix in PREFIXES {
        for delimiter in DELIMITERS {
            for text in KEYS.into_iter().chain(["a/b/", "aa", "z", "none/0"]) {
                for from in [From::After(text.into()), From::AfterPrefix(text.into())] {
                    let want = by_hand(&keys, prefix, delimiter, &from);
                    let (lines, _) = list(&world, prefix, delimiter, from.clone(), 1000);
                    assert_eq!(lines, want, "{prefix:?} {delimiter:?} {from:?}");
                }
            }
        }
    }
}

#[test]
fn a_common_prefix_of_many_keys_is_one_line() {
    let world = World::new();
    for name in 0..200 {
        world.put(&format!("heap/{name:03}"), b"");
        world.put(&format!("heap/{name:03}/deep"), b"");
    }
    world.put("heap", b"");
    world.put("heap0", b"");
    let want =
        [("heap", false), ("heap/", true), ("heap0", false)].map(|(text, common)| (text.to_owned(), common));
    assert_eq!(list(&world, "", Some("/"), From::Start, 1000), (want.clone().into(), false));
    for max in 1..3 {
        assert_eq!(list_pages(&world, "", Some("/"), max), want);
    }
    assert_eq!(list_pages(&world, "heap/", Some("/"), 7).len(), 400);
}

#[test]
fn a_page_of_nothing_is_not_truncated() {
    let (world, _) = quarry();
    assert_eq!(list(&world, "", None, From::Start, 0), (Vec::new(), false));
}

#[test]
fn a_page_says_whether_there_is_more() {
    let world = World::new();
    world.put("a", b"");
    world.put("b", b"");
    assert!(list(&world, "", None, From::Start, 1).1);
    assert!(!list(&world, "", None, From::Start, 2).1);
    assert!(!list(&world, "", None, From::After("a".into()), 1).1);
}

#[test]
fn deleted_keys_are_not_listed() {
    let (world, mut keys) = quarry();
    for name in ["a", "a\0", "a/b", "é/x", "\0"] {
        world.delete(name);
        keys.remove(name);
        assert_eq!(list(&world, "", None, From::Start, 1000).0, by_hand(&keys, "", None, &From::Start));
    }
    assert_eq!(
        list(&world, "", Some("/"), From::Start, 9).0,
        by_hand(&keys, "", Some("/"), &From::Start)[..9]
    );
}

#[test]
fn a_listed_object_says_what_it_is() {
    let world = World::new();
    let attributes = Attributes(vec![("x-amz-storage-class".into(), "STANDARD_IA".into())]);
    let outcome = world.try_put(PutObject { attributes, ..put("stone", &bytes(9000, 1)) }).unwrap();
    let request = ListObjects {
        bucket: bucket(BUCKET),
        prefix: String::new(),
        delimiter: None,
        from: From::Start,
        max: 9,
    };
    let page = world.store.list_objects(&owner(), &request).unwrap();
    let [ListEntry::Object(object)] = page.entries.as_slice() else { panic!("one object: {page:?}") };
    assert_eq!((object.size, object.etag, object.modified), (9000, outcome.etag, outcome.modified));
    assert_eq!((object.checksum, object.storage_class.as_deref()), (outcome.checksum, Some("STANDARD_IA")));
}

#[test]
fn only_the_owner_lists() {
    let world = World::new();
    let request = ListObjects {
        bucket: bucket(BUCKET),
        prefix: String::new(),
        delimiter: None,
        from: From::Start,
        max: 9,
    };
    assert_eq!(refusal(world.store.list_objects(&stranger(), &request)), "AccessDenied");
}
