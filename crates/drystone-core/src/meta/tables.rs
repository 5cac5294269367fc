//! Rows over keys.
