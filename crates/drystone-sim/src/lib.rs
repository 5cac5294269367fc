//! drystone-sim.
