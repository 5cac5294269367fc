//! A broken body in S3's words. One table, for whoever reads bodies.

use drystone_core::body::BodyError;
use http::StatusCode;

/// S3's error code for a broken body.
pub fn code(error: &BodyError) -> &'static str {
    match error {
        BodyError::Incomplete { .. } | BodyError::TooLong { .. } | BodyError::Framing(_) => "IncompleteBody",
        BodyError::Signature => "SignatureDoesNotMatch",
        BodyError::TrailerValue(_) => "InvalidRequest",
        BodyError::Trailer(_) => "MalformedTrailerError",
        BodyError::TimedOut | BodyError::Connection(_) => "RequestTimeout",
    }
}

/// The HTTP status that goes with the code.
pub fn status(error: &BodyError) -> StatusCode {
    match error {
        BodyError::Signature => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The text of the `<Message>` element.
pub fn message(error: &BodyError) -> String {
    match error {
        BodyError::Incomplete { .. } | BodyError::TooLong { .. } => {
            format!("You did not provide the number of bytes specified by the Content-Length HTTP header: {error}")
        }
        BodyError::Signature => {
            "The request signature we calculated does not match the signature you provided. Check your key and \
             signing method."
                .to_owned()
        }
        BodyError::Framing(reason) => format!("The aws-chunked framing of the body is broken: {reason}."),
        BodyError::Trailer(reason) => format!(
            "The request contained trailing data that was not well-formed or did not conform to our published \
             schema: {reason}."
        ),
        BodyError::TrailerValue(algorithm) => format!(
            "Value for x-amz-checksum-{} trailing header is invalid.",
            algorithm.name().to_ascii_lowercase()
        ),
        BodyError::TimedOut | BodyError::Connection(_) => {
            "Your socket connection to the server was not read from or written to within the timeout period. \
             Idle connections will be closed."
                .to_owned()
        }
    }
}

/// The elements that S3 adds to `<Error>`: name and text.
pub fn elements(error: &BodyError) -> Vec<(&'static str, String)> {
    match error {
        BodyError::Incomplete { received, announced } => vec![
            ("NumberBytesExpected", announced.to_string()),
            ("NumberBytesProvided", received.to_string()),
        ],
        _ => Vec::new(),
    }
}
