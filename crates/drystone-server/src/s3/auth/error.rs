//! Why a request is not let in, in AWS's words.
//!
//! Each variant is one answer of S3: a code, a status, a message and the extra elements that let a
//! client mend its request. An unknown access key and a wrong secret are the same variant, filled
//! from the request alone, so that nobody can find out which keys exist.

use http::StatusCode;

/// Why a request was not authenticated.
///
/// `Display` is the text of the `<Message>` element.
/// Source: AWS, "Error responses", list of error codes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthError {
    /// The request carries no credentials at all.
    #[error("Access Denied")]
    Anonymous,
    /// Credentials came in the header and in the query.
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
         parameter or the Authorization header should be specified"
    )]
    SeveralMechanisms,
    /// The request is signed with Signature Version 2.
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    SignatureV2,
    /// The request is signed with SigV4A, or its chunks are.
    #[error("{0} signatures are not implemented; sign with AWS4-HMAC-SHA256")]
    SignatureV4a(&'static str),
    /// The Authorization header is one word.
    #[error("Authorization header is invalid -- one and only one ' ' (space) required")]
    NoScheme,
    /// The Authorization header has this scheme, which S3 does not know.
    #[error("Unsupported Authorization Type")]
    UnsupportedAuthorization(String),
    /// The Authorization header cannot be read or names the wrong service.
    #[error("The authorization header is malformed; {0}")]
    HeaderMalformed(String),
    /// The `X-Amz-*` query parameters cannot be read or name the wrong service.
    #[error("{0}")]
    QueryParameters(String),
    /// The Authorization header is signed for another region than this server's.
    #[error("The authorization header is malformed; the region '{given}' is wrong; expecting '{expected}'")]
    HeaderRegion {
        /// The region in the credential scope.
        given: String,
        /// The region that this server has.
        expected: String,
    },
    /// The presigned URL is signed for another region than this server's.
    #[error(
        "Error parsing the X-Amz-Credential parameter; the region '{given}' is wrong; expecting '{expected}'"
    )]
    QueryRegion {
        /// The region in the credential scope.
        given: String,
        /// The region that this server has.
        expected: String,
    },
    /// Neither `x-amz-date` nor `Date` says when the request was signed.
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    MissingDate,
    /// The request was signed too far from now.
    #[error("The difference between the request time and the current time is too large.")]
    TimeTooSkewed {
        /// When the request says it was signed, ISO 8601 basic.
        request_time: String,
        /// This server's time, ISO 8601.
        server_time: String,
    },
    /// The presigned URL's time is over.
    #[error("Request has expired")]
    Expired {
        /// `X-Amz-Expires`, in seconds.
        expires_s: u64,
        /// When it expired, ISO 8601.
        expired_at: String,
        /// This server's time, ISO 8601.
        server_time: String,
    },
    /// The presigned URL is dated in the future.
    #[error("Request is not yet valid")]
    NotYetValid,
    /// Headers that change what the request does are not covered by its signature.
    #[error("There were headers present in the request which were not signed")]
    HeadersNotSigned(String),
    /// The access key is unknown, or the signature is not the one its secret gives.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and \
         signing method."
    )]
    SignatureDoesNotMatch(Box<Mismatch>),
    /// The access key is good but came with a session token, and there are no sessions.
    #[error("The provided token is malformed or otherwise invalid.")]
    InvalidToken,
    /// `x-amz-content-sha256` is missing.
    #[error("Missing required header for this request: x-amz-content-sha256")]
    MissingContentSha256,
    /// `x-amz-content-sha256` is none of the values that S3 knows.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 \
         value."
    )]
    InvalidContentSha256(String),
    /// A header that must be unique came twice.
    #[error("The header {0} must be sent only once.")]
    RepeatedHeader(&'static str),
    /// A percent sign in the path or query is not followed by two hexadecimal digits.
    #[error("Couldn't parse the specified URI.")]
    InvalidUri,
    /// Path, query and headers are longer than S3 allows.
    #[error(
        "Your request header and query parameters used to make the request exceed the maximum allowed size."
    )]
    HeaderSectionTooLarge,
}

/// What was signed, as this server sees it: enough for a client's author to find the difference.
///
/// Holds nothing that depends on a secret, and nothing that the client did not send itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The access key id that the request names.
    pub access_key_id: String,
    /// The string to sign.
    pub string_to_sign: String,
    /// The signature as it came.
    pub signature_provided: String,
    /// The canonical request.
    pub canonical_request: String,
}

impl AuthError {
    /// S3's error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Anonymous
            | Self::MissingDate
            | Self::Expired { .. }
            | Self::NotYetValid
            | Self::HeadersNotSigned(_) => "AccessDenied",
            Self::SeveralMechanisms
            | Self::NoScheme
            | Self::UnsupportedAuthorization(_)
            | Self::InvalidContentSha256(_) => "InvalidArgument",
            Self::SignatureV2 | Self::MissingContentSha256 | Self::RepeatedHeader(_) => "InvalidRequest",
            Self::SignatureV4a(_) => "NotImplemented",
            Self::HeaderMalformed(_) | Self::HeaderRegion { .. } => "AuthorizationHeaderMalformed",
            Self::QueryParameters(_) | Self::QueryRegion { .. } => "AuthorizationQueryParametersError",
            Self::TimeTooSkewed { .. } => "RequestTimeTooSkewed",
            Self::SignatureDoesNotMatch(_) => "SignatureDoesNotMatch",
            Self::InvalidToken => "InvalidToken",
            Self::InvalidUri => "InvalidURI",
            Self::HeaderSectionTooLarge => "RequestHeaderSectionTooLarge",
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Anonymous
            | Self::MissingDate
            | Self::Expired { .. }
            | Self::NotYetValid
            | Self::HeadersNotSigned(_)
            | Self::TimeTooSkewed { .. }
            | Self::SignatureDoesNotMatch(_) => StatusCode::FORBIDDEN,
            Self::SignatureV4a(_) => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The elements that S3 adds to `<Error>` for this refusal: name and text, not yet escaped.
    pub fn elements(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::SeveralMechanisms | Self::NoScheme => {
                vec![("ArgumentName", "Authorization".to_owned())]
            }
            // What follows the scheme may be a secret.
            Self::UnsupportedAuthorization(scheme) => {
                vec![("ArgumentName", "Authorization".to_owned()), ("ArgumentValue", scheme.clone())]
            }
            Self::HeaderRegion { expected, .. } | Self::QueryRegion { expected, .. } => {
                vec![("Region", expected.clone())]
            }
            Self::TimeTooSkewed { request_time, server_time } => vec![
                ("RequestTime", request_time.clone()),
                ("ServerTime", server_time.clone()),
                ("MaxAllowedSkewMilliseconds", (super::SKEW_S_MAX * 1000).to_string()),
            ],
            Self::Expired { expires_s, expired_at, server_time } => vec![
                ("X-Amz-Expires", expires_s.to_string()),
                ("Expires", expired_at.clone()),
                ("ServerTime", server_time.clone()),
            ],
            Self::HeadersNotSigned(names) => vec![("HeadersNotSigned", names.clone())],
            Self::SignatureDoesNotMatch(mismatch) => vec![
                ("AWSAccessKeyId", mismatch.access_key_id.clone()),
                ("StringToSign", mismatch.string_to_sign.clone()),
                ("SignatureProvided", mismatch.signature_provided.clone()),
                ("CanonicalRequest", mismatch.canonical_request.clone()),
            ],
            Self::InvalidContentSha256(value) => {
                vec![("ArgumentName", "x-amz-content-sha256".to_owned()), ("ArgumentValue", value.clone())]
            }
            _ => Vec::new(),
        }
    }
}
