//! Nothing in the repository may depend on the machine it was written on.

use std::env;

use crate::repository::{self, Text};
use crate::tidy::Finding;

/// Hosts of package registries: a package is named, never its address.
const HOSTS: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("files.python", "hosted.org"),
    concat!("deb.", "debian.org"),
];

/// No tracked file holds the path of this checkout, of the folder it stands in, or of the home folder.
pub(crate) fn no_path_of_this_machine(texts: &[Text]) -> Vec<Finding> {
    let mut paths = vec![repository::root().display().to_string()];
    paths.extend(repository::root().parent().map(|parent| format!("{}/", parent.display())));
    paths.extend(env::var("HOME").ok().map(|home| format!("{home}/")));
    paths.retain(|path| path.len() > 2);
    containing(texts, &paths, "a path of this machine: find it at run time")
}

/// No tracked file names the host of a package registry.
pub(crate) fn no_registry_host(texts: &[Text]) -> Vec<Finding> {
    let hosts: Vec<String> = HOSTS.iter().map(ToString::to_string).collect();
    containing(texts, &hosts, "the host of a package registry: name the package only")
}

fn containing(texts: &[Text], needles: &[String], says: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in texts {
        for (at, line) in text.text.lines().enumerate() {
            if needles.iter().any(|needle| line.contains(needle.as_str())) {
                findings.push(Finding::new(text, at + 1, says));
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
    fn this_checkouts_path_is_found() {
        let text = format!("first\ncd {}/target\n", repository::root().display());
        check(no_path_of_this_machine, "README.md", &text, &[2]);
    }

    #[test]
    fn a_registry_host_is_found() {
        check(
            no_registry_host,
            "a.json",
            concat!("\"resolved\": \"https://registry.", "npmjs.org/x\"\n"),
            &[1],
        );
    }
}
