//! What went wrong: what happened, to which thing, and what to do next.
//!
//! The SDK's errors print as `service error`; here they become the server's own code and message, and the
//! next step where one is known.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::ending::Ending;
use crate::output::printable;

/// Why a command could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was typed cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// The server answered, and refused.
    #[error("{}: {code}: {message}{}", printable(doing), next_step(code))]
    Refused {
        /// What was being done, to which thing: `list uploads of s3://photos`.
        doing: String,
        /// The status of the answer.
        status: u16,
        /// S3's error code, or `HTTP 500` where the answer holds none.
        code: String,
        /// The server's own words.
        message: String,
    },
    /// No answer came, or none that could be read.
    #[error("{}: {why}", printable(doing))]
    NoAnswer {
        /// What was being done, to which thing.
        doing: String,
        /// Why, and what to look at.
        why: String,
    },
    /// The server's answers contradict S3 or themselves.
    #[error("{}: {why}", printable(doing))]
    Nonsense {
        /// What was being done, to which thing.
        doing: String,
        /// What cannot be.
        why: String,
    },
    /// A file of this machine.
    #[error("{}: {source}", printable(doing))]
    File {
        /// What was being done, to which file.
        doing: String,
        /// Why not.
        source: io::Error,
    },
    /// Standard output or standard error took no more.
    #[error("write the output: {0}")]
    Output(#[from] io::Error),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// A server's refusal, or its silence, while `doing` something.
    pub fn from_sdk<E>(doing: impl Into<String>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        let doing = doing.into();
        match error {
            SdkError::ServiceError(refusal) => {
                let status = refusal.raw().status().as_u16();
                let code = refusal.err().code().map_or_else(|| format!("HTTP {status}"), str::to_owned);
                if refusal.raw().status().is_success() {
                    return Self::NoAnswer {
                        doing,
                        why: format!("an answer that is not S3's: {}", chain(refusal.err())),
                    };
                }
                let message = refusal.err().message().unwrap_or("the server gave no reason").to_owned();
                Self::Refused { doing, status, code, message }
            }
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                Self::NoAnswer {
                    doing,
                    why: format!("an answer (HTTP {status}) that is not S3's: {}", chain(error)),
                }
            }
            SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => {
                let why = error.source().map_or_else(|| error.to_string(), chain);
                let next = if why.contains("redential") {
                    "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile"
                } else {
                    "; is the server running, and is --endpoint-url or AWS_ENDPOINT_URL right?"
                };
                Self::NoAnswer { doing, why: format!("{why}{next}") }
            }
            _ => Self::NoAnswer { doing, why: chain(error) },
        }
    }

    /// S3's error code, when the server refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the server has no such upload: it was completed, or aborted already.
    pub fn is_no_such_upload(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                code == "NoSuchUpload" || (*status == 404 && (code == "HTTP 404" || code == "NotFound"))
            }
            _ => false,
        }
    }

    /// Whether whoever reads our output has gone, as `head` does; nobody is left to complain to.
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code that says so.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Usage(_) => Ending::Usage,
            Self::Interrupted => Ending::Interrupted,
            _ => Ending::Failed,
        }
    }
}

/// What to do about a refusal, where one can say.
fn next_step(code: &str) -> &'static str {
    match code {
        "NoSuchBucket" => {
            "; look for its name in `drystone uploads ls`, which shows all buckets when none is named"
        }
        "AccessDenied" | "AllAccessDisabled" => {
            "; these credentials may not: ask for the permission, or name others with --profile"
        }
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" => {
            "; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, against the server's"
        }
        "ExpiredToken" | "ExpiredTokenException" => "; sign in again",
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            "; name the bucket's region with --region"
        }
        "RequestTimeTooSkewed" => "; set this machine's clock",
        "SlowDown" | "ServiceUnavailable" => "; the server has too much to do: try again later",
        _ => "",
    }
}

/// An error and its causes in one line, each once.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut said = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let words = cause.to_string();
        if words != said && !words.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{words}", if text.is_empty() { "" } else { ": " });
        }
        said = words;
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> Failure {
        Failure::Refused { doing: "abort x".into(), status, code: code.into(), message: "No.".into() }
    }

    #[test]
    fn a_refusal_says_what_happened_to_what_and_what_to_do() {
        let text = refused(403, "SignatureDoesNotMatch").to_string();
        assert!(text.starts_with("abort x: SignatureDoesNotMatch: No.; check AWS_ACCESS_KEY_ID"), "{text}");
        assert_eq!(refused(500, "InternalError").to_string(), "abort x: InternalError: No.");
        let forged = Failure::NoAnswer { doing: "read a\nb".into(), why: "no".into() };
        assert_eq!(forged.to_string(), "read a\\nb: no", "a key cannot forge a line");
    }

    #[test]
    fn an_upload_that_is_gone_is_told_from_a_bucket_that_is_gone() {
        assert!(refused(404, "NoSuchUpload").is_no_such_upload());
        assert!(refused(404, "HTTP 404").is_no_such_upload(), "an answer without a body");
        assert!(!refused(404, "NoSuchBucket").is_no_such_upload());
        assert!(!refused(403, "AccessDenied").is_no_such_upload());
    }

    #[test]
    fn each_failure_has_its_exit_code() {
        assert_eq!(Failure::Usage(String::new()).ending().code(), 2);
        assert_eq!(refused(500, "InternalError").ending().code(), 1);
        assert_eq!(Failure::Interrupted.ending().code(), 130);
    }
}
