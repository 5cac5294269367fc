//! A store of a page: maps that behave like S3, to be compared with the real one.
//!
//! In reading order: [`body`] are the bytes, [`operation`] is everything that a client can ask, [`state`]
//! answers it from maps, [`ask`] asks the real store the same, and [`shown`] is what both show.
//! Whoever runs operations keeps the model before and after each: what was acknowledged is the model
//! after it, what was not is the one or the other, and anything else is a broken promise.

pub mod body;
pub mod operation;
pub mod state;
pub mod shown;
pub mod ask;
