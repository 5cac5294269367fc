//! Which call through a door fails, and how.
//!
//! Calls that change something are counted from the moment a fault is armed; a call that only reads is
//! counted apart, because a cut between two reads shows nothing that a cut between two writes does not.

/// What a power cut leaves of everything that was written and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// Everything, the call under way included.
    Everything,
    /// Each piece by the toss of a coin from this seed, torn in the middle where that is possible.
    Torn(u64),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes at the changing call number `at`, counted from 0.
    Cut {
        /// The call.
        at: u64,
        /// What is left.
        kept: Kept,
    },
    /// The changing call number `at` fails with an I/O error. Whatever it wrote may be on the disk.
    Error {
        /// The call.
        at: u64,
    },
    /// The changing call number `at` finds no room.
    Full {
        /// The call.
        at: u64,
    },
    /// The reading call number `at` fails with an I/O error.
    Unreadable {
        /// The call.
        at: u64,
    },
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    Passes,
    Fails,
    Full,
    /// The power is out, or went during this call.
    Dark,
}

/// The counters and the armed fault.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    armed: Option<Fault>,
    changes: u64,
    reads: u64,
    /// Something went wrong since the last start.
    pub(super) fired: bool,
    /// The power is out.
    pub(super) dark: Option<Kept>,
}

impl Faults {
    pub(super) fn arm(&mut self, fault: Option<Fault>) {
        (self.armed, self.changes, self.reads) = (fault, 0, 0);
    }

    /// Changing calls since the last arming.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Reading calls since the last arming.
    pub(super) fn reads(&self) -> u64 {
        self.reads
    }

    /// A call that changes something.
    pub(super) fn change(&mut self) -> Passage {
        if self.dark.is_some() {
            return Passage::Dark;
        }
        let number = self.changes;
        self.changes += 1;
        let passage = match self.armed {
            Some(Fault::Cut { at, kept }) if at == number => {
                self.dark = Some(kept);
                Passage::Dark
            }
            Some(Fault::Error { at }) if at == number => Passage::Fails,
            Some(Fault::Full { at }) if at == number => Passage::Full,
            _ => return Passage::Passes,
        };
        (self.fired, self.armed) = (true, None);
        passage
    }

    /// A call that reads.
    pub(super) fn read(&mut self) -> Passage {
        if self.dark.is_some() {
            return Passage::Dark;
        }
        let number = self.reads;
        self.reads += 1;
        match self.armed {
            Some(Fault::Unreadable { at }) if at == number => {
                (self.fired, self.armed) = (true, None);
                Passage::Fails
            }
            _ => Passage::Passes,
        }
    }
}

/// Coins from a seed: SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Coins(pub(super) u64);

impl Coins {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}
