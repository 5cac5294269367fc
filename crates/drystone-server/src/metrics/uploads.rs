//! Unfinished uploads in numbers, bucket by bucket, as the last walk found them.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `drystone_uploads_open` | bucket | uploads in progress |
//! | `drystone_uploads_held_bytes` | bucket | bytes of their parts |
//! | `drystone_uploads_held_bytes_by_age` | bucket, age | the same by the age of the upload: `<1h`, `<1d`, `<7d`, `<30d`, `older` |
//! | `drystone_uploads_oldest_timestamp_seconds` | bucket | when the oldest was initiated; missing when there is none |
//! | `drystone_uploads_without_rule_oldest_timestamp_seconds` | bucket | the same of those that no lifecycle rule will abort |
//! | `drystone_uploads_walk_timestamp_seconds` | | when the last walk ended; the age of all numbers here |
//! | `drystone_uploads_walk_duration_seconds` | | how long it took, with its pauses |
//! | `drystone_reclaim_queue_extents` | | freed extents that wait to be given back to the file system |
//! | `drystone_reclaim_queue_bytes` | | their bytes |
//!
//! An age is `time()` less the time of initiation, which stays true between two walks. A scrape copies text that the
//! walk has made, so its cost does not depend on the number of uploads. At most [`BUCKETS_MAX`] buckets, those that
//! hold most, have series of their own; all others are one bucket more, called `(others)`, which no bucket can be
//! called. A bucket that is deleted has no series any more, which a registry of gauges would go on showing.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use drystone_core::names::Timestamp;
use drystone_core::uploads::census::{AGE_CLASSES, Census, Unfinished};

/// Buckets that have series of their own; each has at most nine.
pub const BUCKETS_MAX: usize = 100;

/// The label of all buckets that have none of their own.
const OTHERS: &str = "(others)";

/// A metric of each bucket: name, what it means, and its samples by further labels.
type OfBucket = (&'static str, &'static str, fn(&Unfinished, &mut dyn FnMut(&str, u64)));

const OF_BUCKETS: [OfBucket; 5] = [
    ("drystone_uploads_open", "Uploads in progress.", |bucket, sample| sample("", bucket.uploads)),
    ("drystone_uploads_held_bytes", "Bytes of the parts of uploads in progress.", |bucket, sample| {
        sample("", bucket.held_bytes());
    }),
    (
        "drystone_uploads_held_bytes_by_age",
        "Bytes of the parts of uploads in progress, by the age of the upload.",
        |bucket, sample| {
            for ((age, _), bytes) in AGE_CLASSES.iter().zip(bucket.bytes_by_age) {
                sample(&format!(",age=\"{age}\""), bytes);
            }
        },
    ),
    (
        "drystone_uploads_oldest_timestamp_seconds",
        "When the oldest upload in progress was initiated, in seconds since 1970.",
        |bucket, sample| sample_time(bucket.oldest, sample),
    ),
    (
        "drystone_uploads_without_rule_oldest_timestamp_seconds",
        "When the oldest upload was initiated that no lifecycle rule will abort, in seconds since 1970.",
        |bucket, sample| sample_time(bucket.oldest_without_rule, sample),
    ),
];

fn sample_time(time: Option<Timestamp>, sample: &mut dyn FnMut(&str, u64)) {
    if let Some(time) = time {
        sample("", time.seconds());
    }
}

/// A count in Prometheus's text format; `took` is how long the walk was under way.
pub(super) fn text(census: &Census, took: Duration) -> String {
    let buckets = shown(census);
    let mut text = String::with_capacity(512 * (buckets.len() + 4));
    for (name, help, samples) in OF_BUCKETS {
        head(&mut text, name, help);
        for (bucket, unfinished) in &buckets {
            samples(unfinished, &mut |labels, value| {
                put(&mut text, format_args!("{name}{{bucket=\"{bucket}\"{labels}}} {value}\n"));
            });
        }
    }
    let mut alone = |name: &str, help: &str, value: f64| {
        head(&mut text, name, help);
        put(&mut text, format_args!("{name} {value}\n"));
    };
    #[expect(clippy::cast_precision_loss, reason = "Prometheus's numbers are floats")]
    let float = |number: u64| number as f64;
    alone(
        "drystone_uploads_walk_timestamp_seconds",
        "When uploads in progress were last counted, in seconds since 1970.",
        float(census.finished.seconds()),
    );
    alone(
        "drystone_uploads_walk_duration_seconds",
        "How long counting them took, with its pauses.",
        took.as_secs_f64(),
    );
    alone(
        "drystone_reclaim_queue_extents",
        "Freed extents that wait to be given back to the file system.",
        float(census.reclaim.extents),
    );
    alone("drystone_reclaim_queue_bytes", "Bytes of freed extents that wait.", float(census.reclaim.bytes));
    text
}

/// The buckets that hold most, by name, and the sum of the others.
fn shown(census: &Census) -> Vec<(&str, Unfinished)> {
    let mut all: Vec<(&str, Unfinished)> =
        census.buckets.iter().map(|(name, unfinished)| (name.as_str(), *unfinished)).collect();
    all.sort_by_key(|(_, unfinished)| Reverse((unfinished.held_bytes(), unfinished.uploads)));
    let others = all.split_off(all.len().min(BUCKETS_MAX));
    all.sort_unstable_by_key(|(name, _)| *name);
    if !others.is_empty() {
        let mut sum = Unfinished::default();
        others.iter().for_each(|(_, unfinished)| sum.add(unfinished));
        all.push((OTHERS, sum));
    }
    all
}

fn head(text: &mut String, name: &str, help: &str) {
    put(text, format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use drystone_core::names::BucketName;
    use drystone_core::uploads::census::ReclaimQueue;

    use super::*;

    fn census(buckets: &[(&str, Unfinished)]) -> Census {
        let buckets = buckets.iter().map(|(name, held)| (BucketName::parse(name).unwrap(), *held)).collect();
        let reclaim = ReclaimQueue { extents: 2, bytes: 30 };
        Census { finished: Timestamp(1_700_000_000_500), buckets, reclaim }
    }

    fn holding(bytes: u64) -> Unfinished {
        let oldest = Some(Timestamp(1_600_000_000_000 + bytes));
        Unfinished { uploads: 1, bytes_by_age: [bytes, 0, 0, 0, 7], oldest, oldest_without_rule: None }
    }

    #[test]
    fn every_bucket_has_its_numbers_and_an_empty_one_has_zeros() {
        let text = text(
            &census(&[("empty", Unfinished::default()), ("full", holding(5))]),
            Duration::from_millis(1_500),
        );
        for line in [
            "# TYPE drystone_uploads_held_bytes gauge",
            "drystone_uploads_open{bucket=\"empty\"} 0",
            "drystone_uploads_open{bucket=\"full\"} 1",
            "drystone_uploads_held_bytes{bucket=\"full\"} 12",
            "drystone_uploads_held_bytes_by_age{bucket=\"full\",age=\"<1h\"} 5",
            "drystone_uploads_held_bytes_by_age{bucket=\"full\",age=\"older\"} 7",
            "drystone_uploads_oldest_timestamp_seconds{bucket=\"full\"} 1600000000",
            "drystone_uploads_walk_timestamp_seconds 1700000000",
            "drystone_uploads_walk_duration_seconds 1.5",
            "drystone_reclaim_queue_extents 2",
            "drystone_reclaim_queue_bytes 30",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("oldest_timestamp_seconds{bucket=\"empty\"}"), "{text}");
        assert!(!text.contains("without_rule_oldest_timestamp_seconds{"), "every upload has a rule: {text}");
    }

    #[test]
    fn a_crowd_of_buckets_has_a_bounded_number_of_series_and_loses_nothing() {
        let names: Vec<String> = (0..1_000).map(|number| format!("bucket-{number:04}")).collect();
        let buckets: Vec<(&str, Unfinished)> =
            names.iter().zip(0..).map(|(name, number)| (name.as_str(), holding(number))).collect();
        let text = text(&census(&buckets), Duration::ZERO);
        let open = |line: &&str| line.starts_with("drystone_uploads_open{");
        assert_eq!(text.lines().filter(open).count(), BUCKETS_MAX + 1);
        assert!(text.contains("drystone_uploads_open{bucket=\"bucket-0999\"} 1"), "those that hold most");
        assert!(text.contains("drystone_uploads_open{bucket=\"(others)\"} 900"), "{text}");
        let sum: u64 = (0..900).map(|number| number + 7).sum();
        assert!(text.contains(&format!("drystone_uploads_held_bytes{{bucket=\"(others)\"}} {sum}")));
        assert!(
            text.contains("drystone_uploads_oldest_timestamp_seconds{bucket=\"(others)\"} 1600000000"),
            "the oldest of all of them"
        );
    }
}
