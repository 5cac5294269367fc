//! Listing uploads: by key, then by initiation; each upload exactly once, whatever happens meanwhile.

use drystone_core::names::{Timestamp, UploadId};
use drystone_core::uploads::list::{ListUploads, UploadEntry, UploadsFrom};

use crate::listing::{DELIMITERS, KEYS, PREFIXES, rolled};
use crate::world::{BUCKET, Upload, World, bucket, bytes, create, owner, refusal};
use drystone_sim::clock::MORNING;

/// A line of a listing, to compare: a key with the upload's id, or a common prefix.
type Line = (String, Option<String>);

fn by_hand(uploads: &[Upload], prefix: &str, delimiter: Option<&str>, from: &UploadsFrom) -> Vec<Line> {
    let begins = |upload: &&Upload| {
        let (key, id) = (upload.key.as_str(), upload.id.as_str());
        match from {
            UploadsFrom::Start => true,
            UploadsFrom::AfterKey(after) => key > after.as_str(),
            UploadsFrom::AfterUpload { key: after, upload_id } => {
                (key, id) > (after.as_str(), upload_id.to_string().as_str())
            }
            UploadsFrom::AfterPrefix(after) => key > after.as_str() && !key.starts_with(after.as_str()),
        }
    };
    let mut sorted: Vec<&Upload> =
        uploads.iter().filter(|u| u.key.starts_with(prefix)).filter(begins).collect();
    // Stable: uploads of one key stay in the order in which they were made.
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut lines: Vec<Line> = Vec::new();
    for upload in sorted {
        let line = match rolled(&upload.key, prefix, delimiter) {
            Some(common) => (common.to_owned(), None),
            None => (upload.key.clone(), Some(upload.id.clone())),
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

fn list(
    world: &World,
    prefix: &str,
    delimiter: Option<&str>,
    from: UploadsFrom,
    max: usize,
) -> (Vec<Line>, bool) {
    let request = ListUploads {
        bucket: bucket(BUCKET),
        prefix: prefix.into(),
        delimiter: delimiter.map(Into::into),
        from,
        max,
    };
    let page = world.store.list_uploads(&owner(), &request).unwrap();
    let line = |entry| match entry {
        UploadEntry::Upload(upload) => (upload.key.to_string(), Some(upload.upload_id.to_string())),
        UploadEntry::Prefix(common) => (common, None),
    };
    (page.entries.into_iter().map(line).collect(), page.truncated)
}

fn after((text, id): &Line) -> UploadsFrom {
    match id {
        None => UploadsFrom::AfterPrefix(text.clone()),
        Some(id) => UploadsFrom::AfterUpload { key: text.clone(), upload_id: UploadId::parse(id).unwrap() },
    }
}

/// Lists page by page; `between` happens after each page, and is told its last line.
fn list_pages(
    world: &World,
    prefix: &str,
    delimiter: Option<&str>,
    max: usize,
    mut between: impl FnMut(&Line),
) -> Vec<Line> {
    let (mut lines, mut from) = (Vec::new(), UploadsFrom::Start);
    loop {
        let (page, truncated) = list(world, prefix, delimiter, from.clone(), max);
        if let Some(last) = page.last() {
            from = after(last);
            between(last);
        }
        lines.extend(page);
        if !truncated {
            return lines;
        }
    }
}

/// Uploads of every key, three rounds of them, while the clock jumps about.
fn quarry() -> (World, Vec<Upload>) {
    let world = World::new();
    let mut uploads = Vec::new();
    for time in [MORNING.0, MORNING.0 - 86_400_000, MORNING.0 + 1] {
        world.clock.set(Timestamp(time));
        uploads.extend(KEYS.map(|name| world.create_upload(name)));
    }
    (world, uploads)
}

#[test]
fn a_listing_is_what_a_listing_by_hand_is() {
    let (world, uploads) = quarry();
    for prefix in PREFIXES {
        for delimiter in DELIMITERS {
            let want = by_hand(&uploads, prefix, delimiter, &UploadsFrom::Start);
            let lines = list(&world, prefix, delimiter, UploadsFrom::Start, 1000);
            assert_eq!(lines, (want, false), "{prefix:?} {delimiter:?}");
        }
    }
}

#[test]
fn pages_of_every_size_never_repeat_or_skip() {
    let (world, uploads) = quarry();
    for prefix in PREFIXES {
        for delimiter in DELIMITERS {
            let want = by_hand(&uploads, prefix, delimiter, &UploadsFrom::Start);
            for max in [1, 2, 3, 7, want.len().max(1), want.len() + 1] {
                let lines = list_pages(&world, prefix, delimiter, max, |_| ());
                assert_eq!(lines, want, "{prefix:?} {delimiter:?} {max}");
            }
        }
    }
}

#[test]
fn a_listing_begins_after_any_key_upload_or_prefix() {
    let (world, mut uploads) = quarry();
    // Uploads that are gone mark their places among all others, also among those of other keys.
    let gone = [71, 30, 0].map(|at| uploads.remove(at));
    let ids = gone.map(|upload| {
        world.abort(&upload).unwrap();
        UploadId::parse(&upload.id).unwrap()
    });
    let texts = || KEYS.into_iter().chain(["a/b/", "aa", "z", "none/0"]);
    let mut froms: Vec<UploadsFrom> = Vec::new();
    for text in texts() {
        froms.push(UploadsFrom::AfterKey(text.into()));
        froms.push(UploadsFrom::AfterPrefix(text.into()));
        froms.extend(ids.map(|upload_id| UploadsFrom::AfterUpload { key: text.into(), upload_id }));
    }
    for prefix in PREFIXES {
        for delimiter in [None, Some("/"), Some("\0")] {
            for from in &froms {
                let want = by_hand(&uploads, prefix, delimiter, from);
                let (lines, _) = list(&world, prefix, delimiter, from.clone(), 1000);
                assert_eq!(lines, want, "{prefix:?} {delimiter:?} {from:?}");
            }
        }
    }
}

#[test]
fn an_upload_in_progress_marks_no_place_among_those_of_another_key() {
    let (world, uploads) = quarry();
    let upload_id = UploadId::parse(&uploads[0].id).unwrap();
    for text in KEYS {
        let from = UploadsFrom::AfterUpload { key: text.into(), upload_id };
        let request =
            ListUploads { bucket: bucket(BUCKET), prefix: String::new(), delimiter: None, from, max: 1 };
        let listed = world.store.list_uploads(&owner(), &request);
        if text == uploads[0].key {
            assert_eq!(listed.unwrap().entries.len(), 1);
        } else {
            assert_eq!(refusal(listed), "InvalidArgument", "{text:?}");
        }
    }
}

#[test]
fn a_clock_that_jumps_backwards_does_not_reorder_uploads() {
    let world = World::new();
    let mut made = Vec::new();
    for time in [MORNING.0, MORNING.0 - 3_600_000, 0, MORNING.0 - 1, MORNING.0 + 5, 7] {
        world.clock.set(Timestamp(time));
        made.push(world.create_upload("stone").id);
    }
    let (lines, _) = list(&world, "", None, UploadsFrom::Start, 1000);
    assert_eq!(lines.into_iter().filter_map(|(_, id)| id).collect::<Vec<_>>(), made);
    assert!(made.is_sorted(), "the order of ids is the order of initiation");
}

#[test]
fn an_upload_id_never_rolls_up() {
    // The bytes of an id are no text: a delimiter found among them would hide the upload.
    let world = World::new();
    let mut uploads = Vec::new();
    for time in 0..600 {
        world.clock.set(Timestamp(MORNING.0 + time * 0x2f01));
        uploads.push(world.create_upload("stone"));
    }
    for delimiter in ["/", "0", "a", "\u{1}"] {
        let mut want = by_hand(&uploads, "", None, &UploadsFrom::Start);
        if delimiter == "a" {
            want = by_hand(&uploads, "", Some("a"), &UploadsFrom::Start);
        }
        assert_eq!(list(&world, "", Some(delimiter), UploadsFrom::Start, 1000).0, want, "{delimiter:?}");
    }
}

#[test]
fn a_marker_whose_upload_was_aborted_meanwhile_is_a_position() {
    for max in [1, 2, 5] {
        let (world, mut uploads) = quarry();
        let want = by_hand(&uploads, "", None, &UploadsFrom::Start);
        let lines = list_pages(&world, "", None, max, |(name, id)| {
            let gone = Upload { key: name.clone(), id: id.clone().unwrap() };
            world.abort(&gone).unwrap();
            uploads.retain(|upload| upload.id != gone.id);
        });
        assert_eq!(lines, want, "each upload once, though every marker was aborted");
        assert_eq!(list(&world, "", None, UploadsFrom::Start, 1000).0.len(), uploads.len());
    }
}

#[test]
fn uploads_that_come_and_go_do_not_disturb_the_others() {
    let (world, uploads) = quarry();
    let mut passing: Vec<Upload> = Vec::new();
    let lines = list_pages(&world, "", None, 3, |(name, _)| {
        for upload in passing.drain(..) {
            world.abort(&upload).unwrap();
        }
        passing.push(world.create_upload(name));
        passing.push(world.create_upload("a"));
    });
    let mut seen: Vec<String> = lines.iter().filter_map(|(_, id)| id.clone()).collect();
    seen.retain(|id| uploads.iter().any(|upload| upload.id == *id));
    let want = by_hand(&uploads, "", None, &UploadsFrom::Start);
    assert_eq!(seen, want.into_iter().filter_map(|(_, id)| id).collect::<Vec<_>>());
}

#[test]
fn more_than_a_thousand_uploads_of_one_key_are_listed_once_each() {
    let world = World::new();
    let made: Vec<String> = (0..2_100).map(|_| world.create_upload("stone").id).collect();
    let lines = list_pages(&world, "", None, 1000, |_| ());
    assert_eq!(lines.into_iter().filter_map(|(_, id)| id).collect::<Vec<_>>(), made);
}

#[test]
fn a_listed_upload_says_what_it_holds() {
    let world = World::new();
    let upload = world.create_upload_with(create("stone"));
    world.part(&upload, 3, &[1; 1000]);
    world.clock.set(Timestamp(MORNING.0 + 9000));
    world.part(&upload, 8, &bytes(20_000, 1));
    world.part(&upload, 3, &[2; 500]);
    let request = ListUploads {
        bucket: bucket(BUCKET),
        prefix: String::new(),
        delimiter: None,
        from: UploadsFrom::Start,
        max: 10,
    };
    let page = world.store.list_uploads(&owner(), &request).unwrap();
    let [UploadEntry::Upload(listed)] = page.entries.as_slice() else { panic!("one upload: {page:?}") };
    assert_eq!((listed.initiated, &listed.initiator), (MORNING, &owner().account));
    assert_eq!((listed.held.parts, listed.held.bytes), (2, 20_500));
    assert_eq!(listed.held.last_activity, Timestamp(MORNING.0 + 9000));
}
