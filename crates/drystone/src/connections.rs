//! How many connections each port may have: of the files that this process may have open the store comes first.

use anyhow::{Result, ensure};
use drystone_server::listen::CONNECTIONS_MAX;

/// What every process of ours has open: standard streams, the runtime's, listeners, and a connection that waits for
/// its place.
const OWN: usize = 32;
/// With fewer connections a server is of no use.
const CONNECTIONS_MIN: usize = 64;
/// Of so many connections one is the admin port's.
const ADMIN_ONE_OF: usize = 8;

/// How many connections each port may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections {
    pub(crate) s3: usize,
    pub(crate) admin: usize,
}

impl Connections {
    /// Shares out what is left of `limit` open files when the store has the `store` that it may need.
    ///
    /// # Errors
    /// When too few are left; the message says what to raise.
    pub(crate) fn within(limit: usize, store: usize) -> Result<Self> {
        let needed = store + OWN + CONNECTIONS_MIN;
        ensure!(
            limit >= needed,
            "this process may have {limit} files open at once and needs {needed}: raise the limit \
             (`ulimit -n`, LimitNOFILE= in a systemd unit, --ulimit nofile= of a container)"
        );
        let left = limit - store - OWN;
        let admin = (left / ADMIN_ONE_OF).min(CONNECTIONS_MAX);
        let s3 = (left - admin).min(CONNECTIONS_MAX);
        if s3 < CONNECTIONS_MAX {
            tracing::info!(
                open_files = limit,
                connections = s3,
                "the limit of open files leaves room for fewer connections than {CONNECTIONS_MAX}"
            );
        }
        Ok(Self { s3, admin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_comes_first_and_clients_share_what_is_left() {
        let of = |limit| Connections::within(limit, 700).unwrap();
        for limit in [796, 1_024, 4_096, 20_000, usize::MAX] {
            let Connections { s3, admin } = of(limit);
            assert!(700 + OWN + s3 + admin <= limit, "{limit}");
            assert!(s3 >= CONNECTIONS_MIN * 7 / 8 && admin >= CONNECTIONS_MIN / 8, "{limit}");
        }
        assert_eq!(of(1_024), Connections { s3: 256, admin: 36 });
        assert_eq!(of(usize::MAX), Connections { s3: CONNECTIONS_MAX, admin: CONNECTIONS_MAX });
    }

    #[test]
    fn too_few_are_refused_with_what_to_do() {
        let text = Connections::within(256, 700).unwrap_err().to_string();
        assert!(
            text.contains("256 files") && text.contains("needs 796") && text.contains("ulimit -n"),
            "{text}"
        );
    }
}
