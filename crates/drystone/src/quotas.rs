//! Quotas as they stand in the configuration file.

use anyhow::{Context, Result, bail, ensure};
use drystone_core::buckets::quota::{Quota, Quotas};
use drystone_core::names::BucketName;
use serde::Deserialize;

/// A quota in the configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileQuota {
    /// The bucket; of all others when there is none.
    bucket: Option<String>,
    bytes: Option<String>,
    uploads: Option<u64>,
}

/// Reads the quotas of the file.
///
/// # Errors
/// What is wrong with which quota, and what it should be.
pub(crate) fn read(file: Vec<FileQuota>) -> Result<Quotas> {
    let mut quotas = Quotas::default();
    let mut others = None;
    for FileQuota { bucket, bytes, uploads } in file {
        let whose =
            bucket.as_deref().map_or("all other buckets".to_owned(), |name| format!("the bucket {name}"));
        ensure!(
            bytes.is_some() || uploads.is_some(),
            "the quota of {whose} limits nothing: give it bytes = \"100GiB\" or uploads = 1000"
        );
        let bytes_max = bytes.map(|text| bytes_of(&text)).transpose();
        let quota = Quota {
            bytes_max: bytes_max.with_context(|| format!("read the quota of {whose}"))?,
            uploads_max: uploads,
        };
        let before = match bucket {
            Some(name) => {
                let name =
                    BucketName::parse(name.trim()).with_context(|| format!("read the quota of {whose}"))?;
                quotas.own.insert(name, quota)
            }
            None => others.replace(quota),
        };
        if before.is_some() {
            bail!("{whose} has two quotas in the configuration file; put both limits into one");
        }
    }
    quotas.others = others.unwrap_or_default();
    Ok(quotas)
}

/// Bytes in a text such as `100GiB`, `1.5 TB` or `4096`.
fn bytes_of(text: &str) -> Result<u64> {
    let expected =
        || format!("`{text}` is no size: give a whole number and a unit, as in 100GiB, 500MB or 4096B");
    let digits = text.trim().find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.trim().len());
    let (number, unit) = text.trim().split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => bail!(expected()),
    };
    let number: u64 = number.parse().with_context(expected)?;
    number.checked_mul(factor).with_context(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(bucket: Option<&str>, bytes: Option<&str>, uploads: Option<u64>) -> FileQuota {
        FileQuota { bucket: bucket.map(str::to_owned), bytes: bytes.map(str::to_owned), uploads }
    }

    #[test]
    fn a_quota_is_a_bucket_s_or_that_of_all_others() {
        let read =
            read(vec![quota(Some("builds"), Some("10GiB"), Some(100)), quota(None, Some("1TB"), None)])
                .unwrap();
        let builds = Quota { bytes_max: Some(10 << 30), uploads_max: Some(100) };
        assert_eq!(
            read.own.into_iter().collect::<Vec<_>>(),
            [(BucketName::parse("builds").unwrap(), builds)]
        );
        assert_eq!(read.others, Quota { bytes_max: Some(1_000_000_000_000), uploads_max: None });
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in
            [("4096", 4096), ("1 KiB", 1024), (" 3mb ", 3_000_000), ("0B", 0), ("2TiB", 2 << 40)]
        {
            assert_eq!(bytes_of(text).unwrap(), bytes, "{text}");
        }
        for bad in ["", "GiB", "1.5GiB", "-1", "10 apples", "99999999999TiB", "1e3"] {
            let error = format!("{:#}", bytes_of(bad).unwrap_err());
            assert!(error.contains("as in 100GiB"), "{bad}: {error}");
        }
    }

    #[test]
    fn bad_quotas_say_what_is_expected() {
        let check = |quotas: Vec<FileQuota>, want: &str| {
            let error = format!("{:#}", read(quotas).unwrap_err());
            assert!(error.contains(want), "{error}");
        };
        check(vec![quota(Some("builds"), None, None)], "limits nothing");
        check(vec![quota(Some("Upper"), None, Some(1))], "lower-case");
        check(vec![quota(Some("builds"), Some("much"), None)], "the quota of the bucket builds");
        check(vec![quota(None, None, Some(1)), quota(None, None, Some(2))], "two quotas");
    }
}
