//! Rules about `Cargo.toml`: versions stand in the root only, and each dependency has a reason beside it.

use std::path::Path;

use crate::repository::Text;
use crate::tidy::Finding;
use crate::tidy::walls::dependencies;

/// The only manifests that may name a version: the workspace's, and that of the fuzzer, which stands outside of it.
const WITH_VERSIONS: &[&str] = &["Cargo.toml", "fuzz/Cargo.toml"];

fn manifests(texts: &[Text], with_versions: bool) -> impl Iterator<Item = &Text> {
    let all = texts.iter().filter(|text| text.path.file_name().is_some_and(|name| name == "Cargo.toml"));
    all.filter(move |text| WITH_VERSIONS.iter().any(|path| text.path == Path::new(path)) == with_versions)
}

/// A member's dependencies take their version from the workspace.
pub(crate) fn versions_stand_in_the_root(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in manifests(texts, false) {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (line, name) in dependencies(&text.text, table) {
                let row = text.text.lines().nth(line - 1).unwrap_or_default();
                let from_workspace = row.contains("workspace = true");
                if !from_workspace {
                    findings.push(Finding::new(
                        text,
                        line,
                        format!("{name}: put the version in the root Cargo.toml"),
                    ));
                }
            }
        }
    }
    findings
}

/// A dependency says why it is there, in a comment on its line or on the line above.
pub(crate) fn dependencies_give_a_reason(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in manifests(texts, true) {
        for table in ["workspace.dependencies", "dependencies"] {
            for (line, name) in dependencies(&text.text, table) {
                let row = text.text.lines().nth(line - 1).unwrap_or_default();
                if !name.starts_with("drystone") && !row.contains('#') {
                    findings.push(Finding::new(
                        text,
                        line,
                        format!("{name}: say why it is needed, after a #"),
                    ));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::check;

    #[test]
    fn a_version_in_a_member_is_found() {
        let text =
            "[dependencies]\na.workspace = true\nb = \"1\"\nc = { workspace = true, features = [\"x\"] }\n";
        check(versions_stand_in_the_root, "crates/x/Cargo.toml", text, &[3]);
        check(versions_stand_in_the_root, "Cargo.toml", text, &[]);
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let text = "[workspace.dependencies]\na = \"1\" # it counts\nb = \"1\"\n";
        check(dependencies_give_a_reason, "Cargo.toml", text, &[3]);
    }
}
