//! The audit: what became of an upload is told once, when it has happened for good, and never otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drystone_core::audit::{Audit, Cause, Deed, Event};
use drystone_core::error::Error;
use drystone_core::lifecycle::rules::{AbortAfter, Rule, Rules, Status};
use drystone_core::meta::door::{BoxFuture, Command, Meta, MetaError, Verdict, View};
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::meta::overlay::Overlay;
use drystone_core::uploads::abort::Aborted;
use drystone_sim::hesitant::Pause;
use parking_lot::Mutex;

use crate::departures::{before, depart};
use crate::world::{
    BUCKET, Upload, World, abort, bucket, bytes, complete, create, owner, part_bytes, stranger,
};

/// Keeps what it is told.
#[derive(Default)]
pub(crate) struct Books(Mutex<Vec<Event>>);

impl Audit for Books {
    fn told(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}

impl Books {
    /// What was told since the last look.
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock())
    }
}

/// What is to be told of `upload`.
fn of(upload: &Upload, deed: Deed, parts: u64, bytes: u64) -> Event {
    let asked = !matches!(deed, Deed::Aborted(Cause::Rule(_)));
    let id = drystone_core::names::UploadId::parse(&upload.id).unwrap();
    Event {
        deed,
        caller: asked.then(owner),
        bucket: bucket(BUCKET),
        upload: Some((crate::world::key(&upload.key), id)),
        parts,
        bytes,
    }
}

#[test]
fn every_upload_s_beginning_and_end_is_told_once_with_what_it_held() {
    let world = World::new();
    let wall = world.create_upload("wall\n");
    assert_eq!(world.books.take(), [of(&wall, Deed::Created, 0, 0)]);
    let first = world.part(&wall, 1, &part_bytes(1));
    world.part(&wall, 2, &bytes(100, 2));
    let last = world.part(&wall, 3, &bytes(7, 3));
    assert_eq!(world.books.take(), [], "parts are not told of");
    let listed = [(1, first.etag), (3, last.etag)];
    world.complete(&wall, &listed);
    let discarded = Aborted { parts: 1, bytes: 100 };
    let size = part_bytes(1).len() as u64 + 7;
    assert_eq!(world.books.take(), [of(&wall, Deed::Completed { discarded }, 2, size)]);
    world.complete(&wall, &listed);
    assert_eq!(world.books.take(), [], "a repeated Complete gets its answer again, and does nothing");
    let left = world.create_upload("left");
    world.part(&left, 1, &bytes(50, 4));
    world.books.take();
    world.run(world.store.abort_upload(&stranger(), abort(&left))).unwrap_err();
    assert_eq!(world.books.take(), [], "what was refused did not happen");
    world.abort(&left).unwrap();
    assert_eq!(world.books.take(), [of(&left, Deed::Aborted(Cause::Request), 1, 50)]);
    world.abort(&left).unwrap_err();
    assert_eq!(world.books.take(), []);
}

#[test]
fn what_a_rule_aborts_is_told_with_the_rule() {
    let world = World::new();
    let left = world.create_upload("left");
    world.part(&left, 1, &bytes(50, 4));
    let rule = Rule {
        id: "day".into(),
        status: Status::Enabled,
        prefix: "".into(),
        abort_after: AbortAfter::Hours(24),
    };
    let rules = Rules::new(vec![rule]).unwrap();
    world.run(world.store.put_lifecycle(&owner(), &bucket(BUCKET), rules)).unwrap();
    world.clock.forward(Duration::from_hours(24));
    world.books.take();
    world.run(world.store.expire_uploads(|_| ())).unwrap();
    world.settle();
    assert_eq!(world.books.take(), [of(&left, Deed::Aborted(Cause::Rule("day".into())), 1, 50)]);
}

#[test]
fn a_deleted_bucket_is_told_with_all_that_went_with_it() {
    let world = World::new();
    world.create_bucket("empty").unwrap();
    world.delete_bucket("empty").unwrap();
    assert_eq!(world.books.take(), [], "no upload went");
    // More than one transaction frees.
    let uploads: Vec<Upload> = (0..1_100).map(|number| world.create_upload(&format!("k{number}"))).collect();
    world.part(&uploads[7], 1, &bytes(50, 4));
    world.part(&uploads[1_099], 9, &bytes(5, 4));
    world.books.take();
    world.delete_bucket(BUCKET).unwrap();
    let told = Event {
        deed: Deed::BucketDeleted { uploads: 1_100 },
        caller: Some(owner()),
        bucket: bucket(BUCKET),
        upload: None,
        parts: 2,
        bytes: 55,
    };
    assert_eq!(world.books.take(), [told]);
}

#[test]
fn nobody_can_hide_an_abort_by_hanging_up() {
    for pause in [Pause::BeforeWork, Pause::AfterWork] {
        for lane_goes_on in [true, false] {
            for polls in 0.. {
                let before = before(pause);
                before.world.books.take();
                let (store, request) = (Arc::clone(&before.world.store), abort(&before.upload));
                let running = Box::pin(async move { store.abort_upload(&owner(), request).await.map(drop) });
                let over = depart(&before.world, running, polls, lane_goes_on);
                before.world.settle();
                let gone = before.world.list_parts(&before.upload).is_err();
                let told = of(&before.upload, Deed::Aborted(Cause::Request), 2, 110_000);
                let told = if gone { vec![told] } else { Vec::new() };
                assert_eq!(before.world.books.take(), told, "{polls} polls, {pause:?}, {lane_goes_on}");
                if over {
                    break;
                }
            }
        }
    }
}

/// An engine whose disk fails when it is told to.
#[derive(Default)]
struct Failing {
    inner: MemoryMeta,
    fails: AtomicBool,
}

impl Meta for Failing {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        self.inner.snapshot()
    }

    fn submit(&self, mut command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        if !self.fails.load(Ordering::SeqCst) {
            return self.inner.submit(command);
        }
        let verdict = {
            let view = self.inner.snapshot();
            command.run(&mut Overlay::new(&*view))
        };
        assert_eq!(verdict, Verdict::Commit, "it is decided, and then cannot be made durable");
        command.settle(Err(MetaError::Engine("the disk is gone".into())));
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn what_did_not_reach_the_disk_is_not_told() {
    let meta = Arc::new(Failing::default());
    let world = World::over_meta(meta.clone());
    let upload = world.create_upload("wall");
    let part = world.part(&upload, 1, &bytes(50, 4));
    world.books.take();
    meta.fails.store(true, Ordering::SeqCst);
    for failed in [
        world.run(world.store.create_upload(&owner(), create("wall"))).map(drop),
        world.abort(&upload).map(drop),
        world.try_complete(complete(&upload, &[(1, part.etag)])).map(drop),
        world.delete_bucket(BUCKET),
    ] {
        assert!(matches!(failed, Err(Error::Meta(MetaError::Engine(_)))), "{failed:?}");
    }
    meta.fails.store(false, Ordering::SeqCst);
    assert_eq!(world.books.take(), []);
}
