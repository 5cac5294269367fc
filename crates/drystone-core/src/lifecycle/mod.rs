//! Lifecycle: when an upload that nobody finishes is aborted, if its bucket has a rule for that.
//!
//! In reading order: [`rules`] says what a rule is and when it is due; [`configure`] keeps a bucket's rules;
//! [`expire`] does what they say. Without a rule nothing ever expires.

pub mod rules;
pub mod configure;
pub mod expire;
