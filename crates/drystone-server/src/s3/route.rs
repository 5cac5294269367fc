//! Where a request goes: from host and path to bucket and key.
//!
//! The path is percent-decoded exactly once and taken literally: `//`, `.` and `..` are parts of
//! keys. A server that normalises paths, or decodes twice, authorises one key and touches another.
//! Keys whose `..` lead out of the bucket are refused, so that nobody else can normalise them either.
//!
//! Source: Amazon S3 User Guide, "Virtual hosting of general purpose buckets".

use std::borrow::Cow;

use http::header::{HOST, HeaderMap};
use http::request::Parts;
use http::{Method, Request, Uri};

use crate::api::{self, Api};
use crate::s3::error::{BAD_REQUEST, INVALID_URI, S3Error};
use crate::s3::headers::filled;
use crate::s3::operation::{self, Level, Operation, Source};
use crate::s3::query::{Plus, Query, decode};

const COPY_SOURCE: &str = "x-amz-copy-source";

/// How hosts name buckets.
#[derive(Debug, Default)]
pub(crate) struct Addressing {
    /// Domains whose subdomains are buckets, lower-case, without a leading dot.
    domains: Vec<String>,
}

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'r> {
    /// The bucket as it was sent, not checked.
    pub(crate) bucket: Option<Cow<'r, str>>,
    /// The key as it was sent, not checked; never empty.
    pub(crate) key: Option<Cow<'r, str>>,
}

/// A request that was understood.
#[derive(Debug)]
pub(crate) struct Route<'r> {
    /// What it is about.
    pub(crate) target: Target<'r>,
    /// Its parameters.
    pub(crate) query: Query<'r>,
}

impl Addressing {
    /// Takes subdomains of `domains` for buckets.
    pub(crate) fn new(domains: impl IntoIterator<Item = String>) -> Self {
        let clean = |domain: String| domain.trim_matches('.').to_ascii_lowercase();
        Self { domains: domains.into_iter().map(clean).filter(|domain| !domain.is_empty()).collect() }
    }

    /// Understands where a request goes.
    ///
    /// # Errors
    /// `InvalidURI`; `BadRequest` for a key that leads out of its bucket.
    pub(crate) fn route<'r>(&self, host: Option<&str>, uri: &'r Uri) -> Result<Route<'r>, S3Error> {
        Ok(Route { target: self.target(host, uri.path())?, query: Query::parse(uri.query())? })
    }

    fn target<'r>(&self, host: Option<&str>, path: &'r str) -> Result<Target<'r>, S3Error> {
        let invalid = || S3Error::new(&INVALID_URI).with("URI", path);
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(bucket) = host.and_then(|host| self.bucket_of(host)) {
            let key = decode(path, Plus::IsPlus).ok_or_else(invalid)?;
            check_stays_inside(&key)?;
            return Ok(Target {
                bucket: Some(Cow::Owned(bucket)),
                key: Some(key).filter(|key| !key.is_empty()),
            });
        }
        if path.is_empty() || path == "*" {
            return Ok(Target { bucket: None, key: None });
        }
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let bucket = decode(bucket, Plus::IsPlus).ok_or_else(invalid)?;
        let key = decode(key, Plus::IsPlus).ok_or_else(invalid)?;
        check_stays_inside(&key)?;
        Ok(Target { bucket: Some(bucket), key: Some(key).filter(|key| !key.is_empty()) })
    }

    /// Whether a request is for the API for administrators: by its path, where the path begins with a bucket,
    /// because no bucket's name begins with a dot.
    pub(crate) fn is_api<B>(&self, request: &Request<B>) -> bool {
        if !Api::answers(request.uri().path(), api::S3_PREFIX) {
            return false;
        }
        let host = host_of(request.uri(), request.headers());
        host.and_then(|host| self.bucket_of(host)).is_none()
    }

    /// The bucket that `host` names, if it is a subdomain of ours.
    fn bucket_of(&self, host: &str) -> Option<String> {
        if self.domains.is_empty() {
            return None;
        }
        let host = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
        });
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let bucket = self.domains.iter().find_map(|domain| host.strip_suffix(domain)?.strip_suffix('.'));
        bucket.filter(|bucket| !bucket.is_empty()).map(str::to_owned)
    }
}

impl Route<'_> {
    /// Finds the operation.
    ///
    /// # Errors
    /// As [`operation::find`]; `InvalidArgument` for the source of a copy where nothing is copied.
    pub(crate) fn operation(&self, head: &Parts) -> Result<Operation, S3Error> {
        let from = filled(&head.headers, COPY_SOURCE);
        if let Some(from) = &from {
            check_may_copy(&head.method, &self.query, from)?;
        }
        let copies = head.method == Method::PUT && head.headers.contains_key(COPY_SOURCE);
        let source = if copies { Source::Copy } else { Source::Body };
        operation::find(&head.method, self.target.level(), &self.query, source)
    }
}

/// Refuses a source where nothing is copied, as S3 does: whoever sends one expects a copy.
fn check_may_copy(method: &Method, query: &Query<'_>, from: &str) -> Result<(), S3Error> {
    match *method {
        Method::PUT => Ok(()),
        Method::POST if !query.has("uploadId") => Ok(()),
        _ => Err(S3Error::argument(
            COPY_SOURCE,
            from,
            "You can only specify a copy source header for copy requests.",
        )),
    }
}

/// Refuses a key whose `..` lead out of its bucket, as S3 does.
///
/// Here such a key would be a name like any other. But a client that writes keys as paths would write
/// it outside the folder that it was told to, and whatever stands before a server may walk the path.
/// Source: Amazon S3 User Guide, "Naming Amazon S3 objects", relative path elements.
fn check_stays_inside(key: &str) -> Result<(), S3Error> {
    let mut depth = 0_usize;
    for element in key.split('/') {
        match element {
            "." => {}
            ".." => depth = depth.checked_sub(1).ok_or_else(outside)?,
            _ => depth += 1,
        }
    }
    Ok(())
}

fn outside() -> S3Error {
    S3Error::new(&BAD_REQUEST).saying(
        "The key leads out of its bucket: it has more .. elements than elements before them. Remove them.",
    )
}

impl Target<'_> {
    /// What kind of resource it is.
    pub(crate) fn level(&self) -> Level {
        match (&self.bucket, &self.key) {
            (None, _) => Level::Service,
            (Some(_), None) => Level::Bucket,
            (Some(_), Some(_)) => Level::Object,
        }
    }

    /// Bucket and key in one text, for refusals and logs.
    pub(crate) fn resource(&self) -> String {
        let part =
            |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| format!("/{text}")).unwrap_or_default();
        let resource = part(&self.bucket) + &part(&self.key);
        if resource.is_empty() { "/".to_owned() } else { resource }
    }
}

/// The host that the client asked for.
pub(crate) fn host(head: &Parts) -> Option<&str> {
    host_of(&head.uri, &head.headers)
}

fn host_of<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let header = headers.get(HOST).and_then(|host| host.to_str().ok());
    uri.authority().map(http::uri::Authority::as_str).or(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, path: &str) -> Option<(String, String)> {
        let addressing = Addressing::new(["S3.Example.test.".to_owned(), "other.test".to_owned()]);
        let target = addressing.target(Some(host), path).ok()?;
        Some((target.bucket.unwrap_or_default().into_owned(), target.key.unwrap_or_default().into_owned()))
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands beside refusals in tables")]
    fn is(bucket: &str, key: &str) -> Option<(String, String)> {
        Some((bucket.into(), key.into()))
    }

    #[test]
    fn paths_name_buckets_and_keys_literally() {
        let cases = [
            ("/", is("", "")),
            ("/bucket", is("bucket", "")),
            ("/bucket/", is("bucket", "")),
            ("/bucket/key", is("bucket", "key")),
            ("/bucket/a/b/", is("bucket", "a/b/")),
            ("/bucket//", is("bucket", "/")),
            ("/bucket//a//b", is("bucket", "/a//b")),
            ("/bucket/a/../x/./y", is("bucket", "a/../x/./y")),
            ("/bucket/a/..%2fx", is("bucket", "a/../x")),
            ("/bucket/a/b/../../x", is("bucket", "a/b/../../x")),
            ("/bucket/./x", is("bucket", "./x")),
            ("/bucket//../x", is("bucket", "/../x")),
            ("/bucket/...", is("bucket", "...")),
            ("/bucket/..", None),
            ("/bucket/../x", None),
            ("/bucket/..%2fx", None),
            ("/bucket/%2e%2e/x", None),
            ("/bucket/./../x", None),
            ("/bucket/a/../../b", None),
            ("/bucket/a/../../b/c/d", None),
            ("/bucket/a%2Fb", is("bucket", "a/b")),
            ("/bucket/a%252Fb", is("bucket", "a%2Fb")),
            ("/bucket/a+b%20c", is("bucket", "a+b c")),
            ("/bucket/%00", is("bucket", "\0")),
            ("/bucket/%C3%A9", is("bucket", "é")),
            ("/bucket%2Fkey", is("bucket/key", "")),
            ("//key", is("", "key")),
            ("/bucket/%ff", None),
            ("/bucket/%C3", None),
            ("/bucket/%zz", None),
            ("/bucket/%", None),
        ];
        for (path, want) in cases {
            assert_eq!(of("127.0.0.1:9000", path), want, "{path}");
        }
    }

    #[test]
    fn where_the_host_names_the_bucket_every_path_is_a_key() {
        let addressing = Addressing::new(["s3.example.test".to_owned()]);
        let is_api = |host: &str, path: &str| {
            let request = Request::builder().uri(path).header(HOST, host).body(()).unwrap();
            addressing.is_api(&request)
        };
        for path in ["/.drystone/api/v1", "/.drystone/api/v1/", "/.drystone/api/v1/upload-aborts?x"] {
            assert!(is_api("127.0.0.1:9000", path) && is_api("s3.example.test", path), "{path}");
            assert!(!is_api("bucket.s3.example.test:9000", path), "{path}");
        }
        for path in
            ["/", "/.drystone", "/.drystone/api/v10", "/%2edrystone/api/v1", "/bucket/.drystone/api/v1"]
        {
            assert!(!is_api("127.0.0.1:9000", path), "{path}");
        }
        let absolute = Request::builder().uri("http://b.s3.example.test/.drystone/api/v1").body(()).unwrap();
        assert!(!addressing.is_api(&absolute), "the host in the target is the one that counts");
    }

    #[test]
    fn hosts_below_a_domain_name_buckets() {
        let cases = [
            ("bucket.s3.example.test", "/key", is("bucket", "key")),
            ("bucket.s3.example.test:9000", "/", is("bucket", "")),
            ("Bucket.S3.EXAMPLE.TEST.", "/a/b", is("bucket", "a/b")),
            ("a.b.s3.example.test", "//x", is("a.b", "/x")),
            ("b.other.test", "/x", is("b", "x")),
            ("s3.example.test", "/bucket/key", is("bucket", "key")),
            ("s3.example.test:80", "/bucket", is("bucket", "")),
            ("xs3.example.test", "/bucket", is("bucket", "")),
            ("example.test", "/bucket", is("bucket", "")),
            ("[::1]:9000", "/bucket/key", is("bucket", "key")),
            ("[::1]", "/bucket/key", is("bucket", "key")),
        ];
        for (host, path, want) in cases {
            assert_eq!(of(host, path), want, "{host} {path}");
        }
    }
}
