//! Who may do what. Until identities come: an account owns its buckets, and only the owner may act.

use crate::names::AccountId;

/// The authenticated account behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
}
