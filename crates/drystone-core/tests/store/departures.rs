//! Clients that go away in the middle: at every step of every operation its future is dropped, and
//! afterwards everything is either as before or as after it, with no byte left over.

use std::sync::Arc;
use std::task::Poll;

use drystone_core::error::Error;
use drystone_core::objects::delete::{DeleteObject, DeleteObjects, DeleteTarget};
use drystone_core::objects::put::Incoming;
use drystone_core::store::Store;
use drystone_core::uploads::part_copy::UploadPartCopy;

use crate::fed_body::Feed;
use crate::world::{
    BUCKET, Upload, World, abort, bucket, bytes, complete, copy, create, incoming, key, owner, part,
    part_copy, put,
};
use drystone_sim::hesitant::Pause;

pub(crate) type Running = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// What there is before every departure.
pub(crate) struct Before {
    pub(crate) world: World,
    pub(crate) upload: Upload,
    parts: Vec<(u64, drystone_core::names::ETag)>,
}

pub(crate) fn before(pause: Pause) -> Before {
    let world = World::hesitant(pause);
    world.put("stone", &bytes(100_000, 1));
    world.put("pebble", &bytes(100, 2));
    let upload = world.create_upload("wall");
    let parts = vec![(1, world.part(&upload, 1, &bytes(50_000, 3)).etag)];
    world.part(&upload, 2, &bytes(60_000, 4));
    world.settle();
    Before { world, upload, parts }
}

/// Drops the operation after `polls` polls; says whether it was over by then. The lane runs after each
/// poll; after the last one only if `lane_goes_on`, so that the command is dropped before or after it
/// was decided.
pub(crate) fn depart(world: &World, mut operation: Running, polls: usize, lane_goes_on: bool) -> bool {
    for poll in 1..=polls {
        let waker = std::task::Waker::noop();
        if let Poll::Ready(outcome) = operation.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
            outcome.expect("undisturbed, the operation succeeds");
            return true;
        }
        if poll < polls || lane_goes_on {
            world.run_lane();
        }
    }
    false
}

/// Runs the operation, going away after 0, 1, 2, ... polls. A world proves itself when it is dropped.
fn check(name: &str, operation: impl Fn(Arc<Store>, &Before) -> Running) {
    for pause in [Pause::BeforeWork, Pause::AfterWork] {
        for lane_goes_on in [true, false] {
            let mut polls = 0;
            loop {
                let before = before(pause);
                let running = operation(Arc::clone(&before.world.store), &before);
                let over = depart(&before.world, running, polls, lane_goes_on);
                before.world.settle();
                let report = before.world.verify();
                assert_eq!(
                    report.reclaimable_bytes, 0,
                    "{name}: given back though nobody waits, {polls} polls"
                );
                if over {
                    break;
                }
                polls += 1;
                assert!(polls < 100, "{name} ends");
            }
            assert!(polls > 1, "{name} has steps to go away at");
        }
    }
}

#[test]
fn a_put_can_be_left_anywhere() {
    for size in [0, 100, 100_000, 1_200_000] {
        for name in ["new", "stone", "pebble"] {
            check("put", |store, _| {
                let request = put(name, &bytes(size, 9));
                Box::pin(async move { store.put_object(&owner(), request).await.map(drop) })
            });
        }
    }
}

#[test]
fn a_put_whose_body_never_ends_can_be_left() {
    for size in [100, 100_000] {
        let Before { world, .. } = before(Pause::AfterWork);
        let body = bytes(size, 9);
        let (feed, arriving) = Feed::new();
        let mut request = put("new", b"");
        request.incoming = Incoming { body: arriving, ..incoming(&body) };
        let mut task = world.start(|store| async move { store.put_object(&owner(), request).await });
        feed.send(&body[..50]);
        task.advance();
        drop(task);
        assert_eq!(world.bytes_in_volumes(), 210_000, "given back at once: nobody else knows of it");
    }
}

#[test]
fn a_part_can_be_left_anywhere() {
    for size in [0, 100, 100_000, 1_200_000] {
        for number in [1, 7] {
            check("part", |store, before| {
                let request = part(&before.upload, number, &bytes(size, 9));
                Box::pin(async move { store.upload_part(&owner(), request).await.map(drop) })
            });
        }
    }
}

#[test]
fn a_copied_part_can_be_left_anywhere() {
    for source in ["stone", "pebble"] {
        for range in [None, Some(3..=77)] {
            check("part copy", |store, before| {
                let request = UploadPartCopy { range: range.clone(), ..part_copy(source, &before.upload, 1) };
                Box::pin(async move { store.upload_part_copy(&owner(), request).await.map(drop) })
            });
        }
    }
}

#[test]
fn a_copy_can_be_left_anywhere() {
    for source in ["stone", "pebble"] {
        check("copy", |store, _| {
            let request = copy(source, "stone-2");
            Box::pin(async move { store.copy_object(&owner(), request).await.map(drop) })
        });
    }
}

#[test]
fn a_delete_can_be_left_anywhere() {
    check("delete", |store, _| {
        let target = DeleteTarget { key: key("stone"), if_match: None };
        let request = DeleteObject { bucket: bucket(BUCKET), target };
        Box::pin(async move { store.delete_object(&owner(), request).await })
    });
    check("delete many", |store, _| {
        let objects = ["stone", "pebble"].map(|name| DeleteTarget { key: key(name), if_match: None });
        let request = DeleteObjects { bucket: bucket(BUCKET), objects: objects.into() };
        Box::pin(async move { store.delete_objects(&owner(), request).await.map(drop) })
    });
}

#[test]
fn creating_an_upload_can_be_left_anywhere() {
    check("create upload", |store, _| {
        Box::pin(async move { store.create_upload(&owner(), create("wall")).await.map(drop) })
    });
}

#[test]
fn a_complete_can_be_left_anywhere() {
    check("complete", |store, before| {
        let request = complete(&before.upload, &before.parts);
        Box::pin(async move { store.complete_upload(&owner(), request).await.map(drop) })
    });
}

#[test]
fn an_abort_can_be_left_anywhere() {
    check("abort", |store, before| {
        let request = abort(&before.upload);
        Box::pin(async move { store.abort_upload(&owner(), request).await.map(drop) })
    });
}

#[test]
fn an_abort_that_was_decided_is_final_though_its_client_left() {
    let Before { world, upload, .. } = before(Pause::BeforeWork);
    let request = abort(&upload);
    let mut task = world.start(|store| async move { store.abort_upload(&owner(), request).await });
    task.advance();
    drop(task);
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 100_000, "nobody waits for the answer, and the bytes are free");
}

#[test]
fn deleting_a_bucket_can_be_left_anywhere() {
    for pause in [Pause::BeforeWork, Pause::AfterWork] {
        for lane_goes_on in [true, false] {
            for polls in 0.. {
                let Before { world, .. } = before(pause);
                world.delete("stone");
                world.delete("pebble");
                let store = Arc::clone(&world.store);
                let running = Box::pin(async move { store.delete_bucket(&owner(), &bucket(BUCKET)).await });
                let over = depart(&world, running, polls, lane_goes_on);
                world.settle();
                let gone = world.store.head_bucket(&owner(), &bucket(BUCKET)).is_err();
                let held = if gone { 0 } else { 110_000 };
                assert_eq!(world.bytes_in_volumes(), held, "{polls} polls: a deleted bucket holds nothing");
                if over {
                    break;
                }
            }
        }
    }
}

#[test]
fn deleting_a_bucket_of_many_uploads_goes_on_when_its_client_left() {
    for polls in 0.. {
        // More than one transaction frees; only the last has bytes, so the first frees none.
        let world = World::hesitant(Pause::AfterWork);
        (0..1_000).for_each(|_| drop(world.create_upload("wall")));
        world.part(&world.create_upload("water"), 1, &bytes(50_000, 1));
        let store = Arc::clone(&world.store);
        let running = Box::pin(async move { store.delete_bucket(&owner(), &bucket(BUCKET)).await });
        let over = depart(&world, running, polls, true);
        world.settle();
        let gone = world.store.head_bucket(&owner(), &bucket(BUCKET)).is_err();
        assert_eq!(world.bytes_in_volumes(), if gone { 0 } else { 50_000 }, "{polls} polls");
        if over {
            assert!(polls > 1, "there are steps to go away at: {polls}");
            break;
        }
    }
}
