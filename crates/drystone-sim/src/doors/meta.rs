//! What every metadata engine must do.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};

use bytes::Bytes;
use drystone_core::data::door::Pending;
use drystone_core::meta::door::{Command, Meta, MetaError, Order, Tx, Verdict, View};
use futures_channel::oneshot;

use crate::wait::wait;

/// Makes an empty engine. What it returns beside the engine is kept until the check is over.
pub type Make<'m> = &'m dyn Fn() -> (Arc<dyn Meta>, Box<dyn std::any::Any>);

/// Runs the whole suite.
pub fn all(make: Make<'_>) {
    writes_are_read_after_they_are_settled(make);
    a_refused_command_leaves_nothing(make);
    a_transaction_reads_its_own_writes(make);
    commands_of_one_batch_see_each_other(make);
    snapshots_do_not_move(make);
    scans_honour_bounds_and_order(make);
    empty_and_reversed_ranges_have_no_rows(make);
    long_scans_cross_every_page(make);
    any_sequence_matches_a_map(make);
    counters_lose_no_increment(make);
    every_command_is_settled_once(make);
    a_panicking_command_stops_the_lane(make);
    large_values_come_back(make);
}

/// Both ends of a range of keys.
type Bounds<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);

/// Refusals of the suite's own commands.
#[derive(Debug)]
enum Refused {
    OnPurpose,
    Meta(MetaError),
}

impl From<MetaError> for Refused {
    fn from(error: MetaError) -> Self {
        Self::Meta(error)
    }
}

fn commit<T: Send + 'static>(
    meta: &Arc<dyn Meta>,
    decide: impl FnMut(&mut dyn Tx) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    wait(meta.commit(Vec::<Pending>::new(), decide)).map_err(|(refused, _)| refused)
}

fn put(meta: &Arc<dyn Meta>, rows: &[(&'static str, &'static str)]) {
    let rows = rows.to_vec();
    let put = commit(meta, move |tx| {
        for (key, value) in &rows {
            tx.put(key.as_bytes().to_vec(), value.as_bytes().to_vec());
        }
        Ok(())
    });
    put.expect("the engine takes a plain write");
}

fn get(meta: &Arc<dyn Meta>, key: &str) -> Option<Bytes> {
    meta.snapshot().get(key.as_bytes()).expect("the engine reads")
}

fn rows(view: &dyn View, range: Bounds<'_>, order: Order) -> Vec<(Bytes, Bytes)> {
    view.scan(range, order).collect::<Result<_, _>>().expect("the engine scans")
}

fn keys(view: &dyn View, range: Bounds<'_>, order: Order) -> Vec<String> {
    rows(view, range, order).into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect()
}

const EVERYTHING: Bounds<'static> = (Bound::Unbounded, Bound::Unbounded);

/// A settled write is seen by every later snapshot; a settled removal too.
pub fn writes_are_read_after_they_are_settled(make: Make<'_>) {
    let (meta, _kept) = make();
    assert_eq!(get(&meta, "a"), None);
    put(&meta, &[("a", "1"), ("b", "2")]);
    assert_eq!(get(&meta, "a").as_deref(), Some(&b"1"[..]));
    put(&meta, &[("a", "3")]);
    assert_eq!(get(&meta, "a").as_deref(), Some(&b"3"[..]));
    commit(&meta, |tx| {
        tx.delete(b"a".to_vec());
        tx.delete(b"never there".to_vec());
        Ok(())
    })
    .expect("removals commit");
    assert_eq!(get(&meta, "a"), None);
    assert_eq!(keys(&*meta.snapshot(), EVERYTHING, Order::Ascending), ["b"]);
}

/// Nothing of a refused command remains, and its refusal comes back.
pub fn a_refused_command_leaves_nothing(make: Make<'_>) {
    let (meta, _kept) = make();
    put(&meta, &[("kept", "1")]);
    let refused = commit(&meta, |tx| {
        tx.put(b"new".to_vec(), b"x".to_vec());
        tx.delete(b"kept".to_vec());
        Err::<(), _>(Refused::OnPurpose)
    });
    assert!(matches!(refused, Err(Refused::OnPurpose)), "{refused:?}");
    assert_eq!(rows(&*meta.snapshot(), EVERYTHING, Order::Ascending), [("kept".into(), "1".into())]);
}

/// Inside a transaction reads and scans show its writes and removals, in both orders.
pub fn a_transaction_reads_its_own_writes(make: Make<'_>) {
    let (meta, _kept) = make();
    put(&meta, &[("a", "old"), ("c", "old"), ("e", "old")]);
    commit(&meta, |tx| {
        tx.put(b"b".to_vec(), b"new".to_vec());
        tx.put(b"c".to_vec(), b"new".to_vec());
        tx.delete(b"a".to_vec());
        tx.put(b"f".to_vec(), b"gone".to_vec());
        tx.delete(b"f".to_vec());
        assert_eq!(tx.get(b"a")?, None);
        assert_eq!(tx.get(b"c")?.as_deref(), Some(&b"new"[..]));
        assert_eq!(tx.get(b"e")?.as_deref(), Some(&b"old"[..]));
        let want = [("b", "new"), ("c", "new"), ("e", "old")].map(|(k, v)| (Bytes::from(k), Bytes::from(v)));
        let found: Vec<_> = tx.scan(EVERYTHING, Order::Ascending).collect::<Result<_, _>>()?;
        assert_eq!(found, want);
        let mut found: Vec<_> = tx.scan(EVERYTHING, Order::Descending).collect::<Result<_, _>>()?;
        found.reverse();
        assert_eq!(found, want);
        let below_c = (Bound::Unbounded, Bound::Excluded(&b"c"[..]));
        assert_eq!(tx.scan(below_c, Order::Descending).count(), 1);
        Ok(())
    })
    .expect("the transaction commits");
    assert_eq!(keys(&*meta.snapshot(), EVERYTHING, Order::Ascending), ["b", "c", "e"]);
}

/// Commands that wait together are run one after another: each sees the accepted ones before it
/// and nothing of the refused ones.
pub fn commands_of_one_batch_see_each_other(make: Make<'_>) {
    const COMMANDS: u32 = 200;
    let (meta, _kept) = make();
    let mut answers = Vec::new();
    for number in 0..COMMANDS {
        let (sender, answer) = oneshot::channel();
        wait(meta.submit(Box::new(Append { number, refuse: number % 3 == 2, answer: Some(sender) })));
        answers.push(answer);
    }
    for answer in answers {
        wait(answer).expect("every command is settled").expect("and settled well");
    }
    let log = get(&meta, "log").expect("the log was written");
    let want: Vec<u8> = (0..COMMANDS).filter(|n| n % 3 != 2).flat_map(u32::to_be_bytes).collect();
    assert_eq!(log, want, "accepted commands ran in the order in which they came");
    assert_eq!(get(&meta, "refused"), None);
}

/// Appends its number to one row, or writes another row and refuses.
struct Append {
    number: u32,
    refuse: bool,
    answer: Option<oneshot::Sender<Result<(), MetaError>>>,
}

impl Command for Append {
    fn run(&mut self, tx: &mut dyn Tx) -> Verdict {
        assert!(matches!(tx.get(b"refused"), Ok(None)), "nothing of a refused command is seen");
        if self.refuse {
            tx.put(b"refused".to_vec(), vec![1]);
            return Verdict::Refuse;
        }
        let Ok(log) = tx.get(b"log") else { return Verdict::Refuse };
        let mut log = log.map(Vec::from).unwrap_or_default();
        log.extend(self.number.to_be_bytes());
        tx.put(b"log".to_vec(), log);
        Verdict::Commit
    }

    fn settle(mut self: Box<Self>, outcome: Result<(), MetaError>) {
        let answer = self.answer.take().expect("settled once");
        drop(answer.send(outcome));
    }
}

/// A snapshot shows one moment, whatever is committed later, and an open scan stays in it.
pub fn snapshots_do_not_move(make: Make<'_>) {
    let (meta, _kept) = make();
    put(&meta, &[("a", "1"), ("b", "1"), ("c", "1")]);
    let before = meta.snapshot();
    let mut scan = before.scan(EVERYTHING, Order::Ascending);
    assert!(scan.next().is_some_and(|row| row.is_ok_and(|(key, _)| key == "a")));
    put(&meta, &[("a", "2"), ("b", "2"), ("bb", "2")]);
    commit(&meta, |tx| {
        tx.delete(b"c".to_vec());
        Ok(())
    })
    .expect("the removal commits");
    let rest: Vec<_> = scan.collect::<Result<_, _>>().expect("the scan goes on");
    assert_eq!(rest, [("b".into(), "1".into()), ("c".into(), "1".into())]);
    assert_eq!(before.get(b"a").expect("reads").as_deref(), Some(&b"1"[..]));
    assert_eq!(keys(&*before, EVERYTHING, Order::Descending), ["c", "b", "a"]);
    let after = meta.snapshot();
    assert_eq!(keys(&*after, EVERYTHING, Order::Ascending), ["a", "b", "bb"]);
    drop(before);
    put(&meta, &[("a", "3")]);
    assert_eq!(after.get(b"a").expect("reads").as_deref(), Some(&b"2"[..]));
    assert_eq!(get(&meta, "a").as_deref(), Some(&b"3"[..]));
}

/// Included, excluded and open bounds, in both orders.
pub fn scans_honour_bounds_and_order(make: Make<'_>) {
    let (meta, _kept) = make();
    put(&meta, &[("a", ""), ("b", ""), ("b\0", ""), ("c", ""), ("d", "")]);
    let (b, c) = (&b"b"[..], &b"c"[..]);
    let cases: [(Bounds<'_>, &[&str]); 6] = [
        (EVERYTHING, &["a", "b", "b\0", "c", "d"]),
        ((Bound::Included(b), Bound::Included(c)), &["b", "b\0", "c"]),
        ((Bound::Excluded(b), Bound::Excluded(c)), &["b\0"]),
        ((Bound::Excluded(b), Bound::Unbounded), &["b\0", "c", "d"]),
        ((Bound::Unbounded, Bound::Excluded(b)), &["a"]),
        ((Bound::Included(&b"bb"[..]), Bound::Included(&b"bz"[..])), &[]),
    ];
    for (range, want) in cases {
        let view = meta.snapshot();
        assert_eq!(keys(&*view, range, Order::Ascending), want, "{range:?}");
        let mut found = keys(&*view, range, Order::Descending);
        found.reverse();
        assert_eq!(found, want, "{range:?} downwards");
    }
}

/// A range in which no key can lie is empty, outside and inside a transaction.
pub fn empty_and_reversed_ranges_have_no_rows(make: Make<'_>) {
    let (meta, _kept) = make();
    put(&meta, &[("a", ""), ("b", ""), ("c", "")]);
    let (a, c) = (&b"a"[..], &b"c"[..]);
    let ranges = [
        (Bound::Included(c), Bound::Included(a)),
        (Bound::Excluded(c), Bound::Excluded(a)),
        (Bound::Excluded(a), Bound::Excluded(a)),
        (Bound::Included(a), Bound::Excluded(a)),
        (Bound::Excluded(a), Bound::Included(a)),
    ];
    for range in ranges {
        for order in [Order::Ascending, Order::Descending] {
            assert!(keys(&*meta.snapshot(), range, order).is_empty(), "{range:?}");
        }
    }
    commit(&meta, move |tx| {
        tx.put(b"b".to_vec(), b"x".to_vec());
        for range in ranges {
            assert_eq!(tx.scan(range, Order::Ascending).count(), 0, "{range:?}");
            assert_eq!(tx.scan(range, Order::Descending).count(), 0, "{range:?}");
        }
        Ok(())
    })
    .expect("the transaction commits");
}

/// Thousands of rows come back complete, in order, and from any start.
pub fn long_scans_cross_every_page(make: Make<'_>) {
    const ROWS: u32 = 5_000;
    let (meta, _kept) = make();
    for first in (0..ROWS).step_by(500) {
        commit(&meta, move |tx| {
            for number in first..first + 500 {
                tx.put(number.to_be_bytes().to_vec(), vec![number as u8; 40]);
            }
            Ok(())
        })
        .expect("the rows commit");
    }
    let view = meta.snapshot();
    let number = |(key, _): (Bytes, Bytes)| u32::from_be_bytes(key.as_ref().try_into().expect("four bytes"));
    let all: Vec<u32> = rows(&*view, EVERYTHING, Order::Ascending).into_iter().map(number).collect();
    assert_eq!(all, (0..ROWS).collect::<Vec<_>>());
    let down: Vec<u32> = rows(&*view, EVERYTHING, Order::Descending).into_iter().map(number).collect();
    assert_eq!(down, (0..ROWS).rev().collect::<Vec<_>>());
    let from = 4_321_u32.to_be_bytes();
    let late = rows(&*view, (Bound::Excluded(&from), Bound::Unbounded), Order::Ascending);
    assert_eq!(late.into_iter().map(number).collect::<Vec<_>>(), (4_322..ROWS).collect::<Vec<_>>());
}

/// A few thousand random operations, checked against an ordered map after every transaction.
pub fn any_sequence_matches_a_map(make: Make<'_>) {
    let (meta, _kept) = make();
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut seed = 0x5eed_u64;
    for round in 0..300 {
        let refuse = random(&mut seed, 4) == 0;
        let operations: Vec<(Vec<u8>, Option<Vec<u8>>)> = (0..random(&mut seed, 12))
            .map(|_| {
                let key = random(&mut seed, 40).to_string().into_bytes();
                (key, (random(&mut seed, 3) > 0).then(|| random(&mut seed, 1_000).to_string().into_bytes()))
            })
            .collect();
        let mut next = model.clone();
        for (key, value) in &operations {
            match value {
                Some(value) => next.insert(key.clone(), value.clone()),
                None => next.remove(key),
            };
        }
        let seen_inside = next.clone();
        let outcome = commit(&meta, move |tx| {
            for (key, value) in operations.clone() {
                match value {
                    Some(value) => tx.put(key, value),
                    None => tx.delete(key),
                }
            }
            same(tx.scan(EVERYTHING, Order::Ascending), seen_inside.iter());
            same(tx.scan(EVERYTHING, Order::Descending), seen_inside.iter().rev());
            if refuse { Err(Refused::OnPurpose) } else { Ok(()) }
        });
        assert_eq!(outcome.is_err(), refuse, "round {round}: {outcome:?}");
        if !refuse {
            model = next;
        }
        let view = meta.snapshot();
        same(view.scan(EVERYTHING, Order::Ascending), model.iter());
        let (low, high) = (random(&mut seed, 40).to_string(), random(&mut seed, 40).to_string());
        if low < high {
            let range = (Bound::Included(low.as_bytes()), Bound::Excluded(high.as_bytes()));
            let want = model.range::<[u8], _>(range);
            same(view.scan(range, Order::Descending), want.rev());
        }
    }
}

fn same<'m>(
    found: impl Iterator<Item = drystone_core::meta::door::Row>,
    want: impl Iterator<Item = (&'m Vec<u8>, &'m Vec<u8>)>,
) {
    let found: Vec<_> = found.collect::<Result<_, _>>().expect("the engine scans");
    let want: Vec<_> =
        want.map(|(key, value)| (Bytes::from(key.clone()), Bytes::from(value.clone()))).collect();
    assert_eq!(found, want);
}

/// A number below `limit` (xorshift: the suite needs no more than repeatable variety).
fn random(seed: &mut u64, limit: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % limit
}

/// Read-modify-write from many threads: serializable means that no increment is lost.
pub fn counters_lose_no_increment(make: Make<'_>) {
    const THREADS: u64 = 8;
    const EACH: u64 = 50;
    let (meta, _kept) = make();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    commit(&meta, increment).expect("the increment commits");
                }
            });
        }
        // Readers meanwhile never see the two counters differ.
        for _ in 0..200 {
            let view = meta.snapshot();
            assert_eq!(view.get(b"left").expect("reads"), view.get(b"right").expect("reads"));
        }
    });
    assert_eq!(get(&meta, "left").as_deref(), Some(&(THREADS * EACH).to_be_bytes()[..]));
}

fn increment(tx: &mut dyn Tx) -> Result<(), Refused> {
    let count =
        tx.get(b"left")?.map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().expect("8 bytes")));
    tx.put(b"left".to_vec(), (count + 1).to_be_bytes().to_vec());
    tx.put(b"right".to_vec(), (count + 1).to_be_bytes().to_vec());
    Ok(())
}

/// Whatever happens to their callers, all commands are settled, each once.
pub fn every_command_is_settled_once(make: Make<'_>) {
    static SETTLED: AtomicUsize = AtomicUsize::new(0);
    struct Counted(oneshot::Sender<()>);
    impl Command for Counted {
        fn run(&mut self, tx: &mut dyn Tx) -> Verdict {
            tx.put(b"x".to_vec(), vec![]);
            Verdict::Commit
        }
        fn settle(self: Box<Self>, _: Result<(), MetaError>) {
            SETTLED.fetch_add(1, Atomic::SeqCst);
            let _ = self.0.send(());
        }
    }
    let (meta, _kept) = make();
    let before = SETTLED.load(Atomic::SeqCst);
    let mut settled = Vec::new();
    for _ in 0..100 {
        let (sender, receiver) = oneshot::channel();
        wait(meta.submit(Box::new(Counted(sender))));
        settled.push(receiver);
    }
    // A caller that does not even wait for its place in the queue.
    let (sender, receiver) = oneshot::channel();
    drop(meta.submit(Box::new(Counted(sender))));
    settled.push(receiver);
    for settled in settled {
        wait(settled).expect("settled, not dropped");
    }
    assert_eq!(SETTLED.load(Atomic::SeqCst) - before, 101);
}

/// A panic in a command is told to its caller and to all after it; it never hangs anybody.
pub fn a_panicking_command_stops_the_lane(make: Make<'_>) {
    let (meta, _kept) = make();
    put(&meta, &[("a", "1")]);
    let failed = commit(&meta, |tx| -> Result<(), Refused> {
        tx.put(b"a".to_vec(), b"2".to_vec());
        panic!("the suite panics on purpose")
    });
    assert!(matches!(failed, Err(Refused::Meta(MetaError::Poisoned(_)))), "{failed:?}");
    let later = commit(&meta, |tx| {
        tx.put(b"b".to_vec(), b"2".to_vec());
        Ok(())
    });
    assert!(matches!(later, Err(Refused::Meta(MetaError::Poisoned(_)))), "{later:?}");
    assert_eq!(get(&meta, "a").as_deref(), Some(&b"1"[..]), "readers go on, and see nothing of it");
}

/// Values and keys of the largest sizes that the core writes come back whole.
pub fn large_values_come_back(make: Make<'_>) {
    let (meta, _kept) = make();
    let (key, value) = (vec![b'k'; 4_000], (0..1_000_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let (put_key, put_value) = (key.clone(), value.clone());
    commit(&meta, move |tx| {
        tx.put(put_key.clone(), put_value.clone());
        tx.put(b"empty".to_vec(), Vec::new());
        Ok(())
    })
    .expect("large rows commit");
    let view = meta.snapshot();
    assert_eq!(view.get(&key).expect("reads").as_deref(), Some(&value[..]));
    assert_eq!(view.get(b"empty").expect("reads").as_deref(), Some(&b""[..]));
}
