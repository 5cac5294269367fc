//! Quotas hold also where requests race: what fits alone and not together is refused to one of them, and nothing
//! of it stays.

use drystone_core::buckets::quota::{Quota, QuotaLimit, Quotas};
use drystone_core::error::Error;

use crate::world::{World, bytes, create, owner, part};

fn world(bytes_max: Option<u64>, uploads_max: Option<u64>) -> World {
    World::held_to(Quotas { others: Quota { bytes_max, uploads_max }, ..Quotas::default() })
}

fn over<T: std::fmt::Debug>(outcome: Result<T, Error>) -> QuotaLimit {
    match outcome {
        Err(Error::QuotaExceeded { limit, .. }) => limit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_two_parts_that_fit_alone_and_not_together_one_is_refused_and_its_bytes_are_free() {
    let world = world(Some(150_000), None);
    let upload = world.create_upload("wall");
    let mut tasks = [1, 2].map(|number| {
        let request = part(&upload, number, &bytes(100_000, number));
        let mut task =
            world.start(|store| async move { store.upload_part(&owner(), request).await.map(drop) });
        // Both are past the first look, which finds room for either.
        task.advance();
        Some(task)
    });
    let outcomes = [0, 1].map(|place| world.finish(tasks[place].take().unwrap()));
    let [first, second] = outcomes;
    first.unwrap();
    assert_eq!(over(second), QuotaLimit::Bytes { needed: 200_000, max: 150_000 });
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 100_000, "nothing of the refused part stays");
    assert_eq!(world.list_parts(&upload).unwrap().parts.len(), 1, "and the upload is open");
}

#[test]
fn of_two_uploads_where_one_is_allowed_one_is_created() {
    let world = world(None, Some(1));
    let tasks = ["a", "b"].map(|name| {
        world.start(|store| async move { store.create_upload(&owner(), create(name)).await.map(drop) })
    });
    let [first, second] = tasks.map(|task| world.finish(task));
    first.unwrap();
    assert_eq!(over(second), QuotaLimit::Uploads { max: 1 });
}
