//! drystone-store.
