//! XML in and out: one writer, one reader, and S3's URL encoding of names in listings.

pub(crate) mod reader;
pub(crate) mod url;
pub(crate) mod writer;
