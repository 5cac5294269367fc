//! Rules about source text: descriptions, named imports, nothing unfinished, no test that waits for time.

use crate::repository::Text;
use crate::tidy::Finding;

/// Words that mark something as not done. Written in two parts so that this file does not hold them.
const UNFINISHED: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X:"),
    concat!("todo", "!("),
    concat!("#[", "ignore"),
];

/// Calls that wait for time in a test. Polling helpers wait on an event with a timeout instead.
const SLEEPS: &[&str] = &[concat!("time.", "sleep("), concat!("thread::", "sleep(")];

/// Every module opens by saying what it does: `//!` in Rust, a docstring in Python.
pub(crate) fn modules_open_with_a_description(texts: &[Text]) -> Vec<Finding> {
    let opens = |text: &Text| {
        if text.is_rust() {
            let tests = text.path.ends_with("tests.rs");
            tests || text.text.starts_with("//!")
        } else {
            !text.is_python() || text.text.is_empty() || text.text.starts_with("\"\"\"")
        }
    };
    let silent = texts.iter().filter(|text| !opens(text));
    silent
        .map(|text| Finding::new(text, 1, "say first what this module does, what it promises, and why"))
        .collect()
}

/// No glob imports: a reader finds where every name comes from. A file's own tests may name all of it.
pub(crate) fn imports_are_named(texts: &[Text]) -> Vec<Finding> {
    find(texts, Text::is_rust, |line| {
        let import = line.trim_start();
        let glob = (import.starts_with("use ") || import.starts_with("pub use ")) && import.contains("::*");
        (glob && import != "use super::*;").then_some("import names, not everything".to_owned())
    })
}

/// Nothing unfinished is committed.
pub(crate) fn nothing_is_unfinished(texts: &[Text]) -> Vec<Finding> {
    find(
        texts,
        |text| text.is_rust() || text.is_python(),
        |line| {
            let mark = UNFINISHED.iter().find(|mark| line.contains(**mark))?;
            Some(format!("`{mark}`: finish it, or file an issue and say in the text what is not done"))
        },
    )
}

/// No test waits for time: it waits for an event, with a limit.
pub(crate) fn tests_wait_for_events(texts: &[Text]) -> Vec<Finding> {
    find(
        texts,
        |text| text.is_rust() || text.is_python(),
        |line| {
            let call = SLEEPS.iter().find(|call| line.contains(**call))?;
            Some(format!("`{call}…)`: wait for the event itself, with a limit"))
        },
    )
}

/// The lines of the chosen files that `says` has something to say about.
fn find(texts: &[Text], choose: fn(&Text) -> bool, says: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in texts.iter().filter(|text| choose(text)) {
        for (at, line) in text.text.lines().enumerate() {
            findings.extend(says(line).map(|says| Finding::new(text, at + 1, says)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::check;

    #[test]
    fn a_module_without_a_description_is_found() {
        check(modules_open_with_a_description, "a.rs", "use std::fs;\n", &[1]);
        check(modules_open_with_a_description, "a.rs", "//! Reads files.\n", &[]);
        check(modules_open_with_a_description, "a.py", "import os\n", &[1]);
    }

    #[test]
    fn a_glob_import_is_found() {
        check(imports_are_named, "a.rs", "use a::b;\nuse a::*;\n    use super::*;\n", &[2]);
    }

    #[test]
    fn an_unfinished_mark_is_found() {
        check(nothing_is_unfinished, "a.rs", concat!("fn a() {\n    todo", "!()\n}\n"), &[2]);
    }

    #[test]
    fn a_sleeping_test_is_found() {
        check(tests_wait_for_events, "a.py", concat!("time.", "sleep(1)\n"), &[1]);
    }
}
