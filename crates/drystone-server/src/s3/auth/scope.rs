//! The credential of a signature: who signed, for which day, region and service.
//!
//! `AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request`. A signature is good for its scope
//! only; one made for another region, service or day is refused before any secret is touched.

use super::date::SigningDate;
use super::error::AuthError;

/// The only service this server signs for.
pub(crate) const SERVICE: &str = "s3";
/// The last word of every scope of Signature Version 4.
pub(crate) const TERMINATOR: &str = "aws4_request";

/// In which place a request carries its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// In the Authorization header.
    Header,
    /// In `X-Amz-*` query parameters: a presigned URL.
    Query,
}

impl Mechanism {
    /// The error for a credential of this mechanism that cannot be accepted.
    pub(crate) fn malformed(self, detail: &str) -> AuthError {
        match self {
            Self::Header => AuthError::HeaderMalformed(detail.to_owned()),
            Self::Query => {
                AuthError::QueryParameters(format!("Error parsing the X-Amz-Credential parameter; {detail}"))
            }
        }
    }
}

/// A credential, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    /// Who signed.
    pub(crate) access_key_id: &'a str,
    /// `20130524/us-east-1/s3/aws4_request`.
    pub(crate) scope: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
}

impl<'a> Credential<'a> {
    /// Takes a credential apart; the access key id is whatever stands before the last four words.
    pub(crate) fn parse(text: &'a str, mechanism: Mechanism) -> Result<Self, AuthError> {
        let mut words = text.rsplitn(5, '/');
        let parsed = (|| {
            let (terminator, service, region, day) =
                (words.next()?, words.next()?, words.next()?, words.next()?);
            let access_key_id = words.next()?;
            let scope = text.get(access_key_id.len() + 1..)?;
            (!access_key_id.is_empty()).then_some(Self {
                access_key_id,
                scope,
                day,
                region,
                service,
                terminator,
            })
        })();
        parsed.ok_or_else(|| {
            mechanism.malformed(
                "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            )
        })
    }

    /// Accepts only this server's region and service, and the day of the request's own date.
    pub(crate) fn check(
        &self,
        region: &str,
        date: &SigningDate,
        mechanism: Mechanism,
    ) -> Result<(), AuthError> {
        if self.terminator != TERMINATOR {
            return Err(mechanism.malformed(&format!(
                "incorrect terminal \"{}\". This endpoint uses \"{TERMINATOR}\".",
                self.terminator
            )));
        }
        if self.service != SERVICE {
            return Err(mechanism.malformed(&format!(
                "incorrect service \"{}\". This endpoint belongs to \"{SERVICE}\".",
                self.service
            )));
        }
        if self.region != region {
            let (given, expected) = (self.region.to_owned(), region.to_owned());
            return Err(match mechanism {
                Mechanism::Header => AuthError::HeaderRegion { given, expected },
                Mechanism::Query => AuthError::QueryRegion { given, expected },
            });
        }
        if self.day.len() != 8 || !self.day.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(mechanism.malformed(&format!(
                "incorrect date format \"{}\". This date in the credential must be in the format \"yyyyMMdd\".",
                self.day
            )));
        }
        if self.day.as_bytes() != date.day() {
            return Err(mechanism.malformed(&format!(
                "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".",
                self.day,
                date.as_str()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(credential: &str) -> Result<(), String> {
        let date = SigningDate::from_basic("20130524T000000Z").expect("a date");
        Credential::parse(credential, Mechanism::Header)
            .and_then(|credential| credential.check("us-east-1", &date, Mechanism::Header))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_scope_of_this_server_is_accepted() {
        assert_eq!(check("AKID/20130524/us-east-1/s3/aws4_request"), Ok(()));
        assert_eq!(check("AK/ID/20130524/us-east-1/s3/aws4_request"), Ok(()));
        let parsed = Credential::parse("AK/ID/1/2/3/4", Mechanism::Query).expect("six words");
        assert_eq!((parsed.access_key_id, parsed.scope), ("AK/ID", "1/2/3/4"));
    }

    #[test]
    fn every_other_scope_is_refused_with_the_reason() {
        for (credential, reason) in [
            ("", "mal-formed"),
            ("AKID", "mal-formed"),
            ("20130524/us-east-1/s3/aws4_request", "mal-formed"),
            ("/20130524/us-east-1/s3/aws4_request", "mal-formed"),
            ("AKID/20130524/us-east-1/s3/aws5_request", "incorrect terminal \"aws5_request\""),
            ("AKID/20130524/us-east-1/iam/aws4_request", "service"),
            ("AKID/20130524/us-east-2/s3/aws4_request", "expecting 'us-east-1'"),
            ("AKID/20130524/US-EAST-1/s3/aws4_request", "expecting 'us-east-1'"),
            ("AKID/20130524//s3/aws4_request", "expecting 'us-east-1'"),
            ("AKID/20130525/us-east-1/s3/aws4_request", "credential date"),
            ("AKID//us-east-1/s3/aws4_request", "incorrect date format"),
            ("AKID/2013-5-4/us-east-1/s3/aws4_request", "incorrect date format"),
        ] {
            let refusal = check(credential).expect_err(credential);
            assert!(refusal.contains(reason), "{credential}: {refusal}");
        }
    }
}
