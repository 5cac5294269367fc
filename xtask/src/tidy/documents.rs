//! Rules about the documents: the architecture page names every crate and every design note.

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
}
