//! Real sockets, raw bytes.
