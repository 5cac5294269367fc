//! A server that is measured: where it is, who we are to it, and what of it can be observed.

use std::cell::RefCell;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::endpoint::Endpoint;
use crate::sign::Credentials;

/// The bucket that is used, and made if it is missing.
pub const BUCKET: &str = "drystone-bench";

/// What `x-amz-content-sha256` says of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PayloadSigning {
    /// `UNSIGNED-PAYLOAD`: the client does not hash bodies.
    Unsigned,
    /// The body's SHA-256, which costs the client about as much as it costs the server.
    Signed,
}

/// A server that is measured.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in reports.
    pub name: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The bucket that is used.
    pub bucket: String,
    /// The key pair; `None` for a plain file server, which gets no signatures and no calls that only
    /// S3 knows.
    pub credentials: Option<Credentials>,
    /// What is said of bodies.
    pub payload_signing: PayloadSigning,
    /// Its processes, for CPU time, memory and bytes written; may be empty.
    pub pids: Pids,
    /// Its data directory, for disk use.
    pub data: Option<PathBuf>,
}

/// The ids of a server's processes, which change when it is started again.
#[derive(Clone, Debug, Default)]
pub struct Pids(RefCell<Vec<u32>>);

impl Pids {
    /// The ids as they are now.
    pub fn now(&self) -> Vec<u32> {
        self.0.borrow().clone()
    }

    /// From now on they are others.
    pub fn become_others(&self, pids: Vec<u32>) {
        self.0.replace(pids);
    }
}

impl From<Vec<u32>> for Pids {
    fn from(pids: Vec<u32>) -> Self {
        Self(RefCell::new(pids))
    }
}

/// What targets have in common unless they say otherwise.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The key pair and region.
    pub credentials: Credentials,
    /// The bucket.
    pub bucket: String,
    /// What is said of bodies.
    pub payload_signing: PayloadSigning,
}

impl Target {
    /// A target with nothing but its name and endpoint given.
    pub fn new(name: &str, endpoint: Endpoint, defaults: &Defaults) -> Self {
        Self {
            name: name.to_owned(),
            endpoint,
            bucket: defaults.bucket.clone(),
            credentials: Some(defaults.credentials.clone()),
            payload_signing: defaults.payload_signing,
            pids: Pids::default(),
            data: None,
        }
    }

    /// Reads `NAME=ENDPOINT[,access-key=K][,secret-key=S][,region=R][,bucket=B][,pids=1+2][,data=DIR][,style=plain]`.
    ///
    /// # Errors
    /// A field that is not known, or an endpoint that is refused.
    pub fn parse(text: &str, defaults: &Defaults) -> Result<Self> {
        let mut fields = text.split(',');
        let first = fields.next().unwrap_or_default();
        let Some((name, endpoint)) = first.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!("`{text}` is not a target: begin it with NAME=http://127.0.0.1:PORT");
        };
        let mut target = Self::new(name, Endpoint::parse(endpoint)?, defaults);
        let mut credentials = defaults.credentials.clone();
        let mut style = Style::S3;
        for field in fields {
            let (field, value) =
                field.split_once('=').with_context(|| format!("`{field}` in target {name} has no value"))?;
            match field {
                "access-key" => value.clone_into(&mut credentials.access_key),
                "secret-key" => value.clone_into(&mut credentials.secret_key),
                "region" => value.clone_into(&mut credentials.region),
                "bucket" => value.clone_into(&mut target.bucket),
                "pids" => target.pids = parse_pids(value.split('+'))?.into(),
                "data" => target.data = Some(value.into()),
                "style" if value == "plain" => style = Style::Plain,
                "style" if value == "s3" => style = Style::S3,
                _ => bail!(
                    "target {name} has no `{field}={value}`: there are access-key, secret-key, region, bucket, \
                     pids=1+2, data, style=s3|plain"
                ),
            }
        }
        target.credentials = (style == Style::S3).then_some(credentials);
        Ok(target)
    }

    /// Whether it is an S3 server rather than a plain file server.
    pub fn is_s3(&self) -> bool {
        self.credentials.is_some()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    S3,
    Plain,
}

/// Reads process ids.
///
/// # Errors
/// One that is not a number.
pub fn parse_pids<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<u32>> {
    let parse = |text: &str| text.trim().parse().with_context(|| format!("`{text}` is not a process id"));
    texts.filter(|text| !text.is_empty()).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Defaults {
        let credentials = Credentials {
            access_key: "key".to_owned(),
            secret_key: "secret".to_owned(),
            region: "us-east-1".to_owned(),
        };
        Defaults { credentials, bucket: BUCKET.to_owned(), payload_signing: PayloadSigning::Unsigned }
    }

    #[test]
    fn a_target_says_what_differs() {
        let text = "garage=http://127.0.0.1:3900,region=garage,access-key=GK1,pids=12+13,data=/srv/garage";
        let target = Target::parse(text, &defaults()).unwrap();
        let credentials = target.credentials.unwrap();
        assert_eq!((target.name.as_str(), target.bucket.as_str()), ("garage", BUCKET));
        assert_eq!((credentials.access_key.as_str(), credentials.region.as_str()), ("GK1", "garage"));
        assert_eq!(credentials.secret_key, "secret");
        assert_eq!((target.pids.now(), target.data), (vec![12, 13], Some("/srv/garage".into())));
    }

    #[test]
    fn a_plain_target_is_not_signed() {
        let target = Target::parse("nginx=127.0.0.1:80,style=plain", &defaults()).unwrap();
        assert!(!target.is_s3());
    }

    #[test]
    fn a_field_that_nobody_reads_is_refused() {
        for text in ["http://127.0.0.1:80", "a=127.0.0.1:80,pid=1", "a=127.0.0.1:80,region", "a=10.0.0.1:80"]
        {
            assert!(Target::parse(text, &defaults()).is_err(), "{text}");
        }
    }
}
