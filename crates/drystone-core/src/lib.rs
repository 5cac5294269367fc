//! drystone-core.
