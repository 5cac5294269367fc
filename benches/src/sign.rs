//! Signature Version 4 in the Authorization header, cheap enough for a load generator.
//!
//! The signing key is derived once a day and kept as a keyed hash, the date is written once a second,
//! and the canonical request is built in a buffer that is used again: a signature costs about a
//! microsecond, so that what is measured is the server.
//!
//! Source: AWS, "Create a signed AWS API request" (IAM User Guide).

use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::clock;

/// The payload hash of a body that nobody signs.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// A header that is sent and signed beside those that every request has.
#[derive(Clone, Copy, Debug)]
pub struct Extra<'a> {
    /// Its name, in lower case, between `x-amz-content-sha256` and `x-amz-date` in the alphabet.
    pub name: &'static str,
    /// Its value.
    pub value: &'a str,
}

/// A key pair and the region that it signs for.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret_key: String,
    /// The region.
    pub region: String,
}

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// The query, percent-encoded and sorted, without the question mark.
    pub query: &'a str,
    /// The Host header.
    pub host: &'a str,
    /// The SHA-256 of the body in hexadecimal, or [`UNSIGNED_PAYLOAD`].
    pub payload: &'a str,
    /// Further headers, sorted by name.
    pub extra: &'a [Extra<'a>],
}

/// Signs one client's requests.
pub struct Signer {
    credentials: Credentials,
    /// The second that `date` and `scope` were written for.
    second: u64,
    /// `20260102T030405Z`.
    date: String,
    /// `20260102/us-east-1/s3/aws4_request`.
    scope: String,
    key: Hmac<Sha256>,
    text: String,
    /// `host;x-amz-content-sha256;x-amz-date`, and what else is signed.
    names: String,
}

impl Signer {
    /// A signer for `credentials`.
    pub fn new(credentials: &Credentials) -> Self {
        let mut signer = Self {
            credentials: credentials.clone(),
            second: 0,
            date: String::new(),
            scope: String::new(),
            key: keyed(b""),
            text: String::with_capacity(1024),
            names: String::with_capacity(128),
        };
        signer.set_time(clock::unix_time().as_secs());
        signer
    }

    /// Appends the headers that prove `request` to `head`.
    pub fn write_headers(&mut self, head: &mut String, request: &Signed<'_>) {
        let second = clock::unix_time().as_secs();
        if second != self.second {
            self.set_time(second);
        }
        self.write_headers_as_of_now(head, request);
    }

    fn write_headers_as_of_now(&mut self, head: &mut String, request: &Signed<'_>) {
        let Signed { method, path, query, host, payload, extra } = request;
        let Self { date, scope, text, key, names, .. } = self;
        text.clear();
        names.clear();
        names.push_str("host;x-amz-content-sha256");
        write!(text, "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{payload}\n")
            .expect("a String takes every write");
        for Extra { name, value } in *extra {
            write!(names, ";{name}").expect("a String takes every write");
            writeln!(text, "{name}:{value}").expect("a String takes every write");
            write!(head, "{name}: {value}\r\n").expect("a String takes every write");
        }
        names.push_str(";x-amz-date");
        write!(text, "x-amz-date:{date}\n\n{names}\n{payload}").expect("a String takes every write");
        let canonical = hex(&Sha256::digest(text.as_bytes()));
        text.clear();
        write!(text, "AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}").expect("a String takes every write");
        let signature = hex(&key.clone().chain_update(text.as_bytes()).finalize().into_bytes());
        write!(
            head,
            "x-amz-content-sha256: {payload}\r\nx-amz-date: {date}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={}/{scope},SignedHeaders={names},Signature={signature}\r\n",
            self.credentials.access_key
        )
        .expect("a String takes every write");
    }

    fn set_time(&mut self, second: u64) {
        let time = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
        let time = time.unwrap_or(Timestamp::UNIX_EPOCH);
        let day = time.strftime("%Y%m%d").to_string();
        self.second = second;
        self.date = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        if !self.scope.starts_with(&day) {
            let Credentials { secret_key, region, .. } = &self.credentials;
            self.scope = format!("{day}/{region}/s3/aws4_request");
            let secret = format!("AWS4{secret_key}").into_bytes();
            let words = self.scope.split('/').map(str::as_bytes);
            let key = words
                .fold(secret, |key, word| keyed(&key).chain_update(word).finalize().into_bytes().to_vec());
            self.key = keyed(&key);
        }
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// `bytes` in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The SHA-256 of `bytes` in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Appends `text` percent-encoded as SigV4's canonical query asks: all but unreserved characters.
pub fn write_encoded(to: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => to.push(char::from(byte)),
            _ => write!(to, "%{byte:02X}").expect("a String takes every write"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_of_a_listing_verifies() {
        // "Authenticating Requests: Using the Authorization Header", example GET Bucket (List Objects).
        let mut signer = Signer::new(&Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        });
        signer.set_time(1_369_353_600);
        let mut head = String::new();
        let request = Signed {
            method: "GET",
            path: "/",
            query: "max-keys=2&prefix=J",
            host: "examplebucket.s3.amazonaws.com",
            payload: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            extra: &[],
        };
        signer.write_headers_as_of_now(&mut head, &request);
        let signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert!(head.ends_with(&format!("Signature={signature}\r\n")), "{head}");
        assert!(head.contains("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"));
    }

    #[test]
    fn a_further_header_is_sent_and_signed_in_its_place() {
        let mut signer = Signer::new(&Credentials {
            access_key: "key".to_owned(),
            secret_key: "secret".to_owned(),
            region: "us-east-1".to_owned(),
        });
        signer.set_time(1_369_353_600);
        let mut head = String::new();
        let extra = [Extra { name: "x-amz-copy-source", value: "/a/b" }];
        let request = Signed {
            method: "PUT",
            path: "/a/c",
            query: "",
            host: "h",
            payload: UNSIGNED_PAYLOAD,
            extra: &extra,
        };
        signer.write_headers_as_of_now(&mut head, &request);
        assert!(head.starts_with("x-amz-copy-source: /a/b\r\n"), "{head}");
        assert!(
            head.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-copy-source;x-amz-date,"),
            "{head}"
        );
    }

    #[test]
    fn a_new_day_gets_a_new_key() {
        let credentials = Credentials {
            access_key: "key".to_owned(),
            secret_key: "secret".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let request =
            Signed { method: "GET", path: "/", query: "", host: "h", payload: UNSIGNED_PAYLOAD, extra: &[] };
        let signed_at = |signer: &mut Signer, second| {
            let mut head = String::new();
            signer.set_time(second);
            signer.write_headers_as_of_now(&mut head, &request);
            head
        };
        let mut old = Signer::new(&credentials);
        signed_at(&mut old, 86_399);
        assert_eq!(signed_at(&mut old, 86_400), signed_at(&mut Signer::new(&credentials), 86_400));
        assert!(old.scope.starts_with("19700102/"));
    }

    #[test]
    fn reserved_characters_are_encoded() {
        let mut text = String::new();
        write_encoded(&mut text, "a/b+c=ü~");
        assert_eq!(text, "a%2Fb%2Bc%3D%C3%BC~");
    }
}
