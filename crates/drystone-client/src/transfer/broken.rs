//! A transfer that did not end well, and what became of its upload.

use crate::failure::Failure;
use crate::shell::quoted;

/// What became of an upload that was not completed.
#[derive(Debug)]
pub enum Fate {
    /// It was aborted; no part is left.
    Aborted,
    /// It could not be aborted: its parts may still take room.
    Left {
        /// Why not.
        why: Failure,
    },
}

/// An upload that was not completed.
#[derive(Debug)]
pub struct Unfinished {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its id.
    pub id: String,
    /// What became of it.
    pub fate: Fate,
}

/// A transfer that did not end well.
#[derive(Debug)]
pub struct Broken {
    /// Why.
    pub failure: Failure,
    /// The upload that it had begun, if it had.
    pub upload: Option<Unfinished>,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self { failure, upload: None }
    }
}

impl Unfinished {
    /// What became of it, in a sentence; `options` are those of the command that name the server.
    pub fn sentence(&self, options: &str) -> String {
        match &self.fate {
            Fate::Aborted => format!("the unfinished upload {} was aborted; nothing is left of it", self.id),
            Fate::Left { why } => {
                let command = abort_command(&self.bucket, &self.key, &self.id, options);
                format!(
                    "the unfinished upload {} could not be aborted, and its parts may still take room ({why}); to abort it:\n  {command}",
                    self.id
                )
            }
        }
    }
}

/// The command that aborts an upload, ready for a shell.
pub fn abort_command(bucket: &str, key: &str, id: &str, options: &str) -> String {
    let target = quoted(&format!("s3://{bucket}/{key}"));
    format!("drystone uploads abort {target} --id {}{options}", quoted(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_aborts_can_be_pasted_into_a_shell() {
        let command = abort_command("photos", "a b/it's\n$x", "id", " --endpoint-url http://127.0.0.1:9000");
        assert_eq!(
            command,
            "drystone uploads abort $'s3://photos/a b/it\\'s\\n$x' --id id --endpoint-url http://127.0.0.1:9000"
        );
    }

    #[test]
    fn an_upload_that_is_left_is_never_hidden() {
        let why = Failure::NoAnswer { doing: "abort".into(), why: "no server".into() };
        let (bucket, key, id) = ("photos".into(), "a".into(), "i7".into());
        let left = Unfinished { bucket, key, id, fate: Fate::Left { why } }.sentence("");
        assert!(left.contains("could not be aborted") && left.contains("abort: no server"), "{left}");
        assert!(left.ends_with("\n  drystone uploads abort s3://photos/a --id i7"), "{left}");
    }
}
