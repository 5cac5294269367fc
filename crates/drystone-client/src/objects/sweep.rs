//! Deletes keys by the thousand, and accounts for each.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::failure::Failure;
use crate::target::Target;

/// Keys of one DeleteObjects. Source: Amazon S3 API Reference, "DeleteObjects".
pub const BATCH_KEYS: usize = 1_000;

/// Single deletes at a time, where a batch is not possible.
const AT_A_TIME: usize = 8;

/// Deletes from one bucket.
#[derive(Debug)]
pub struct Sweep {
    client: Client,
    bucket: String,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Batches,
    /// For servers without DeleteObjects.
    OneByOne,
}

/// A key that was to be deleted, and what became of it.
pub type Outcome = (String, Result<(), Failure>);

impl Sweep {
    /// Deletes from this bucket.
    pub fn new(client: Client, bucket: &str) -> Self {
        Self { client, bucket: bucket.to_owned(), way: Way::Batches }
    }

    /// Deletes these keys; a key that was not there counts as deleted. Outcomes are in the order of the keys.
    pub async fn delete(&mut self, keys: Vec<String>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(keys.len());
        let mut rest = keys.into_iter().peekable();
        while rest.peek().is_some() {
            let batch: Vec<String> = rest.by_ref().take(BATCH_KEYS).collect();
            // XML 1.0 has no form for some characters: such keys are named in the path of a request instead.
            let fits = batch.iter().all(|key| key.chars().all(is_xml));
            let is_batch = self.way == Way::Batches && fits && batch.len() > 1;
            outcomes.extend(if is_batch { self.batch(batch).await } else { self.singly(batch).await });
        }
        outcomes
    }

    async fn batch(&mut self, keys: Vec<String>) -> Vec<Outcome> {
        let named = keys.iter().map(|key| {
            ObjectIdentifier::builder()
                .key(key)
                .build()
                .expect("a key is all that an object identifier needs")
        });
        let delete = Delete::builder().set_objects(Some(named.collect())).quiet(true).build();
        let delete = delete.expect("objects are all that a deletion needs");
        let sent = self.client.delete_objects().bucket(&self.bucket).delete(delete).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                let failure = Failure::from_sdk(String::new(), &error);
                if matches!(failure.code(), Some("NotImplemented" | "MethodNotAllowed")) {
                    self.way = Way::OneByOne;
                    return self.singly(keys).await;
                }
                let refused = |key: &str| Failure::from_sdk(self.doing(key), &error);
                return keys.iter().map(|key| (key.clone(), Err(refused(key)))).collect();
            }
        };
        let errors = answer.errors();
        let outcome = |key: String| {
            let Some(error) = errors.iter().find(|error| error.key() == Some(&key)) else {
                return (key, Ok(()));
            };
            let refused = Failure::Refused {
                doing: self.doing(&key),
                status: 200,
                code: error.code().unwrap_or("InternalError").to_owned(),
                message: error.message().unwrap_or("the server gave no reason").to_owned(),
            };
            (key, Err(refused))
        };
        let mut outcomes: Vec<Outcome> = keys.into_iter().map(outcome).collect();
        // An error whose key nobody asked for must be one of ours in another spelling: it is not hidden.
        let found = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
        if found < errors.len() {
            let why = format!("the server names {} errors, of which {found} are of these keys", errors.len());
            for (key, outcome) in outcomes.iter_mut().filter(|(_, outcome)| outcome.is_ok()) {
                *outcome = Err(Failure::Nonsense { doing: self.doing(key), why: why.clone() });
            }
        }
        outcomes
    }

    async fn singly(&self, keys: Vec<String>) -> Vec<Outcome> {
        let delete = |key: String| async move {
            let sent = self.client.delete_object().bucket(&self.bucket).key(&key).send().await;
            let outcome = sent.map(drop).map_err(|error| Failure::from_sdk(self.doing(&key), &error));
            (key, outcome)
        };
        stream::iter(keys.into_iter().map(delete)).buffered(AT_A_TIME).collect().await
    }

    fn doing(&self, key: &str) -> String {
        format!("delete {}", Target { bucket: self.bucket.clone(), path: key.to_owned() })
    }
}

/// Whether XML 1.0 can hold the character. Source: XML 1.0, section 2.2, "Char".
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_xml_cannot_hold_are_known() {
        assert!("a b\n\r\tä石🧱".chars().all(is_xml));
        assert!(!['\0', '\u{1}', '\u{1b}', '\u{ffff}'].into_iter().any(is_xml));
    }
}
