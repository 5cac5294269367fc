//! Progress on a terminal: a bar on standard error, and nothing at all where that is a file or a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar is redrawn while nothing happens, so that it is seen to live.
const BEAT: Duration = Duration::from_millis(200);

/// What a bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Things, so many in all.
    Things(u64),
    /// Things, nobody knows how many.
    Open,
    /// Bytes, so many in all.
    Bytes(u64),
}

/// A bar; clears itself when it is dropped.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that says what is `doing`, with a few words.
    pub fn start(doing: &'static str, counting: Counting) -> Self {
        let (template, length) = match counting {
            Counting::Things(all) => ("{msg} [{bar:30}] {human_pos}/{human_len}, {eta} left", Some(all)),
            Counting::Open => ("{spinner} {msg} {human_pos}", None),
            Counting::Bytes(all) => (
                "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
                Some(all),
            ),
        };
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr()).with_message(doing);
        let style =
            ProgressStyle::with_template(template).expect("the templates above are right: a test draws them");
        bar.set_style(style.progress_chars("=> "));
        bar.enable_steady_tick(BEAT);
        Self(bar)
    }

    /// So much more is done.
    pub fn add(&self, count: u64) {
        self.0.inc(count);
    }

    /// So much is done by now.
    pub fn set(&self, count: u64) {
        self.0.set_position(count);
    }

    /// How much is done by now.
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// There is so much in all.
    pub fn set_total(&self, count: u64) {
        self.0.set_length(count);
    }

    /// Does something that prints, with the bar out of its way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_bar_can_be_drawn() {
        for counting in [Counting::Things(3), Counting::Open, Counting::Bytes(1 << 30)] {
            let progress = Progress::start("measuring", counting);
            progress.add(1);
            progress.set(2);
            progress.set_total(4);
            assert_eq!((progress.0.position(), progress.0.length()), (2, Some(4)));
            assert_eq!(progress.aside(|| "printed"), "printed");
        }
    }
}
