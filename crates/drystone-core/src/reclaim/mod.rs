//! What may be freed, why it is safe, and the work of freeing it.
//!
//! In reading order: [`ownership`] counts who names which bytes and puts the unnamed on the reclaim
//! list, inside the transaction that takes the last name away; [`pins`] keeps what is being read;
//! `known` says what is on it; [`give_back`] frees the list; [`recover`] finds what a crash left; [`verify`] proves that nothing
//! is left over.

pub mod ownership;
pub mod pins;
pub(crate) mod known;
pub mod give_back;
pub mod recover;
pub mod verify;
