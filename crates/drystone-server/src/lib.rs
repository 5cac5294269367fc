//! drystone-server.
