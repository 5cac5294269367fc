//! Request heads that verify: signed with any headers, and the key that goes on to sign chunks.
//!
//! Written from AWS's pages without the code that is measured, so that a piece which verifies
//! anything at all would be noticed: what is signed wrongly does not get as far as being measured.

use std::sync::Arc;

use drystone_bench::sign::{hex, sha256_hex};
use drystone_core::names::Timestamp;
use drystone_server::s3::auth::{Account, Authenticator, Credential, CredentialStore};
use hmac::{Hmac, Mac};
use http::request::Parts;
use http::{HeaderName, Request};
use sha2::Sha256;
use zeroize::Zeroizing;

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const REGION: &str = "us-east-1";
const DATE: &str = "20260102T030405Z";
const SCOPE: &str = "20260102/us-east-1/s3/aws4_request";

/// The moment of all requests, 2026-01-02T03:04:05Z.
pub(crate) const NOW: Timestamp = Timestamp(1_767_323_045_000);

/// A signed head.
pub(crate) struct SignedRequest {
    /// The head.
    pub(crate) parts: Parts,
    /// Its signature, which a chain of chunk signatures begins with.
    signature: String,
}

/// A server that knows the one key pair.
pub(crate) fn authenticator() -> Authenticator {
    let account = Arc::new(Account { id: "account".to_owned(), display_name: "account".to_owned() });
    let secret = Zeroizing::new(SECRET.to_owned());
    let credential = Credential::new(ACCESS_KEY, secret, account).expect("AWS's example is a key pair");
    let decoy = Zeroizing::new("the secret of no key at all".to_owned());
    let store = CredentialStore::new([credential], decoy).expect("there is one key pair");
    Authenticator::new(store, REGION)
}

impl SignedRequest {
    /// Signs `method` on `target`, whose query is canonical already, with `payload` as x-amz-content-sha256
    /// and `more` headers, which are signed too.
    pub(crate) fn new(method: &str, target: &str, payload: &str, more: &[(&str, &str)]) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers =
            vec![("host", "127.0.0.1:9000"), ("x-amz-content-sha256", payload), ("x-amz-date", DATE)];
        headers.extend(more);
        headers.sort_unstable();
        let lines: String = headers.iter().map(|(name, value)| [name, ":", value, "\n"].concat()).collect();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let hashed = sha256_hex(canonical.as_bytes());
        let signature = sign(&format!("AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{hashed}"));
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header's name");
            request = request.header(name, value);
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SCOPE},SignedHeaders={names},Signature={signature}"
        );
        let request = request.header("authorization", authorization).body(()).expect("a request");
        Self { parts: request.into_parts().0, signature }
    }

    /// The aws-chunked form of `bytes` in chunks of `chunk`, signed in a chain from this head.
    pub(crate) fn signed_chunks(&self, bytes: &[u8], chunk: usize) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(bytes.len() * 2);
        let mut previous = self.signature.clone();
        let nothing = sha256_hex(b"");
        for piece in bytes.chunks(chunk).chain(std::iter::once(&b""[..])) {
            let hashed = sha256_hex(piece);
            previous =
                sign(&format!("AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{SCOPE}\n{previous}\n{nothing}\n{hashed}"));
            encoded.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", piece.len()).as_bytes());
            encoded.extend_from_slice(piece);
            encoded.extend_from_slice(b"\r\n");
        }
        encoded
    }
}

fn sign(string_to_sign: &str) -> String {
    let hmac = |key: &[u8], text: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.chain_update(text).finalize().into_bytes().to_vec()
    };
    let words = SCOPE.split('/').map(str::as_bytes);
    let key = words.fold(format!("AWS4{SECRET}").into_bytes(), |key, word| hmac(&key, word));
    hex(&hmac(&key, string_to_sign.as_bytes()))
}
