//! The key that a secret gives for one day, region and service, and what is signed with it.
//!
//! Deriving it takes four HMACs, so each credential remembers the keys of the last few days. Keys
//! are wiped when they are dropped.

use hmac::{Hmac, Mac};
use parking_lot::RwLock;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::date::Day;
use super::hex::{self, Hex};
use super::scope::{SERVICE, TERMINATOR};

/// Days whose keys one credential remembers: today, yesterday and tomorrow around midnight for
/// signed headers, and the seven days back that a presigned URL may live.
const DAYS_REMEMBERED: usize = 10;

/// HMAC-SHA256 of the concatenation of `parts`.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// A derived signing key: good for one day, one region, S3.
#[derive(Clone)]
pub(crate) struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// Derives the key: HMAC of day, region, service and terminator in turn.
    pub(crate) fn derive(secret: &str, day: Day, region: &str) -> Self {
        let start = Zeroizing::new([b"AWS4", secret.as_bytes()].concat());
        let by_day = hmac(&start, &[&day]);
        let by_region = hmac(by_day.as_slice(), &[region.as_bytes()]);
        let by_service = hmac(by_region.as_slice(), &[SERVICE.as_bytes()]);
        Self(hmac(by_service.as_slice(), &[TERMINATOR.as_bytes()]))
    }

    /// Signs the concatenation of `parts`, a string to sign.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> Hex {
        hex::encode(&hmac(self.0.as_slice(), parts))
    }
}

/// The keys of one secret that were needed lately.
#[derive(Default)]
pub(crate) struct SigningKeys(RwLock<Vec<(Day, SigningKey)>>);

impl SigningKeys {
    /// The key of `day`, from memory or derived now. The region is the server's own, always.
    pub(crate) fn get(&self, secret: &str, day: Day, region: &str) -> SigningKey {
        if let Some((_, key)) = self.0.read().iter().find(|(known, _)| *known == day) {
            return key.clone();
        }
        let key = SigningKey::derive(secret, day, region);
        let mut remembered = self.0.write();
        if !remembered.iter().any(|(known, _)| *known == day) {
            if remembered.len() >= DAYS_REMEMBERED {
                remembered.remove(0);
            }
            remembered.push((day, key.clone()));
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivation_is_the_documented_one() {
        // AWS, "Deriving the signing key": the published example is for IAM; this one is computed
        // from the S3 examples of "Signature Calculations for the Authorization Header".
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", *b"20130524", "us-east-1");
        let string_to_sign = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
                              7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
        assert_eq!(
            hex::text(&key.sign(&[string_to_sign.as_bytes()])),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn remembered_keys_are_the_derived_ones_and_bounded() {
        let keys = SigningKeys::default();
        for day in 0..100_u8 {
            let day = *format!("201305{day:02}").as_bytes().first_chunk().expect("eight digits");
            let derived = SigningKey::derive("secret", day, "r").sign(&[b"x"]);
            assert_eq!(keys.get("secret", day, "r").sign(&[b"x"]), derived);
            assert_eq!(keys.get("secret", day, "r").sign(&[b"x"]), derived);
            assert!(keys.0.read().len() <= DAYS_REMEMBERED);
        }
    }
}
