//! Abort jobs: a selection of uploads, aborted in the background.
//!
//! In reading order: [`selection`] says which uploads (pure); [`job`] what a job is and why one is refused;
//! [`preview`] counts and freezes; [`control`] starts and cancels; [`advance`] does one batch; [`show`] tells
//! how far it is. A job is rows: each batch keeps its place and its counts in the transaction that aborts, so a
//! restart goes on where it was and no upload is counted twice. Nothing is started that was not counted first.

pub mod selection;
pub mod job;
pub mod preview;
pub mod control;
pub mod advance;
pub mod show;
