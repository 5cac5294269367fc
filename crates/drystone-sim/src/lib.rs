//! The test kit: what the product's tests share and the product never links.
//!
//! In reading order: [`wait`] runs a future on the thread of a test and [`task`] runs one step by step;
//! [`clock`] is time and chance in a test's hands; [`doors`] holds one behaviour suite per door, which every
//! backend must pass; [`hesitant`] are doors that make everyone wait; [`amnesia`] are doors over a simulated
//! disk that forgets what was not synced and fails when told; [`model`] is S3 in a few maps; [`site`] is a
//! store on such a disk with the model beside it; [`disk`] mounts small real file systems to fill and to cut
//! off from power; [`effort`] says how much a run does, and `schedules` in which order threads run where a model
//! checker has the say; [`records`] takes any bytes for rows, and [`operations`] for a sequence on a site.

pub mod wait;
pub mod task;
pub mod clock;
pub mod hesitant;
pub mod amnesia;
pub mod model;
pub mod site;
pub mod effort;
#[cfg(feature = "shuttle")]
pub mod schedules;
pub mod doors;
pub mod disk;
pub mod records;
pub mod operations;
