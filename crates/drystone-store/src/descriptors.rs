//! Open files: as many as the system gives, and how many of them the store may need.
//!
//! An engine that cannot open a table stops for good, and a volume that cannot be opened fails whoever reads it. So
//! whoever else opens files, sockets above all, leaves the store its share. Without that, clients that connect and
//! say nothing, which needs no key, would end the server.

use std::ops::RangeInclusive;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::data::VOLUMES_OPEN_MAX;

/// Fewest and most tables that the engine keeps open. To open one costs about as much as to look something up in it;
/// a table has some 8 MiB, so most are for 100 million objects.
const TABLES_OPEN: RangeInclusive<usize> = 256..=4_096;

/// Of so many files that the process may have open the engine's tables may be one.
const TABLES_ONE_OF: usize = 4;

/// Open files of a volume: one for all, one for the lane's syncs.
const FILES_A_VOLUME: usize = 2;

/// What is open only while it is worked with: volumes of requests in flight beyond those that stay open, tables that
/// are written, journals, the directory's own files.
const WORKED_WITH_MAX: usize = 160;

/// Raises the number of files that this process may have open as far as it may without asking anybody, and returns
/// it. The usual limit of 1,024 is meant for programs that call `select`, which no room of ours does.
pub fn raise_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused on some systems where the maximum is "any number": then what was allowed before is allowed still.
    let _ = setrlimit(Resource::Nofile, limit);
    current_limit()
}

/// Most files that a store opened by this process has open at once, when the process may have `limit`.
pub fn store_max(limit: usize) -> usize {
    tables_open_max(limit) + FILES_A_VOLUME * VOLUMES_OPEN_MAX + WORKED_WITH_MAX
}

/// Tables that the engine keeps open when the process may have `limit` files open.
pub(crate) fn tables_open_max(limit: usize) -> usize {
    (limit / TABLES_ONE_OF).clamp(*TABLES_OPEN.start(), *TABLES_OPEN.end())
}

/// How many files this process may have open.
pub(crate) fn current_limit() -> usize {
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_never_lowered() {
        let before = current_limit();
        assert!(raise_limit() >= before && current_limit() >= before);
    }

    #[test]
    fn the_engine_takes_what_others_can_spare() {
        assert_eq!([0, 1_024, 8_192, usize::MAX].map(tables_open_max), [256, 256, 2_048, 4_096]);
        assert!(store_max(1_024) < 1_024, "the usual limit is enough for a store and some connections");
    }
}
