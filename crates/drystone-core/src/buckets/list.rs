//! ListBuckets.

use crate::access::Caller;
use crate::buckets::head::BucketInfo;
use crate::error::Error;
use crate::meta::door::{MetaError, Order};
use crate::meta::records::{BucketRecord, Record};
use crate::meta::tables::{self, Within};
use crate::names::BucketName;
use crate::store::Store;

/// Which buckets to list.
#[derive(Clone, Debug, Default)]
pub struct ListBuckets {
    /// Only names that begin with this.
    pub prefix: String,
    /// Only names after this.
    pub after: Option<String>,
    /// At most this many.
    pub max: usize,
}

/// A page of buckets, in the order of their names.
#[derive(Clone, Debug)]
pub struct BucketPage {
    /// The buckets.
    pub buckets: Vec<BucketInfo>,
    /// The last name of the page, when there are more.
    pub next: Option<String>,
}

impl Store {
    /// Lists the caller's buckets.
    ///
    /// # Errors
    /// [`Error::Meta`].
    pub fn list_buckets(&self, caller: &Caller, request: &ListBuckets) -> Result<BucketPage, Error> {
        let prefix = tables::bucket_prefix(&request.prefix);
        let within = match &request.after {
            Some(name) if name.as_str() >= request.prefix.as_str() => {
                Within::after(&prefix, tables::bucket_prefix(name))
            }
            _ => Within::prefix(prefix),
        };
        let view = self.meta.snapshot();
        let mut page = BucketPage { buckets: Vec::new(), next: None };
        for row in view.scan(within.range(), Order::Ascending) {
            let (key, value) = row?;
            let record = BucketRecord::decode(&key, value)?;
            if record.owner != caller.account {
                continue;
            }
            if page.buckets.len() >= request.max {
                page.next = page.buckets.last().map(|bucket| bucket.name.to_string());
                break;
            }
            page.buckets.push(BucketInfo::new(read_name(&key)?, record));
        }
        Ok(page)
    }
}

pub(crate) fn read_name(key: &[u8]) -> Result<BucketName, MetaError> {
    let text = key.get(1..).and_then(|name| std::str::from_utf8(name).ok());
    text.and_then(|text| BucketName::parse(text).ok()).ok_or_else(|| MetaError::Corrupt {
        key: key.escape_ascii().to_string(),
        why: "its key is not a bucket name",
    })
}
