//! File descriptors: as many as the system allows, for thousands of connections here and in servers started here.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors that are kept for everything but idle connections.
const KEPT: u64 = 256;

/// Raises this process's limit to what it may be raised to; servers that are started afterwards inherit it.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused on some systems where the maximum is "any number"; what was allowed before is allowed still.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// How many connections may be open at once.
pub fn spare() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_never_lowered() {
        let before = spare();
        raise();
        assert!(spare() >= before);
    }
}
