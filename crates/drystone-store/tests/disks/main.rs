//! The store on real, small file systems: power cuts and full disks.

mod full;
mod power;
mod store;
