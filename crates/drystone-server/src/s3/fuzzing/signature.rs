//! Signatures, against a canonical request that is put together naively from AWS's pages.
//!
//! Promises: whoever does not know the secret is refused, whatever they write; whoever signs the
//! canonical request is never told that their signature does not match; a signed request of which
//! one byte is changed holds if, and only if, the canonical request is the same as before.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use drystone_core::names::Timestamp;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri};
use zeroize::Zeroizing;

use super::input::{Input, changed, read_head};
use crate::s3::auth::signer::{DATE, KEY, NOW_MS, SCOPE, SECRET, hex, sha256, sign};
use crate::s3::auth::uri::{Place, push_canonical};
use crate::s3::auth::{Account, AuthError, Authenticator, Credential, CredentialStore};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Knows the secret that the naive signer signs with.
pub(super) static KNOWS: LazyLock<Authenticator> = LazyLock::new(|| authenticator(SECRET));
/// As [`KNOWS`], for a server of its own.
pub(super) fn authenticator_that_knows() -> Authenticator {
    authenticator(SECRET)
}

/// Knows another secret for the same key.
static DIFFERS: LazyLock<Authenticator> = LazyLock::new(|| authenticator("a secret that no case can know"));

fn authenticator(secret: &str) -> Authenticator {
    let account = Arc::new(Account { id: "main".into(), display_name: "main".into() });
    let pair = Credential::new(KEY, Zeroizing::new(secret.to_owned()), account).expect("a usable pair");
    let store = CredentialStore::new([pair], Zeroizing::new("a decoy's secret".into())).expect("one pair");
    Authenticator::new(store, "us-east-1")
}

/// Where the signature goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Header,
    Query,
}

/// A head and its signature.
struct Signed {
    head: Parts,
    /// The lower-case names that are signed.
    names: Vec<String>,
    /// What was signed; `None` when path or query have no canonical form.
    canonical: Option<Vec<u8>>,
}

/// Form, place and byte of a change, then a head.
///
/// # Panics
/// When a promise of signatures does not hold.
pub fn signature(data: &[u8]) {
    let mut input = Input::new(data);
    let form = if input.byte() == b'Q' { Form::Query } else { Form::Header };
    let (place, other) = (usize::from(input.number()), input.byte());
    let text = input.rest();
    let Some(head) = read_head(text) else { return };
    let refused = DIFFERS.authenticate(&head, Timestamp(NOW_MS));
    assert!(refused.is_err(), "a signature without the secret holds: {head:?}");
    check_canonical_forms(&head.uri);

    let Some(signed) = sign_head(head, form, None) else { return };
    check_own(&signed, form);
    if signed.canonical.is_none() {
        return;
    }
    let Some(head) = read_head(&changed(text, place, other)) else { return };
    let Some(other) = sign_head(head, form, Some(&signed)) else { return };
    check_changed(&signed, &other);
}

/// A request as a client would sign it, in the header.
pub(super) fn signed(head: Parts) -> Option<Parts> {
    sign_head(head, Form::Header, None).filter(|signed| signed.canonical.is_some()).map(|signed| signed.head)
}

/// Whoever knows the secret is not told that the signature does not match.
fn check_own(signed: &Signed, form: Form) {
    let head = &signed.head;
    match (KNOWS.authenticate(head, Timestamp(NOW_MS)), &signed.canonical) {
        (Ok(_), None) => panic!("a request without canonical form is accepted: {head:?}"),
        (Ok(_), Some(_)) | (Err(_), None) => {}
        (Err(refusal), Some(_)) => {
            let ours = match &refusal {
                AuthError::SignatureDoesNotMatch(_) | AuthError::HeadersNotSigned(_) => true,
                AuthError::HeaderMalformed(_) | AuthError::MissingDate | AuthError::InvalidUri => {
                    form == Form::Header
                }
                _ => false,
            };
            assert!(!ours, "a rightly signed request is refused, {refusal:?}: {head:?}");
        }
    }
}

/// A changed request holds exactly when what was signed is unchanged.
fn check_changed(signed: &Signed, other: &Signed) {
    let same = signed.canonical == other.canonical;
    match KNOWS.authenticate(&other.head, Timestamp(NOW_MS)) {
        Ok(_) => assert!(same, "a change is not noticed: {:?}, {:?}", signed.head, other.head),
        Err(AuthError::SignatureDoesNotMatch(_)) => {
            assert!(!same, "a change without meaning is refused: {:?}, {:?}", signed.head, other.head);
        }
        Err(_) => {}
    }
}

/// A canonical form is its own canonical form, and holds nothing but what it may.
fn check_canonical_forms(uri: &Uri) {
    for (raw, place) in [(uri.path(), Place::Path), (uri.query().unwrap_or_default(), Place::Query)] {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        if push_canonical(&mut once, raw.as_bytes(), place).is_err() {
            assert!(decoded(raw, Plus::Stays).is_none(), "a good escape is refused: {raw}");
            continue;
        }
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%/".contains(byte);
        assert!(once.iter().all(allowed), "{raw} becomes {}", once.escape_ascii());
        push_canonical(&mut twice, &once, place).expect("a canonical form can be read");
        assert_eq!(once, twice, "{raw}");
    }
}

/// Signs `head`; or gives it the signature of `like`, as if it had been changed on the way.
fn sign_head(mut head: Parts, form: Form, like: Option<&Signed>) -> Option<Signed> {
    // What the signature itself brings.
    for name in ["authorization", "x-amz-date"] {
        head.headers.remove(name);
    }
    if !head.headers.contains_key("host") && head.uri.authority().is_none() {
        head.headers.insert("host", HeaderValue::from_static("localhost"));
    }
    match form {
        Form::Header => {
            head.headers.insert("x-amz-date", HeaderValue::from_static(DATE));
            let payload = head.headers.entry("x-amz-content-sha256");
            payload.or_insert(HeaderValue::from_static(UNSIGNED));
        }
        Form::Query => {
            head.headers.remove("x-amz-content-sha256");
            if head.uri.query().is_some_and(|query| query.contains("X-Amz-")) {
                return None;
            }
        }
    }
    let names = like.map_or_else(|| names_of(&head), |like| like.names.clone());
    if form == Form::Query {
        head.uri = with_parameters(&head.uri, &names)?;
    }
    let canonical = canonical(&head, &names, form);
    let signature = match (like, &canonical) {
        (Some(like), _) => return give(head, form, names, canonical, &signature_of(&like.head, form)?),
        (None, None) => "0".repeat(64),
        (None, Some(canonical)) => {
            let string_to_sign = format!("AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{}", sha256(canonical));
            sign(SECRET, &string_to_sign)
        }
    };
    give(head, form, names, canonical, &signature)
}

fn give(
    mut head: Parts,
    form: Form,
    names: Vec<String>,
    canonical: Option<Vec<u8>>,
    signature: &str,
) -> Option<Signed> {
    match form {
        Form::Header => {
            let text = format!(
                "AWS4-HMAC-SHA256 Credential={KEY}/{SCOPE}, SignedHeaders={}, Signature={signature}",
                names.join(";")
            );
            head.headers.insert("authorization", HeaderValue::try_from(text).ok()?);
        }
        Form::Query => {
            head.uri = Uri::try_from(format!("{}&X-Amz-Signature={signature}", head.uri)).ok()?;
        }
    }
    Some(Signed { head, names, canonical })
}

fn signature_of(head: &Parts, form: Form) -> Option<String> {
    let text = match form {
        Form::Header => head.headers.get("authorization")?.to_str().ok()?.to_owned(),
        Form::Query => head.uri.query()?.to_owned(),
    };
    text.rsplit_once("Signature=").map(|(_, signature)| signature.to_owned())
}

fn names_of(head: &Parts) -> Vec<String> {
    let mut names: BTreeSet<String> = head.headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.insert("host".into());
    names.into_iter().collect()
}

fn with_parameters(uri: &Uri, names: &[String]) -> Option<Uri> {
    let separator = if uri.query().is_some() { "&" } else { "?" };
    let credential = encoded(format!("{KEY}/{SCOPE}").as_bytes(), Slash::Escaped);
    let names = encoded(names.join(";").as_bytes(), Slash::Escaped);
    let text = format!(
        "{uri}{separator}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={DATE}\
         &X-Amz-Expires=86400&X-Amz-SignedHeaders={names}"
    );
    Uri::try_from(text).ok()
}

/// The canonical request of AWS's page "Create a signed AWS API request", step by step.
fn canonical(head: &Parts, names: &[String], form: Form) -> Option<Vec<u8>> {
    let path = encoded(&decoded(head.uri.path(), Plus::Stays)?, Slash::Stays);
    let mut parameters = Vec::new();
    for pair in head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.push((
            encoded(&decoded(name, Plus::IsSpace)?, Slash::Escaped),
            encoded(&decoded(value, Plus::IsSpace)?, Slash::Escaped),
        ));
    }
    parameters.sort();
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut text = format!("{}\n{path}\n{}\n", head.method, parameters.join("&")).into_bytes();
    for name in names {
        let name = HeaderName::try_from(name).ok()?;
        let values: Vec<Vec<u8>> =
            head.headers.get_all(&name).iter().map(|value| trimmed(value.as_bytes())).collect();
        let mut value = values.join(&b","[..]);
        if values.is_empty() && name == "host" {
            value = head.uri.authority().map(|authority| authority.as_str().into()).unwrap_or_default();
        }
        text.extend([name.as_str().as_bytes(), b":", &value, b"\n"].concat());
    }
    let payload = match form {
        Form::Header => head.headers.get("x-amz-content-sha256")?.to_str().ok()?.trim(),
        Form::Query => UNSIGNED,
    };
    text.extend(format!("\n{}\n{payload}", names.join(";")).into_bytes());
    Some(text)
}

/// A header's value without space around it, and with one for each run of it.
fn trimmed(value: &[u8]) -> Vec<u8> {
    let words = value.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b" "[..])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Stays,
    IsSpace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Stays,
    Escaped,
}

fn decoded(text: &str, plus: Plus) -> Option<Vec<u8>> {
    let mut pieces = text.split('%');
    let plain = |piece: &str| match plus {
        Plus::Stays => piece.to_owned(),
        Plus::IsSpace => piece.replace('+', " "),
    };
    let mut bytes = plain(pieces.next()?).into_bytes();
    for piece in pieces {
        let (digits, rest) = (piece.get(..2)?, piece.get(2..)?);
        // A sign is no digit, though numbers may have one.
        let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(plain(rest).into_bytes());
    }
    Some(bytes)
}

fn encoded(bytes: &[u8], slash: Slash) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            b'/' if slash == Slash::Stays => text.push('/'),
            _ => write!(text, "%{}", hex(&[*byte]).to_uppercase()).expect("a string takes all"),
        }
        text
    })
}
