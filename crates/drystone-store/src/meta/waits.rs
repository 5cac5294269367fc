//! Whether look-ups wait for the disk at this time.
//!
//! A row that is in memory costs a few microseconds, one on the disk a hundred times as much, and who asks for it does
//! not know which it is. What can be known is how the last look-ups went. So each is timed, and the kernel counts what a
//! thread reads from disks. To ask it is a system call, and is done when there is a suspicion:
//! 1. a look-up was slow, and its thread was never asked, or has read something since, whatever that was for;
//! 2. for a second from then on it is asked before and after each look-up. One that was slow and read something has
//!    waited for the disk, and those which follow may wait as well.
//!
//! What becomes of that is up to whoever looks up ([`Meta::waits`](drystone_core::meta::door::Meta::waits)).

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drystone_core::world::Clock as _;
use nix::sys::resource::{UsageWho, getrusage};

use crate::world::SystemClock;

/// A look-up that takes as long may have waited for the disk. From the page cache it takes a tenth of that.
const SLOW: Duration = Duration::from_micros(100);
/// For so long it is asked about every look-up whether it reads.
const SUSPECTED: Duration = Duration::from_secs(1);
/// For so many times as long as a look-up waited, others are expected to wait.
const FOLLOWED: u32 = 32;
/// But no longer than this.
const FOLLOWED_MAX: Duration = Duration::from_secs(1);

/// What is seen of the machine.
pub(super) trait Machine {
    /// Time since some moment.
    fn now(&self) -> Duration;
    /// How much this thread has read from disks, ever, in the kernel's blocks; `None` where nobody counts.
    fn blocks_read(&self) -> Option<i64>;
}

/// The one we run on.
#[derive(Default)]
pub(super) struct ThisMachine(SystemClock);

impl Machine for ThisMachine {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn blocks_read(&self) -> Option<i64> {
        getrusage(UsageWho::RUSAGE_THREAD).ok().map(|usage| usage.block_reads())
    }
}

thread_local! {
    /// What the thread had read when it was asked last; `None` when it never was.
    static BLOCKS_READ: Cell<Option<i64>> = const { Cell::new(None) };
}

/// What the last look-ups tell.
///
/// In lines of the processors' caches of its own: everybody reads it, hardly anybody writes it, and its neighbours are
/// written by each request.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Waits<M = ThisMachine> {
    machine: M,
    /// Until when it is asked about every look-up, in nanoseconds on the machine's clock.
    suspected: AtomicU64,
    /// Until when look-ups are expected to wait; 0 when they are not.
    expected: AtomicU64,
}

impl<M: Machine> Waits<M> {
    /// Whether a look-up that is begun now may wait for the disk.
    pub(super) fn expected(&self) -> bool {
        let until = self.expected.load(Ordering::Relaxed);
        if until == 0 {
            return false;
        }
        let over = nanoseconds(self.machine.now()) >= until;
        if over {
            // So that nobody reads the clock for it any more, unless it was put off meanwhile.
            let _put_off = self.expected.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
        !over
    }

    /// Looks up, and learns from it.
    pub(super) fn look_up<T>(&self, look_up: impl FnOnce() -> T) -> T {
        let began = self.machine.now();
        let suspected = nanoseconds(began) < self.suspected.load(Ordering::Relaxed);
        let before = suspected.then(|| self.machine.blocks_read()).flatten();
        let found = look_up();
        let ended = self.machine.now();
        let took = ended.saturating_sub(began);
        if took >= SLOW {
            self.learn(ended, took, before);
        }
        found
    }

    /// Learns from a slow look-up. Before it, this thread had read `before`, if it was asked.
    fn learn(&self, ended: Duration, took: Duration, before: Option<i64>) {
        let Some(now) = self.machine.blocks_read() else { return };
        let last = BLOCKS_READ.replace(Some(now));
        if before.is_some_and(|before| now > before) {
            let followed = (took * FOLLOWED).min(FOLLOWED_MAX);
            self.expected.fetch_max(nanoseconds(ended + followed), Ordering::Relaxed);
        }
        if last.is_none_or(|last| now > last) {
            self.suspected.fetch_max(nanoseconds(ended + SUSPECTED), Ordering::Relaxed);
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine on which time goes by, and the disk is read, as the test says.
    #[derive(Default)]
    struct Told {
        now: Cell<Duration>,
        blocks_read: Cell<i64>,
    }

    impl Machine for Told {
        fn now(&self) -> Duration {
            self.now.get()
        }

        fn blocks_read(&self) -> Option<i64> {
            Some(self.blocks_read.get())
        }
    }

    /// A look-up that takes `took`, and reads so many blocks.
    fn look_up(waits: &Waits<Told>, took: Duration, blocks: i64) {
        waits.look_up(|| {
            waits.machine.now.set(waits.machine.now.get() + took);
            waits.machine.blocks_read.set(waits.machine.blocks_read.get() + blocks);
        });
    }

    /// How long it is expected that look-ups wait, from now on.
    fn expected_for(waits: &Waits<Told>) -> Duration {
        let began = waits.machine.now.get();
        while waits.expected() {
            waits.machine.now.set(waits.machine.now.get() + Duration::from_millis(1));
        }
        waits.machine.now.get().saturating_sub(began)
    }

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Where there is a suspicion.
    fn suspicious() -> Waits<Told> {
        let waits = Waits::<Told>::default();
        look_up(&waits, SLOW, 8);
        assert!(!waits.expected(), "nobody knows whether the look-up has read that");
        waits
    }

    #[test]
    fn after_a_look_up_that_waited_for_the_disk_others_are_expected_to_for_a_while() {
        let waits = suspicious();
        look_up(&waits, 2 * MILLISECOND, 8);
        assert_eq!(expected_for(&waits), 64 * MILLISECOND);
        look_up(&waits, 60 * FOLLOWED_MAX, 8);
        assert_eq!(expected_for(&waits), FOLLOWED_MAX);
    }

    #[test]
    fn a_look_up_that_is_slow_or_reads_tells_nothing_but_one_that_does_both() {
        let waits = suspicious();
        look_up(&waits, 2 * MILLISECOND, 0);
        assert!(!waits.expected(), "it was slow, and not because of the disk");
        look_up(&waits, SLOW / 2, 8);
        assert!(!waits.expected(), "it was not slow");
        waits.machine.blocks_read.set(1_000);
        look_up(&waits, MILLISECOND, 0);
        assert!(!waits.expected(), "something else has read");
        look_up(&waits, MILLISECOND, 1);
        assert!(waits.expected());
    }

    #[test]
    fn a_quick_look_up_does_not_end_what_a_slow_one_began() {
        let waits = suspicious();
        look_up(&waits, 10 * MILLISECOND, 8);
        look_up(&waits, MILLISECOND, 8);
        assert_eq!(expected_for(&waits), 319 * MILLISECOND);
    }

    #[test]
    fn a_suspicion_ends() {
        let waits = suspicious();
        waits.machine.now.set(waits.machine.now.get() + SUSPECTED);
        look_up(&waits, MILLISECOND, 8);
        assert!(!waits.expected(), "the kernel was not asked before it");
        look_up(&waits, MILLISECOND, 8);
        assert!(waits.expected(), "but is again");
    }

    #[test]
    fn what_the_kernel_counts_can_be_read() {
        assert!(ThisMachine::default().blocks_read().is_some_and(|blocks| blocks >= 0));
    }
}
