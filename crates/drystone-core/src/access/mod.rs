//! Who may do what. Until identities come: an account owns its buckets, and only the owner may act.

use std::fmt;

use crate::names::AccountId;

/// The authenticated account behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// The request, for the audit; `None` of what acts without one.
    pub request: Option<RequestNumber>,
}

impl Caller {
    /// An account that acts by itself.
    pub fn of(account: AccountId) -> Self {
        Self { account, request: None }
    }
}

/// A request's number, which its client and the log know it by: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestNumber(pub u64);

impl fmt::Display for RequestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}
