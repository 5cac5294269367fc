//! Races: whatever the order, one order of the requests explains every answer and what is there in the end.
//!
//! In reading order: [`arena`] holds a store, its model and the judgement; [`scenarios`] says who races whom;
//! `ordered` steps the racers through the doors in every order; `running` lets threads run. After each race
//! every byte in the volumes has a name.

pub(crate) mod arena;
#[cfg(not(feature = "shuttle"))]
mod ordered;
#[cfg(not(feature = "shuttle"))]
mod running;
pub(crate) mod scenarios;
