//! The promises, proven over simulated doors and in memory.
//!
//! In reading order: [`exhaustive`] tries every short sequence of operations with every fault at every call
//! through a door; [`sequences`] makes up long ones; [`found`] keeps what they found;
//! [`races`] lets requests race.

#[cfg(test)]
mod exhaustive;
#[cfg(test)]
mod sequences;
#[cfg(test)]
mod found;
#[cfg(test)]
mod races;
