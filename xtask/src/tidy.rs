//! The project's own rules, which no compiler and no lint knows, and the longest files and functions.
//!
//! Each rule looks at the tracked files only and says what is wrong, where, and what to do. The rules keep the
//! walls between the rooms, the versions in one place, and this machine's paths out of the repository.

mod sources;

mod walls;

mod manifests;

mod features;

mod machine;

mod sizes;

mod documents;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::repository::{self, Text};

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: PathBuf,
    /// Counted from 1; 0 when the rule is about the whole file.
    line: usize,
    says: String,
}

impl Finding {
    fn new(text: &Text, line: usize, says: impl Into<String>) -> Finding {
        Finding { path: text.path.clone(), line, says: says.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.says)
    }
}

/// A rule reads every tracked text and reports what breaks it.
type Rule = fn(&[Text]) -> Vec<Finding>;

/// Every rule.
const RULES: &[Rule] = &[
    sources::modules_open_with_a_description,
    sources::imports_are_named,
    sources::nothing_is_unfinished,
    sources::tests_wait_for_events,
    walls::core_names_no_wire_and_no_disk,
    walls::rooms_keep_their_arrows,
    walls::engines_stay_in_the_store,
    manifests::versions_stand_in_the_root,
    manifests::dependencies_give_a_reason,
    features::no_manifest_turns_on_what_tests_need,
    features::product_is_built_without_mistakes,
    machine::no_path_of_this_machine,
    machine::no_registry_host,
    sizes::nothing_grew_past_the_mark,
    documents::every_crate_and_design_is_linked,
    documents::every_invariant_has_a_test,
    documents::format_describes_every_record,
];

/// `cargo xtask tidy`: prints sizes and findings; `false` when there is a finding.
///
/// # Errors
/// When the tracked files cannot be read.
pub(crate) fn run() -> Result<bool> {
    let texts = repository::texts()?;
    println!("{}", sizes::report(&texts));
    let findings = findings(&texts);
    for finding in &findings {
        println!("{finding}");
    }
    println!("{} findings", findings.len());
    Ok(findings.is_empty())
}

/// The same rules as a stage: an error that lists the findings.
///
/// # Errors
/// When a rule is broken or the tracked files cannot be read.
pub(crate) fn check() -> Result<()> {
    let findings = findings(&repository::texts()?);
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    bail!("{} findings\n{}", findings.len(), lines.join("\n"))
}

fn findings(texts: &[Text]) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(texts)).collect()
}

#[cfg(test)]
mod testing {
    //! One made-up file for a rule's test.
    use super::{Finding, Text};

    /// What `rule` says of one file with this path and text: the lines of its findings.
    pub(crate) fn check(rule: fn(&[Text]) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
        let found = rule(&[Text { path: path.into(), text: text.to_owned() }]);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), lines, "{found:?}");
    }
}
