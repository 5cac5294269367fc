//! The table at the end of a run: each stage with what it counted and how long it took, then the sum.

use std::fmt::Write as _;
use std::time::Duration;

use crate::count::Counts;
use crate::stage::Outcome;

/// Prints the table of a run that took `elapsed`; the last line is the sum alone, `N passed, N failed`. Returns
/// whether nothing failed.
pub(crate) fn print(outcomes: &[Outcome], elapsed: Duration) -> bool {
    let (text, sum) = table(outcomes, elapsed);
    println!("{text}{sum}");
    sum.failed == 0
}

/// The rows and their sum; the time is that of all together, of which some may have run beside others.
fn table(outcomes: &[Outcome], elapsed: Duration) -> (String, Counts) {
    let mut text = String::from("\nstage              seconds  passed  failed  skipped\n");
    let mut sum = Counts::default();
    for outcome in outcomes {
        row(&mut text, outcome.name, outcome.elapsed.as_secs_f64(), outcome.counts);
        sum += outcome.counts;
    }
    row(&mut text, "all", elapsed.as_secs_f64(), sum);
    (text, sum)
}

/// One row of the table.
fn row(text: &mut String, name: &str, seconds: f64, counts: Counts) {
    let Counts { passed, failed, skipped } = counts;
    writeln!(text, "{name:<18} {seconds:>7.1}  {passed:>6}  {failed:>6}  {skipped:>7}")
        .expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_over_every_stage() {
        let outcome = |passed, failed| Outcome {
            name: "x",
            counts: Counts { passed, failed, skipped: 0 },
            elapsed: Duration::from_secs(1),
        };
        let (text, sum) = table(&[outcome(3, 0), outcome(4, 1)], Duration::from_secs(2));
        assert_eq!(sum.to_string(), "7 passed, 1 failed");
        assert!(
            text.lines().last().expect("rows").starts_with("all                    2.0       7       1"),
            "{text}"
        );
    }
}
