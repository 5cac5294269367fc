//! The census: every unfinished upload is counted once, with its bytes, in its bucket and in its class of age.

use std::time::Duration;

use drystone_core::lifecycle::rules::{AbortAfter, Rule, Rules, Status};
use drystone_core::names::Timestamp;
use drystone_core::uploads::census::{AGE_CLASSES, Census, CensusStep, ReclaimQueue, Unfinished};
use drystone_core::world::Clock as _;

use crate::world::{BUCKET, World, bucket, bytes, owner};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A whole walk, and how many steps it took.
fn walk(world: &World) -> (Census, usize) {
    let mut walk = world.store.begin_census().unwrap();
    for steps in 1.. {
        match world.store.census_step(walk).unwrap() {
            CensusStep::More(rest) => walk = rest,
            CensusStep::Whole(census) => return (census, steps),
        }
    }
    unreachable!("a walk ends")
}

fn of(world: &World, name: &str) -> Unfinished {
    let (census, _) = walk(world);
    census.buckets.into_iter().find(|(bucket, _)| bucket.as_str() == name).expect("it is counted").1
}

fn set_rule(world: &World, prefix: &str, status: Status) {
    let rule = Rule { id: "rule".into(), status, prefix: prefix.into(), abort_after: AbortAfter::Days(90) };
    let rules = Rules::new(vec![rule]).unwrap();
    world.run(world.store.put_lifecycle(&owner(), &bucket(BUCKET), rules)).unwrap();
}

#[test]
fn bytes_stand_in_the_class_of_their_upload_s_age() {
    let world = World::new();
    let ages = [40 * DAY, 30 * DAY, 29 * DAY, 7 * DAY, 6 * DAY, DAY, 23 * HOUR, HOUR, HOUR / 2];
    let younger = ages.iter().copied().skip(1).chain([Duration::ZERO]);
    for ((place, age), next) in ages.into_iter().enumerate().zip(younger) {
        let upload = world.create_upload(&format!("{place}"));
        // Powers of ten as far as they go, so that each sum says which uploads are in it.
        world.part(&upload, 1, &bytes(10_u64.pow(place.min(5).try_into().unwrap()), 1));
        world.clock.forward(age.saturating_sub(next));
    }
    let found = of(&world, BUCKET);
    assert_eq!(AGE_CLASSES.map(|(name, _)| name), ["<1h", "<1d", "<7d", "<30d", "older"]);
    assert_eq!(found.bytes_by_age, [100_000, 200_000, 110_000, 1_100, 11]);
    assert_eq!((found.uploads, found.held_bytes()), (9, 411_111));
}

#[test]
fn many_uploads_take_many_steps_and_each_is_counted_once() {
    let world = World::new();
    world.create_bucket("empty").unwrap();
    world.create_bucket("other").unwrap();
    let first = world.clock.now().0;
    let mut held = 0;
    for number in 0..2_500_u64 {
        let upload = world.create_upload(&format!("k{number}"));
        if number % 500 == 3 {
            world.part(&upload, 1, &bytes(number, 1));
            world.part(&upload, 2, &bytes(10, 2));
            held += number + 10;
        }
        world.clock.forward(Duration::from_millis(1));
    }
    let (census, steps) = walk(&world);
    assert!((4..=8).contains(&steps), "{steps} steps of at most a thousand rows");
    let names: Vec<&str> = census.buckets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["empty", "other", BUCKET]);
    assert_eq!(census.buckets[0].1, Unfinished::default());
    let found = census.buckets[2].1;
    assert_eq!((found.uploads, found.held_bytes()), (2_500, held));
    assert_eq!(found.oldest, Some(Timestamp(first)));
}

#[test]
fn an_upload_that_ends_is_not_counted_any_more_and_its_bytes_stand_in_the_queue_until_they_are_given_back() {
    let world = World::new();
    let old = world.create_upload("old");
    world.part(&old, 1, &bytes(50_000, 1));
    world.clock.forward(HOUR);
    let young = world.create_upload("young");
    world.part(&young, 1, &bytes(7, 1));
    assert_eq!(walk(&world).0.reclaim, ReclaimQueue::default());
    world.abort(&old).unwrap();
    let (census, _) = walk(&world);
    assert_eq!(census.reclaim, ReclaimQueue { extents: 1, bytes: 50_000 });
    let found = census.buckets[0].1;
    assert_eq!((found.uploads, found.held_bytes()), (1, 7));
    assert_eq!(found.oldest, Some(Timestamp(world.clock.now().0)));
    world.settle();
    assert_eq!(walk(&world).0.reclaim, ReclaimQueue::default());
    world.delete_bucket(BUCKET).unwrap();
    assert_eq!(walk(&world).0.buckets, []);
}

#[test]
fn the_oldest_upload_that_no_rule_will_abort_is_known() {
    let world = World::new();
    let times = ["a/1", "b/1", "a/2"].map(|key| {
        world.create_upload(key);
        world.clock.forward(HOUR);
        Some(Timestamp(world.clock.now().0 - 3_600_000))
    });
    let oldest = || {
        let found = of(&world, BUCKET);
        (found.oldest, found.oldest_without_rule)
    };
    assert_eq!(oldest(), (times[0], times[0]));
    set_rule(&world, "a/", Status::Enabled);
    assert_eq!(oldest(), (times[0], times[1]));
    set_rule(&world, "", Status::Enabled);
    assert_eq!(oldest(), (times[0], None));
    set_rule(&world, "", Status::Disabled);
    assert_eq!(oldest(), (times[0], times[0]), "a rule that does nothing is none");
}

#[test]
fn a_walk_that_others_disturb_counts_whatever_stays_once() {
    let world = World::new();
    let uploads: Vec<_> = (0..1_500).map(|number| world.create_upload(&format!("k{number:04}"))).collect();
    let begun = world.store.begin_census().unwrap();
    let CensusStep::More(begun) = world.store.census_step(begun).unwrap() else { panic!("there is more") };
    world.abort(&uploads[0]).unwrap();
    world.abort(&uploads[999]).unwrap();
    world.abort(&uploads[1_000]).unwrap();
    world.create_upload("late");
    let mut walk = begun;
    let census = loop {
        match world.store.census_step(walk).unwrap() {
            CensusStep::More(rest) => walk = rest,
            CensusStep::Whole(census) => break census,
        }
    };
    // The thousand of the first page, the 499 that were left behind it, and the late one.
    assert_eq!(census.buckets[0].1.uploads, 1_500);
}
