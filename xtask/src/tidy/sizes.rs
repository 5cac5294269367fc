//! The longest files and functions, and the marks that nothing may grow past without saying why.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::path::Path;

use crate::repository::Text;
use crate::tidy::Finding;

/// Lines of a file; a longer one says in its header why it is `long because` of what.
const FILE_LINES_MAX: usize = 800;

/// Lines of a function; a longer one has `long because` in the comment above it.
const FUNCTION_LINES_MAX: usize = 120;

/// How many of each the report shows.
const SHOWN: usize = 10;

/// The words that lift a mark.
const REASON: &str = "long because";

/// One function: where it starts, counted from 1, its name and its lines.
struct Function<'a> {
    path: &'a Path,
    line: usize,
    name: &'a str,
    lines: usize,
    has_reason: bool,
}

/// The ten longest files and functions, as a table.
pub(crate) fn report(texts: &[Text]) -> String {
    let mut files: Vec<(usize, &Path)> =
        rust(texts).map(|text| (text.text.lines().count(), text.path.as_path())).collect();
    files.sort_by_key(|(lines, _)| Reverse(*lines));
    let mut functions: Vec<Function<'_>> = rust(texts).flat_map(functions).collect();
    functions.sort_by_key(|function| Reverse(function.lines));
    let mut report = String::from("longest files\n");
    for (lines, path) in files.iter().take(SHOWN) {
        writeln!(report, "{lines:>6}  {}", path.display()).expect("a String takes every write");
    }
    report.push_str("longest functions\n");
    for function in functions.iter().take(SHOWN) {
        let Function { path, line, name, lines, .. } = function;
        writeln!(report, "{lines:>6}  {}:{line} {name}", path.display()).expect("a String takes every write");
    }
    report
}

/// No file and no function is longer than the mark without a reason.
pub(crate) fn nothing_grew_past_the_mark(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in rust(texts) {
        let lines = text.text.lines().count();
        let header = text.text.lines().take_while(|line| line.starts_with("//!"));
        if lines > FILE_LINES_MAX && !header.into_iter().any(|line| line.contains(REASON)) {
            findings.push(Finding::new(
                text,
                1,
                format!("{lines} lines: a file is one noun or one verb; split it"),
            ));
        }
        for function in functions(text).iter().filter(|f| f.lines > FUNCTION_LINES_MAX && !f.has_reason) {
            let says = format!("`{}` has {} lines: move its leaves out", function.name, function.lines);
            findings.push(Finding::new(text, function.line, says));
        }
    }
    findings
}

fn rust(texts: &[Text]) -> impl Iterator<Item = &Text> {
    texts.iter().filter(|text| text.is_rust())
}

/// The functions of a formatted file: from `fn` to the first line that is `}` at the same indentation.
fn functions(text: &Text) -> Vec<Function<'_>> {
    let lines: Vec<&str> = text.text.lines().collect();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = function_name(code) else { continue };
        let indentation = line.len() - code.len();
        let closes = |other: &&str| other.trim_start() == "}" && other.len() - 1 == indentation;
        let Some(length) = lines.iter().skip(at).position(closes) else { continue };
        let above = lines.iter().take(at).rev().take_while(|line| line.trim_start().starts_with(['/', '#']));
        let has_reason = above.into_iter().any(|line| line.contains(REASON));
        functions.push(Function { path: &text.path, line: at + 1, name, lines: length + 1, has_reason });
    }
    functions
}

/// The name, if this line begins a function whose body does not end on it.
fn function_name(code: &str) -> Option<&str> {
    let (before, after) = code.split_once("fn ")?;
    let qualifiers = ["pub", "pub(crate)", "pub(super)", "async", "const", "extern", "unsafe"];
    let begins = before.split_whitespace().all(|word| qualifiers.contains(&word));
    let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (begins && !name.is_empty() && !code.ends_with(['}', ';'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::check;

    fn long_function(comment: &str) -> String {
        let body = "        work();\n".repeat(FUNCTION_LINES_MAX);
        format!(
            "//! A.\nimpl A {{\n    {comment}\n    pub(crate) async fn long(&self) {{\n{body}    }}\n}}\n"
        )
    }

    #[test]
    fn a_long_function_is_found() {
        check(nothing_grew_past_the_mark, "a.rs", &long_function("// It is long."), &[4]);
        check(
            nothing_grew_past_the_mark,
            "a.rs",
            &long_function("// It is long because it is the table."),
            &[],
        );
    }

    #[test]
    fn a_long_file_is_found() {
        check(
            nothing_grew_past_the_mark,
            "a.rs",
            &format!("//! A.\n{}", "// x\n".repeat(FILE_LINES_MAX)),
            &[1],
        );
    }

    #[test]
    fn the_report_names_the_longest_function() {
        let texts = [Text { path: "a.rs".into(), text: long_function("// It is long.") }];
        assert!(report(&texts).contains("122  a.rs:4 long"), "{}", report(&texts));
    }
}
