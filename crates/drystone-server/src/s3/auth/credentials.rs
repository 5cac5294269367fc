//! The key pairs that may sign, and the accounts that they act for.
//!
//! An unknown access key is answered with a decoy whose secret nobody knows, so that it costs the
//! same work and gets the same answer as a wrong signature. Secrets are wiped when dropped and never
//! printed.

use std::fmt;
use std::sync::Arc;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::date::Day;
use super::signing_key::{SigningKey, SigningKeys};

/// Key pairs that one server may know. Looking one up compares with all of them, in constant time.
pub const CREDENTIALS_MAX: usize = 256;

/// The owner of buckets: S3's canonical user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The canonical user id, as `<Owner><ID>` shows it.
    pub id: String,
    /// The name shown beside it.
    pub display_name: String,
}

/// One key pair and the account that it acts for.
pub struct Credential {
    access_key_id: Arc<str>,
    secret: Zeroizing<String>,
    account: Arc<Account>,
    keys: SigningKeys,
}

/// Why key pairs cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CredentialError {
    /// An access key id is empty, too long or has characters that a request cannot carry.
    #[error(
        "the access key id {0:?} is not usable; use 1 to 128 printable ASCII characters without '/', ',', '=' or space"
    )]
    AccessKeyId(String),
    /// A secret is too short to be one.
    #[error("the secret of access key {0} is shorter than {SECRET_LEN_MIN} characters; choose a longer one")]
    SecretTooShort(String),
    /// Two key pairs have the same access key id.
    #[error("the access key id {0} is configured twice; remove one of them")]
    Repeated(String),
    /// There is no key pair at all, so nobody could sign.
    #[error("no key pair is configured; configure at least one")]
    None,
    /// There are more key pairs than the server compares with.
    #[error("{0} key pairs are configured; at most {CREDENTIALS_MAX} are possible")]
    TooMany(usize),
}

/// Shortest secret, in characters, that is accepted. MinIO's and Ceph's clients use 8 at least.
pub const SECRET_LEN_MIN: usize = 8;
const ACCESS_KEY_ID_LEN_MAX: usize = 128;

impl Credential {
    /// Makes a key pair.
    ///
    /// # Errors
    /// An id that cannot stand in a credential scope, or a secret that is too short.
    pub fn new(
        access_key_id: &str,
        secret: Zeroizing<String>,
        account: Arc<Account>,
    ) -> Result<Self, CredentialError> {
        let usable = |byte: u8| byte.is_ascii_graphic() && !b"/,=".contains(&byte);
        let length = 1..=ACCESS_KEY_ID_LEN_MAX;
        if !length.contains(&access_key_id.len()) || !access_key_id.bytes().all(usable) {
            return Err(CredentialError::AccessKeyId(access_key_id.to_owned()));
        }
        if secret.len() < SECRET_LEN_MIN {
            return Err(CredentialError::SecretTooShort(access_key_id.to_owned()));
        }
        Ok(Self { access_key_id: access_key_id.into(), secret, account, keys: SigningKeys::default() })
    }

    /// The public half.
    pub fn access_key_id(&self) -> &Arc<str> {
        &self.access_key_id
    }

    /// The account that it acts for.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(super) fn signing_key(&self, day: Day, region: &str) -> SigningKey {
        self.keys.get(&self.secret, day, region)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("access_key_id", &self.access_key_id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// All key pairs of a server.
#[derive(Debug)]
pub struct CredentialStore {
    credentials: Vec<Credential>,
    decoy: Credential,
}

/// What a look-up found: a key pair to compute with, and whether it is a real one.
pub(super) struct Found<'a> {
    pub(super) credential: &'a Credential,
    pub(super) known: Choice,
}

impl CredentialStore {
    /// Collects key pairs. `decoy_secret` is fresh randomness, the secret of no key at all.
    ///
    /// # Errors
    /// No key pair, too many, or one access key id twice.
    pub fn new(
        credentials: impl IntoIterator<Item = Credential>,
        decoy_secret: Zeroizing<String>,
    ) -> Result<Self, CredentialError> {
        let credentials: Vec<_> = credentials.into_iter().collect();
        if credentials.is_empty() {
            return Err(CredentialError::None);
        }
        if credentials.len() > CREDENTIALS_MAX {
            return Err(CredentialError::TooMany(credentials.len()));
        }
        for (index, credential) in credentials.iter().enumerate() {
            if credentials.iter().skip(index + 1).any(|other| other.access_key_id == credential.access_key_id)
            {
                return Err(CredentialError::Repeated(credential.access_key_id.to_string()));
            }
        }
        let nobody = Arc::new(Account { id: String::new(), display_name: String::new() });
        let decoy = Credential::new("decoy", decoy_secret, nobody)?;
        Ok(Self { credentials, decoy })
    }

    /// Finds a key pair in the same time whether it is there or not.
    pub(super) fn find(&self, access_key_id: &str) -> Found<'_> {
        let none = u64::MAX;
        let mut at = none;
        for (index, credential) in (0_u64..).zip(&self.credentials) {
            let equal = credential.access_key_id.as_bytes().ct_eq(access_key_id.as_bytes());
            at.conditional_assign(&index, equal);
        }
        let found = usize::try_from(at).ok().and_then(|index| self.credentials.get(index));
        Found { credential: found.unwrap_or(&self.decoy), known: !at.ct_eq(&none) }
    }

    /// Every account that a key pair acts for, in the order of the configuration.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.credentials.iter().map(Credential::account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Arc<Account> {
        Arc::new(Account { id: "1".into(), display_name: "one".into() })
    }

    fn credential(id: &str, secret: &str) -> Result<Credential, CredentialError> {
        Credential::new(id, Zeroizing::new(secret.to_owned()), account())
    }

    fn store(ids: &[&str]) -> Result<CredentialStore, CredentialError> {
        let credentials = ids.iter().map(|id| credential(id, "12345678").expect("a usable pair"));
        CredentialStore::new(credentials, Zeroizing::new("decoy secret".to_owned()))
    }

    #[test]
    fn each_key_is_found_and_no_other() {
        let store = store(&["AKID1", "AKID2", "AKID"]).expect("three pairs");
        for id in ["AKID1", "AKID2", "AKID"] {
            let found = store.find(id);
            assert!(bool::from(found.known));
            assert_eq!(&**found.credential.access_key_id(), id);
        }
        for id in ["", "AKI", "AKID3", "akid", "AKID11", "decoy"] {
            let found = store.find(id);
            assert!(!bool::from(found.known), "{id}");
            assert_eq!(&**found.credential.access_key_id(), "decoy");
        }
    }

    #[test]
    fn unusable_pairs_are_refused() {
        for id in ["", "a b", "a/b", "a,b", "a=b", "\u{e9}", "a\n", &"a".repeat(129)] {
            assert_eq!(
                credential(id, "12345678").expect_err(id),
                CredentialError::AccessKeyId(id.to_owned())
            );
        }
        assert!(matches!(credential("a", "1234567"), Err(CredentialError::SecretTooShort(_))));
        assert!(matches!(store(&[]), Err(CredentialError::None)));
        assert!(matches!(store(&["a", "b", "a"]), Err(CredentialError::Repeated(id)) if id == "a"));
        let many: Vec<String> = (0..=CREDENTIALS_MAX).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(matches!(store(&many), Err(CredentialError::TooMany(_))));
    }

    #[test]
    fn secrets_are_not_printed() {
        let printed = format!("{:?}", credential("AKID", "very-secret").expect("a usable pair"));
        assert!(printed.contains("AKID") && !printed.contains("very-secret"), "{printed}");
    }
}
