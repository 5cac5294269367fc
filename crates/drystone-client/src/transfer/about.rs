//! What an object says about itself besides its bytes, and keeps when it is copied.

use std::collections::HashMap;

/// Headers of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Content-Type.
    pub content_type: Option<String>,
    /// Content-Encoding.
    pub content_encoding: Option<String>,
    /// Content-Language.
    pub content_language: Option<String>,
    /// Content-Disposition.
    pub content_disposition: Option<String>,
    /// Cache-Control.
    pub cache_control: Option<String>,
    /// The user's own, by their name without `x-amz-meta-`.
    pub metadata: HashMap<String, String>,
}
