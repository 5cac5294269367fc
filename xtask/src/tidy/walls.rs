//! The walls between the rooms: who may depend on whom, and what the core never names.

use std::path::Path;

use crate::repository::Text;
use crate::tidy::Finding;

/// For each crate of the product, the crates of ours it may name outside of tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("drystone-core", &[]),
    ("drystone-store", &["drystone-core"]),
    ("drystone-server", &["drystone-core"]),
    ("drystone-client", &[]),
    ("drystone", &["drystone-core", "drystone-store", "drystone-server", "drystone-client"]),
];

/// What the core must not depend on: the wire, formats, engines, and the machine.
const NOT_IN_CORE: &[&str] = &[
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "hyper-util",
    "quick-xml",
    "serde_json",
    "rustls",
    "tokio-rustls",
    "fjall",
    "rustix",
    "getrandom",
    "clap",
    "anyhow",
    "toml",
    "metrics-exporter-prometheus",
    "tracing-subscriber",
];

/// What only the store may depend on: engines, and the operating system's file calls.
const STORE_ONLY: &[&str] = &["fjall", "rustix", "getrandom"];

/// Paths of the standard library that reach time, chance or the machine.
const DOORS_ONLY: &[&str] =
    &["std::fs", "std::net", "std::process", "SystemTime::now", "Instant::now", "std::env"];

/// What the product never holds: see `features`.
const NEVER_BUILT_IN: &str = "crates/drystone-core/src/planted.rs";

/// The core's manifest and sources name no HTTP, no XML, no JSON, no disk and no clock.
pub(crate) fn core_names_no_wire_and_no_disk(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in texts.iter().filter(|text| text.path.starts_with("crates/drystone-core")) {
        if text.path.ends_with("Cargo.toml") {
            for (line, name) in dependencies(&text.text, "dependencies") {
                if NOT_IN_CORE.contains(&name) {
                    findings.push(Finding::new(text, line, format!("the core must not depend on {name}")));
                }
            }
        } else if text.is_rust()
            && text.path.starts_with("crates/drystone-core/src")
            && text.path != Path::new(NEVER_BUILT_IN)
        {
            for (at, line) in text.text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if let Some(path) = DOORS_ONLY.iter().find(|path| code.contains(**path)) {
                    findings.push(Finding::new(
                        text,
                        at + 1,
                        format!("{path}: the core asks `world` or a door"),
                    ));
                }
            }
        }
    }
    findings
}

/// No crate depends on a crate of ours that the house does not give it; tests may use the simulator.
pub(crate) fn rooms_keep_their_arrows(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (room, allowed) in ARROWS {
        let manifest = format!("crates/{room}/Cargo.toml");
        let Some(text) = texts.iter().find(|text| text.path.ends_with(&manifest)) else { continue };
        for (line, name) in dependencies(&text.text, "dependencies") {
            if name.starts_with("drystone") && !allowed.contains(&name) {
                let says =
                    format!("{room} may not depend on {name}: see ARCHITECTURE.md, or write a design note");
                findings.push(Finding::new(text, line, says));
            }
        }
    }
    findings
}

/// No room but the store depends on an engine or on the operating system's file calls, tests included: so either
/// can be replaced without touching anybody else.
pub(crate) fn engines_stay_in_the_store(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in texts {
        let manifest = text.path.starts_with("crates") && text.path.ends_with("Cargo.toml");
        if !manifest || text.path.starts_with("crates/drystone-store") {
            continue;
        }
        for table in ["dependencies", "dev-dependencies"] {
            for (line, name) in dependencies(&text.text, table) {
                if STORE_ONLY.contains(&name) {
                    findings.push(Finding::new(
                        text,
                        line,
                        format!("{name} belongs behind a door, in drystone-store"),
                    ));
                }
            }
        }
    }
    findings
}

/// The names in one table of a manifest, with their line numbers.
pub(crate) fn dependencies<'a>(manifest: &'a str, table: &str) -> Vec<(usize, &'a str)> {
    let mut inside = false;
    let mut names = Vec::new();
    for (at, line) in manifest.lines().enumerate() {
        if let Some(name) = line.strip_prefix('[') {
            inside = name.trim_end_matches(']') == table;
        } else if inside && !line.starts_with('#') && line.contains('=') {
            let end = line.find(|c: char| c == '.' || c == '=' || c.is_whitespace()).unwrap_or(line.len());
            names.extend(line.get(..end).filter(|name| !name.is_empty()).map(|name| (at + 1, name)));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;
    use crate::tidy::testing::check;

    #[test]
    fn core_names_no_http() {
        assert_eq!(core_names_no_wire_and_no_disk(&repository::texts().unwrap()), []);
        let path = "crates/drystone-core/Cargo.toml";
        check(
            core_names_no_wire_and_no_disk,
            path,
            "[dependencies]\nbytes.workspace = true\nhyper = \"1\"\n",
            &[3],
        );
    }

    #[test]
    fn core_reads_no_clock_and_no_disk() {
        let path = "crates/drystone-core/src/a.rs";
        let text = "//! A.\n// std::fs is named in a comment\nuse std::fs;\nlet t = SystemTime::now();\n";
        check(core_names_no_wire_and_no_disk, path, text, &[3, 4]);
    }

    #[test]
    fn server_and_store_do_not_know_each_other() {
        assert_eq!(rooms_keep_their_arrows(&repository::texts().unwrap()), []);
        let path = "crates/drystone-server/Cargo.toml";
        let text = "[dependencies]\ndrystone-core.workspace = true\ndrystone-store.workspace = true\n";
        check(rooms_keep_their_arrows, path, text, &[3]);
        check(rooms_keep_their_arrows, path, "[dev-dependencies]\ndrystone-store.workspace = true\n", &[]);
    }

    #[test]
    fn client_reaches_no_storage() {
        let path = "crates/drystone-client/Cargo.toml";
        let text = "[dependencies]\ndrystone-core.workspace = true\ndrystone-store.workspace = true\n";
        check(rooms_keep_their_arrows, path, text, &[2, 3]);
    }

    #[test]
    fn sim_is_never_linked_into_the_product() {
        for (room, _) in ARROWS {
            let path = format!("crates/{room}/Cargo.toml");
            check(rooms_keep_their_arrows, &path, "[dependencies]\ndrystone-sim.workspace = true\n", &[2]);
            check(rooms_keep_their_arrows, &path, "[dev-dependencies]\ndrystone-sim.workspace = true\n", &[]);
        }
        let crates = repository::texts().unwrap();
        let names = crates.iter().filter_map(|text| {
            let folder =
                text.path.strip_prefix("crates").ok().filter(|inside| inside.ends_with("Cargo.toml"))?;
            folder.parent()?.to_str().map(ToOwned::to_owned)
        });
        for name in names.filter(|name| name != "drystone-sim") {
            assert!(
                ARROWS.iter().any(|(room, _)| *room == name),
                "{name} has no arrows: say which it may have"
            );
        }
    }

    #[test]
    fn only_the_store_names_engine_and_disk() {
        assert_eq!(engines_stay_in_the_store(&repository::texts().unwrap()), []);
        let text = "[dependencies]\nbytes.workspace = true\nfjall.workspace = true\n[dev-dependencies]\nrustix = \"1\"\n";
        check(engines_stay_in_the_store, "crates/drystone/Cargo.toml", text, &[3, 5]);
        check(engines_stay_in_the_store, "crates/drystone-store/Cargo.toml", text, &[]);
    }
}
