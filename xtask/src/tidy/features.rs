//! Rules about features that only tests may have: planted mistakes, and locks that a model checker schedules.
//!
//! The product must hold neither. One rule reads the manifests, so that no default and no dependency turns such a
//! feature on; the other asks cargo what the product is built with, which is what counts in the end.

use std::path::Path;

use crate::check::cargo;
use crate::repository::Text;
use crate::tidy::Finding;

/// Features that no manifest turns on.
const TEST_ONLY: &[&str] = &["planted", "shuttle", "fuzzing"];

/// The manifest of a program that is a test as a whole, and asks for what it drives.
const FUZZER: &str = "fuzz/Cargo.toml";

/// How cargo is asked for the features of every package in the product.
const RESOLVE: &[&str] = &[
    "tree",
    "--locked",
    "--package",
    "drystone",
    "--edges",
    "normal,build",
    "--prefix",
    "none",
    "--format",
    "{p} [{f}]",
];

/// No default feature, no other feature and no dependency turns on what only tests need.
pub(crate) fn no_manifest_turns_on_what_tests_need(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in
        texts.iter().filter(|text| text.path.ends_with("Cargo.toml") && text.path != Path::new(FUZZER))
    {
        let mut table = "";
        for (at, line) in text.text.lines().enumerate() {
            if let Some(name) = line.strip_prefix('[') {
                table = name.trim_end_matches(']');
                continue;
            }
            let Some((name, value)) = line.split('#').next().and_then(|line| line.split_once('=')) else {
                continue;
            };
            let feature = TEST_ONLY.iter().find(|feature| turns_on(value, feature));
            // Of the features themselves each may pass itself on.
            let own = table == "features" && feature.is_some_and(|feature| *feature == name.trim());
            if let Some(feature) =
                feature.filter(|_| !own && (table == "features" || table.contains("dependencies")))
            {
                let says = format!("`{feature}` is for tests, which ask for it on their command line");
                findings.push(Finding::new(text, at + 1, says));
            }
        }
    }
    findings
}

/// Whether a manifest's value names `feature`, of this crate or of another.
fn turns_on(value: &str, feature: &str) -> bool {
    value.split('"').skip(1).step_by(2).any(|name| name == feature || name.ends_with(&format!("/{feature}")))
}

/// Cargo builds the product without a planted mistake and without a scheduled lock.
pub(crate) fn product_is_built_without_mistakes(texts: &[Text]) -> Vec<Finding> {
    let Some(manifest) = texts.iter().find(|text| text.path.ends_with("crates/drystone/Cargo.toml")) else {
        return Vec::new();
    };
    match resolve(&[]) {
        Ok(packages) => packages
            .lines()
            .filter(|line| has_test_feature(line))
            .map(|line| Finding::new(manifest, 0, format!("the product is built with {line}")))
            .collect(),
        Err(why) => vec![Finding::new(
            manifest,
            0,
            format!("cargo does not say what the product is built with: {why}"),
        )],
    }
}

fn resolve(arguments: &[&str]) -> Result<String, String> {
    let mut command = cargo(RESOLVE);
    let output = command.args(arguments).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
    if output.status.success() { Ok(said.into_owned()) } else { Err(said.into_owned()) }
}

/// Whether a line `package [feature,feature]` names a feature of tests, or the model checker itself.
fn has_test_feature(line: &str) -> bool {
    let Some((package, features)) = line.split_once(" [") else { return false };
    package.starts_with("shuttle ")
        || features
            .trim_end_matches([']', '*', '(', ')', ' '])
            .split(',')
            .any(|name| TEST_ONLY.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::check;

    #[test]
    fn a_manifest_that_turns_a_mistake_on_is_found() {
        let text = "[features]\nplanted = [\"a/planted\"]\ndefault = [\"planted\"]\n\
                    [dependencies]\na = { workspace = true, features = [\"planted\"] }\nb.workspace = true\n";
        check(no_manifest_turns_on_what_tests_need, "crates/x/Cargo.toml", text, &[3, 5]);
    }

    #[test]
    fn the_product_holds_no_planted_mistake() {
        let product = resolve(&[]).unwrap();
        assert!(product.lines().any(|line| line.starts_with("drystone-core ")), "{product}");
        assert!(!product.lines().any(has_test_feature), "{product}");
        let planted = resolve(&["--features", "planted"]).unwrap();
        assert!(planted.lines().any(has_test_feature), "the question can be answered with yes: {planted}");
    }
}
