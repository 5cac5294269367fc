//! The store on real, small file systems: power cuts, full disks, dead disks.

mod behave;
mod crashed;
mod full;
mod objects;
mod power;
mod store;
