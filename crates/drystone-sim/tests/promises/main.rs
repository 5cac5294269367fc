//! The promises, proven over simulated doors and in memory.
//!
//! In reading order: [`exhaustive`] tries every short sequence of operations with every fault at every call
//! through a door; [`sequences`] makes up long ones; [`real`] runs such over files; [`deletion`] stops the one
//! operation that takes several transactions; [`reading`] frees what is being read; [`rot`] flips bits; [`races`] lets requests race; `models` lets
//! them race under a model checker, in a build of their own (feature `shuttle`), in which nothing else can run.

#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod exhaustive;
#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod sequences;
#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod real;
#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod deletion;
#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod reading;
#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod rot;
#[cfg(test)]
mod races;
#[cfg(test)]
#[cfg(feature = "shuttle")]
mod models;
