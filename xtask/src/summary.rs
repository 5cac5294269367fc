//! The table at the end of a run: each stage with what it counted and how long it took, then the sum.

use std::fmt::Write as _;

use crate::count::Counts;
use crate::stage::Outcome;

/// Prints the table; the last line is the sum alone, `N passed, N failed`. Returns whether nothing failed.
pub(crate) fn print(outcomes: &[Outcome]) -> bool {
    let (text, sum) = table(outcomes);
    println!("{text}{sum}");
    sum.failed == 0
}

/// The rows and their sum.
fn table(outcomes: &[Outcome]) -> (String, Counts) {
    let mut text = String::from("\nstage          seconds  passed  failed  skipped\n");
    let mut sum = Counts::default();
    let mut seconds = 0.0;
    for outcome in outcomes {
        row(&mut text, outcome.name, outcome.elapsed.as_secs_f64(), outcome.counts);
        sum += outcome.counts;
        seconds += outcome.elapsed.as_secs_f64();
    }
    row(&mut text, "all", seconds, sum);
    (text, sum)
}

/// One row of the table.
fn row(text: &mut String, name: &str, seconds: f64, counts: Counts) {
    let Counts { passed, failed, skipped } = counts;
    writeln!(text, "{name:<14} {seconds:>7.1}  {passed:>6}  {failed:>6}  {skipped:>7}")
        .expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_sum_is_over_every_stage() {
        let outcome = |passed, failed| Outcome {
            name: "x",
            counts: Counts { passed, failed, skipped: 0 },
            elapsed: Duration::from_secs(1),
        };
        let (text, sum) = table(&[outcome(3, 0), outcome(4, 1)]);
        assert_eq!(sum.to_string(), "7 passed, 1 failed");
        assert!(
            text.lines().last().expect("rows").starts_with("all                2.0       7       1"),
            "{text}"
        );
    }
}
