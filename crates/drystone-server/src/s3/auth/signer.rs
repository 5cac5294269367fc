//! A naive signer for tests, written from AWS's pages without the code under test.

use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use http::Request;
use http::request::Parts;
use sha2::{Digest, Sha256};

/// The secret of AWS's published examples.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The access key of AWS's published examples.
pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// The day of AWS's published examples.
#[cfg(test)]
pub(crate) const DAY: &str = "20130524";
/// The instant of AWS's published examples.
pub(crate) const DATE: &str = "20130524T000000Z";
/// The same instant in milliseconds since 1970.
pub(crate) const NOW_MS: u64 = 1_369_353_600_000;
/// The scope of AWS's published examples.
pub(crate) const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn sign(secret: &str, string_to_sign: &str) -> String {
    let words = SCOPE.split('/').map(str::as_bytes);
    let key = words.fold(format!("AWS4{secret}").into_bytes(), |key, word| hmac(&key, word));
    hex(&hmac(&key, string_to_sign.as_bytes()))
}

/// What to sign, and how.
pub(crate) struct Signing<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) payload: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) key: &'a str,
}

impl Default for Signing<'_> {
    fn default() -> Self {
        Self {
            method: "GET",
            target: "/bucket/key",
            headers: &[],
            payload: "UNSIGNED-PAYLOAD",
            secret: SECRET,
            key: KEY,
        }
    }
}

impl Signing<'_> {
    fn canonical(&self, headers: &[(String, String)], query: &str) -> (String, String) {
        let path = self.target.split('?').next().expect("a path");
        let mut canonical = format!("{}\n{path}\n{query}\n", self.method);
        for (name, value) in headers {
            writeln!(canonical, "{name}:{value}").expect("a string takes all");
        }
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        write!(canonical, "\n{names}\n{}", self.payload).expect("a string takes all");
        (canonical, names)
    }

    fn sign(&self, canonical: &str) -> String {
        let string_to_sign = format!("AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{}", sha256(canonical.as_bytes()));
        sign(self.secret, &string_to_sign)
    }

    fn sorted_query(&self) -> String {
        let mut query: Vec<String> = self
            .target
            .split_once('?')
            .map_or("", |(_, query)| query)
            .split('&')
            .filter(|piece| !piece.is_empty())
            .map(|piece| if piece.contains('=') { piece.to_owned() } else { format!("{piece}=") })
            .collect();
        query.sort_by(|a, b| a.split_once('=').cmp(&b.split_once('=')));
        query.join("&")
    }

    fn headers(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        headers.sort();
        headers
    }

    fn build(&self, target: &str, headers: &[(String, String)]) -> Parts {
        let mut request = Request::builder().method(self.method).uri(target);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    /// A request signed in its Authorization header. The target must be in canonical form.
    pub(crate) fn header(&self) -> Parts {
        let mut headers = self.headers(&[
            ("host", "localhost"),
            ("x-amz-date", DATE),
            ("x-amz-content-sha256", self.payload),
        ]);
        let (canonical, names) = self.canonical(&headers, &self.sorted_query());
        let signature = self.sign(&canonical);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{SCOPE}, SignedHeaders={names}, Signature={signature}",
            self.key
        );
        headers.push(("authorization".into(), authorization));
        self.build(self.target, &headers)
    }

    /// A presigned request that lives for a day.
    #[cfg(test)]
    pub(crate) fn query(&self) -> Parts {
        let headers = self.headers(&[("host", "localhost")]);
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("%3B");
        let separator = if self.target.contains('?') { "&" } else { "?" };
        let credential = format!("{}/{SCOPE}", self.key).replace('/', "%2F");
        let target = format!(
            "{}{separator}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={DATE}\
             &X-Amz-Expires=86400&X-Amz-SignedHeaders={names}",
            self.target
        );
        let Self { method, headers: own, payload, secret, key, .. } = *self;
        let unsigned = Signing { method, target: &target, headers: own, payload, secret, key };
        let (canonical, _) = unsigned.canonical(&headers, &unsigned.sorted_query());
        let signature = self.sign(&canonical);
        self.build(&format!("{target}&X-Amz-Signature={signature}"), &headers)
    }
}
