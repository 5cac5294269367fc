//! Rules about the documents: the architecture page names every crate and every design note, and everything that it
//! says must never be has a test of that name.

use std::path::Path;

use crate::repository::Text;
use crate::tidy::Finding;

/// The page that a newcomer reads second.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Every crate and every design note is named in ARCHITECTURE.md.
pub(crate) fn every_crate_and_design_is_linked(texts: &[Text]) -> Vec<Finding> {
    let page = texts.iter().find(|text| text.path == Path::new(ARCHITECTURE));
    let page = page.map_or("", |text| text.text.as_str());
    let mut findings = Vec::new();
    for text in texts {
        let crate_name = match text.path.strip_prefix("crates") {
            Ok(inside) if inside.ends_with("Cargo.toml") => {
                inside.parent().map(|folder| folder.display().to_string())
            }
            _ => None,
        };
        let note = text.path.starts_with("docs/design").then(|| text.path.display().to_string());
        for name in crate_name.into_iter().chain(note) {
            if !page.contains(&name) {
                findings.push(Finding::new(text, 1, format!("{ARCHITECTURE} does not name {name}")));
            }
        }
    }
    findings
}

/// The heading of the table of what must never be.
const INVARIANTS: &str = "## What must never be";

/// Every line of the table of what must never be ends with the name of a test that exists.
pub(crate) fn every_invariant_has_a_test(texts: &[Text]) -> Vec<Finding> {
    let Some(page) = texts.iter().find(|text| text.path == Path::new(ARCHITECTURE)) else {
        return Vec::new();
    };
    let section = page.text.lines().enumerate().skip_while(|(_, line)| *line != INVARIANTS);
    let rows = section
        .skip(1)
        .take_while(|(_, line)| !line.starts_with("## "))
        .filter(|(_, line)| line.starts_with('|') && line.contains('`'));
    let mut findings = Vec::new();
    for (at, row) in rows {
        let name = row.rsplit('`').nth(1).unwrap_or_default();
        let defined = format!("fn {name}(");
        if !texts.iter().any(|text| text.is_rust() && text.text.contains(&defined)) {
            findings.push(Finding::new(page, at + 1, format!("no test is named {name}")));
        }
    }
    findings
}

/// The page that describes every byte on disk.
const FORMAT: &str = "docs/format.md";

/// How a record declares its marker.
const MARKER: &str = "const MARKER: [u8; 2] = *b\"";

/// Every record's marker is in the description of the format.
pub(crate) fn format_describes_every_record(texts: &[Text]) -> Vec<Finding> {
    let page = texts.iter().find(|text| text.path == Path::new(FORMAT));
    let page = page.map_or("", |text| text.text.as_str());
    let mut findings = Vec::new();
    for text in texts.iter().filter(|text| text.is_rust() && text.path.starts_with("crates")) {
        for (at, line) in text.text.lines().enumerate() {
            let Some((_, rest)) = line.split_once(MARKER) else { continue };
            let marker = rest.split('"').next().unwrap_or_default();
            if !page.contains(&format!("| `{marker}` |")) {
                findings.push(Finding::new(
                    text,
                    at + 1,
                    format!("{FORMAT} does not describe record `{marker}`"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_design_note_that_nobody_links_is_found() {
        let text = |path: &str, text: &str| Text { path: path.into(), text: text.into() };
        let page = text(ARCHITECTURE, "`drystone-core`, [why](docs/design/0001-a.md)");
        let linked = [page, text("crates/drystone-core/Cargo.toml", ""), text("docs/design/0001-a.md", "")];
        assert_eq!(every_crate_and_design_is_linked(&linked), []);
        let lost = [text("crates/drystone-core/Cargo.toml", ""), text("docs/design/0002-b.md", "")];
        assert_eq!(every_crate_and_design_is_linked(&lost).len(), 2);
    }

    #[test]
    fn an_invariant_without_a_test_is_found() {
        let text = |path: &str, text: &str| Text { path: path.into(), text: text.into() };
        let table = "## What must never be\n\n| never | test |\n|---|---|\n| `a` is b | `a_is_not_b` |\n\n## More\n`x`\n";
        let page = text(ARCHITECTURE, table);
        let tested = [page, text("a.rs", "#[test]\nfn a_is_not_b() {}\n")];
        assert_eq!(every_invariant_has_a_test(&tested), []);
        let found = every_invariant_has_a_test(&tested[..1]);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [5], "{found:?}");
    }

    #[test]
    fn a_record_that_is_not_described_is_found() {
        let text = |path: &str, text: String| Text { path: path.into(), text };
        let page = text(FORMAT, "| `ob` | 1 | object | |\n".into());
        let code = text("crates/a/src/b.rs", format!("//! B.\n    {MARKER}ob\";\n    {MARKER}xy\";\n"));
        let found = format_describes_every_record(&[page, code]);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3], "{found:?}");
    }
}
