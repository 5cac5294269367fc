//! Metadata in memory, for `--memory` and for tests.
