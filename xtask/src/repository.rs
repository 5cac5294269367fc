//! Where the project's files are, seen from this program.
//!
//! Every path is found from the manifest that cargo runs this program by, so that `cargo xtask` works from any folder,
//! and is never about another work tree that shares the target folder, and so the program, with this one.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};

/// The repository's root folder.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
        let folder = manifest.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        folder.parent().expect("xtask is a folder of the repository").to_owned()
    });
    &ROOT
}

/// Where cargo puts what it builds: `CARGO_TARGET_DIR` if set, else `target`.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The git-ignored folder that holds what the tests install: a Python environment, node modules, jars.
pub(crate) fn cache() -> PathBuf {
    root().join(".cache")
}

/// Every file that git tracks or would track, relative to the root.
///
/// # Errors
/// When git is missing or the root is not a work tree.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .context("run git ls-files")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let listed = String::from_utf8(output.stdout).context("read git's list of files")?;
    let mut files: Vec<PathBuf> =
        listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    // A file deleted but not yet committed is still listed.
    files.retain(|file| root().join(file).is_file());
    files.sort();
    Ok(files)
}

/// A tracked text file: its path from the root and its text.
pub(crate) struct Text {
    /// Path relative to the root.
    pub(crate) path: PathBuf,
    /// The whole content.
    pub(crate) text: String,
}

/// Reads every tracked file that is text; binary files (golden records, keys) are left out.
///
/// # Errors
/// When a listed file cannot be read.
pub(crate) fn texts() -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    for path in files()? {
        let bytes = fs::read(root().join(&path)).with_context(|| format!("read {}", path.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            texts.push(Text { path, text });
        }
    }
    Ok(texts)
}

impl Text {
    /// Whether this is a Rust source file.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.extension() == Some(OsStr::new("rs"))
    }

    /// Whether this is a Python source file.
    pub(crate) fn is_python(&self) -> bool {
        self.path.extension() == Some(OsStr::new("py"))
    }
}
