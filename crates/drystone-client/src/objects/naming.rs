//! Which name a copy gets: pure rules, those of the AWS CLI, and a wall around the folder that is written to.
//!
//! A key is chosen by whoever may write to the bucket. One like `../../.ssh/authorized_keys` must not become a path,
//! and two keys must not become one file, so keys that are no plain relative path are refused by name.

use std::path::{Component, Path, PathBuf};

use crate::target::Target;

/// A target as a folder: its path is empty or ends in a slash, so that `2026` does not mean `2026-old`.
pub fn as_folder(mut target: Target) -> Target {
    if !target.path.is_empty() && !target.path.ends_with('/') {
        target.path.push('/');
    }
    target
}

/// The last name of a key: `wall.jpg` of `2026/wall.jpg`; `None` where that is no name for a file.
pub fn last_name(key: &str) -> Option<&str> {
    let name = key.rsplit('/').next()?;
    is_name(name).then_some(name)
}

/// The object that a file becomes: `to` itself, or in it when it is a bucket or ends in a slash.
pub fn object_of_file(name: &str, to: &Target) -> Target {
    let mut target = to.clone();
    if target.path.is_empty() || target.path.ends_with('/') {
        target.path.push_str(name);
    }
    target
}

/// The key of a file in a folder that is copied into `to`, a folder. `Err` says what is wrong with its name.
pub fn object_in_folder(relative: &Path, to: &Target) -> Result<Target, String> {
    let mut target = to.clone();
    for (at, part) in relative.components().enumerate() {
        let Component::Normal(part) = part else { return Err("it leaves its folder".into()) };
        let Some(part) = part.to_str() else {
            return Err("its name is not UTF-8, as every key is; rename it".into());
        };
        if at > 0 {
            target.path.push('/');
        }
        target.path.push_str(part);
    }
    Ok(target)
}

/// The path in `folder` of a key whose part behind the copied prefix is `relative`. `Err` says why there is none.
pub fn file_in_folder(relative: &str, folder: &Path) -> Result<PathBuf, String> {
    let mut path = folder.to_path_buf();
    for name in relative.split('/') {
        if !is_name(name) {
            let shown = if name.is_empty() { "an empty name" } else { name };
            return Err(format!(
                "as a path it would leave its folder or meet another key: it holds `{shown}`; copy it alone, to a \
                 name of your own"
            ));
        }
        path.push(name);
    }
    Ok(path)
}

/// Whether this can be the name of one file.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn a_folder_ends_in_a_slash() {
        for (typed, folder) in
            [("photos", ""), ("photos/a", "a/"), ("photos/a/", "a/"), ("photos/a//", "a//")]
        {
            assert_eq!(as_folder(target(typed)).path, folder);
        }
    }

    #[test]
    fn a_copy_into_a_folder_keeps_its_name() {
        assert_eq!(last_name("2026/wall.jpg"), Some("wall.jpg"));
        assert_eq!([last_name("2026/"), last_name("a/.."), last_name("")], [None; 3]);
        for (to, key) in [("photos", "a"), ("photos/d/", "d/a"), ("photos/d", "d")] {
            assert_eq!(object_of_file("a", &target(to)).path, key);
        }
        let relative = Path::new("d e/ä\n.txt");
        assert_eq!(object_in_folder(relative, &target("photos/x/")).unwrap().path, "x/d e/ä\n.txt");
        assert!(object_in_folder(Path::new("../x"), &target("photos")).is_err());
    }

    #[test]
    fn no_key_leaves_the_folder_or_meets_another() {
        let folder = Path::new("/srv/out");
        for relative in ["../x", "a/../../x", "..", "/etc/passwd", "a//b", "a/./b", ".", "", "a/", "a\0b"] {
            assert!(file_in_folder(relative, folder).is_err(), "{relative:?}");
        }
        for relative in ["a", "a/b c/…", "..a/b..", "...", "-", "~/x", "C:\\x", "a\nb"] {
            let path = file_in_folder(relative, folder).unwrap();
            assert_eq!(path.strip_prefix(folder).unwrap(), Path::new(relative));
            assert!(path.components().all(|part| part != Component::ParentDir), "{relative:?}");
        }
    }
}
